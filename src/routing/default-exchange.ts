/** The default exchange: a routing key is the name of the queue or topic that it leads to. */
import { isStoreError } from '../core/errors.ts';
import { checkBoolean } from '../core/options.ts';
import { UnroutableError } from '../core/routing-errors.ts';
import { checkAppendKeys } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { isTopicName } from '../topic/topic-names.ts';
import type {
  TopicAppendOptions,
  TopicAppendResult,
  TopicRecordInput,
} from '../topic/topic-results.ts';
import type { Topic } from '../topic/topic.ts';
import { DEFAULT_EXCHANGE, defaultConflict } from './exchange-name.ts';
import type { DestinationInput } from './exchange-options.ts';
import { NO_PUBLISH_OPTIONS, routingKeyOf, type PublishOptions } from './publish-options.ts';

/** Its records have one key, and are in their destination when they are published. */
export interface DefaultPublishOptions extends Omit<PublishOptions, 'cc' | 'bcc' | 'confirm'> {
  /** As of `Topic.append`: of the queue or topic that it goes to. */
  readonly dedupId?: string | undefined;
}

/** What has the record, and where there; nothing has it when the routing key names nothing. */
export type DefaultPublishResult =
  | {
      readonly destinations: readonly [name: string];
      readonly partition: number;
      readonly offset: number;
      /** The level that was reached. */
      readonly durability: DurabilityLevel;
      /** As of `Topic.append`. */
      readonly duplicate: boolean;
    }
  | {
      readonly destinations: readonly [];
      readonly partition: null;
      readonly offset: null;
      readonly durability: null;
      readonly duplicate: false;
    };

const KEYS: ReadonlySet<string> = new Set<keyof DefaultPublishOptions>([
  'mandatory',
  'durability',
  'signal',
  'routingKey',
  'key',
  'headers',
  'createTimeMs',
  'dedupId',
]);
const NOWHERE: DefaultPublishResult = Object.freeze({
  destinations: [] as const,
  partition: null,
  offset: null,
  durability: null,
  duplicate: false,
});

/**
 * Leads to every queue and topic by its name, as RabbitMQ's default exchange does. There is nothing
 * between the two: no binding, no log of its own, no copy. Made by `Store.exchange('')`; good until the
 * store is closed.
 */
export class DefaultExchange<T, Input = T> {
  readonly name = DEFAULT_EXCHANGE;
  readonly type = 'direct';
  /** @throws NotFoundError */
  readonly #open: (name: string) => Promise<Topic<T, Input>>;
  /** Those that were published to. */
  readonly #topics = new Map<string, Topic<T, Input>>();

  /** @internal */
  constructor(open: (name: string) => Promise<Topic<T, Input>>) {
    this.#open = open;
  }

  /**
   * Appends a record to the queue or topic that the routing key names: as `Topic.append` does, so its key
   * chooses the partition. What names nothing is dropped, but refused with `mandatory`.
   *
   * @throws as `Topic.append`, but none for a topic that is deleted meanwhile: it names nothing then;
   *   TooLargeError for a routing key of more than 255 bytes; UnroutableError with `mandatory`
   *
   * Durability and cost: as `Topic.append`.
   */
  async publish(
    value: Input | null,
    options: DefaultPublishOptions = NO_PUBLISH_OPTIONS,
  ): Promise<DefaultPublishResult> {
    checkAppendKeys(options, KEYS);
    const { key, headers, createTimeMs, dedupId, ...how } = options;
    const { durability, signal, mandatory = false } = how;
    checkBoolean('mandatory', mandatory);
    const routingKey = routingKeyOf(options);
    const record = { value, key, headers, createTimeMs, dedupId };
    for (;;) {
      const topic = await this.#find(routingKey);
      if (topic === null) break;
      const result = await appendUnlessDeleted(topic, record, { durability, signal });
      if (result !== null) return { destinations: [routingKey], ...result };
    }
    if (!mandatory) return NOWHERE;
    throw new UnroutableError({ exchange: this.name, routingKey, index: 0 });
  }

  /** Every queue and topic is bound to it, by its name alone. @throws ConflictError always */
  async bind(_destination: DestinationInput): Promise<never> {
    throw defaultConflict();
  }

  /** @throws ConflictError always */
  async unbind(_destination: DestinationInput): Promise<never> {
    throw defaultConflict();
  }

  /** Null = nothing is named so. */
  async #find(name: string): Promise<Topic<T, Input> | null> {
    const known = this.#topics.get(name);
    if (known !== undefined && !known.partitions.isGone) return known;
    this.#topics.delete(name);
    if (!isTopicName(name)) return null;
    try {
      const topic = await this.#open(name);
      this.#topics.set(name, topic);
      return topic;
    } catch (error) {
      if (isStoreError(error, 'ERR_VARVE_NOT_FOUND')) return null;
      throw error;
    }
  }
}

/** Null = the topic was deleted meanwhile: its name names nothing, or another one. */
async function appendUnlessDeleted<T, Input>(
  topic: Topic<T, Input>,
  record: TopicRecordInput<Input>,
  options: TopicAppendOptions,
): Promise<TopicAppendResult | null> {
  try {
    return await topic.append(record, options);
  } catch (error) {
    if (isStoreError(error, 'ERR_VARVE_CLOSED') && topic.partitions.isDeleted) return null;
    throw error;
  }
}
