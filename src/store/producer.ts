/** A producer as its users hold it: what it sends again is stored once. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkArray, checkChoice, checkObject } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../log/log-options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { Queue, type SendOptions } from '../queue/queue.ts';
import { checkSequence } from '../topic/call-sequences.ts';
import type { ProducedAnswer } from '../topic/producer-answers.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import { checkNotByContent } from '../topic/dedup-options.ts';
import { positionOf, type ProducerPosition } from '../topic/producer-position.ts';
import type { ProducerGaps, ProducerHold, Producers } from '../topic/producers.ts';
import { producerHold, type Producing } from '../transaction/commit-part.ts';
import { DefaultExchange } from '../routing/default-exchange.ts';
import { Exchange } from '../routing/exchange.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import {
  publishByName,
  publishTo,
  type ProducerDefaultPublishOptions,
  type ProducerDefaultPublishResult,
  type ProducerPublishOptions,
  type ProducerPublishResult,
  type PublishingProducer,
} from './producer-publish.ts';
import { checkTopic, Topic, topicOfQueue } from '../topic/topic.ts';
import type { StoreQueue } from './store-queue.ts';
import type { StoreTopic } from './store-topic.ts';

export interface ProducerOptions {
  /**
   * `refuse` (default): the next sequence is the last one and 1, and one that was refused on its way (a
   * full disk, in one of several partitions) comes before all that follows, else SequenceGapError. Only
   * the process knows of refusals: after a restart go on at the `resumeFrom` of `last`.
   * `allow`: any larger one, as offsets of a source are. What is left out between two that are sent, or
   * between the `resumeFrom` of `last` and the first that is sent then, does not exist: sent later it is a
   * duplicate. What was refused has to be sent again before what follows, or a restart may forget it.
   */
  readonly gaps?: ProducerGaps | undefined;
  /** Default true. */
  readonly create?: boolean | undefined;
}

export interface ProducerAppendOptions {
  /** From 0; default: the one behind the last. */
  readonly sequence?: number | undefined;
  /** From 0; default: as the topic's partitioner chooses, and of keyless records the sequence. */
  readonly partition?: number | undefined;
  /** When to answer; default the topic's level. */
  readonly durability?: DurabilityLevel | undefined;
  /** Stops waiting with the signal's reason; a record that was already taken stays appended. */
  readonly signal?: AbortSignal | undefined;
}

export interface ProducerBatchOptions extends Omit<ProducerAppendOptions, 'sequence'> {
  /** One number: of the first, the others follow. A list: ascending, of each. Default: it goes on. */
  readonly sequence?: number | readonly number[] | undefined;
}

export type ProducerSendOptions = ProducerAppendOptions &
  Pick<SendOptions, 'key' | 'headers' | 'createTimeMs'>;

const KNOWN: ReadonlySet<string> = new Set<keyof ProducerAppendOptions>([
  'sequence',
  'partition',
  'durability',
  'signal',
]);

const OPEN_KNOWN: ReadonlySet<string> = new Set<keyof ProducerOptions>(['gaps', 'create']);

/** @throws as `Store.producer` */
export async function openProducer(
  producers: Producers,
  name: string,
  given: ProducerOptions,
): Promise<Producer> {
  const { gaps = 'refuse', create = true } = plainOptions(given, OPEN_KNOWN);
  checkChoice('gaps', gaps, ['refuse', 'allow']);
  checkBoolean('create', create);
  return new Producer(await producers.open(name, { gaps, create }));
}

/**
 * Somebody who numbers what he sends: a sequence that is stored in a topic is not stored there again,
 * across restarts, too. Made by `Store.producer`; it is over when somebody else produces under its name.
 */
export class Producer implements AsyncDisposable, Producing {
  readonly #hold: ProducerHold;

  /** @internal */
  constructor(hold: ProducerHold) {
    this.#hold = hold;
  }

  /** @internal For `Transaction.append`. */
  get [producerHold](): ProducerHold {
    return this.#hold;
  }

  get name(): string {
    return this.#hold.name;
  }

  /** Grows with each call of `Store.producer` for this name. */
  get epoch(): number {
    return this.#hold.epoch;
  }

  /**
   * Appends one record, unless its sequence is stored.
   *
   * @returns for a duplicate where it was stored, if that was in one of the last five batches of a partition
   * @throws FencedError when somebody else produces under the name; SequenceGapError; ConflictError for a
   *   topic that compares content; TypeError for a `dedupId`; as `Topic.append`
   *
   * Durability: as `Topic.append`, also of a duplicate. Cost: as `Topic.appendBatch`; its first use of a
   * topic in a process reads what was appended since the producers of it were last noted.
   */
  async append<T, Input>(
    topic: StoreTopic<T, Input>,
    record: RecordInput<Input>,
    options: ProducerAppendOptions = {},
  ): Promise<ProducerAppendResult> {
    return this.#append(topic, record, options);
  }

