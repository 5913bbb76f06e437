/** Records that producers send through one handle of a topic, checked and encoded. */
import type { Codec } from '../codec/codec.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { keepBytes, PreparedRecords } from '../log/prepared-records.ts';
import type { PrepareSettings } from '../log/record-input.ts';
import { checkNoIds } from './dedup-call.ts';
import type { PartitionSet } from './partition-set.ts';
import type { RecordDivision } from './record-division.ts';
import type { TopicAppendOptions, TopicRecordInput } from './topic-results.ts';

/** @internal Records that a producer will append. */
export interface ProducedInput {
  readonly records: readonly EncodableRecord[];
  /** Of each of them, null = any; null in place of all = the first, for there is no other. */
  readonly partitions: readonly (number | null)[] | null;
  /** They are not appended in this step: gives them bytes of their own. Absent = they have. */
  readonly keep?: () => void;
  /** Nobody needs them any more, and `keep` was not called: they may be used again. */
  readonly end?: () => void;
}

export interface ProducerInputsParts<Input> {
  readonly partitions: PartitionSet;
  readonly codec: Codec<unknown, Input>;
  readonly division: RecordDivision<Input>;
}

export class ProducerInputs<Input> {
  readonly #parts: ProducerInputsParts<Input>;
  /** `limits` are those of the topic when the last call began: it may be altered. */
  readonly #settings: Pick<PrepareSettings<Input>, 'codec'> & {
    limits: PrepareSettings<Input>['limits'];
  };
  readonly #prepared: PreparedRecords<Input>;

  constructor(parts: ProducerInputsParts<Input>) {
    this.#parts = parts;
    this.#settings = { codec: parts.codec, limits: { recordBytesMax: 0 } };
    this.#prepared = new PreparedRecords(this.#settings);
  }

  /** Good for this step, unless they are kept. @throws as `Topic.append` */
  prepare(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): ProducedInput {
    const { partitions, division } = this.#parts;
    if (Array.isArray(records) && haveIds(records)) checkNoIds(records);
    this.#settings.limits = partitions.settings;
    const prepared = this.#prepared.prepare(records, partitions.clock.now());
    const { length } = records;
    const own = prepared.length === length ? prepared : prepared.slice(0, length);
    return {
      records: own,
      partitions: division.partitionsOrAny(records, options),
      keep: () => keepBytes(own),
      end: () => this.#prepared.takeBack(prepared),
    };
  }
}

/** A plain loop: each record is looked at, and next to none has one. */
function haveIds(records: readonly TopicRecordInput<unknown>[]): boolean {
  for (const record of records) if (record?.dedupId !== undefined) return true;
  return false;
}
