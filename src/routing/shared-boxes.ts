/**
 * Which logs share a box: those that have had the same records since their last batch. A record is copied
 * once for each box, however many logs there are.
 */
import type { Outbox } from './outbox.ts';

/** A log that is fed. */
export interface BoxOwner {
  /** Where its next batch grows; null = it has not begun. */
  readonly box: Outbox | null;
  /** Has it go on alone, in a copy if it shared a box. */
  ownBox(): Outbox;
  /** Has it go on in this box, which holds what its own did. */
  shareBox(box: Outbox): void;
}

/**
 * Finds the boxes of logs that get the same records from here on, each once. Such as have begun no batch
 * begin one together; those that share a box with others, which are not among them, go on in a copy.
 *
 * @param boxes  filled anew
 * @returns whether some went on in a copy: the boxes of other lists of logs are not what they were
 *
 * @hot No allocation; three looks at each owner.
 */
export function shareBoxes(owners: readonly BoxOwner[], boxes: Outbox[]): boolean {
  boxes.length = 0;
  for (const { box } of owners) if (box !== null) box.metCount++;
  let fresh: Outbox | null = null;
  let hasSplit = false;
  for (const owner of owners) {
    const { box } = owner;
    if (box === null && fresh !== null) {
      owner.shareBox(fresh);
    } else if (box === null) {
      fresh = owner.ownBox();
      boxes.push(fresh);
    } else if (box.metCount > 0) {
      const areAllHere = box.metCount === box.ownerCount;
      box.metCount = 0;
      boxes.push(areAllHere ? box : leave(box, owner, owners));
      hasSplit ||= !areAllHere;
    }
  }
  return hasSplit;
}

/** Moves all of `owners` that share `box` to a copy of it. */
function leave(box: Outbox, first: BoxOwner, owners: readonly BoxOwner[]): Outbox {
  const copy = first.ownBox();
  for (const owner of owners) if (owner.box === box) owner.shareBox(copy);
  return copy;
}
