/** Fingerprints are those of HalfSipHash-1-3, whatever form the text comes in: they stand on the disk. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Fingerprint } from '../../../src/core/fingerprint.ts';
import { propertyOptions } from '../../support/property.ts';
import { halfSipHash } from '../../support/reference/half-sip-hash.ts';

const SEED = 0x0f_1e2d_3c4b_5a69;
const encoder = new TextEncoder();
const fingerprint = new Fingerprint(SEED);

/** Any text, well formed or not; most have characters that are more bytes than one. */
const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
/** Some of more than one part. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 1000, maxLength: 3100, size: 'max' }),
);
const keys = fc.oneof(fc.constant(null), texts, bytes);

function ofText(text: string, key?: Uint8Array | string | null): string {
  fingerprint.ofText(text, key);
  return shown();
}

function ofBytes(value: Uint8Array, key?: Uint8Array | string | null): string {
  fingerprint.ofBytes(value, key);
  return shown();
}

function shown(): string {
  const { high, low } = fingerprint;
  expect([high, low].every((lane) => lane >>> 0 === lane)).toBe(true);
  return [high, low].map((lane) => lane.toString(16).padStart(8, '0')).join(' ');
}

/** What the slow twin makes of these bytes. */
function expected(input: Uint8Array, seed = SEED): string {
  return expectedLanes(input, seed, 2)
    .map((lane) => lane.toString(16).padStart(8, '0'))
    .join(' ');
}

function expectedLanes(input: Uint8Array, seed: number, laneCount: 2 | 3): number[] {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(seed), true);
  const output = halfSipHash(key, input, { compression: 1, finalization: 3 }, laneCount);
  const view = new DataView(output.buffer);
  return Array.from({ length: laneCount }, (_, lane) => view.getUint32(4 * lane, true));
}

/** The input for a text with a key, as the header of the file describes it. */
function withKey(key: Uint8Array | null, value: Uint8Array): Uint8Array {
  const keyBytes = key ?? new Uint8Array(0);
  const padding = new Uint8Array((4 - (keyBytes.length % 4)) % 4);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, key === null ? 2 ** 32 - 1 : keyBytes.length, true);
  return Uint8Array.from([...length, ...keyBytes, ...padding, ...value]);
}

test('the slow twin is HalfSipHash: it has the output that its authors give for 2 and 4 rounds', () => {
  const numbers = Uint8Array.from({ length: 64 }, (_, at) => at);
  const hashOf = (length: number): string =>
    Buffer.from(
      halfSipHash(numbers.subarray(0, 8), numbers.subarray(0, length), {
        compression: 2,
        finalization: 4,
      }),
    ).toString('hex');
  expect([0, 1, 3, 4, 7, 8, 31, 63].map(hashOf)).toEqual([
    '218d1f59b9b83cc8',
    'be552412f8387315',
    'ce0f1a45f7060679',
    'd5e78a175be52ea1',
    'ff202728b07bc684',
    'edfee820bce4858c',
    '863c7f155c34117c',
    '2ea63c71bf326087',
  ]);
});

describe('a fingerprint', () => {
  test('stays what it is in every release: batches on disk have it', () => {
    const all = [
      ofText(''),
      ofText('order-1'),
      ofText('order-1', null),
      ofText('order-1', 'customer-7'),
      ofText('Grüße'),
    ];
    expect(all).toEqual([
      'c5ff3225 e49d3687',
      'ee05aa99 52d6b037',
      'c0eec924 2930b1b6',
      '05791e39 c71afce4',
      '20fed92b 3f64a973',
    ]);
  });

  test('is that of the bytes, whatever their number', () => {
    const value = Uint8Array.from({ length: 1100 }, (_, at) => (at * 7) & 0xff);
    for (let length = 0; length <= value.length; length++) {
      const some = value.subarray(0, length);
      expect(ofBytes(some)).toBe(expected(some));
    }
  });

  test('of a text is that of its bytes in UTF-8', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(ofText(text)).toBe(expected(encoder.encode(text)));
      }),
      propertyOptions(),
    );
  });

  test('of a text or of bytes with a key is that of the key, its length in front, and what follows', () => {
    fc.assert(
      fc.property(keys, texts, bytes, (key, text, value) => {
        const encoded = typeof key === 'string' ? encoder.encode(key) : key;
        expect(ofText(text, key)).toBe(expected(withKey(encoded, encoder.encode(text))));
        expect(ofBytes(value, key)).toBe(expected(withKey(encoded, value)));
      }),
      propertyOptions(),
    );
  });

  test('tells no key from an empty one, and from one that does not count', () => {
    const all = [ofText('a'), ofText('a', null), ofText('a', ''), ofText('a', 'a')];
    expect(new Set(all).size).toBe(all.length);
  });

  test('tells where the key ends', () => {
    const all = [ofText('bc', 'a'), ofText('c', 'ab'), ofText('', 'abc'), ofText('abc', '')];
    expect(new Set([...all, ofText('c', 'ab\0'), ofText('\0c', 'ab')]).size).toBe(6);
  });

  test('depends on all 53 bits of the seed', () => {
    const seeds = [0, ...Array.from({ length: 53 }, (_, bit) => 2 ** bit), 2 ** 53 - 1];
    const all = seeds.map((seed) => {
      const own = new Fingerprint(seed);
      own.ofText('order-1');
      fingerprint.high = own.high;
      fingerprint.low = own.low;
      expect(shown()).toBe(expected(encoder.encode('order-1'), seed));
      return shown();
    });
    expect(new Set(all).size).toBe(seeds.length);
  });

  test('has a third lane where it is asked for, and the others are the same', () => {
    const wide = new Fingerprint(SEED, 3);
    fc.assert(
      fc.property(keys, bytes, (key, value) => {
        const encoded = typeof key === 'string' ? encoder.encode(key) : key;
        for (const [input, given] of [
          [value, undefined],
          [withKey(encoded, value), key],
        ] as const) {
          wide.ofBytes(value, given);
          expect([wide.high, wide.low, wide.third]).toEqual(expectedLanes(input, SEED, 3));
        }
      }),
      propertyOptions(),
    );
  });

  test('spreads ids that are alike over all values', () => {
    const PARTS = 64;
    const COUNT = 64_000;
    const highs = new Uint32Array(PARTS);
    const lows = new Uint32Array(PARTS);
    const thirds = new Uint32Array(PARTS);
    const wide = new Fingerprint(SEED, 3);
    for (let at = 0; at < COUNT; at++) {
      wide.ofText(`order-${at}`);
      for (const [counts, lane] of [
        [highs, wide.high],
        [lows, wide.low],
        [thirds, wide.third],
      ] as const) {
        counts[lane >>> 26] = (counts[lane >>> 26] ?? 0) + 1;
      }
    }
    // Five standard deviations; the seed is always the same.
    const most = COUNT / PARTS + 5 * Math.sqrt(COUNT / PARTS);
    const least = COUNT / PARTS - 5 * Math.sqrt(COUNT / PARTS);
    for (const count of [...highs, ...lows, ...thirds]) {
      expect(count).toBeGreaterThan(least);
      expect(count).toBeLessThan(most);
    }
  });
});
