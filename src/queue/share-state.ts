/** The state of share groups: a fold over what the journal says of them. */
import { flag, map, struct, text, uint, type ValueOf } from '../journal/entry-fields.ts';
import type { EntryType } from '../journal/entry-type.ts';
import { begins, changes, sets, type Fold, type Reducer, type Rule } from '../journal/fold.ts';
import {
  leasesEnded,
  leasesOpened,
  purgeUndone,
  recordsAcquired,
  recordsDied,
  recordsRemoved,
  recordsRevived,
  shareGroupAltered,
  shareGroupCreated,
  shareGroupDeleted,
  sharePaused,
  sharePurged,
  shareStarted,
  shareTrimmed,
} from './share-entries.ts';
import { eachOffset } from './offset-runs.ts';
import { QUEUE_GROUP } from './queue-group.ts';
import { firstPurgedOffset, SharePartition } from './share-partition.ts';
import { TALLY_NAMES } from './share-tally.ts';
import type { Settling } from '../topic/topic-home.ts';
import { sharePartition } from './share-partition-field.ts';
import { shareSettings } from './share-settings.ts';

const shareState = struct({
  topicId: uint,
  group: text,
  settings: shareSettings,
  createdTimeMs: uint,
  /** Of the process that leases its records, or was the last to do so; 0 = none did. */
  ownerEpoch: uint,
  isPaused: flag,
  partitions: map(uint, sharePartition),
});

export type ShareState = ValueOf<typeof shareState>;

export interface ShareName {
  readonly topicId: number;
  readonly group: string;
}

/** A share group is of one topic. */
export function shareId({ topicId, group }: ShareName): string {
  return `${topicId}/${group}`;
}

/** The way back. */
export function shareNameOf(id: string): ShareName {
  const at = id.indexOf('/');
  return { topicId: Number(id.slice(0, at)), group: id.slice(at + 1) };
}

/** Whether a topic has the share group that makes it a queue. */
export function isQueue(fold: Fold, topicId: number): boolean {
  return fold.get(shareGroups, shareId({ topicId, group: QUEUE_GROUP })) !== null;
}

/** Names of the share groups of a topic. */
export function shareNamesOf(fold: Fold, topicId: number): readonly string[] {
  const names = fold.ids(shareGroups).map(shareNameOf);
  return names.filter((name) => name.topicId === topicId).map(({ group }) => group);
}

/** Name of a share group of a topic whose settled records go, another one than `except`; null = none. */
export function settledGroup(fold: Fold, topicId: number, except: string | null): string | null {
  for (const id of fold.ids(shareGroups)) {
    const state = fold.get(shareGroups, id);
    if (state?.topicId !== topicId || state.group === except) continue;
    if (state.settings.retention === 'settled') return state.group;
  }
  return null;
}

/**
 * What the queue on a topic has settled of a partition; null = there is none. A dead record, kept or not, is
 * settled.
 */
export function settlingOf(fold: Fold, topicId: number, partition: number): Settling | null {
  const state = fold.get(shareGroups, shareId({ topicId, group: QUEUE_GROUP }));
  const own = state?.partitions.get(partition);
  if (own === undefined) return null;
  return {
    firstOffset: () => Math.min(own.firstOffset, firstPurgedOffset(own)),
    isSettled: (offset) => !own.unread.has(offset) && own.table.find(offset) < 0,
    mayComeBack: (offset) => isAmongPurged(own, offset) || own.dead.has(offset),
  };
}

/** Whether it lies between the first and the last that a purge put aside. O(1) */
function isAmongPurged(partition: SharePartition, offset: number): boolean {
  const { purged } = partition;
  const last = Math.max((purged?.unread.at(-1)?.to ?? 0) - 1, purged?.slots.at(-1)?.offset ?? -1);
  return firstPurgedOffset(partition) <= offset && offset <= last;
}

/** First offset that no share group ever looked at: those below were handed out, or may have been. */
export function leasedOffset(fold: Fold, topicId: number, partition: number): number {
  let offset = 0;
  for (const id of fold.ids(shareGroups)) {
    if (shareNameOf(id).topicId !== topicId) continue;
    const state = fold.get(shareGroups, id)?.partitions.get(partition);
    offset = Math.max(offset, state?.unread.frontier ?? 0);
  }
  return offset;
}

/**
 * By log, of those whose settled records may go: the first offset that some group has not settled.
 * O(slots of all groups).
 */
export function settledOffsets(fold: Fold): ReadonlyMap<number, number> {
  const offsets = new Map<number, number>();
  for (const { logId, partitions } of settlingLogs(fold)) {
    offsets.set(logId, firstUnsettledIn(partitions()));
  }
  return offsets;
}

/** As `settledOffsets`, of one log; 0 when nothing of it may go. O(partitions + slots of its groups). */
export function settledOffset(fold: Fold, logId: number): number {
  const partitions = settlingPartitions(fold, logId);
  return partitions === null ? 0 : firstUnsettledIn(partitions);
}

/**
 * By log, of those whose settled records may go: another text whenever more of them is settled than before.
 * O(partitions of all groups).
 */
export function settledVersions(fold: Fold): ReadonlyMap<number, string> {
  const versions = new Map<number, string>();
  for (const { logId, partitions } of settlingLogs(fold)) {
    const counts = partitions().map((partition) =>
      partition === undefined ? '-' : tallied(partition),
    );
    versions.set(logId, counts.join());
  }
  return versions;
}

