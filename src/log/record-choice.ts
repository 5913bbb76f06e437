/** Which records of a batch stay. One for all batches, which it goes through one after the other. */
import { present } from '../core/assert.ts';
import type { Pace } from '../core/pace.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import type { BatchRecords } from '../format/batch-records.ts';
import { BatchKind } from '../format/layout.ts';

/** Records that are looked at between two looks at the pace: a batch of 1 MiB may hold 40,000. */
const STEP_RECORDS = 1024;

export class RecordChoice {
  /** Records that stay, and those among them that delete their key. */
  count = 0;
  tombstoneCount = 0;
  /** Of those that stay, as the next two. */
  sizeBytes = 0;
  minCreateTimeMs = 0;
  maxCreateTimeMs = 0;
  /** How many records of the batch stood before each of those that stay, and their offsets less its base. */
  readonly numbers: number[] = [];
  readonly deltas: number[] = [];
  readonly #cursor = new BatchCursor();
  #records: BatchRecords | null = null;
  /** Records that were looked at. */
  #seen = 0;
  /** Where records that stand one behind the other begin and end, in turn. */
  readonly #stretches: number[] = [];

  /** The batch. */
  get records(): BatchRecords {
    return present(this.#records, 'a batch was begun');
  }

  /**
   * Asks `keeps` for each record of a batch of kind data or gap, which has none; the batch must stand still
   * meanwhile.
   *
   * @throws CorruptLogError when it contradicts itself; what `Pace.turn` and `keeps` throw
   */
  async choose(
    records: BatchRecords,
    keeps: (record: BatchCursor) => boolean,
    pace: Pick<Pace, 'turn'>,
  ): Promise<void> {
    this.#begin(records);
    if (records.header.kind === BatchKind.gap) return;
    while (!this.#step(keeps)) await pace.turn();
  }

  /** Copies those that stay to `bytes[at]`. */
  copyTo(bytes: Uint8Array, at: number): void {
    const from = this.records.bytes;
    let to = at;
    for (let index = 0; index < this.#stretches.length; index += 2) {
      const stretch = from.subarray(this.#stretches[index], this.#stretches[index + 1]);
      bytes.set(stretch, to);
      to += stretch.length;
    }
  }

  #begin(records: BatchRecords): void {
    this.#records = records;
    this.#cursor.reset(records);
    this.#seen = 0;
    this.count = 0;
    this.tombstoneCount = 0;
    this.sizeBytes = 0;
    this.minCreateTimeMs = Number.MAX_SAFE_INTEGER;
    this.maxCreateTimeMs = 0;
    this.numbers.length = 0;
    this.deltas.length = 0;
    this.#stretches.length = 0;
  }

  /** Looks at the next records. @returns whether the batch is done */
  #step(keeps: (record: BatchCursor) => boolean): boolean {
    const cursor = this.#cursor;
    const { baseOffset } = this.records.header;
    for (let left = STEP_RECORDS; left > 0; left--) {
      if (!cursor.next()) return true;
      const number = this.#seen++;
      if (!keeps(cursor)) continue;
      this.numbers.push(number);
      this.deltas.push(cursor.offset - baseOffset);
      this.#take(cursor);
    }
    return false;
  }

  #take({ start, sizeBytes, isTombstone, createTimeMs }: BatchCursor): void {
    const last = this.#stretches.length - 1;
    if (this.#stretches[last] === start) this.#stretches[last] = start + sizeBytes;
    else this.#stretches.push(start, start + sizeBytes);
    this.count++;
    this.sizeBytes += sizeBytes;
    if (isTombstone) this.tombstoneCount++;
    this.minCreateTimeMs = Math.min(this.minCreateTimeMs, createTimeMs);
    this.maxCreateTimeMs = Math.max(this.maxCreateTimeMs, createTimeMs);
  }
}
