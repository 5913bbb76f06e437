/** Encoded batches of texts, as the write path makes them. */
import { BatchEncoder, encodedRecordBytes } from '../../src/format/batch-encoder.ts';
import { emptyBatchHeader, type BatchHeader } from '../../src/format/batch-header.ts';
import type { Compressor } from '../../src/format/compression.ts';
import { encodeHeaders, type HeadersInput } from '../../src/format/record-headers.ts';

export interface BatchInput extends Partial<BatchHeader> {
  readonly values: readonly (string | null)[];
  readonly keys?: readonly (string | Uint8Array | null)[];
  readonly headers?: readonly (HeadersInput | null)[];
  /** Default: 1000, 1001, ... */
  readonly createTimesMs?: readonly number[];
  readonly compressor?: Compressor | null;
}

export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly header: BatchHeader;
}

/** One batch of data; ids, position and offsets as given, else 1, 1, 128 and 0. */
export function encodedBatch(input: BatchInput): EncodedBatch {
  const {
    values,
    keys = [],
    headers = [],
    createTimesMs = [],
    compressor = null,
    ...fields
  } = input;
  const records = values.map((value, at) => {
    const key = keys[at] ?? null;
    const record = {
      key,
      keyBytes: key === null ? 0 : Buffer.byteLength(key),
      headers: encodeHeaders(headers[at] ?? {}),
      value: value === null ? null : Buffer.from(value),
      createTimeMs: createTimesMs[at] ?? 1000 + at,
    };
    const sizeBytes = encodedRecordBytes(record.keyBytes, record.headers, record.value);
    return { ...record, sizeBytes };
  });
  const buffer = Buffer.alloc(4096 + records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const encoder = new BatchEncoder();
  encoder.reset(buffer, 0);
  encoder.begin();
  for (const record of records) encoder.add(record);
  const defaults = { logId: 1, segmentId: 1, position: 128, epoch: 1, appendTimeMs: 5000 };
  const header = Object.assign(emptyBatchHeader(), defaults, fields);
  encoder.writeKeys();
  encoder.seal(header, compressor);
  return { bytes: buffer.subarray(0, header.sizeBytes), header };
}