/** How many records were settled how. One by one: undoing a purge lowers its count, and the sum may be as before. */
function tallied({ tally }: SharePartition): string {
  return TALLY_NAMES.map((name) => tally[name]).join(' ');
}

/**
 * What each share group of a log's topic knows of the log, undefined = it has not begun there; null = no
 * group lets settled records of it go. O(partitions)
 */
export function settlingPartitions(
  fold: Fold,
  wantedId: number,
): readonly (SharePartition | undefined)[] | null {
  for (const { logId, partitions } of settlingLogs(fold)) {
    if (logId === wantedId) return partitions();
  }
  return null;
}

function* settlingLogs(fold: Fold) {
  const topics = new Map<number, ShareState[]>();
  for (const id of fold.ids(shareGroups)) {
    const state = fold.get(shareGroups, id);
    if (state === null) continue;
    const states = topics.get(state.topicId);
    if (states === undefined) topics.set(state.topicId, [state]);
    else states.push(state);
  }
  for (const states of topics.values()) {
    if (!states.some(({ settings }) => settings.retention === 'settled')) continue;
    for (const [number, { logId }] of states[0]?.partitions ?? []) {
      yield { logId, partitions: () => states.map(({ partitions }) => partitions.get(number)) };
    }
  }
}

/** To a group that has not begun in the partition, all of it is still to come. */
function firstUnsettledIn(partitions: readonly (SharePartition | undefined)[]): number {
  return Math.min(...partitions.map((partition) => partition?.firstOffset ?? 0));
}

/** An entry about one partition. */
function onPartition<E extends ShareName & { readonly partition: number }>(
  type: EntryType<E>,
  apply: (partition: SharePartition, entry: E) => void,
): Rule<ShareState> {
  return changes(type, {
    id: shareId,
    apply(state: ShareState, entry) {
      const partition = state.partitions.get(entry.partition);
      if (partition !== undefined) apply(partition, entry);
      return state;
    },
  });
}

interface OfParts {
  readonly parts: readonly (ShareName & { readonly partition: number })[];
}

/** An entry about partitions of several groups. Of a group that is gone nothing is left to change. */
function onParts<E extends OfParts>(
  type: EntryType<E>,
  apply: (partition: SharePartition, part: E['parts'][number], entry: E) => void,
): Rule<ShareState> {
  return sets(type, {
    id: ({ parts }) => parts.map(shareId),
    set(state: ShareState | null, entry, at) {
      const part = entry.parts[at];
      const partition = part === undefined ? undefined : state?.partitions.get(part.partition);
      if (part !== undefined && partition !== undefined) apply(partition, part, entry);
      return state;
    },
  });
}

/** One suspect alone was leased: it is caught. */
function isCaught(partitions: Iterable<SharePartition>): boolean {
  let count = 0;
  for (const partition of partitions) count += partition.leasedSuspectCount;
  return count === 1;
}

/** One instance per share group. */
export const shareGroups: Reducer<ShareState> = {
  name: 'share-group',
  state: shareState,
  rules: [
    begins(shareGroupCreated, {
      id: shareId,
      begin: ({ topicId, group, settings, timeMs }): ShareState => ({
        topicId,
        group,
        settings,
        createdTimeMs: timeMs,
        ownerEpoch: 0,
        isPaused: false,
        partitions: new Map(),
      }),
    }),
    changes(shareGroupAltered, {
      id: shareId,
      apply: (state: ShareState, { settings }) => ({ ...state, settings }),
    }),
    // Also of one that is gone: a journal that says it twice is no damage.
    sets(shareGroupDeleted, { id: shareId, set: (): ShareState | null => null }),
    changes(shareStarted, {
      id: shareId,
      apply(state: ShareState, { starts }) {
        for (const { partition, logId, offset } of starts) {
          if (state.partitions.has(partition)) continue;
          state.partitions.set(partition, new SharePartition(logId, offset));
        }
        return state;
      },
    }),
    changes(leasesOpened, {
      id: shareId,
      apply(state: ShareState, { ownerEpoch }) {
        const caught = isCaught(state.partitions.values());
        for (const partition of state.partitions.values()) partition.crash(caught);
        return { ...state, ownerEpoch };
      },
    }),
    onParts(recordsAcquired, (partition, { offsets, absent }) => {
      partition.acquire(offsets, absent);
    }),
    onParts(leasesEnded, (partition, part, { timeMs }) => partition.end(part, timeMs)),
    onPartition(recordsDied, (partition, { records, isKept, timeMs }) => {
      for (const record of records) partition.die(record, isKept, timeMs);
    }),
    onPartition(recordsRemoved, (partition, { offsets, cause }) => {
      eachOffset(offsets, (offset) => void partition.remove(offset, cause));
    }),
    onPartition(recordsRevived, (partition, { offsets }) => {
      eachOffset(offsets, (offset) => partition.revive(offset));
    }),
    changes(sharePaused, {
      id: shareId,
      apply: (state: ShareState, { isPaused }) => ({ ...state, isPaused }),
    }),
    changes(sharePurged, {
      id: shareId,
      apply(state: ShareState, { parts, timeMs }) {
        for (const { partition, endOffset } of parts) {
          state.partitions.get(partition)?.purge(endOffset, timeMs);
        }
        return state;
      },
    }),
    changes(purgeUndone, {
      id: shareId,
      apply(state: ShareState) {
        for (const partition of state.partitions.values()) partition.undoPurge();
        return state;
      },
    }),
    onPartition(shareTrimmed, (partition, { startOffset }) => partition.trim(startOffset)),
  ],
};
