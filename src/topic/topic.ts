/** A topic as its users hold it: append to its partitions, read them. */
import { argumentError, checkArray, checkObject } from '../core/assert.ts';
import { codecOr, type Codec } from '../codec/codec.ts';
import { NO_OPTIONS, type AppendBatchResult } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Log } from '../log/log.ts';
import { copiesOf, type PreparedAppend } from '../log/prepared-records.ts';
import type { ReadOptions } from '../log/read-options.ts';
import type { LogRecord, RecordBatch } from '../log/record.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { RecordRun } from '../log/record-run.ts';
import { RecordStream } from '../log/record-stream.ts';
import { holdForCommit } from './commit-target.ts';
import { DedupAppends } from './dedup-appends.ts';
import type { DedupPart } from './dedup-call.ts';
import { mergeBatches } from './merge-batches.ts';
import type { LogUser } from './partition.ts';
import type { PartitionSet } from './partition-set.ts';
import { ProducerInputs, type ProducedInput } from './producer-inputs.ts';
import { RecordDivision } from './record-division.ts';
import { settleParts } from './settle-parts.ts';
import { checkChosen, type Partitioner } from './topic-options.ts';
import {
  logOptionsOf,
  type DuplicateRecord,
  type PlacedRecords,
  type TopicAppendBatchResult,
  type TopicAppendOptions,
  type TopicAppendResult,
  type TopicRecordInput,
} from './topic-results.ts';

export interface TopicReadOptions extends ReadOptions {
  /** Partitions to read, from 0; default all. `from` as an offset needs exactly one. */
  readonly partitions?: number | readonly number[] | undefined;
}

/** @internal Records for one partition, encoded. */
export interface PartitionRuns {
  readonly partition: number;
  readonly runs: readonly RecordRun[];
}

/** @internal Records that a commit will append to a partition. */
export interface PartitionAppend extends PreparedAppend {
  readonly partition: number;
  readonly release: () => void;
}

/** @internal */
export interface TopicParts<T, Input> {
  readonly partitions: PartitionSet;
  readonly codec: Codec<T, Input> | undefined;
  readonly partitioner: Partitioner<Input> | undefined;
}

/**
 * A named sequence of records in one or more partitions, each a log of its own: order holds inside
 * a partition. Made by `Store.topic`; good until the store is closed or the topic deleted.
 */
export class Topic<T, Input = T> implements LogUser {
  /** @internal */
  readonly partitions: PartitionSet;
  readonly #codec: Codec<T, Input>;
  readonly #division: RecordDivision<Input>;
  readonly #dedup: DedupAppends<Input>;
  readonly #produced: ProducerInputs<Input>;
  /** Of the partitions that were used, with this handle's codec. */
  readonly #logs: (Log<T, Input> | undefined)[] = [];

