/** Batches in memory whose records say which they are. */
import { BatchEncoder, encodedRecordBytes } from '../../src/format/batch-encoder.ts';
import { emptyBatchHeader } from '../../src/format/batch-header.ts';
import { BatchRecords } from '../../src/format/batch-records.ts';
import { BATCH_HEADER_BYTES } from '../../src/format/layout.ts';
import { viewOf } from '../../src/format/u64.ts';

export const NO_EXTENSION = new Uint8Array(0);

/** Record n has the value n, n + 1 bytes long, and the create time 1000 - n. */
export function batchOf(count: number): BatchRecords {
  const buffer = Buffer.alloc(BATCH_HEADER_BYTES + count * (64 + count));
  const encoder = new BatchEncoder();
  encoder.reset(buffer, 0);
  encoder.begin();
  for (let n = 0; n < count; n++) {
    const value = new Uint8Array(n + 1).fill(n);
    const sizeBytes = encodedRecordBytes(0, null, value);
    const createTimeMs = 1000 - n;
    encoder.add({ key: null, keyBytes: 0, headers: null, value, createTimeMs, sizeBytes });
  }
  return recordsIn(buffer.subarray(BATCH_HEADER_BYTES, encoder.end), count);
}

export function recordsIn(bytes: Uint8Array, recordCount: number): BatchRecords {
  const header = { ...emptyBatchHeader(), recordCount, lastOffsetDelta: recordCount - 1 };
  const place = { bytes, view: viewOf(bytes), start: 0, end: bytes.length };
  return new BatchRecords({ ...place, header, extension: NO_EXTENSION, file: '' });
}
