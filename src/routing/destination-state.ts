/**
 * How many partitions the topics have to which exchanges send records, and since which version: where a
 * copy goes depends on it, and must not change when the copy is made a second time.
 */
import { list, struct, uint, type ValueOf } from '../journal/entry-fields.ts';
import { changes, ends, sets, type Fold, type Reducer } from '../journal/fold.ts';
import { topics } from '../topic/topic-state.ts';
import { destinationSized, topologyPruned } from './exchange-entries.ts';

const destinationState = struct({
  /** Oldest first; the last is the present one. */
  sizes: list(struct({ fromVersion: uint, partitionCount: uint })),
});

export type DestinationState = ValueOf<typeof destinationState>;

/** One instance per topic to which something led, by its id. */
export const destinations: Reducer<DestinationState> = {
  name: 'destination',
  state: destinationState,
  rules: [
    sets(destinationSized, {
      id: ({ topicId }) => String(topicId),
      set(state: DestinationState | null, { version: fromVersion, partitionCount }) {
        const { sizes } = state ?? { sizes: [] };
        sizes.push({ fromVersion, partitionCount });
        return { sizes };
      },
    }),
    changes(topologyPruned, {
      id: ({ topicIds }) => topicIds.map(String),
      apply(state: DestinationState, { belowVersion }) {
        while (hasOldSize(state, belowVersion)) state.sizes.shift();
        return state;
      },
    }),
    ends(topologyPruned, { id: ({ leftTopicIds }) => leftTopicIds.map(String) }),
  ],
};

/** Whether there is a size that no version from this one on needs. */
export function hasOldSize({ sizes }: DestinationState, belowVersion: number): boolean {
  const [, second] = sizes;
  return second !== undefined && second.fromVersion <= belowVersion;
}

/**
 * How many partitions a topic had in a version, and before the first of which that is known, as many as
 * in that one: a binding may be given records that are older than it. Null = nothing led there.
 */
export function partitionCountAt(fold: Fold, topicId: number, version: number): number | null {
  const { sizes } = fold.get(destinations, String(topicId)) ?? { sizes: [] };
  const size = sizes.findLast(({ fromVersion }) => fromVersion <= version) ?? sizes[0];
  return size?.partitionCount ?? null;
}

/** How many partitions a topic has, when versions do not say so yet; null = they do, or it is gone. */
export function newSizeOf(fold: Fold, topicId: number): number | null {
  const id = String(topicId);
  const topic = fold.get(topics, id);
  if (topic === null || topic.isDeleting) return null;
  const partitionCount = topic.logIds.length;
  const known = fold.get(destinations, id)?.sizes.at(-1)?.partitionCount;
  return known === partitionCount ? null : partitionCount;
}
