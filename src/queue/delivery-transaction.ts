/** What a handler appends and sends in one commit with the ack of its record. */
import { argumentError, checkObject } from '../core/assert.ts';
import { ClosedError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { Topic } from '../topic/topic.ts';
import type { PrepareStep } from '../transaction/prepared-appends.ts';
import type { Queue, SendOptions } from './queue.ts';

export interface TransactionAppendOptions {
  /** From 0; default: as the topic's partitioner chooses. */
  readonly partition?: number | undefined;
}

/** What goes with a value that is sent. */
export type TransactionSendOptions = Omit<SendOptions, 'durability' | 'signal'>;

const APPEND_KEYS: ReadonlySet<string> = new Set<keyof TransactionAppendOptions>(['partition']);

/** Collects. Made by `Delivery.transaction`; good until what was passed to it has ended. */
export class DeliveryTransaction {
  readonly #source: PartitionSet;
  readonly #steps: PrepareStep[] = [];
  #isOver = false;

  /** @internal @param source  the topic of the delivery */
  constructor(source: PartitionSet) {
    this.#source = source;
  }

  /**
   * Adds records for a topic of the same store. They are checked and encoded at once, and appended when
   * the transaction is committed.
   *
   * @throws TypeError for a topic of another store; as `Topic.append`: nothing was added; ClosedError when
   *   the transaction is over
   */
  append<T, Input>(
    topic: Topic<T, Input>,
    records: RecordInput<Input> | readonly RecordInput<Input>[],
    options: TransactionAppendOptions = {},
  ): void {
    const where = plainOptions(options, APPEND_KEYS);
    this.#add(topic, isList(records) ? records : [records], where);
  }

  /** Adds a value for a queue of the same store. @throws as `append` */
  send<T, Input>(queue: Queue<T, Input>, value: Input, options: TransactionSendOptions = {}): void {
    const { key, headers, createTimeMs, ...where } = checkObject('options', options);
    const { topic } = checkObject('queue', queue);
    this.#add(topic, [{ value, key, headers, createTimeMs }], plainOptions(where, APPEND_KEYS));
  }

  /** @internal Takes no more. @returns what was added */
  end(): readonly PrepareStep[] {
    this.#isOver = true;
    return this.#steps;
  }

  #add<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    options: TransactionAppendOptions,
  ): void {
    if (this.#isOver)
      throw new ClosedError({ resource: 'transaction of', name: this.#source.name });
    if (!(topic instanceof Topic)) throw argumentError(TypeError, 'topic', 'a topic', topic);
    if (!topic.partitions.isOfSameStore(this.#source)) {
      throw argumentError(TypeError, 'topic', 'of the store of the delivery', topic);
    }
    if (records.length > 0) this.#steps.push(topic.prepareCommit(records, options));
  }
}

function isList<R>(records: R | readonly R[]): records is readonly R[] {
  return Array.isArray(records);
}
