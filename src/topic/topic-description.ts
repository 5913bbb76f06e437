/** What the journal knows of a topic, as its users see it. */
import type { TopicSettings, TopicState } from './topic-state.ts';
import type { UnfinishedCount } from './unfinished-passed.ts';

/** What the journal knows of a topic. */
export interface TopicDescription {
  readonly name: string;
  readonly topicId: number;
  readonly partitionCount: number;
  readonly createdTimeMs: number;
  readonly alteredTimeMs: number;
  readonly options: TopicSettings;
  /** How many partitions there were since when: keys moved at each change. */
  readonly keyMaps: readonly { readonly partitionCount: number; readonly timeMs: number }[];
  /** What went, or was archived to go, though a group was not done with it; none without such a group. */
  readonly unfinishedCounts: readonly UnfinishedCount[];
}

/** Of copies: what the caller does with them must not change the state. */
export function describeTopic(
  topicId: number,
  state: TopicState,
  unfinishedCounts: readonly UnfinishedCount[],
): TopicDescription {
  const { name, logIds, createdTimeMs, alteredTimeMs, options, keyMaps } = state;
  return {
    name,
    topicId,
    partitionCount: logIds.length,
    createdTimeMs,
    alteredTimeMs,
    options: { ...options },
    keyMaps: keyMaps.map((keyMap) => ({ ...keyMap })),
    unfinishedCounts: unfinishedCounts.map((each) => ({ ...each })),
  };
}
