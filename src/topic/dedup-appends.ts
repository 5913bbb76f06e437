/** The appends of one handle of a topic whose records may be stored already. */
import type { Codec } from '../codec/codec.ts';
import { present } from '../core/assert.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { IdHeaders } from '../format/id-header.ts';
import { checkAppendOptions } from '../log/append-result.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
import { emptyEncodable, prepareRecord, type PrepareSettings } from '../log/record-input.ts';
import { dedupCallOf, identify, type DedupCall, type DedupPart } from './dedup-call.ts';
import type { PartitionSet } from './partition-set.ts';
import type { RecordDivision } from './record-division.ts';
import {
  logOptionsOf,
  type DuplicateRecord,
  type TopicAppendBatchResult,
  type TopicAppendOptions,
  type TopicAppendResult,
  type TopicRecordInput,
} from './topic-results.ts';

export interface DedupAppendsParts<Input> {
  readonly partitions: PartitionSet;
  readonly codec: Codec<unknown, Input>;
  readonly division: RecordDivision<Input>;
}

export class DedupAppends<Input> {
  readonly #parts: DedupAppendsParts<Input>;
  /** `limits` are those of the topic when the last call began: it may be altered. */
  readonly #settings: Pick<PrepareSettings<Input>, 'codec'> & {
    limits: PrepareSettings<Input>['limits'];
  };
  readonly #prepared: PreparedRecords<Input>;
  /** Null while a call has them: a codec is user code, which may append. */
  #idHeaders: IdHeaders | null = new IdHeaders();
  /** Filled when all user code has run. */
  readonly #scratch: EncodableRecord = emptyEncodable();

  constructor(parts: DedupAppendsParts<Input>) {
    this.#parts = parts;
    const { codec } = parts;
    this.#settings = { codec, limits: { recordBytesMax: 0 } };
    this.#prepared = new PreparedRecords(this.#settings);
  }

  /** Whether one of them may be stored already. */
  mayHold(records: readonly TopicRecordInput<Input>[]): boolean {
    return this.#parts.partitions.dedupsContent || haveIds(records);
  }

  /** Appends one, unless it is there. @throws as `Topic.append` */
  async appendOne(
    record: TopicRecordInput<Input>,
    options: TopicAppendOptions,
  ): Promise<TopicAppendResult> {
    const partition = this.#parts.division.partitionFor(record, options);
    const joined = this.#join(record, partition, options);
    if (joined !== null) {
      try {
        return await joined;
      } catch (error) {
        throw this.#parts.partitions.toldOf(error);
      }
    }
    const { placements, duplicates, durability } = await this.append([record], {
      ...options,
      partition,
    });
    const [place] = placements;
    const [at] = duplicates;
    if (place === undefined) return { ...placeOf(present(at, 'one or the other')), durability };
    return { partition: place.partition, offset: place.baseOffset, durability, duplicate: false };
  }

  /** Null = it is to be appended as a call of its own. */
  #join(
    record: TopicRecordInput<Input>,
    partition: number,
    options: TopicAppendOptions,
  ): Promise<TopicAppendResult> | null {
    const { partitions } = this.#parts;
    const { settings, clock } = partitions;
    const { durability = settings.durability, signal } = logOptionsOf(options);
    if (durability !== settings.durability || signal !== undefined) return null;
    this.#settings.limits = settings;
    const into = this.#scratch;
    const idHeaders = this.#takeIdHeaders();
    try {
      prepareRecord(record, clock.now(), this.#settings, into);
      return partitions.dedup.appendOne(partition, identify(into, record, { idHeaders, settings }));
    } finally {
      into.value = null; // Not ours to keep.
      this.#idHeaders = idHeaders;
    }
  }

  /** Appends what is not there yet. @throws as `Topic.appendBatch` */
  async append(
    records: readonly TopicRecordInput<Input>[],
    options: TopicAppendOptions,
  ): Promise<TopicAppendBatchResult> {
    const { partitions } = this.#parts;
    try {
      const call = this.#callOf(records, options);
      const level = call.options.durability;
      const { placed, duplicates } = await partitions.dedup.append(call);
      return {
        placements: placed.map(({ partition, baseOffset, recordCount }) => ({
          partition,
          baseOffset,
          recordCount,
        })),
        recordCount: placed.reduce((sum, { recordCount }) => sum + recordCount, 0),
        duplicates,
        durability: placed[0]?.durability ?? level,
      };
    } catch (error) {
      throw partitions.toldOf(error);
    }
  }

  /** For a commit, by partition. @throws as `Topic.appendBatch` */
  claim(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): readonly DedupPart[] {
    const call = this.#callOf(records, options);
    call.keep?.();
    return call.parts;
  }

  /** Checks and encodes everything at once. */
  #callOf(records: readonly TopicRecordInput<Input>[], options: TopicAppendOptions): DedupCall {
    const { partitions, division } = this.#parts;
    const { settings, clock } = partitions;
    this.#settings.limits = settings;
    const idHeaders = this.#takeIdHeaders();
    try {
      return dedupCallOf(records, {
        division: division.divide(records, options),
        prepared: this.#prepared,
        idHeaders,
        settings,
        options: checkAppendOptions(logOptionsOf(options), settings.durability),
        nowMs: clock.now(),
      });
    } finally {
      this.#idHeaders = idHeaders;
    }
  }

  #takeIdHeaders(): IdHeaders {
    const idHeaders = this.#idHeaders ?? new IdHeaders();
    this.#idHeaders = null;
    idHeaders.clear();
    return idHeaders;
  }
}

function placeOf({ partition, offset }: DuplicateRecord) {
  return { partition, offset, duplicate: true };
}

function haveIds(records: readonly TopicRecordInput<unknown>[]): boolean {
  return Array.isArray(records) && records.some((record) => record?.dedupId !== undefined);
}