  /** @internal */
  constructor({ partitions, codec, partitioner }: TopicParts<T, Input>) {
    this.partitions = partitions;
    this.#codec = codecOr(codec);
    this.#division = new RecordDivision(partitions, partitioner);
    const parts = { partitions, codec: this.#codec, division: this.#division };
    this.#dedup = new DedupAppends(parts);
    this.#produced = new ProducerInputs(parts);
  }

  get name(): string {
    return this.partitions.name;
  }

  /** @internal */
  get codec(): Codec<T, Input> {
    return this.#codec;
  }

  /** It only grows. */
  get partitionCount(): number {
    return this.partitions.count;
  }

  /**
   * Appends one record.
   *
   * @param options.partition   default: as the topic's partitioner chooses
   * @param options.durability  when to resolve; default the topic's level
   * @throws as `Log.append`; RangeError for a partition that is not there
   *
   * Durability: as the topic's. Cost: one promise beyond that of a log; a partition is opened at its
   * first use, which reads its active segment once.
   */
  async append(
    record: TopicRecordInput<Input>,
    options: TopicAppendOptions = NO_OPTIONS,
  ): Promise<TopicAppendResult> {
    const how = logOptionsOf(options);
    if (record?.dedupId !== undefined || this.partitions.dedupsContent) {
      return this.#dedup.appendOne(record, options);
    }
    const partition = this.#division.partitionFor(record, options);
    const log = this.#logs[partition];
    try {
      const { offset, durability } = await (log === undefined || log.life.closing !== null
        ? this.#use(partition, (own) => own.append(record, how))
        : log.append(record, how));
      return { partition, offset, durability, duplicate: false };
    } catch (error) {
      throw this.partitions.toldOf(error);
    }
  }

  /**
   * Appends many records. Those of one partition keep their order and stand together; keyless ones
   * go to one partition. After a crash or a failure a part of them may be there: a transaction is
   * all or nothing.
   *
   * @throws as `append`, once all partitions were answered: a FailedError is `indeterminate`, and an
   *   IoError has its `appendedCount`, also when it is only of other partitions that records are stored
   *
   * Cost: one promise per partition.
   */
  async appendBatch(
    records: readonly TopicRecordInput<Input>[],
    options: TopicAppendOptions = NO_OPTIONS,
  ): Promise<TopicAppendBatchResult> {
    const how = logOptionsOf(options);
    if (this.#dedup.mayHold(records)) return this.#dedup.append(records, options);
    const parts = this.#division.divide(records, options);
    let durability: DurabilityLevel = options.durability ?? this.partitions.settings.durability;
    const placements = await settleParts(
      parts.map(async ({ partition, records: own }) => {
        const result = await this.#use(partition, (log) => log.appendBatch(own, how));
        ({ durability } = result);
        return placementOf(partition, result);
      }),
    );
    return { placements, recordCount: records.length, duplicates: NO_DUPLICATES, durability };
  }

  /**
   * Reads batch by batch; those of several partitions as they come, none favoured. `limit` is per
   * partition.
   *
   * @throws as `Log.batches`; TypeError when `from` is an offset and it is not clear of which
   *   partition
   */
  batches(options: TopicReadOptions = {}): AsyncGenerator<RecordBatch<T>, void, void> {
    const { partitions, ...read } = checkObject('options', options);
    if (this.partitions.isGone) return failing(this.partitions.closedError());
    const chosen = this.#chosen(partitions);
    const isOffset = typeof read.from === 'number' || hasOffset(read.from);
    if ((isOffset || read.to !== undefined) && chosen.length !== 1) {
      throw argumentError(TypeError, 'partitions', 'one partition, for an offset', partitions);
    }
    const [only] = chosen;
    if (chosen.length === 1 && only !== undefined) return this.#batchesOf(only, read);
    const open = (signal: AbortSignal) => {
      const own = { ...read, signal, keepsAlive: false };
      return chosen.map((partition) => this.#batchesOf(partition, own));
    };
    return mergeBatches(open, { read, clock: this.partitions.clock });
  }

  /** Reads record by record: convenient, and several times slower than `batches`. */
  records(options: TopicReadOptions = {}): AsyncGenerator<LogRecord<T>, void, void> {
    return new RecordStream(this.batches(options));
  }

  /**
   * Reads one record.
   *
   * @returns null when the offset holds no record
   * @throws as `Log.read`
   */
  async read(position: {
    readonly partition: number;
    readonly offset: number;
    readonly epoch?: number;
  }): Promise<LogRecord<T> | null> {
    const { partition, offset, ...options } = checkObject('position', position);
    this.partitions.checkThere();
    checkChosen(partition, this.partitionCount);
    const log = this.#logs[partition];
    if (log === undefined || log.life.closing !== null) {
      return this.#use(partition, (own) => own.read(offset, options));
    }
    return log.read(offset, options).catch((error: unknown) => {
      throw this.partitions.toldOf(error);
    });
  }

  /**
   * Deletes all records of one partition below an offset: see `Log.deleteBefore`.
   *
   * @throws RangeError for a partition that is not there; as `Log.deleteBefore`
   */
  async deleteBefore(position: {
    readonly partition: number;
    readonly offset: number;
  }): Promise<void> {
    this.partitions.checkThere();
    const { partition, offset } = checkObject('position', position);
    checkChosen(partition, this.partitionCount);
    await this.#use(partition, (log) => log.deleteBefore(offset));
  }

  /**
   * @internal Checks and encodes records for a commit, by partition; each must come to its end in
   * one, for its log stays open until then. @throws as `append`
   */
  async forCommit(
    records: readonly RecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'> = {},
  ): Promise<readonly PartitionAppend[]> {
    return this.prepareCommit(records, options)();
  }

  /**
   * @internal As `forCommit`, in two steps: records are checked and encoded at once, and whatever the
   * caller does with his from then on is of no account.
   *
   * @returns opens their logs, which stay open until the commit has ended
   * @throws as `append`, at once
   */
  prepareCommit(
    records: readonly RecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'> = {},
  ): () => Promise<readonly PartitionAppend[]> {
    const parts = this.encodeForCommit(records, options);
    return () => this.#openForCommit(parts);
  }

  /** @internal Checks and encodes records for a producer. @throws as `append`, at once */
  prepareProduced(
    records: readonly RecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): ProducedInput {
    return this.#produced.prepare(records, options);
  }

  /** @internal The first step of `prepareCommit`: by partition, ascending. @throws as `append` */
  encodeForCommit(
    records: readonly RecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'> = {},
  ): readonly PartitionRuns[] {
    const { settings: limits, clock } = this.partitions;
    const settings = { codec: this.#codec, limits };
    const nowMs = clock.now();
    return this.#division.divide(records, options).map(({ partition, records: own }) => ({
      partition,
      runs: [{ records: copiesOf(own, nowMs, settings), tag: null }],
    }));
  }

  /**
   * @internal As `encodeForCommit`, of records that may be stored already; null = none may.
   *
   * @throws as `append`
   */
  claimForCommit(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): readonly DedupPart[] | null {
    return this.#dedup.mayHold(records) ? this.#dedup.claim(records, options) : null;
  }

  async #openForCommit(parts: readonly PartitionRuns[]): Promise<readonly PartitionAppend[]> {
    const opened: PartitionAppend[] = [];
    try {
      for (const { partition, runs } of parts) {
        const target = await holdForCommit(this.partitions, partition);
        const { logId, appender } = target;
        const release = () => target.release();
        // No spread in front of names: in Node 20 each such object has a hidden class of its own, for 1 us.
        opened.push({ partition, runs, logId, appender, release });
      }
      return opened;
    } catch (error) {
      for (const { release } of opened) release();
      throw error;
    }
  }

