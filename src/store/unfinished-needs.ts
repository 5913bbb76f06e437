/** Who is not done with what of a partition: consumer groups by their positions, share groups by their records. */
import { groupId, groups, type CommittedPosition, type GroupState } from '../group/group-state.ts';
import type { ConsumerGroups } from '../group/groups.ts';
import type { Fold } from '../journal/fold.ts';
import { shareGroups, shareId, shareNamesOf } from '../queue/share-state.ts';
import { firstUnfinished, unfinishedCount } from '../queue/unfinished-share.ts';
import type { OffsetRange } from '../queue/unread-ranges.ts';
import type { GroupRef } from '../topic/unfinished-passed.ts';
import { passedMarks } from './unfinished-state.ts';

export interface UnfinishedPlace {
  readonly topicId: number;
  readonly partition: number;
}

/** What one group is not done with. */
export interface UnfinishedNeed extends GroupRef {
  /** The first such offset from `from` on: there may be no record yet. */
  first(from: number): number;
  /** How many there are that were not counted as skipped before. */
  countIn(range: OffsetRange): number;
}

interface NeedParts {
  readonly fold: Fold;
  readonly groups: Pick<ConsumerGroups, 'list'>;
}

/** Of all groups of the topic, as it is now. */
export function needsIn(parts: NeedParts, place: UnfinishedPlace): readonly UnfinishedNeed[] {
  const { groups: known, fold } = parts;
  const consumers = known
    .list()
    .filter(({ topicId }) => topicId === place.topicId)
    .filter(({ name, memberCount }) => memberCount > 0 || stateOf(fold, place, name) !== null)
    .map(({ name }) => consumerNeed(fold, place, name));
  const shares = shareNamesOf(fold, place.topicId).map((group) => shareNeed(fold, place, group));
  return [...consumers, ...shares];
}

/** Where a consumer group stands; null = it never committed there. */
export function committedIn(
  fold: Fold,
  place: UnfinishedPlace,
  group: string,
): CommittedPosition | null {
  return stateOf(fold, place, group)?.positions.get(place.partition) ?? null;
}

function stateOf(fold: Fold, { topicId }: UnfinishedPlace, group: string): GroupState | null {
  return fold.get(groups, groupId({ topicId, group }));
}

/** Nobody has said where the group begins until it commits: it needs all. */
function consumerNeed(fold: Fold, place: UnfinishedPlace, group: string): UnfinishedNeed {
  const groupKind = 'consumer';
  const { skippedTo, archivedTo } = passedMarks(fold, place, { groupKind, group });
  const committed = committedIn(fold, place, group)?.offset ?? 0;
  const position = Math.max(committed, archivedTo);
  return {
    groupKind,
    group,
    first: (from) => Math.max(from, position),
    countIn: ({ from, to }) => Math.max(0, to - Math.max(from, position, skippedTo)),
  };
}

/** Where it has not begun, all of it is still to come. */
function shareNeed(fold: Fold, place: UnfinishedPlace, group: string): UnfinishedNeed {
  const groupKind = 'share';
  const { topicId, partition } = place;
  const { skippedTo } = passedMarks(fold, place, { groupKind, group });
  const state = fold.get(shareGroups, shareId({ topicId, group }))?.partitions.get(partition);
  return {
    groupKind,
    group,
    first: (from) => (state === undefined ? from : firstUnfinished(state, from)),
    countIn({ from, to }) {
      const range = { from: Math.max(from, skippedTo), to };
      if (range.from >= to) return 0;
      return state === undefined ? to - range.from : unfinishedCount(state, range);
    },
  };
}
