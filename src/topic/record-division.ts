/** Which partition of a topic each record of a call goes to. */
import { checkArray } from '../core/assert.ts';
import type { RecordInput } from '../log/record-input.ts';
import { partitionOfKey, StickyPartitioner } from './partitioner.ts';
import type { PartitionSet } from './partition-set.ts';
import { checkChosen, type Partitioner } from './topic-options.ts';
import type { TopicAppendOptions } from './topic-results.ts';

/** Of a value that its codec has yet to encode. */
const RECORD_BYTES_GUESS = 256;

type Chosen = Pick<TopicAppendOptions, 'partition'>;

/** Records of one call that go to one partition, in their order. */
interface DividedRecords<R> {
  readonly partition: number;
  readonly records: readonly R[];
}

/** Divides the records that one handle appends. */
export class RecordDivision<Input> {
  readonly #partitions: PartitionSet;
  readonly #partitioner: Partitioner<Input> | null;
  readonly #sticky: StickyPartitioner;

  constructor(partitions: PartitionSet, partitioner: Partitioner<Input> | undefined) {
    this.#partitions = partitions;
    this.#partitioner = partitioner ?? null;
    this.#sticky = new StickyPartitioner(partitions.random);
  }

  /** Whether all records go to the first partition, for there is no other, nor anybody to be asked. */
  get #isSingle(): boolean {
    return this.#partitions.count === 1 && this.#partitioner === null;
  }

  /** @throws RangeError; ClosedError when the topic is gone; what the partitioner throws */
  partitionFor(record: RecordInput<Input>, { partition }: Chosen): number {
    this.#partitions.checkThere();
    const partitionCount = this.#partitions.count;
    if (partition !== undefined) return checkChosen(partition, partitionCount);
    if (this.#partitioner !== null) {
      return checkChosen(this.#partitioner(record, partitionCount), partitionCount);
    }
    if (partitionCount === 1) return 0;
    const key: unknown = record?.key ?? null;
    if (key === null) return this.#sticky.next(partitionCount, roughBytesOf(record?.value));
    if (typeof key === 'string' || key instanceof Uint8Array) {
      return partitionOfKey(key, partitionCount);
    }
    return 0; // No key at all: the log, whichever it is, says so.
  }

  /**
   * Of each record as `partitionFor`; null for one that may go to any. Null in place of all = the first.
   *
   * @throws as `partitionFor`
   */
  partitionsOrAny(
    records: readonly RecordInput<Input>[],
    options: Chosen,
  ): readonly (number | null)[] | null {
    if (this.#isSingle) {
      this.#partitions.checkThere();
      if (options.partition !== undefined) checkChosen(options.partition, 1);
      return null;
    }
    const isFree = options.partition === undefined && this.#partitioner === null;
    return records.map((record) =>
      isFree && record?.key == null ? null : this.partitionFor(record, options),
    );
  }

  /**
   * Ascending by partition, only those that get records; keyless ones go to one partition.
   *
   * @throws as `partitionFor`; TypeError
   */
  divide<R extends RecordInput<Input>>(
    records: readonly R[],
    options: Chosen,
  ): readonly DividedRecords<R>[] {
    this.#partitions.checkThere();
    checkArray('records', records);
    if (this.#isSingle && records.length > 0) {
      return [{ partition: checkChosen(options.partition ?? 0, 1), records }];
    }
    const parts = new Map<number, R[]>();
    let keyless = -1;
    for (const record of records) {
      const isSticky = this.#partitioner === null && record?.key == null;
      if (!isSticky || keyless < 0) {
        const partition = this.partitionFor(record, options);
        if (isSticky) keyless = partition;
        pushTo(parts, partition, record);
      } else pushTo(parts, keyless, record);
    }
    return [...parts]
      .map(([partition, own]) => ({ partition, records: own }))
      .toSorted((one, two) => one.partition - two.partition);
  }
}

/** A guess will do: it decides when keyless records go on to another partition. */
function roughBytesOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  return typeof value === 'string' ? value.length : RECORD_BYTES_GUESS;
}

function pushTo<V>(lists: Map<number, V[]>, key: number, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
