/** The slow twin of `floorSlot`: what it means, in one line. */
export function referenceFloorSlot(keys: ArrayLike<number>, count: number, target: number): number {
  return Array.from(keys)
    .slice(0, count)
    .findLastIndex((key) => key <= target);
}
