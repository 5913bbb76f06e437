/** What checks and encodes the records that come through one handle of a topic. */
import type { Codec } from '../codec/codec.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
import type { PrepareSettings } from '../log/record-input.ts';
import type { PartitionSet } from './partition-set.ts';
import type { RecordDivision } from './record-division.ts';

export interface HandleParts<Input> {
  readonly partitions: PartitionSet;
  readonly codec: Codec<unknown, Input>;
  readonly division: RecordDivision<Input>;
}

export class HandleRecords<Input> {
  readonly prepared: PreparedRecords<Input>;
  readonly #partitions: PartitionSet;
  readonly #settings: Pick<PrepareSettings<Input>, 'codec'> & {
    limits: PrepareSettings<Input>['limits'];
  };

  constructor({ partitions, codec }: HandleParts<Input>) {
    this.#partitions = partitions;
    this.#settings = { codec, limits: { recordBytesMax: 0 } };
    this.prepared = new PreparedRecords(this.#settings);
  }

  /** A call begins: the limits of the topic may have been altered since the last one. */
  begin(): PrepareSettings<Input> {
    this.#settings.limits = this.#partitions.settings;
    return this.#settings;
  }
}
