/** What a compaction is asked for, and what it answers. */
import { checkSignal } from '../core/abort.ts';
import { checkFunction, checkInteger } from '../core/assert.ts';
import { COMPACTION_BYTES_PER_SECOND_MIN } from '../core/limits.ts';
import { plainOptions } from '../core/options.ts';
import type { CompactionLimit } from './compaction-plan.ts';

export interface CompactOptions {
  /** Bytes read and written per second, at least 64 KiB; default null = as fast as it goes. */
  readonly bytesPerSecondMax?: number | null | undefined;
  /** Ends it, with the signal's reason: the segments that were rewritten stay so. */
  readonly signal?: AbortSignal | undefined;
  /** Hears how far it is, now and then, and at the end of each segment. What it throws ends it. */
  readonly onProgress?: ((progress: CompactionProgress) => void) | undefined;
}

/** How far a compaction is. */
export interface CompactionProgress {
  /** `keys`: they are read, of what was not compared yet; `rewriting`: segments are, oldest first. */
  readonly phase: 'keys' | 'rewriting';
  /** From 1. */
  readonly pass: number;
  /** Of the phase; bytes of segments as they were when it began. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** So far, of all passes. */
  readonly freedBytes: number;
}

/** What a compaction would do, or has done, to the segments below `limitOffset`. */
export interface CompactionPlan {
  /** As it was: nothing below is superseded by anything below. From here to the limit it is dirty. */
  readonly cleanOffset: number;
  /** Segments that end behind it are left alone. */
  readonly limitOffset: number;
  readonly limitedBy: CompactionLimit;
  /** Below the limit. */
  readonly segmentCount: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Of what was dirty; in each pass anew. */
  readonly keyCount: number;
  /** Records without a key, which all stay, in the segments that were read. */
  readonly keylessCount: number;
  /** Records that go, for later ones of their keys. */
  readonly supersededCount: number;
  /** Tombstones that are not superseded, those that go among them. */
  readonly tombstoneCount: number;
  readonly droppedTombstoneCount: number;
  /** More than one where the keys need more memory than `compactionMapBytesMax`. */
  readonly passCount: number;
  /** Room on the disk beyond `freeBytesMin`, for one new segment at a time; of a plan: about. */
  readonly neededFreeBytes: number;
}

export interface CompactionResult extends CompactionPlan {
  readonly rewrittenSegmentCount: number;
  readonly durationMs: number;
}

/** `CompactOptions`, checked. */
export interface CheckedCompactOptions {
  readonly bytesPerSecondMax: number | null;
  readonly signal: AbortSignal | null;
  readonly onProgress: ((progress: CompactionProgress) => void) | null;
}

const KNOWN: ReadonlySet<string> = new Set<keyof CompactOptions>([
  'bytesPerSecondMax',
  'signal',
  'onProgress',
]);

/** @throws TypeError, RangeError */
export function checkCompactOptions(given: CompactOptions): CheckedCompactOptions {
  const { bytesPerSecondMax = null, signal, onProgress } = plainOptions(given, KNOWN);
  checkSignal('signal', signal);
  if (onProgress !== undefined) checkFunction('onProgress', onProgress);
  return {
    bytesPerSecondMax:
      bytesPerSecondMax === null
        ? null
        : checkInteger('bytesPerSecondMax', bytesPerSecondMax, {
            min: COMPACTION_BYTES_PER_SECOND_MIN,
          }),
    signal: signal ?? null,
    onProgress: onProgress ?? null,
  };
}
