/** How much the topics of a store hold, from names, sizes and checkpoints alone. */
import { join } from 'node:path';
import type { Store, TopicDescription } from '../src/index.ts';
import { TOPICS_DIRECTORY } from '../src/format/file-names.ts';
import { topicDirectoryName } from '../src/topic/topic-names.ts';
import { readLogExtent } from './log-files.ts';
import { classifyPath } from './log-path.ts';

export interface TopicExtent {
  /** From start to end, of all partitions; null when one has no valid checkpoint. */
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
}

/** The log of one partition of a topic of the store at `store`. */
export function partitionPath(
  store: string,
  { name, topicId }: Pick<TopicDescription, 'name' | 'topicId'>,
  partition: number,
): string {
  return join(store, TOPICS_DIRECTORY, topicDirectoryName(name, topicId), String(partition));
}

/**
 * As of the last checkpoint of each partition. Opens no segment. A topic that a damaged journal still
 * has may be deleted behind the damage: then nothing is known of what is not there.
 */
export async function readTopicExtent(
  { path, damage = null }: Pick<Store, 'path'> & Partial<Pick<Store, 'damage'>>,
  topic: TopicDescription,
): Promise<TopicExtent> {
  let offsetCount: number | null = 0;
  let sizeBytes = 0;
  for (let number = 0; number < topic.partitionCount; number++) {
    const directory = partitionPath(path, topic, number);
    const isGone = damage !== null && (await classifyPath(directory)) === 'missing';
    const extent = isGone ? null : await readLogExtent(directory);
    sizeBytes += extent?.sizeBytes ?? 0;
    const checkpoint = extent?.checkpoint ?? null;
    if (checkpoint === null || offsetCount === null) offsetCount = null;
    else offsetCount += checkpoint.visibleOffset - checkpoint.startOffset;
  }
  return { offsetCount, sizeBytes };
}

/** The sum over topics. */
export function sumOf(extents: readonly TopicExtent[]): TopicExtent {
  const counts = extents.map(({ offsetCount }) => offsetCount);
  return {
    offsetCount: counts.reduce(
      (sum, count) => (sum === null || count === null ? null : sum + count),
      0,
    ),
    sizeBytes: extents.reduce((sum, extent) => sum + extent.sizeBytes, 0),
  };
}
