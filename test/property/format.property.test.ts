import zlib from 'node:zlib';

import crc32 from 'crc-32';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { BatchCursor } from '../../src/format/batch-cursor.ts';
import {
  batchProblem,
  compressionOf,
  emptyBatchHeader,
  headerProblem,
  nextOffsetOf,
} from '../../src/format/batch-header.ts';
import { recordsOf } from '../../src/format/batch-records.ts';
import {
  CHECKPOINT_BYTES,
  checkpointSlotPosition,
  encodeCheckpoint,
  parseCheckpointFile,
  parseCheckpointSlot,
} from '../../src/format/checkpoint.ts';
import { createCompressor } from '../../src/format/compression.ts';
import { checksum, CRC_MASK } from '../../src/format/checksum.ts';
import {
  CHECKPOINT_SLOT_BYTES,
  CREATE_TIME_MS_MAX,
  RECORD_HEADER_BYTES,
} from '../../src/format/layout.ts';
import { decodeHeaders } from '../../src/format/record-headers.ts';
import { viewOf } from '../../src/format/u64.ts';
import { anyCheckpoint } from '../support/any-checkpoint.ts';
import { AVAILABLE_COMPRESSIONS } from '../support/compressions.ts';
import { encodedBatch, type EncodedBatch } from '../support/batch-fixture.ts';
import { propertyOptions } from '../support/property.ts';

const u53 = fc.nat(Number.MAX_SAFE_INTEGER);
const u32 = fc.nat(2 ** 32 - 1);
const text = fc.string({ unit: 'binary', maxLength: 60 });
/** Names and values of headers; `__proto__` and numbers would not stay plain entries in order. */
const headerName = text.filter((name) => name !== '__proto__' && !/^\d+$/.test(name));
const record = fc.record({
  key: fc.option(fc.oneof(text, fc.uint8Array({ maxLength: 60 }))),
  value: fc.option(text),
  headers: fc.option(fc.dictionary(headerName, text, { maxKeys: 4, noNullPrototype: true })),
  createTimeMs: fc.nat(CREATE_TIME_MS_MAX),
});
const records = fc.array(record, { minLength: 1, maxLength: 20 });
const place = fc.record({
  logId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  segmentId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  baseOffset: fc.nat(Number.MAX_SAFE_INTEGER - 1000),
  position: fc.integer({ min: 128, max: 2 ** 30 }),
  epoch: u32,
  appendTimeMs: u53,
  syncedUpTo: fc.constant(0),
  topologyVersion: u53,
});

const compressor = fc.constantFrom(
  null,
  ...AVAILABLE_COMPRESSIONS.map((name) => createCompressor(name, 1)),
);

/** One valid batch, and the records that went into it. */
const batch = fc.tuple(records, place, compressor).map(([inputs, fields, compressed]) => ({
  inputs,
  fields,
  encoded: encodedBatch({
    ...fields,
    compressor: compressed,
    values: inputs.map(({ value }) => value),
    keys: inputs.map(({ key }) => key),
    headers: inputs.map(({ headers }) => headers),
    createTimesMs: inputs.map(({ createTimeMs }) => createTimeMs),
  }),
}));

/** What is wrong with the bytes as a batch at its place; null for nothing. */
function problemOf({ bytes, header }: EncodedBatch, bytesLeft = bytes.length): string | null {
  const { logId, segmentId, position } = header;
  const parsed = emptyBatchHeader();
  const where = { logId, segmentId, position, bytesLeft };
  return headerProblem(viewOf(bytes), 0, where, parsed) ?? batchProblem(bytes, 0, parsed);
}

