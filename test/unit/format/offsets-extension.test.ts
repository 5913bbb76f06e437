/** Which offsets a batch says are left: what is encoded comes back, and nothing else is believed. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { CorruptLogError } from '../../../src/core/errors.ts';
import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import type { ExtendedBatch } from '../../../src/format/extension.ts';
import { ExtensionType } from '../../../src/format/layout.ts';
import { encodeOffsets, offsetDeltasIn } from '../../../src/format/offsets-extension.ts';

function batchOf(extension: Uint8Array | null, recordCount: number, lastOffsetDelta: number) {
  const header = { ...emptyBatchHeader(), recordCount, lastOffsetDelta };
  return { header, extension, file: 'a.log' } satisfies ExtendedBatch;
}

test('offsets come back as they were written', () => {
  const distance = fc.oneof(fc.nat(3), fc.nat(2 ** 20));
  fc.assert(
    fc.property(fc.array(distance, { minLength: 1, maxLength: 200 }), (distances) => {
      let next = 0;
      const deltas = distances.map((one) => {
        next += one + 1;
        return next - 1;
      });
      const batch = batchOf(encodeOffsets(deltas), deltas.length, next - 1);
      expect([...(offsetDeltasIn(batch) ?? [])]).toEqual(deltas);
    }),
  );
  const last = 2 ** 32 - 1;
  expect(offsetDeltasIn(batchOf(encodeOffsets([last]), 1, last))).toEqual(Uint32Array.of(last));
  expect(offsetDeltasIn(batchOf(null, 3, 2))).toBeNull();
});

test.each([
  ['fewer than records', [0, 2], 3, 9],
  ['more than records', [0, 2, 4], 2, 9],
  ['one behind the batch', [0, 10], 2, 9],
])('%s are refused', (_, deltas, recordCount, lastOffsetDelta) => {
  const batch = batchOf(encodeOffsets(deltas), recordCount, lastOffsetDelta);
  expect(() => offsetDeltasIn(batch)).toThrow(CorruptLogError);
});

test('one that does not end is refused', () => {
  const block = Uint8Array.of(7, 0, 2, 0, 0x81, 0x80);
  expect(() => offsetDeltasIn(batchOf(block, 1, 1000))).toThrow(CorruptLogError);
});

/** The field as it stands in a batch, whatever its value is. */
function fieldOf(value: Uint8Array): Uint8Array {
  const head = [ExtensionType.offsets, 0, value.length % 256, Math.floor(value.length / 256)];
  return Uint8Array.of(...head, ...value);
}

test.each([
  ['zeros that go on until no number holds their place', 200],
  ['one byte more than the longest distance has', 6],
])('a distance of %s is refused', (_, length) => {
  const value = new Uint8Array(length).fill(0x80);
  value[length - 1] = 0;
  const batch = batchOf(fieldOf(value), 1, 1000);
  expect(() => offsetDeltasIn(batch)).toThrow(/a distance has more than 5 bytes/);
});

test('whatever the bytes are, offsets ascend within the batch, or are refused', () => {
  const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const lasts = fc.oneof(fc.nat(1000), fc.nat(2 ** 32 - 1));
  const hostile = fc.oneof(bytes, fc.array(byte, { minLength: 1, maxLength: 300 }));
  let believedCount = 0;
  fc.assert(
    fc.property(hostile, fc.constantFrom(0, 0, 1), lasts, (value, more, last) => {
      const recordCount = value.filter((one: number) => one < 0x80).length + more;
      const batch = batchOf(fieldOf(Uint8Array.from(value)), recordCount, last);
      try {
        const deltas = [...(offsetDeltasIn(batch) ?? [])];
        const ascending = [...new Set(deltas)].toSorted((one, other) => one - other);
        expect(deltas).toEqual(ascending);
        expect(deltas).toHaveLength(recordCount);
        expect(deltas.at(-1) ?? 0).toBeLessThanOrEqual(last);
        believedCount++;
      } catch (error) {
        if (!(error instanceof CorruptLogError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  expect(believedCount).toBeGreaterThan(100);
});
