/** Topics that records go to when they die, and when they come back. */
import { isStoreError, NotFoundError } from '../core/errors.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { Topic } from '../topic/topic.ts';

/** What a dead letter needs beyond the record that died: headers that tell of it. */
const DEATH_BYTES = 128 * 1024;

/** @throws NotFoundError */
export async function openTopic(
  catalog: TopicCatalog | null,
  name: string,
): Promise<Topic<Uint8Array>> {
  if (catalog === null) throw new NotFoundError({ kind: 'topic', name });
  return new Topic(await catalog.open<Uint8Array, Uint8Array>(name, { create: false }));
}

/** Makes a topic for what dies in `source`, when there is none of that name. */
export async function openOrMakeTopic(
  catalog: TopicCatalog | null,
  name: string,
  { settings }: PartitionSet,
): Promise<Topic<Uint8Array>> {
  try {
    return await openTopic(catalog, name);
  } catch (error) {
    if (catalog === null || !isStoreError(error, 'ERR_VARVE_NOT_FOUND')) throw error;
    // What died must fit, with what is said of it.
    const recordBytesMax = Math.min(RECORD_BYTES_LIMIT, settings.recordBytesMax + DEATH_BYTES);
    return new Topic(await catalog.open<Uint8Array, Uint8Array>(name, { recordBytesMax }));
  }
}
