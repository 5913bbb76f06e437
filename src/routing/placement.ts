/**
 * To which partition of a destination the copy of a record goes. The same whenever the copy is made: it
 * depends on the record, and on how many partitions there were in the record's version.
 */
import { partitionOfKeyIn } from '../topic/partitioner.ts';

/** Where the key of a record stands, as cursors tell it. */
export interface KeyPlace {
  readonly bytes: Uint8Array;
  /** Means nothing without a key. */
  readonly keyStart: number;
  /** -1 = no key. */
  readonly keyBytes: number;
}

/**
 * With a key that of everybody else who appends this key; without one, taking turns.
 *
 * @param sourceOffset  of the record, in the source log of its exchange
 */
export function partitionOfCopy(
  key: KeyPlace,
  sourceOffset: number,
  partitionCount: number,
): number {
  if (partitionCount === 1) return 0; // No need to hash.
  return key.keyBytes < 0 ? sourceOffset % partitionCount : partitionOfKeyIn(key, partitionCount);
}
