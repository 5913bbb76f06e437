/** Records that producers send through one handle of a topic, checked and encoded. */
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { keepBytes } from '../log/prepared-records.ts';
import { checkNoIds } from './dedup-call.ts';
import { HandleRecords, type HandleParts } from './handle-records.ts';
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

export class ProducerInputs<Input> {
  readonly #parts: HandleParts<Input>;
  readonly #records: HandleRecords<Input>;

  constructor(parts: HandleParts<Input>) {
    this.#parts = parts;
    this.#records = new HandleRecords(parts);
  }

  /** Good for this step, unless they are kept. @throws as `Topic.append` */
  prepare(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): ProducedInput {
    const { partitions, division } = this.#parts;
    checkNoIds(records);
    this.#records.begin();
    const prepared = this.#records.prepared.prepare(records, partitions.clock.now());
    const { length } = records;
    const own = prepared.length === length ? prepared : prepared.slice(0, length);
    return {
      records: own,
      partitions: division.partitionsOrAny(records, options),
      keep: () => keepBytes(own),
      end: () => this.#records.prepared.takeBack(prepared),
    };
  }
}
