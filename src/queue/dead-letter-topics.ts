/** The topics of dead letters: opened when the first record dies, and made when they are not there. */
import { present } from '../core/assert.ts';
import { isStoreError } from '../core/errors.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { Topic } from '../topic/topic.ts';

/** What a dead letter needs beyond the record that died: headers that tell of it. */
const DEATH_BYTES = 128 * 1024;

export class DeadLetterTopics {
  readonly #makeQueue: (topic: Topic<Uint8Array>) => Promise<void>;
  readonly #topics = new Map<string, Topic<Uint8Array>>();
  #catalog: TopicCatalog | null = null;

  /** @param makeQueue  makes a topic a queue, unless it is one */
  constructor(makeQueue: (topic: Topic<Uint8Array>) => Promise<void>) {
    this.#makeQueue = makeQueue;
  }

  /** Where topics are. */
  attach(catalog: TopicCatalog): void {
    this.#catalog = catalog;
  }

  /**
   * The topic of that name, which is a queue then.
   *
   * @param source  where the records come from
   * @throws as `TopicCatalog.open`
   */
  async open(name: string, source: PartitionSet): Promise<Topic<Uint8Array>> {
    const known = this.#topics.get(name);
    if (known !== undefined && !known.partitions.isGone) return known;
    const catalog = present(this.#catalog, 'attached before anything dies');
    const topic = new Topic<Uint8Array>(await openOrMake(catalog, name, source));
    await this.#makeQueue(topic);
    this.#topics.set(name, topic);
    return topic;
  }
}

async function openOrMake(catalog: TopicCatalog, name: string, { settings }: PartitionSet) {
  const open = (create: boolean, recordBytesMax?: number) =>
    catalog.open<Uint8Array, Uint8Array>(name, { create, recordBytesMax });
  try {
    return await open(false);
  } catch (error) {
    if (!isStoreError(error, 'ERR_VARVE_NOT_FOUND')) throw error;
  }
  try {
    // What died must fit, with what is said of it.
    return await open(true, Math.min(RECORD_BYTES_LIMIT, settings.recordBytesMax + DEATH_BYTES));
  } catch (error) {
    if (!isStoreError(error, 'ERR_VARVE_CONFLICT')) throw error;
    return open(false); // Somebody made it meanwhile, with another limit.
  }
}
