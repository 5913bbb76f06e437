/** How much the topics of a store hold, from names, sizes and checkpoints alone. */
import type { Store, TopicDescription } from '../src/index.ts';
import { readLogExtent } from './log-files.ts';

export interface TopicExtent {
  /** From start to end, of all partitions; null when one has no valid checkpoint. */
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
}

/** As of the last checkpoint of each partition. Opens no segment. */
export async function readTopicExtent(
  store: Store,
  { name, partitionCount }: TopicDescription,
): Promise<TopicExtent> {
  const { partitions } = await store.topic(name);
  let offsetCount: number | null = 0;
  let sizeBytes = 0;
  for (let number = 0; number < partitionCount; number++) {
    const extent = await readLogExtent(partitions.at(number).path);
    sizeBytes += extent.sizeBytes;
    const { checkpoint } = extent;
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
