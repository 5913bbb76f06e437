/** When a batch ends, and when a new segment begins. */
import type { Compressor } from '../format/compression.ts';
import type { CompactionSettings } from './compaction-options.ts';

/** What is to be compacted after a time must be in a sealed segment then. */
export interface RollPolicy extends Pick<CompactionSettings, 'compaction' | 'compactionLagMsMax'> {
  readonly segmentBytesMax: number;
  /** Infinity = never by age. */
  readonly segmentAgeMsMax: number;
}

/** May change from one batch to the next. */
export interface BatchPolicy extends RollPolicy {
  /** Where a batch is closed: bytes before compression. */
  readonly batchBytesMax: number;
  /** Null: batches are stored as they are. */
  readonly compressor: Compressor | null;
}

/** Whether a batch of `incomingBytes` must start a new segment. */
export function shouldRoll(
  active: { readonly sizeBytes: number; readonly ageMs: number; readonly isEmpty: boolean },
  incomingBytes: number,
  policy: RollPolicy,
): boolean {
  if (active.isEmpty) return false; // A batch above the limit still gets a segment of its own.
  if (active.sizeBytes + incomingBytes > policy.segmentBytesMax) return true;
  const { segmentAgeMsMax, compaction, compactionLagMsMax } = policy;
  const lagMsMax = compaction === 'off' ? null : compactionLagMsMax;
  return active.ageMs >= Math.min(segmentAgeMsMax, lagMsMax ?? Number.POSITIVE_INFINITY);
}
