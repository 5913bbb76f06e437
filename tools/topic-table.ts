/** The topics of a store, as `topics ls` and `info` list them. */
import type { Store } from '../src/index.ts';
import { formatTable } from './table.ts';
import { readTopicExtent } from './topic-extent.ts';
import { formatBytes, formatCount, formatTime } from './units.ts';

/** A topic, as `--json` prints it; the keys are a documented contract. */
export interface ListedTopic {
  readonly name: string;
  readonly topicId: number;
  readonly partitionCount: number;
  /** Of all partitions; null when one has no valid checkpoint. */
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
  readonly durability: string;
  readonly createdTimeMs: number;
}

/** By name. Reads names, sizes and checkpoints. */
export async function* listTopics(store: Store, signal: AbortSignal): AsyncGenerator<ListedTopic> {
  for (const topic of store.topics()) {
    signal.throwIfAborted();
    const { name, topicId, partitionCount, createdTimeMs } = topic;
    const { durability } = topic.options;
    const extent = await readTopicExtent(store, topic);
    yield { name, topicId, partitionCount, ...extent, durability, createdTimeMs };
  }
}

export function topicTable(topics: readonly ListedTopic[]): string {
  return formatTable(
    [
      { title: 'topic' },
      { title: 'partitions', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'durability' },
      { title: 'created' },
    ],
    topics.map((topic) => [
      topic.name,
      formatCount(topic.partitionCount),
      topic.offsetCount === null ? '?' : formatCount(topic.offsetCount),
      formatBytes(topic.sizeBytes),
      topic.durability,
      formatTime(topic.createdTimeMs),
    ]),
  );
}
