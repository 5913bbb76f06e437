/** A topic as its users hold it: append to its partitions, read them. */
import { argumentError, checkObject } from '../core/assert.ts';
import { codecOr, type Codec } from '../codec/codec.ts';
import { NO_OPTIONS, type AppendBatchResult } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { copiesOf, type PreparedAppend } from '../log/prepared-records.ts';
import type { LogRecord, RecordBatch } from '../log/record.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { RecordRun } from '../log/record-run.ts';
import { RecordStream } from '../log/record-stream.ts';
import { holdForCommit } from './commit-target.ts';
import { DedupAppends } from './dedup-appends.ts';
import type { DedupPart } from './dedup-call.ts';
import type { PartitionSet } from './partition-set.ts';
import { ProducerInputs, type ProducedInput } from './producer-inputs.ts';
import { RecordDivision } from './record-division.ts';
import { settleParts } from './settle-parts.ts';
import { TopicLogs } from './topic-logs.ts';
import { checkChosen, type Partitioner } from './topic-options.ts';
import { readBatches, type TopicReadOptions } from './topic-reads.ts';
import {
  logOptionsOf,
  type DuplicateRecord,
  type PlacedRecords,
  type TopicAppendBatchResult,
  type TopicAppendOptions,
  type TopicAppendResult,
  type TopicRecordInput,
} from './topic-results.ts';

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
export class Topic<T, Input = T> {
  /** @internal */
  readonly partitions: PartitionSet;
  readonly #codec: Codec<T, Input>;
  readonly #division: RecordDivision<Input>;
  readonly #dedup: DedupAppends<Input>;
  readonly #produced: ProducerInputs<Input>;
  readonly #logs: TopicLogs<T, Input>;

  /** @internal */
  constructor({ partitions, codec, partitioner }: TopicParts<T, Input>) {
    this.partitions = partitions;
    this.#codec = codecOr(codec);
    this.#logs = new TopicLogs(partitions, this.#codec);
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
    const log = this.#logs.opened(partition);
    try {
      const { offset, durability } = await (log === null
        ? this.#logs.use(partition, (own) => own.append(record, how))
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
        const result = await this.#logs.use(partition, (log) => log.appendBatch(own, how));
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
    return readBatches(this.#logs, options);
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
    const log = this.#logs.opened(partition);
    if (log === null) return this.#logs.use(partition, (own) => own.read(offset, options));
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
    await this.#logs.use(partition, (log) => log.deleteBefore(offset));
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

function placementOf(partition: number, result: AppendBatchResult): PlacedRecords {
  const { baseOffset, recordCount } = result;
  return { partition, baseOffset, recordCount };
}
