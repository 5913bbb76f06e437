/**
 * Binary search over one ascending column of an index.
 *
 * @hot Free functions, numbers in and out; `test/support/reference/index-search.ts` is the slow twin.
 */

/**
 * Slot of the greatest key at or below `target` among the first `count` keys, or -1.
 *
 * Keys ascend; of equal keys the last is found. O(log count), no allocation.
 */
export function floorSlot(keys: Float64Array | Uint32Array, count: number, target: number): number {
  let low = 0;
  let high = count; // Every slot below `low` is <= target; every slot from `high` on is > target.
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as number) <= target)
      low = middle + 1; // middle < count <= keys.length
    else high = middle;
  }
  return low - 1;
}
