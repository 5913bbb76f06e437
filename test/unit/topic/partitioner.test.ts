import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import { murmur2, partitionOfKey, StickyPartitioner } from '../../../src/topic/partitioner.ts';

describe('murmur2', () => {
  // The vectors of Kafka's own test.
  test.each([
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ])('of %s is %i, as in Kafka', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  test('does not depend on where the bytes stand in their buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 9 }), (key, shift) => {
        const larger = new Uint8Array(key.length + shift + 5).fill(0xaa);
        larger.set(key, shift);
        expect(murmur2(larger.subarray(shift, shift + key.length))).toBe(murmur2(key));
      }),
    );
  });
});

describe('partitionOfKey', () => {
  test('is one of the partitions, whatever the sign of the hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 64 }), (key, n) => {
        const partition = partitionOfKey(key, n);
        expect(partition).toBeGreaterThanOrEqual(0);
        expect(partition).toBeLessThan(n);
        expect(partition).toBe(Number(BigInt(murmur2(key) & 0x7fff_ffff) % BigInt(n)));
      }),
    );
  });

  test('is for text that of its UTF-8, whatever its length and its letters', () => {
    const keys = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.string({ unit: 'binary', maxLength: 150 }),
      fc.string({ unit: fc.constantFrom('a', '\u007f', '\u0080', 'ÿ', '\ud800'), maxLength: 9 }),
    );
    fc.assert(
      fc.property(keys, (key) => {
        const bytes = new TextEncoder().encode(key);
        expect(partitionOfKey(key, 1_000_003)).toBe(partitionOfKey(bytes, 1_000_003));
      }),
    );
  });

  test('spreads keys evenly', () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let n = 0; n < 16_000; n++) {
      const partition = partitionOfKey(Buffer.from(`key-${n}`), 16);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});

describe('StickyPartitioner', () => {
  test('stays for 16 KiB, then goes on to another', () => {
    const sticky = new StickyPartitioner(new SeededRandom(1));
    const seen: number[] = [];
    for (let n = 0; n < 160; n++) seen.push(sticky.next(4, 1024));
    for (let from = 0; from < 160; from += 16) {
      expect(new Set(seen.slice(from, from + 16)).size).toBe(1);
      if (from > 0) expect(seen[from]).not.toBe(seen[from - 1]);
    }
    expect(new Set(seen).size).toBe(4);
  });

  test('needs no other, and no larger topic', () => {
    const sticky = new StickyPartitioner(new SeededRandom(2));
    for (let n = 0; n < 5; n++) expect(sticky.next(1, 10_000)).toBe(0);
    const wide = sticky.next(64, 20_000);
    expect(wide).toBeLessThan(64);
    expect(sticky.next(2, 1)).toBeLessThan(2);
  });
});
