/** When a batch ends, and when a new segment begins. */
import type { Compressor } from '../format/compression.ts';

export interface RollPolicy {
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
  return active.ageMs >= policy.segmentAgeMsMax;
}
