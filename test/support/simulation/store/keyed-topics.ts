/** Which topics are compacted, in the seeds that compact, and how. */
import type { TopicConfig } from '../../../../src/topic/topic-options.ts';

export interface KeyedTopic extends TopicConfig {
  readonly tombstoneRetentionMs: number;
}

const EAGER: KeyedTopic = { compactionShareMin: 0.2, tombstoneRetentionMs: 2000 };
const SLOW: KeyedTopic = {
  compactionLagMsMin: 500,
  compactionLagMsMax: 20_000,
  tombstoneRetentionMs: 40_000,
};

/** Those that get one more partition now and then are not among them: their keys would move. */
export const KEYED_TOPICS: ReadonlySet<string> = new Set(['a', 'b']);
export const KEYED_PARTITIONS_MAX = 2;

/** How a topic is compacted while it is. */
export function compactionOf(topic: string): KeyedTopic {
  return topic === 'a' ? EAGER : SLOW;
}