test('a batch, compressed or not, gives back any records: keys, values, headers, times', () => {
  const seen = { plain: 0, compressed: 0 };
  fc.assert(
    fc.property(batch, ({ inputs, fields, encoded }) => {
      const { bytes, header } = encoded;
      expect(problemOf(encoded)).toBeNull();
      expect(header).toMatchObject({ ...fields, recordCount: inputs.length });
      expect(nextOffsetOf(header)).toBe(fields.baseOffset + inputs.length);
      if (compressionOf(header) === 0) seen.plain++;
      else seen.compressed++;
      const cursor = new BatchCursor();
      const stored = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'test' });
      cursor.reset(stored);
      for (const [slot, input] of inputs.entries()) {
        expect(cursor.next()).toBe(true);
        expect(cursor.offset).toBe(fields.baseOffset + slot);
        expect(cursor.createTimeMs).toBe(input.createTimeMs);
        expect(bytesAt(stored.bytes, cursor.start + RECORD_HEADER_BYTES, cursor.keyBytes)).toEqual(
          bytesOf(input.key),
        );
        expect(bytesAt(stored.bytes, cursor.valueStart, cursor.valueBytes)).toEqual(
          bytesOf(input.value),
        );
        const { headersStart, headersBytes } = cursor;
        const headers = decodeHeaders(stored.bytes, headersStart, headersStart + headersBytes);
        // Text that is no Unicode becomes U+FFFD: two such names may be one, and the last counts.
        const sent = Object.entries(input.headers ?? {}).map(
          ([name, value]) => [Buffer.from(name).toString(), Buffer.from(value)] as const,
        );
        const given = [...(headers ?? [])].map(([name, value]) => [name, Buffer.from(value)]);
        expect(given).toEqual([...new Map(sent)]);
      }
      expect(cursor.next()).toBe(false);
      const times = inputs.map(({ createTimeMs }) => createTimeMs);
      expect(header.baseCreateTimeMs).toBe(Math.min(...times));
      expect(header.maxCreateTimeMs).toBe(Math.max(...times));
    }),
    propertyOptions(),
  );
  expect(seen.plain).toBeGreaterThan(5);
  expect(seen.compressed).toBeGreaterThan(5);
});

test('a batch with any one bit flipped, or any byte missing, is not valid', () => {
  fc.assert(
    fc.property(batch, u32, fc.nat(7), ({ encoded }, where, bit) => {
      const { bytes, header } = encoded;
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      expect(problemOf(encoded)).not.toBeNull();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      expect(problemOf(encoded)).toBeNull();
      expect(problemOf({ bytes, header }, bytes.length - 1)).not.toBeNull();
    }),
    propertyOptions(),
  );
});

test('a batch counts only at its own place, in its own segment of its own log', () => {
  fc.assert(
    fc.property(batch, fc.constantFrom('logId', 'segmentId', 'position'), ({ encoded }, field) => {
      const { bytes, header } = encoded;
      const elsewhere = { ...header, [field]: header[field] + 1 };
      expect(problemOf({ bytes, header: elsewhere })).not.toBeNull();
    }),
    propertyOptions(),
  );
});

test('both implementations of the checksum agree, over any range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(2000), fc.nat(2000), (bytes, a, b) => {
      const [start = 0, end = 0] = [a, b]
        .map((at) => Math.min(at, bytes.length))
        .sort((x, y) => x - y);
      const range = bytes.subarray(start, end);
      expect(crc32.buf(range) >>> 0).toBe(zlib.crc32(range));
      expect(checksum(bytes, start, end)).toBe((zlib.crc32(range) ^ CRC_MASK) >>> 0);
    }),
    propertyOptions(),
  );
});

test('a checkpoint slot gives back what was written, and no flipped bit goes unnoticed', () => {
  fc.assert(
    fc.property(anyCheckpoint, fc.nat(CHECKPOINT_SLOT_BYTES - 1), fc.nat(7), (state, at, bit) => {
      const bytes = encodeCheckpoint(state);
      expect(parseCheckpointSlot(bytes, 0)).toEqual({ checkpoint: state, problem: null });
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      expect(parseCheckpointSlot(bytes, 0).checkpoint).toBeNull();
    }),
    propertyOptions(),
  );
});

test('of two checkpoint slots the valid one with the higher sequence counts', () => {
  fc.assert(
    fc.property(anyCheckpoint, anyCheckpoint, fc.constantFrom(null, 0, 1), (zero, one, damaged) => {
      fc.pre(zero.sequence !== one.sequence);
      const bytes = new Uint8Array(CHECKPOINT_BYTES);
      bytes.set(encodeCheckpoint(zero), checkpointSlotPosition(0));
      bytes.set(encodeCheckpoint(one), checkpointSlotPosition(1));
      if (damaged !== null)
        bytes.fill(7, checkpointSlotPosition(damaged) + 20, checkpointSlotPosition(damaged) + 30);
      const newest = zero.sequence > one.sequence ? 0 : 1;
      const expected = damaged === null ? newest : 1 - damaged;
      const parsed = parseCheckpointFile(bytes);
      expect(parsed.slot).toBe(expected);
      expect(parsed.checkpoint).toEqual([zero, one][expected]);
      expect(parsed.problems).toHaveLength(damaged === null ? 0 : 1);
    }),
    propertyOptions(),
  );
});

/** A range of a batch; null when its length says that there is none. */
function bytesAt(bytes: Uint8Array, start: number, length: number): Buffer | null {
  return length < 0 ? null : Buffer.from(bytes.subarray(start, start + length));
}

function bytesOf(sent: string | Uint8Array | null): Buffer | null {
  return sent === null ? null : Buffer.from(sent);
}
