import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { partitionOfCopy } from '../../../src/routing/placement.ts';
import { murmur2, partitionOfKey } from '../../../src/topic/partitioner.ts';

/** Of a key that stands among other bytes. */
function placeOf(key: Uint8Array, keyStart = 3) {
  const bytes = new Uint8Array(keyStart + key.length + 5).fill(0xaa);
  bytes.set(key, keyStart);
  return { bytes, keyStart, keyBytes: key.length };
}

const keyless = { bytes: new Uint8Array(9), keyStart: 4, keyBytes: -1 };

describe('the partition of a copy', () => {
  test('is that of its key, wherever the key stands and whatever the source offset is', () => {
    const counts = fc.integer({ min: 1, max: 1000 });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.nat({ max: 9 }),
        counts,
        fc.maxSafeNat(),
        (key, start, partitionCount, sourceOffset) => {
          const partition = partitionOfCopy(placeOf(key, start), sourceOffset, partitionCount);
          expect(partition).toBe(partitionOfKey(key, partitionCount));
        },
      ),
    );
  });

  // The hashes of Kafka's own test.
  test.each([
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ])('is for %s that of the hash %i, as in Kafka', (text, hash) => {
    const { bytes, keyStart, keyBytes } = placeOf(Buffer.from(text));
    expect(murmur2(bytes, keyStart, keyBytes)).toBe(hash);
    const partition = partitionOfCopy({ bytes, keyStart, keyBytes }, 8, 1009);
    expect(partition).toBe((hash & 0x7fff_ffff) % 1009);
  });

  test('takes turns without a key, by the source offset', () => {
    const offsets = [0, 1, 2, 3, 4, 5, Number.MAX_SAFE_INTEGER];
    expect(offsets.map((offset) => partitionOfCopy(keyless, offset, 3))).toEqual([
      0, 1, 2, 0, 1, 2, 1,
    ]);
    expect(offsets.map((offset) => partitionOfCopy(keyless, offset, 1))).toEqual([
      0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  test('is not that of a record without a key when the key is empty', () => {
    const empty = placeOf(new Uint8Array(0));
    const of = (offset: number): number => partitionOfCopy(empty, offset, 1009);
    expect([of(1), of(2)]).toEqual(Array(2).fill(partitionOfKey('', 1009)));
  });
});
