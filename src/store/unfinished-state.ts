/** What retention took of groups that were not done with it, added up: a fold over what the journal says. */
import { groupDeleted, groupReset } from '../group/group-state.ts';
import { choice, list, map, struct, text, uint, type ValueOf } from '../journal/entry-fields.ts';
import { forgets, sets, type Fold, type Reducer } from '../journal/fold.ts';
import { shareGroupDeleted } from '../queue/share-entries.ts';
import { topicDeleted, topicDeleting } from '../topic/topic-state.ts';
import {
  PASS_OUTCOMES,
  PASS_REASONS,
  unfinishedPassed,
  type GroupKind,
  type GroupRef,
  type UnfinishedCount,
} from '../topic/unfinished-passed.ts';

const counted = struct({
  reason: choice(PASS_REASONS),
  outcome: choice(PASS_OUTCOMES),
  count: uint,
});

const groupCounts = struct({
  counts: list(counted),
  /** By partition, for this group: what is below was counted as skipped, ... */
  skippedTo: map(uint, uint),
  /** ...or was copied for a consumer group, wherever its position is. */
  archivedTo: map(uint, uint),
});

/** By kind and name of the group: see `keyOf`. */
const topicCounts = struct({ groups: map(text, groupCounts) });

type GroupCounts = ValueOf<typeof groupCounts>;
type TopicCounts = ValueOf<typeof topicCounts>;

const SEPARATOR = '/';

function keyOf({ groupKind, group }: GroupRef): string {
  return `${groupKind}${SEPARATOR}${group}`;
}

const topicIdOf = ({ topicId }: { readonly topicId: number }) => String(topicId);

/** A group that is made anew under the name has not been passed by anything. */
function withoutMarks(state: TopicCounts | null, groupKind: GroupKind, group: string) {
  const own = state?.groups.get(keyOf({ groupKind, group }));
  own?.skippedTo.clear();
  own?.archivedTo.clear();
  return state;
}

/** One instance per topic of which something was passed, by its id. */
export const unfinishedCounts: Reducer<TopicCounts> = {
  name: 'unfinished-counts',
  state: topicCounts,
  rules: [
    sets(unfinishedPassed, {
      id: topicIdOf,
      set(state: TopicCounts | null, entry) {
        const counts = state ?? { groups: new Map() };
        const { groupKind, partition, outcome, toOffset } = entry;
        const own = groupOf(counts, entry);
        add(own, entry);
        // Records of a share group are settled one by one: there is no place up to which all are.
        if (outcome === 'skipped') raise(own.skippedTo, partition, toOffset);
        else if (groupKind === 'consumer') raise(own.archivedTo, partition, toOffset);
        return counts;
      },
    }),
    // Who is set back reads again what was copied for it.
    sets(groupReset, {
      id: topicIdOf,
      set(state: TopicCounts | null, { group, positions }) {
        const own = state?.groups.get(keyOf({ groupKind: 'consumer', group }));
        for (const { partition } of positions) own?.archivedTo.delete(partition);
        return state;
      },
    }),
    sets(groupDeleted, {
      id: topicIdOf,
      set: (state: TopicCounts | null, { group }) => withoutMarks(state, 'consumer', group),
    }),
    sets(shareGroupDeleted, {
      id: topicIdOf,
      set: (state: TopicCounts | null, { group }) => withoutMarks(state, 'share', group),
    }),
    // One that is on its way while the topic goes must not stay for ever.
    forgets(topicDeleting, { id: topicIdOf }),
    forgets(topicDeleted, { id: topicIdOf }),
  ],
};

function groupOf({ groups }: TopicCounts, ref: GroupRef): GroupCounts {
  const key = keyOf(ref);
  const known = groups.get(key);
  if (known !== undefined) return known;
  const own: GroupCounts = { counts: [], skippedTo: new Map(), archivedTo: new Map() };
  groups.set(key, own);
  return own;
}

function add(
  { counts }: GroupCounts,
  { reason, outcome, count }: GroupCounts['counts'][number],
): void {
  const known = counts.find((each) => each.reason === reason && each.outcome === outcome);
  if (known === undefined) counts.push({ reason, outcome, count });
  else known.count += count;
}

function raise(marks: Map<number, number>, partition: number, offset: number): void {
  marks.set(partition, Math.max(marks.get(partition) ?? 0, offset));
}

/** What a topic has lost so, by group, reason and outcome. */
export function unfinishedOf(fold: Fold, topicId: number): readonly UnfinishedCount[] {
  const state = fold.get(unfinishedCounts, String(topicId));
  if (state === null) return [];
  return [...state.groups].flatMap(([key, { counts }]) => {
    const at = key.indexOf(SEPARATOR);
    const groupKind = key.slice(0, at) === 'share' ? 'share' : 'consumer';
    return counts.map((each) => ({ groupKind, group: key.slice(at + 1), ...each }) as const);
  });
}

/** Below which offsets of a partition a group has nothing left to be counted, or to be copied. */
export interface PassedMarks {
  readonly skippedTo: number;
  readonly archivedTo: number;
}

export function passedMarks(
  fold: Fold,
  { topicId, partition }: { readonly topicId: number; readonly partition: number },
  ref: GroupRef,
): PassedMarks {
  const own = fold.get(unfinishedCounts, String(topicId))?.groups.get(keyOf(ref));
  return {
    skippedTo: own?.skippedTo.get(partition) ?? 0,
    archivedTo: own?.archivedTo.get(partition) ?? 0,
  };
}
