/** What the journal knows of consumer groups: entries, and the state that they add up to. */
import { present } from '../core/assert.ts';
import { list, map, struct, text, uint, type ValueOf } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { sets, type Fold, type Reducer } from '../journal/fold.ts';

/** Where a group stands in a partition: the next offset to read. */
const position = struct({
  offset: uint,
  /** Log epoch of the record before; 0 = none was read. */
  epoch: uint,
  /** The caller's, as text. */
  metadata: text,
  timeMs: uint,
});

export type CommittedPosition = Readonly<ValueOf<typeof position>>;

const change = struct({
  partition: uint,
  logId: uint,
  offset: uint,
  epoch: uint,
  metadata: text,
});

export type PositionChange = Readonly<ValueOf<typeof change>>;

const groupPositions = struct({ topicId: uint, group: text, positions: list(change) });

export type GroupPositions = ValueOf<typeof groupPositions>;

/** Positions were committed by members. The first of a group makes it; none stands in it twice. */
export const offsetsCommitted = entryType({
  kind: 20,
  name: 'offsets-committed',
  fields: { groups: list(groupPositions), timeMs: uint },
});

/** Positions were set by hand, while the group had no members. */
export const groupReset = entryType({
  kind: 21,
  name: 'group-reset',
  fields: { topicId: uint, group: text, positions: list(change), timeMs: uint },
});

export const groupDeleted = entryType({
  kind: 22,
  name: 'group-deleted',
  fields: { topicId: uint, group: text },
});

const groupState = struct({
  topicId: uint,
  group: text,
  createdTimeMs: uint,
  positions: map(uint, position),
});

export type GroupState = ValueOf<typeof groupState>;

export interface GroupName {
  readonly topicId: number;
  readonly group: string;
}

/** A group is of one topic: one of the same name may read another. */
export function groupId({ topicId, group }: GroupName): string {
  return `${topicId}/${group}`;
}

/** The highest position of any group in a partition: offsets below were handed out. */
export function namedOffset(fold: Fold, topicId: number, partition: number): number {
  const prefix = groupId({ topicId, group: '' });
  let offset = 0;
  for (const id of fold.ids(groups)) {
    if (!id.startsWith(prefix)) continue;
    offset = Math.max(offset, fold.get(groups, id)?.positions.get(partition)?.offset ?? 0);
  }
  return offset;
}

/** The way back. */
export function groupNameOf(id: string): { readonly topicId: number; readonly name: string } {
  const at = id.indexOf('/');
  return { topicId: Number(id.slice(0, at)), name: id.slice(at + 1) };
}

function withPositions(
  state: GroupState | null,
  { topicId, group, positions }: GroupPositions,
  timeMs: number,
): GroupState {
  const next = state ?? { topicId, group, createdTimeMs: timeMs, positions: new Map() };
  for (const { partition, offset, epoch, metadata } of positions) {
    next.positions.set(partition, { offset, epoch, metadata, timeMs });
  }
  return next;
}

/** One instance per group. */
export const groups: Reducer<GroupState> = {
  name: 'group',
  state: groupState,
  rules: [
    sets(offsetsCommitted, {
      id: (entry) => entry.groups.map(groupId),
      set: (state: GroupState | null, entry, at) =>
        withPositions(state, present(entry.groups[at], 'one of its ids'), entry.timeMs),
    }),
    sets(groupReset, {
      id: groupId,
      set: (state: GroupState | null, entry) => withPositions(state, entry, entry.timeMs),
    }),
    // Also of one that is gone: a journal that says it twice is no damage.
    sets(groupDeleted, { id: groupId, set: (): GroupState | null => null }),
  ],
};
