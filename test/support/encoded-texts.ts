/** Records encoded outside of any log, as routing hands them to `EncodedAppends`. */
import { BatchEncoder, encodedRecordBytes } from '../../src/format/batch-encoder.ts';
import type { EncodedRecords } from '../../src/format/batch-encoder.ts';
import { BATCH_HEADER_BYTES } from '../../src/format/layout.ts';

const NO_EXTENSION = new Uint8Array(0);

/** Records without keys. */
export function encodedTexts(texts: readonly string[], createTimeMs = 1000): EncodedRecords {
  const records = texts.map((text) => {
    const value = Buffer.from(text);
    const sizeBytes = encodedRecordBytes(0, null, value);
    return { key: null, keyBytes: 0, headers: null, value, createTimeMs, sizeBytes };
  });
  const sizeBytes = records.reduce((sum, record) => sum + record.sizeBytes, BATCH_HEADER_BYTES);
  const buffer = Buffer.alloc(sizeBytes);
  const encoder = new BatchEncoder();
  encoder.reset(buffer, 0);
  encoder.begin();
  for (const record of records) encoder.add(record);
  const bytes = buffer.subarray(BATCH_HEADER_BYTES, encoder.end);
  const times = { minCreateTimeMs: createTimeMs, maxCreateTimeMs: createTimeMs };
  return { tail: null, extension: NO_EXTENSION, bytes, recordCount: texts.length, ...times };
}
