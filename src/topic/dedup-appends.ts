/** The appends of one handle of a topic whose records may be stored already. */
import type { Codec } from '../codec/codec.ts';
import { IdHeaders } from '../format/id-header.ts';
import { checkAppendOptions } from '../log/append-result.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
import type { PrepareSettings } from '../log/record-input.ts';
import { dedupCallOf, type DedupCall, type DedupPart } from './dedup-call.ts';
import type { PartitionSet } from './partition-set.ts';
import type { RecordDivision } from './record-division.ts';
import {
  logOptionsOf,
  type TopicAppendBatchResult,
  type TopicAppendOptions,
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
    const idHeaders = this.#idHeaders ?? new IdHeaders();
    idHeaders.clear();
    this.#idHeaders = null;
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
}

function haveIds(records: readonly TopicRecordInput<unknown>[]): boolean {
  return Array.isArray(records) && records.some((record) => record?.dedupId !== undefined);
}