  /** Makes everything appended so far durable, whatever the level. @throws as `Log.sync` */
  async sync(): Promise<void> {
    this.partitions.checkThere();
    try {
      await this.partitions.sync();
    } catch (error) {
      throw this.partitions.toldOf(error);
    }
  }

  /** @internal */
  forget(partition: number): void {
    this.#logs[partition] = undefined;
  }

  async *#batchesOf(
    partition: number,
    options: ReadOptions,
  ): AsyncGenerator<RecordBatch<T>, void, void> {
    const used = this.partitions.at(partition);
    const release = used.hold();
    try {
      yield* this.#own(await used.log(), partition).batches(options);
    } catch (error) {
      throw this.partitions.toldOf(error);
    } finally {
      release();
    }
  }

  /** Runs `action` on the log of a partition, which stays open until it ends. */
  async #use<R>(partition: number, action: (log: Log<T, Input>) => Promise<R>): Promise<R> {
    try {
      return await this.partitions.at(partition).use((log) => action(this.#own(log, partition)));
    } catch (error) {
      throw this.partitions.toldOf(error);
    }
  }

  /** The handle with the topic's codec: kept while the log is open. */
  #own(log: Log<Uint8Array>, partition: number): Log<T, Input> {
    const known = this.#logs[partition];
    if (known !== undefined && known.life === log.life) return known;
    const own = log.as(this.#codec, partition);
    this.#logs[partition] = own;
    this.partitions.at(partition).watch(this);
    return own;
  }

  #chosen(partitions: number | readonly number[] | undefined): readonly number[] {
    const { partitionCount } = this;
    if (partitions === undefined) return Array.from({ length: partitionCount }, (_, at) => at);
    const chosen = typeof partitions === 'number' ? [partitions] : partitions;
    checkArray('partitions', chosen);
    if (chosen.length === 0) throw argumentError(RangeError, 'partitions', 'not empty', chosen);
    for (const partition of chosen) checkChosen(partition, partitionCount);
    return [...new Set(chosen)];
  }
}

/** @throws TypeError for what is no topic */
export function checkTopic<T, Input>(topic: Topic<T, Input>): Topic<T, Input> {
  if (topic instanceof Topic) return topic;
  throw argumentError(TypeError, 'topic', 'a topic', topic);
}

/** @throws TypeError for what is no queue */
export function topicOfQueue<T, Input>(queue: {
  readonly topic: Topic<T, Input>;
}): Topic<T, Input> {
  const { topic } = checkObject('queue', queue);
  if (topic instanceof Topic) return topic;
  throw argumentError(TypeError, 'queue', 'a queue', queue);
}

const NO_DUPLICATES: readonly DuplicateRecord[] = [];

// oxlint-disable-next-line require-yield -- it fails where others bring something
async function* failing(error: Error): AsyncGenerator<never, void, void> {
  throw error;
}

function hasOffset(from: TopicReadOptions['from']): boolean {
  return typeof from === 'object' && from !== null && 'offset' in from;
}

function placementOf(partition: number, result: AppendBatchResult): PlacedRecords {
  const { baseOffset, recordCount } = result;
  return { partition, baseOffset, recordCount };
}