  /**
   * Appends those records whose sequences are not stored. After a crash a part of them may be there:
   * sent again, the others are appended.
   *
   * @returns of duplicates where they are stored, as `append`
   * @throws as `append`; RangeError, TypeError for a list of sequences that does not ascend
   */
  async appendBatch<T, Input>(
    topic: StoreTopic<T, Input>,
    records: readonly RecordInput<Input>[],
    options: ProducerBatchOptions = {},
  ): Promise<ProducerBatchResult> {
    checkArray('records', records);
    const answer = await this.#send(topic, records, options);
    const { placements, duplicateCount, duplicates, sequences, durability } = answer;
    const { count, last: lastSequence } = sequences;
    const recordCount = count - duplicateCount;
    return { placements, recordCount, duplicateCount, duplicates, lastSequence, durability };
  }

  /** Sends a value to a queue, unless its sequence is stored. @throws as `append` */
  async send<T, Input>(
    queue: StoreQueue<T, Input>,
    value: Input,
    options: ProducerSendOptions = {},
  ): Promise<ProducerAppendResult> {
    const { key, headers, createTimeMs, ...how } = checkObject('options', options);
    return this.#append(topicOfQueue(queue), { value, key, headers, createTimeMs }, how);
  }

  /**
   * Publishes a record to an exchange, unless its sequence is stored: sequences count in what was published
   * to the exchange, wherever that goes; to the default exchange in the queue or topic that the routing key
   * names. It is routed in the step in which it is appended; a duplicate goes nowhere again.
   *
   * @param options.confirm  `routed`, of a duplicate: when it is where it would go now
   * @throws FencedError, SequenceGapError; as `Exchange.publish`, as `DefaultExchange.publish`
   *
   * Durability: as `Exchange.publish`, also of a duplicate. Cost: as `append`.
   */
  publish<T, Input>(
    exchange: Exchange<T, Input>,
    value: Input | null,
    options?: ProducerPublishOptions,
  ): Promise<ProducerPublishResult>;
  publish<T, Input>(
    exchange: DefaultExchange<T, Input>,
    value: Input | null,
    options?: ProducerDefaultPublishOptions,
  ): Promise<ProducerDefaultPublishResult>;
  async publish<T, Input>(
    exchange: Exchange<T, Input> | DefaultExchange<T, Input>,
    value: Input | null,
    options: ProducerPublishOptions & ProducerDefaultPublishOptions = {},
  ): Promise<ProducerPublishResult | ProducerDefaultPublishResult> {
    this.#hold.check();
    checkObject('options', options);
    const producer: PublishingProducer = {
      send: (partitions, call) => this.#call(partitions, call),
      append: (topic, record, how) => this.#append(topic, record, how),
    };
    if (exchange instanceof Exchange) return publishTo(producer, exchange, value, options);
    if (exchange instanceof DefaultExchange) {
      return publishByName(producer, exchange, value, options);
    }
    throw argumentError(TypeError, 'exchange', 'an exchange', exchange);
  }

  /**
   * Where it is in a topic, a queue or an exchange, behind all that was sent so far.
   *
   * @returns of an exchange `offset` is in its source log
   * @throws as `append`
   */
  async last<T, Input>(
    to: StoreTopic<T, Input> | StoreQueue<T, Input> | Exchange<T, Input>,
  ): Promise<ProducerPosition> {
    this.#hold.check();
    const partitions = partitionsOf(to);
    partitions.checkThere();
    return positionOf(await this.#hold.appendsTo(partitions).progress());
  }

  /** Waits for what it sent, and lets go of the name. Idempotent. */
  close(): Promise<void> {
    return this.#hold.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #append<T, Input>(
    topic: Topic<T, Input>,
    record: RecordInput<Input>,
    options: ProducerAppendOptions,
  ): Promise<ProducerAppendResult> {
    const { duplicateCount, sequences, place, durability } = await this.#send(
      topic,
      [record],
      options,
    );
    const { first: sequence } = sequences;
    const { partition = null, offset = null } = place ?? {};
    return { duplicate: duplicateCount > 0, sequence, partition, offset, durability };
  }

  async #send<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    given: ProducerBatchOptions,
  ): Promise<ProducedAnswer> {
    this.#hold.check();
    const { partitions } = checkTopic(topic);
    partitions.checkThere();
    const options = plainOptions(given, KNOWN);
    const { partition, signal, durability, sequence } = options;
    const input = topic.prepareProduced(records, { partition });
    return this.#call(partitions, { input, sequence, durability, signal });
  }

  async #call(
    partitions: PartitionSet,
    call: Parameters<PublishingProducer['send']>[1],
  ): Promise<ProducedAnswer> {
    checkNotByContent(partitions, 'an append of a producer');
    const { input, signal, check, durability = partitions.settings.durability } = call;
    checkChoice('durability', durability, DURABILITY_LEVELS);
    checkSignal('signal', signal);
    signal?.throwIfAborted();
    const sequence = checkSequence(call.sequence, input.records.length);
    return this.#hold.appendsTo(partitions).send({ input, sequence, durability, signal, check });
  }
}

function partitionsOf<T, Input>(
  to: StoreTopic<T, Input> | StoreQueue<T, Input> | Exchange<T, Input>,
): PartitionSet {
  if (to instanceof Exchange) return to.way.router.sources;
  if (to instanceof Queue) return to.topic.partitions;
  if (to instanceof Topic) return to.partitions;
  throw argumentError(TypeError, 'to', 'a topic, a queue, or an exchange that has a log', to);
}
