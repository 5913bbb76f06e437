/** A producer as its users hold it: what it sends again is stored once. */
import { checkSignal } from '../core/abort.ts';
import { checkArray, checkChoice, checkObject } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../log/log-options.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { SendOptions } from '../queue/queue.ts';
import { checkSequence } from '../topic/call-sequences.ts';
import type { ProducedAnswer } from '../topic/producer-appends.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import { checkNotByContent } from '../topic/dedup-options.ts';
import type { ProducerGaps, ProducerHold, Producers } from '../topic/producers.ts';
import { producerHold, type Producing } from '../transaction/commit-part.ts';
import type { StoreQueue } from './store-queue.ts';
import type { StoreTopic } from './store-topic.ts';

export interface ProducerOptions {
  /**
   * `refuse` (default): the next sequence is the last one and 1, else SequenceGapError. `allow`: any
   * larger one, as offsets of a source are.
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

export interface ProducerPosition {
  /** Highest that is stored; null = none is. */
  readonly sequence: number | null;
  /** Send on from here: nothing below is missing. */
  readonly resumeFrom: number;
  /** Where the highest is. */
  readonly partition: number | null;
  readonly offset: number | null;
}

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
   * @returns for a duplicate where it was stored, if that was in one of the last five batches
   * @throws FencedError when somebody else produces under the name; SequenceGapError; ConflictError for a
   *   topic that compares content; as `Topic.append`
   *
   * Durability: as `Topic.append`, also of a duplicate. Cost: as `Topic.appendBatch`; its first use of a
   * topic in a process reads what was appended since the producers of it were last noted.
   */
  async append<T, Input>(
    topic: StoreTopic<T, Input>,
    record: RecordInput<Input>,
    options: ProducerAppendOptions = {},
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

  /**
   * Appends those records whose sequences are not stored. After a crash a part of them may be there:
   * sent again, the others are appended.
   *
   * @throws as `append`; RangeError, TypeError for a list of sequences that does not ascend
   */
  async appendBatch<T, Input>(
    topic: StoreTopic<T, Input>,
    records: readonly RecordInput<Input>[],
    options: ProducerBatchOptions = {},
  ): Promise<ProducerBatchResult> {
    checkArray('records', records);
    const { placements, duplicateCount, sequences, durability } = await this.#send(
      topic,
      records,
      options,
    );
    const { count, last: lastSequence } = sequences;
    const recordCount = count - duplicateCount;
    return { placements, recordCount, duplicateCount, lastSequence, durability };
  }

  /** Sends a value to a queue, unless its sequence is stored. @throws as `append` */
  async send<T, Input>(
    queue: StoreQueue<T, Input>,
    value: Input,
    options: ProducerSendOptions = {},
  ): Promise<ProducerAppendResult> {
    const { key, headers, createTimeMs, ...how } = checkObject('options', options);
    return this.append(queue.topic, { value, key, headers, createTimeMs }, how);
  }

  /** Where it is in a topic or queue, behind all that was sent so far. @throws as `append` */
  async last<T, Input>(to: StoreTopic<T, Input> | StoreQueue<T, Input>): Promise<ProducerPosition> {
    this.#hold.check();
    const { partitions } = 'topic' in to ? to.topic : to;
    partitions.checkThere();
    const progress = await this.#hold.appendsTo(partitions).progress();
    const { lastStored, resumeFrom } = progress;
    const { partition = null, offset = null } = progress.placeOf(lastStored) ?? {};
    return { sequence: lastStored < 0 ? null : lastStored, resumeFrom, partition, offset };
  }

  /** Waits for what it sent, and lets go of the name. Idempotent. */
  close(): Promise<void> {
    return this.#hold.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #send<T, Input>(
    topic: StoreTopic<T, Input>,
    records: readonly RecordInput<Input>[],
    given: ProducerBatchOptions,
  ): Promise<ProducedAnswer> {
    this.#hold.check();
    const { partitions } = topic;
    partitions.checkThere();
    checkNotByContent(partitions, 'an append of a producer');
    const options = plainOptions(given, KNOWN);
    const { partition, signal, durability = partitions.settings.durability } = options;
    checkChoice('durability', durability, DURABILITY_LEVELS);
    checkSignal('signal', signal);
    signal?.throwIfAborted();
    const sequence = checkSequence(options.sequence, records.length);
    const input = topic.prepareProduced(records, { partition });
    return this.#hold.appendsTo(partitions).send({ ...input, sequence, durability, signal });
  }
}
