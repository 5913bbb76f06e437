/** What opening a log found and did. */
import type { CorruptLogDetails } from '../core/errors.ts';
import { nextOffsetOf, type BatchHeader } from '../format/batch-header.ts';

/** Offsets that no record has any more, and where their damage was. */
export interface LogGap {
  readonly firstOffset: number;
  /** First offset after the gap. */
  readonly nextOffset: number;
  readonly file: string;
  readonly position: number;
}

/** What the gap batch with `header` stands for. */
export function gapOf(file: string, header: BatchHeader): LogGap {
  const { baseOffset: firstOffset, position } = header;
  return { firstOffset, nextOffset: nextOffsetOf(header), file, position };
}

export interface RecoveryReport {
  /**
   * `created`: there was no log. `clean`: the checkpoint was the end. `recovered`: a tail was
   * adopted or cut. `skipped`: damage was replaced by gaps. `readonly`: nothing was changed.
   */
  readonly outcome: 'created' | 'clean' | 'recovered' | 'skipped' | 'readonly';
  /** Bytes whose checksums were computed. */
  readonly verifiedBytes: number;
  /** Bytes past the checkpoint that were kept, written again and synced. */
  readonly rewrittenBytes: number;
  /** Bytes of a torn tail that were cut off. */
  readonly cutBytes: number;
  /** Where those bytes are kept. */
  readonly quarantined: readonly string[];
  readonly gaps: readonly LogGap[];
  /** The damage that made the log read-only (`onCorruption: 'readonly'`); null when there is none. */
  readonly damage: CorruptLogDetails | null;
  /** Things worth knowing that harmed nothing, as sentences. */
  readonly notes: readonly string[];
  readonly durationMs: number;
}
