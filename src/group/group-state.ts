/** What the journal knows of consumer groups: entries, and the state that they add up to. */
import { list, map, struct, text, uint, type ValueOf } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { sets, type Reducer } from '../journal/fold.ts';

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

/** Positions were committed by members. The first such entry makes the group. */
export const offsetsCommitted = entryType({
  kind: 20,
  name: 'offsets-committed',
  fields: { topicId: uint, group: text, positions: list(change), timeMs: uint },
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

interface GroupName {
  readonly topicId: number;
  readonly group: string;
}

/** A group is of one topic: one of the same name may read another. */
export function groupId({ topicId, group }: GroupName): string {
  return `${topicId}/${group}`;
}

/** The way back. */
export function groupNameOf(id: string): { readonly topicId: number; readonly name: string } {
  const at = id.indexOf('/');
  return { topicId: Number(id.slice(0, at)), name: id.slice(at + 1) };
}

type PositionsEntry = ValueOf<(typeof offsetsCommitted)['fields'][number]>;

function withPositions(state: GroupState | null, entry: PositionsEntry): GroupState {
  const { topicId, group, timeMs } = entry;
  const next = state ?? { topicId, group, createdTimeMs: timeMs, positions: new Map() };
  for (const { partition, offset, epoch, metadata } of entry.positions) {
    next.positions.set(partition, { offset, epoch, metadata, timeMs });
  }
  return next;
}

/** One instance per group. */
export const groups: Reducer<GroupState> = {
  name: 'group',
  state: groupState,
  rules: [
    sets(offsetsCommitted, { id: groupId, set: withPositions }),
    sets(groupReset, { id: groupId, set: withPositions }),
    // Also of one that is gone: a journal that says it twice is no damage.
    sets(groupDeleted, { id: groupId, set: (): GroupState | null => null }),
  ],
};
