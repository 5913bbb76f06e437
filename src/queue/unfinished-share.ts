/** What a share group has not finished of a partition: not settled, and neither dead nor kept. */
import { SlotState } from './record-state.ts';
import type { SharePartition } from './share-partition.ts';
import type { OffsetRange } from './unread-ranges.ts';

/** The first such offset from `from` on, which may be one that has no record yet. O(slots) */
export function firstUnfinished({ unread, table }: SharePartition, from: number): number {
  let first = unread.next(from).from;
  for (const slot of table.slots()) {
    const offset = table.offsetAt(slot);
    if (offset >= from && offset < first) first = offset;
  }
  return first;
}

/** How many there are in a range: what is leased counts, and so do unread offsets without a record. O(slots) */
export function unfinishedCount(
  { unread, table }: SharePartition,
  { from, to }: OffsetRange,
): number {
  let count = unread.countBelow(to) - unread.countBelow(from);
  for (const slot of table.slots()) {
    const offset = table.offsetAt(slot);
    if (offset >= from && offset < to) count++;
  }
  return count;
}

/** The first from `from` on that nobody has leased, or is burying. O(slots) */
export function firstUnleased({ unread, table }: SharePartition, from: number): number {
  let first = unread.next(from).from;
  for (const slot of table.slots()) {
    const offset = table.offsetAt(slot);
    const isFree = table.stateAt(slot) !== SlotState.acquired && !table.isPending(slot);
    if (isFree && offset >= from && offset < first) first = offset;
  }
  return first;
}

/** Whether it is unfinished, and nobody has it leased or buries it. */
export function isUnleased(partition: SharePartition, offset: number): boolean {
  return partition.isUnleased(offset) && !partition.dead.has(offset);
}
