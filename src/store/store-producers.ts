/** What a store has of producers. */
import type { TopicProducer } from '../topic/producer-position.ts';
import type { ProducerListing, Producers } from '../topic/producers.ts';
import { openProducer, type Producer, type ProducerOptions } from './producer.ts';

export abstract class StoreProducers {
  readonly #producers: Producers;

  /** @internal */
  constructor(producers: Producers) {
    this.#producers = producers;
  }

  /**
   * Begins to produce under a name: whoever did so before is over, when what he sent is answered.
   *
   * @param name  1 to 255 bytes of UTF-8, without control characters
   * @throws NotFoundError with `create: false`; TooLargeError for more than 100,000; ReadOnlyError
   *
   * Durability: synced when it resolves.
   */
  async producer(name: string, options: ProducerOptions = {}): Promise<Producer> {
    this.checkOpen();
    return openProducer(this.#producers, name, options);
  }

  /** All producers, by name. In memory: no I/O. */
  producers(): readonly ProducerListing[] {
    this.checkOpen();
    return this.#producers.list();
  }

  /**
   * Where producers are in a topic, by name: those that have stored something there.
   *
   * @param topic  its name; the log of an exchange is topic `exchange:<name>`
   * @throws NotFoundError; CorruptLogError when a partition is damaged; as `openLog`
   *
   * Cost: nothing where nobody ever produced; else the first call of a process, or use by a producer,
   * reads what was appended since producers were last noted. A store that was opened to be read only
   * reads that at each call.
   */
  async producersOf(topic: string): Promise<readonly TopicProducer[]> {
    this.checkOpen();
    return this.#producers.inTopic(topic);
  }

  /**
   * Forgets a producer with all its sequences; whoever holds it is told with FencedError.
   *
   * @throws NotFoundError; ReadOnlyError
   *
   * Durability: synced when it resolves.
   */
  async deleteProducer(name: string): Promise<void> {
    this.checkOpen();
    await this.#producers.delete(name);
  }

  /** @throws ClosedError */
  protected abstract checkOpen(): void;
}
