/** What would be left of a segment: its batches are read and filtered, and nothing is made of them. */
import type { VerifiedBatch } from '../format/batch-records.ts';
import { GAP_BATCH_BYTES_MIN } from '../format/gap-batch.ts';
import { BATCH_HEADER_BYTES, BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { RecordChoice } from './record-choice.ts';

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
  /** Whether the last batch may cover what follows it and has nothing left. */
  #covers = false;

  /** Takes the next batch, of kind data or gap, with what was chosen of it. */
  add(batch: VerifiedBatch, choice: RecordChoice): void {
    const { header } = batch;
    if (header.kind === BatchKind.gap) {
      this.sizeBytes += GAP_BATCH_BYTES_MIN;
      this.#covers = false;
      return;
    }
    this.recordCount += choice.count;
    this.tombstoneCount += choice.tombstoneCount;
    this.removedCount += header.recordCount - choice.count;
    this.#size(header, choice);
  }

  #size({ sizeBytes, recordCount }: VerifiedBatch['header'], choice: RecordChoice): void {
    if (choice.count === 0) {
      if (!this.#covers) this.sizeBytes += BATCH_HEADER_BYTES;
    } else if (choice.count === recordCount) this.sizeBytes += sizeBytes;
    else {
      const share = choice.sizeBytes / Math.max(1, choice.records.end - choice.records.start);
      this.sizeBytes += BATCH_HEADER_BYTES + Math.ceil((sizeBytes - BATCH_HEADER_BYTES) * share);
    }
    this.#covers = true;
  }
}
