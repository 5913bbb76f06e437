/** The default exchange: a routing key is the name of the queue or topic that it leads to. */
import { isStoreError } from '../core/errors.ts';
import { checkBoolean } from '../core/options.ts';
import { UnroutableError } from '../core/routing-errors.ts';
import { checkAppendKeys } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Codec } from '../codec/codec.ts';
import { isTopicName } from '../topic/topic-names.ts';
import type {
  TopicAppendOptions,
  TopicAppendResult,
  TopicRecordInput,
} from '../topic/topic-results.ts';
import { Topic } from '../topic/topic.ts';
import { AppendPart } from '../transaction/append-part.ts';
import {
  COMMIT_DURABILITY,
  publishIn,
  type PartCollector,
  type Publishable,
} from '../transaction/commit-part.ts';
import type { Committed } from '../transaction/transaction-options.ts';
import { DEFAULT_EXCHANGE, defaultConflict } from './exchange-name.ts';
import type { DestinationInput } from './exchange-options.ts';
import type { ExchangeSources } from './exchange-sources.ts';
import { NO_PUBLISH_OPTIONS, routingKeyOf, type PublishOptions } from './publish-options.ts';

/** Its records have one key, and are in their destination when they are published. */
export interface DefaultPublishOptions extends Omit<
  PublishOptions,
  'cc' | 'bcc' | 'confirm' | 'dedupId'
> {
  /** As of `Topic.append`: of the queue or topic that it goes to. */
  readonly dedupId?: string | undefined;
}

/** As part of a transaction, which says when it is there, and at which level. */
export interface TransactionDefaultPublishOptions extends Omit<
  DefaultPublishOptions,
  'durability' | 'signal'
> {}

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
const TRANSACTION_KEYS: ReadonlySet<string> = new Set<keyof TransactionDefaultPublishOptions>([
  'mandatory',
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

/** @internal */
export interface DefaultExchangeParts<T, Input> {
  /** @throws NotFoundError */
  readonly open: (name: string) => Promise<Topic<T, Input>>;
  readonly sources: ExchangeSources;
  readonly codec: Codec<T, Input>;
}

/**
 * Leads to every queue and topic by its name, as RabbitMQ's default exchange does. There is nothing
 * between the two: no binding, no log of its own, no copy. Made by `Store.exchange('')`; good until the
 * store is closed.
 */
export class DefaultExchange<T, Input = T> implements Publishable<
  Input,
  TransactionDefaultPublishOptions,
  DefaultPublishResult
> {
  readonly name = DEFAULT_EXCHANGE;
  readonly type = 'direct';
  readonly #parts: DefaultExchangeParts<T, Input>;
  /** Those that were published to. */
  readonly #topics = new Map<string, Topic<T, Input>>();

  /** @internal */
  constructor(parts: DefaultExchangeParts<T, Input>) {
    this.#parts = parts;
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
    const { key, headers, createTimeMs, dedupId, durability, signal } = options;
    const record = { value, key, headers, createTimeMs, dedupId };
    for (;;) {
      const named = await this.destinationOf(options);
      if (named === null) return NOWHERE;
      const result = await appendUnlessDeleted(named.topic, record, { durability, signal });
      if (result !== null) return { destinations: [named.name], ...result };
    }
  }

  /** @internal What a routing key names; null = nothing. @throws as `publish`, for its options */
  async destinationOf(
    options: DefaultPublishOptions,
  ): Promise<{ readonly name: string; readonly topic: Topic<T, Input> } | null> {
    checkAppendKeys(options, KEYS);
    const { mandatory = false } = options;
    checkBoolean('mandatory', mandatory);
    const routingKey = routingKeyOf(options);
    const topic = await this.#find(routingKey);
    if (topic !== null) return { name: routingKey, topic };
    if (!mandatory) return null;
    throw new UnroutableError({ exchange: this.name, routingKey, index: 0 });
  }

  /** For `Transaction.publish`. */
  [publishIn](
    into: PartCollector,
    value: Input | null,
    options: TransactionDefaultPublishOptions = NO_PUBLISH_OPTIONS,
  ): Committed<DefaultPublishResult> {
    into.checkStore('exchange', this.#parts.sources);
    checkAppendKeys(options, TRANSACTION_KEYS);
    const { key, headers, createTimeMs, dedupId, mandatory = false } = options;
    checkBoolean('mandatory', mandatory);
    const routingKey = routingKeyOf(options);
    const committed: { result: DefaultPublishResult | null } = { result: null };
    const topic = this.#named(routingKey);
    const part = into.part(AppendPart);
    if (topic === null) {
      if (mandatory) throw new UnroutableError({ exchange: this.name, routingKey, index: 0 });
      part.addNothing(() => {
        committed.result = NOWHERE;
      });
      return committed;
    }
    const record = { value, key, headers, createTimeMs, dedupId };
    part.addOne(topic, record, { options: {}, into }, (place) => {
      const destinations = [routingKey] as const;
      committed.result = { destinations, durability: COMMIT_DURABILITY, ...place };
    });
    return committed;
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
    const known = this.#known(name);
    if (known !== null || !isTopicName(name)) return known;
    try {
      const topic = await this.#parts.open(name);
      this.#topics.set(name, topic);
      return topic;
    } catch (error) {
      if (isStoreError(error, 'ERR_VARVE_NOT_FOUND')) return null;
      throw error;
    }
  }

  /** As `#find`, at once. */
  #named(name: string): Topic<T, Input> | null {
    const known = this.#known(name);
    if (known !== null || !isTopicName(name)) return known;
    const partitions = this.#parts.sources.namedTopic(name);
    if (partitions === null) return null;
    const topic = new Topic({ partitions, codec: this.#parts.codec, partitioner: undefined });
    this.#topics.set(name, topic);
    return topic;
  }

  #known(name: string): Topic<T, Input> | null {
    const known = this.#topics.get(name);
    if (known === undefined || !known.partitions.isGone) return known ?? null;
    this.#topics.delete(name);
    return null;
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
