/** What would be left of a segment: its batches are read and filtered, and nothing is made of them. */
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import { GAP_BATCH_BYTES_MIN } from '../format/gap-batch.ts';
import { BATCH_HEADER_BYTES, BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';

export interface Survey {
  /** Records that stay, and those among them that delete their key. */
  readonly recordCount: number;
  readonly tombstoneCount: number;
  /** Records that go. */
  readonly removedCount: number;
  /** Of the data that stays, about: how well it will be compressed is guessed. */
  readonly sizeBytes: number;
  /** False when it ended at the first record that goes: then all of this is about what stands before. */
  readonly isWhole: boolean;
}

export class SegmentSurvey {
  recordCount = 0;
  tombstoneCount = 0;
  removedCount = 0;
  sizeBytes = SEGMENT_HEADER_BYTES;
  readonly #cursor = new BatchCursor();
  /** Whether the last batch may cover what follows it and has nothing left. */
  #covers = false;
  /** Of the batch at hand. */
  #keptCount = 0;
  #keptBytes = 0;

  /**
   * Takes the next batch, of kind data or gap; `records` are its records, where they were opened already.
   *
   * @throws CorruptLogError, CodecUnavailableError, as `KeptBatches.add` does
   */
  add(
    batch: VerifiedBatch,
    keeps: (record: BatchCursor) => boolean,
    records: BatchRecords = recordsOf(batch),
  ): void {
    const { header } = batch;
    if (header.kind === BatchKind.gap) {
      this.sizeBytes += GAP_BATCH_BYTES_MIN;
      this.#covers = false;
      return;
    }
    this.#filter(records, keeps);
    this.recordCount += this.#keptCount;
    this.removedCount += header.recordCount - this.#keptCount;
    const recordBytes = Math.max(1, records.end - records.start);
    this.#size(header, this.#keptBytes / recordBytes);
  }

  #filter(records: Parameters<BatchCursor['reset']>[0], keeps: (record: BatchCursor) => boolean) {
    const cursor = this.#cursor;
    this.#keptCount = 0;
    this.#keptBytes = 0;
    cursor.reset(records);
    while (cursor.next()) {
      if (!keeps(cursor)) continue;
      this.#keptCount++;
      this.#keptBytes += cursor.sizeBytes;
      if (cursor.isTombstone) this.tombstoneCount++;
    }
  }

  #size({ sizeBytes, recordCount }: VerifiedBatch['header'], share: number): void {
    if (this.#keptCount === 0) {
      if (!this.#covers) this.sizeBytes += BATCH_HEADER_BYTES;
    } else if (this.#keptCount === recordCount) this.sizeBytes += sizeBytes;
    else this.sizeBytes += BATCH_HEADER_BYTES + Math.ceil((sizeBytes - BATCH_HEADER_BYTES) * share);
    this.#covers = true;
  }
}
