import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import { BATCH_HEADER_BYTES } from '../../../src/format/layout.ts';
import {
  ProjectedExtension,
  projectedFrom,
  sourceOffsetOf,
} from '../../../src/format/projected-extension.ts';

const FROM = { exchangeId: 2 ** 53 - 1, stream: 77, position: 2 ** 53 - 1 };

/** A batch of nothing but its extension block. */
function batchWith(extension: Uint8Array) {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + extension.length);
  bytes.set(extension, BATCH_HEADER_BYTES);
  return { bytes, header: { ...emptyBatchHeader(), extensionBytes: extension.length } };
}

/** Of records at these source offsets. */
function batchOf(offsets: readonly number[], from = FROM) {
  const extension = new ProjectedExtension();
  for (const offset of offsets) extension.add(offset);
  return batchWith(extension.encode(from));
}

function offsetsIn({ bytes, header }: ReturnType<typeof batchWith>, count: number) {
  return Array.from({ length: count }, (_, index) => sourceOffsetOf(bytes, 0, header, index));
}

describe('the extension block of a projected batch', () => {
  test('says where its records come from', () => {
    const random = new SeededRandom(3);
    let large = 0;
    for (let round = 0; round < 200; round++) {
      let offset = Math.floor(random.next() * 2 ** (round % 40));
      const offsets = Array.from({ length: 1 + (round % 9) }, () => {
        const distance = Math.floor(random.next() * 2 ** Math.floor(random.next() * 45));
        if (distance >= 2 ** 32) large++;
        return (offset += 1 + distance);
      });
      const batch = batchOf(offsets);
      expect(projectedFrom(batch.bytes, 0, batch.header)).toEqual(FROM);
      expect(offsetsIn(batch, offsets.length)).toEqual(offsets);
      expect(sourceOffsetOf(batch.bytes, 0, batch.header, offsets.length)).toBeNull();
    }
    expect(large).toBeGreaterThan(50);
  });

  test('is that of the next batch after `clear`', () => {
    const extension = new ProjectedExtension();
    extension.add(500);
    extension.clear();
    extension.add(3);
    extension.add(4);
    const { bytes, header } = batchWith(extension.encode({ ...FROM, position: 5 }));
    expect(projectedFrom(bytes, 0, header)?.position).toBe(5);
    expect([0, 1].map((index) => sourceOffsetOf(bytes, 0, header, index))).toEqual([3, 4]);
  });

  test('has room until a batch is full of records, and then says so', () => {
    const extension = new ProjectedExtension();
    let count = 0;
    while (extension.hasRoom) extension.add(count++ * 2 ** 20);
    expect(count).toBeGreaterThan(20_000);
    const { bytes, header } = batchWith(extension.encode(FROM));
    expect(header.extensionBytes).toBeLessThan(2 ** 16);
    expect(sourceOffsetOf(bytes, 0, header, count - 1)).toBe((count - 1) * 2 ** 20);
  });

  test('refuses what is out of order', () => {
    const extension = new ProjectedExtension();
    extension.add(7);
    expect(() => extension.add(7)).toThrow(AssertionError);
    expect(() => extension.encode({ ...FROM, position: 7 })).toThrow(AssertionError);
  });

  test('is not there in other batches', () => {
    const plain = batchWith(new Uint8Array(0));
    expect(projectedFrom(plain.bytes, 0, plain.header)).toBeNull();
    expect(sourceOffsetOf(plain.bytes, 0, plain.header, 0)).toBeNull();
  });
});
