/** Every small change to what a share group keeps of a partition in typed arrays and ranges. */
import { SlotState } from '../../src/queue/record-state.ts';
import type { SharePartition } from '../../src/queue/share-partition.ts';
import { UnreadRanges } from '../../src/queue/unread-ranges.ts';
import type { StateChange } from './state-changes.ts';

type Table = SharePartition['table'];

/** Each column of each slot that entries determine; a slot less; a slot at another offset. */
export function* changesOfSlots(
  partition: SharePartition,
  path: string,
): Generator<StateChange, void, void> {
  const { table } = partition;
  for (const slot of table.sortedSlots()) {
    const at = `${path}.slot ${table.offsetAt(slot)}`;
    yield* columnChanges(table, slot, at);
    if (table.stateAt(slot) !== SlotState.acquired) yield timeChange(table, slot, at);
    yield stateChange(table, slot, at);
    yield* placeChanges(partition, slot, at);
  }
}

function* columnChanges(
  table: Table,
  slot: number,
  at: string,
): Generator<StateChange, void, void> {
  const { attempts, failures, expiries, crashes } = {
    attempts: table.attemptsAt(slot),
    failures: table.failuresAt(slot),
    expiries: table.expiriesAt(slot),
    crashes: table.crashesAt(slot),
  };
  const columns = {
    attempts: (by: number) => table.setAttempts(slot, attempts + by),
    failures: (by: number) => table.setFailures(slot, failures + by),
    expiries: (by: number) => table.setExpiries(slot, expiries + by),
    crashes: (by: number) => table.setCrashes(slot, crashes + by),
  };
  for (const [name, add] of Object.entries(columns)) {
    yield {
      path: `${at} ${name}`,
      during: between(
        () => add(1),
        () => add(0),
      ),
    };
  }
}

function timeChange(table: Table, slot: number, at: string): StateChange {
  const timeMs = table.timeAt(slot);
  const set = (by: number) => table.setTime(slot, timeMs + by);
  return {
    path: `${at} time`,
    during: between(
      () => set(1),
      () => set(0),
    ),
  };
}

/** Leased or not. */
function stateChange(table: Table, slot: number, at: string): StateChange {
  const before = table.stateAt(slot);
  const other = before === SlotState.acquired ? SlotState.available : SlotState.acquired;
  return {
    path: `${at} state`,
    during: between(
      () => table.setState(slot, other),
      () => table.setState(slot, before),
    ),
  };
}

function* placeChanges(
  partition: SharePartition,
  slot: number,
  at: string,
): Generator<StateChange, void, void> {
  const { table } = partition;
  const offset = table.offsetAt(slot);
  const isLeased = table.stateAt(slot) === SlotState.acquired;
  const before = { offset, dueMs: table.timeAt(slot), isLeased, ...partition.trialsAt(slot) };
  const other = 1000 + offset;
  const remove = (which: number) => table.remove(table.find(which));
  yield {
    path: `${at} removed`,
    during: between(
      () => remove(offset),
      () => partition.place(before),
    ),
  };
  yield {
    path: `${at} twice`,
    during: between(
      () => partition.place({ ...before, offset: other }),
      () => remove(other),
    ),
  };
}

/** Each bound of a range; a range less. */
export function* changesOfUnread(
  partition: SharePartition,
  path: string,
): Generator<StateChange, void, void> {
  const { unread } = partition;
  const pairs = unread.toPairs();
  const restore = () => (partition.unread = unread);
  const become = (other: readonly number[]) => (partition.unread = UnreadRanges.ofPairs(other));
  for (const at of pairs.keys()) {
    const bound = pairs[at] ?? 0;
    const other = pairs.with(at, bound + 1);
    yield { path: `${path}.unread[${at}]`, during: between(() => become(other), restore) };
  }
  if (pairs.length < 3) return;
  const fewer = pairs.slice(2);
  yield { path: `${path}.unread removed`, during: between(() => become(fewer), restore) };
}

/** Makes a change, looks, and takes it back. */
export function between(change: () => unknown, restore: () => unknown): StateChange['during'] {
  return (look) => {
    change();
    try {
      return look();
    } finally {
      restore();
    }
  };
}
