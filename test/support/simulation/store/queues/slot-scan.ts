/** The counters of a group beside a scan of all that they count. */
import { SlotState } from '../../../../../src/queue/record-state.ts';
import type { SharePartition } from '../../../../../src/queue/share-partition.ts';
import type { StoreWorld } from '../store-world.ts';

/** Complains about counters that are not what is there. */
export function checkSlots({ table, dead, unread }: SharePartition, { fault }: StoreWorld): void {
  const counts = { free: 0, available: 0, delayed: 0, acquired: 0 };
  const names = Object.keys(SlotState);
  let last = -1;
  for (const slot of table.sortedSlots()) {
    const name = names[table.stateAt(slot)] ?? '';
    counts[name as keyof typeof counts]++;
    const offset = table.offsetAt(slot);
    if (offset <= last) fault('slots', `offset ${offset} follows ${last}`);
    if (table.find(offset) !== slot) fault('slots', `offset ${offset} is not found`);
    if (unread.has(offset)) fault('slots', `offset ${offset} has a slot, and is unread`);
    if (dead.has(offset)) fault('slots', `offset ${offset} has a slot, and is dead`);
    last = offset;
  }
  const found = [table.availableCount, table.delayedCount, table.leasedCount, table.count];
  const { free, available, delayed, acquired } = counts;
  const wanted = [available, delayed, acquired, available + delayed + acquired];
  if (free > 0) fault('slots', `${free} slots without a record`);
  if (found.join() !== wanted.join()) {
    fault(
      'counters',
      `${found.join()} are available, delayed, leased, in all, not ${wanted.join()}`,
    );
  }
}
