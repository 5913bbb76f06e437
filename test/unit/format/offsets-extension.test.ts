/** Which offsets a batch says are left: what is encoded comes back, and nothing else is believed. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { CorruptLogError } from '../../../src/core/errors.ts';
import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import type { ExtendedBatch } from '../../../src/format/extension.ts';
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
