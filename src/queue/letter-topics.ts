/** Topics that records go to when they die, and when they come back. */
import { present } from '../core/assert.ts';
import { isStoreError, NotFoundError } from '../core/errors.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { exchangeOfSource } from '../topic/topic-names.ts';
import { Topic } from '../topic/topic.ts';

/** What a dead letter needs beyond the record that died: headers that tell of it. */
const DEATH_BYTES = 128 * 1024;

/** What dead letters need of the exchanges of a store. */
export interface LetterExchanges {
  /** @throws NotFoundError when there is none of that name: its source may outlive it, and takes no more */
  checkNamed(name: string): void;
  /** A commit has brought records to its source. Must not throw. */
  published(name: string): void;
}

export class LetterTopics {
  readonly #makeQueue: (topic: Topic<Uint8Array>) => Promise<void>;
  /** Of dead letters. */
  readonly #topics = new Map<string, Topic<Uint8Array>>();
  #catalog: TopicCatalog | null = null;
  #exchanges: LetterExchanges | null = null;

  /** @param makeQueue  makes a topic a queue, unless it is one */
  constructor(makeQueue: (topic: Topic<Uint8Array>) => Promise<void>) {
    this.#makeQueue = makeQueue;
  }

  /** Where topics are. */
  attach(catalog: TopicCatalog, exchanges: LetterExchanges): void {
    this.#catalog = catalog;
    this.#exchanges = exchanges;
  }

  /** A commit has brought records to a topic, which may be the source of an exchange. */
  arrived(name: string): void {
    const exchange = exchangeOfSource(name);
    if (exchange !== null) this.#exchanges?.published(exchange);
  }

  /** The topic, or the source of the exchange. @throws NotFoundError */
  async find(name: string): Promise<Topic<Uint8Array>> {
    const exchange = exchangeOfSource(name);
    if (exchange !== null) this.#exchanges?.checkNamed(exchange);
    try {
      return await this.#open(name, { create: false });
    } catch (error) {
      if (exchange === null || !isStoreError(error, 'ERR_VARVE_NOT_FOUND')) throw error;
      throw new NotFoundError({ kind: 'exchange', name: exchange });
    }
  }

  /**
   * The topic for dead letters of that name, made when it is not there: a queue. Or the source of an
   * exchange, which is not made: nobody could say what type it should be of.
   *
   * @param source  where the records come from
   * @throws as `TopicCatalog.open`; NotFoundError when there is no such exchange
   */
  async open(name: string, source: PartitionSet): Promise<Topic<Uint8Array>> {
    if (exchangeOfSource(name) !== null) return this.find(name);
    const known = this.#topics.get(name);
    if (known !== undefined && !known.partitions.isGone) return known;
    const topic = await this.#findOrMake(name, source);
    await this.#makeQueue(topic);
    this.#topics.set(name, topic);
    return topic;
  }

  async #findOrMake(name: string, { settings }: PartitionSet): Promise<Topic<Uint8Array>> {
    try {
      return await this.find(name);
    } catch (error) {
      if (!isStoreError(error, 'ERR_VARVE_NOT_FOUND')) throw error;
    }
    // What died must fit, with what is said of it.
    const recordBytesMax = Math.min(RECORD_BYTES_LIMIT, settings.recordBytesMax + DEATH_BYTES);
    try {
      return await this.#open(name, { recordBytesMax });
    } catch (error) {
      if (!isStoreError(error, 'ERR_VARVE_CONFLICT')) throw error;
      return this.find(name); // Somebody made it meanwhile, with another limit.
    }
  }

  async #open(
    name: string,
    options: { readonly create?: boolean; readonly recordBytesMax?: number },
  ): Promise<Topic<Uint8Array>> {
    const catalog = present(this.#catalog, 'attached before anything dies');
    return new Topic(await catalog.open<Uint8Array, Uint8Array>(name, options));
  }
}
