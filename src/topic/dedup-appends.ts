/** The appends of one handle of a topic whose records may be stored already. */
import type { Codec } from '../codec/codec.ts';
import { checkAppendOptions } from '../log/append-result.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
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
  readonly #prepared: PreparedRecords<Input>;

  constructor(parts: DedupAppendsParts<Input>) {
    this.#parts = parts;
    const { codec, partitions } = parts;
    this.#prepared = new PreparedRecords({
      codec,
      get limits() {
        return partitions.settings; // Others when the topic is altered.
      },
    });
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
      const { placed, duplicates } = await partitions.dedup.append(call);
      return {
        placements: placed.map(({ partition, baseOffset, recordCount }) => ({
          partition,
          baseOffset,
          recordCount,
        })),
        recordCount: placed.reduce((sum, { recordCount }) => sum + recordCount, 0),
        duplicates,
        durability: placed[0]?.durability ?? call.options.durability,
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
    return dedupCallOf(records, {
      division: division.divide(records, options),
      prepared: this.#prepared,
      settings,
      options: checkAppendOptions(logOptionsOf(options), settings.durability),
      nowMs: clock.now(),
    });
  }
}

function haveIds(records: readonly TopicRecordInput<unknown>[]): boolean {
  return Array.isArray(records) && records.some((record) => record?.dedupId !== undefined);
}
