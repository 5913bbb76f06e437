/** What a key map holds, and where it ends. */
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { Fingerprint } from '../../../src/core/fingerprint.ts';
import { MIB } from '../../../src/core/limits.ts';
import { KeyMap } from '../../../src/log/key-map.ts';

const SEED = 0x1234_5678_9abc;
/** Between the first lanes of neighbours in a map of 1000 slots. */
const SLOT = Math.ceil(2 ** 32 / 1000);

/** Puts keys `from`..`to` - 1, each at the offset of its number; how many were taken before the first that was not. */
function fill(map: KeyMap, count: number, hash = new Fingerprint(SEED)): number {
  for (let number = 0; number < count; number++) {
    hash.ofText(`key-${number}`);
    if (!map.put(hash.high, hash.low, hash.third, number)) return number;
  }
  return count;
}

describe('its size', () => {
  test.each([
    ['of no key: the least there is', 0, MIB, 2],
    ['of one key', 1, MIB, 2],
    ['of nine keys: ten', 9, MIB, 10],
    ['of ten keys: none of them is beyond nine of ten', 10, MIB, 12],
    ['of ten million keys, as far as they fit: 12 bytes each', 10e6, 128 * MIB, 11_111_112],
    ['of more than fit', 2 ** 40, 128 * MIB, 11_184_810],
    ['of so few bytes that none fits: the least there is', 100, 5, 2],
  ])('%s', (_name, keyCount, bytesMax, slots) => {
    expect(KeyMap.slotsFor(keyCount, bytesMax)).toBe(slots);
  });

  test('takes as many keys as it was made for, and no more than nine of ten slots', () => {
    for (const keyCount of [1, 2, 9, 10, 11, 100, 1234]) {
      const map = new KeyMap(KeyMap.slotsFor(keyCount, MIB), 0);
      expect(fill(map, keyCount)).toBe(keyCount);
      expect(map.count).toBe(keyCount);
    }
    const map = new KeyMap(1000, 0);
    expect(map.byteLength).toBe(12_000);
    expect(fill(map, 2000)).toBe(900);
  });

  test('is two slots at least', () => {
    expect(() => new KeyMap(1, 0)).toThrow(AssertionError);
  });
});

test('a map of 100,000 slots is filled to nine of ten, and knows each key, and no other', () => {
  const map = new KeyMap(100_000, 0);
  const hash = new Fingerprint(SEED);
  expect(fill(map, 100_000, hash)).toBe(90_000);
  for (let number = 0; number < 100_000; number++) {
    hash.ofText(`key-${number}`);
    expect(map.get(hash.high, hash.low, hash.third)).toBe(number < 90_000 ? number : -1);
  }
});

test('keys lie up to 127 slots from home, and one more is kept aside', () => {
  const map = new KeyMap(1000, 0);
  for (let key = 0; key < 128; key++) expect(map.put(500 * SLOT, key, 0, key)).toBe(true);
  // Of two with the home in front of theirs the second moves one of them out.
  for (let key = 0; key < 2; key++) expect(map.put(499 * SLOT, key, 0, 200 + key)).toBe(true);
  expect(map.count).toBe(130);
  for (let key = 128; key < 300; key++) expect(map.put(500 * SLOT, key, 0, key)).toBe(false);
  for (let key = 0; key < 300; key++) {
    expect(map.get(500 * SLOT, key, 0)).toBe(key < 128 ? key : -1);
  }
  for (let key = 0; key < 2; key++) expect(map.get(499 * SLOT, key, 0)).toBe(200 + key);
});

test('a full map still takes later offsets of keys that are in', () => {
  const map = new KeyMap(10, 100);
  for (let key = 0; key < 9; key++) expect(map.put(key, 1, 128 * key, 100 + key)).toBe(true);
  expect(map.put(9, 1, 128 * 9, 200)).toBe(false);
  expect(map.put(3, 1, 128 * 3, 201)).toBe(true);
  expect(map.get(3, 1, 128 * 3)).toBe(201);
  expect(map.get(9, 1, 128 * 9)).toBe(-1);
});

test('the last offset that has a place is 2^32 - 2 behind the first', () => {
  const first = 2 ** 40;
  const map = new KeyMap(10, first);
  expect(map.put(1, 1, 128, first + 2 ** 32 - 1)).toBe(false);
  expect(map.put(1, 1, 128, first + 2 ** 32 - 2)).toBe(true);
  expect(map.get(1, 1, 128)).toBe(first + 2 ** 32 - 2);
  expect(map.put(1, 1, 128, first + 2 ** 32 - 1)).toBe(false);
  expect(map.get(1, 1, 128)).toBe(first + 2 ** 32 - 2);
});

test('each of the bits that a slot has room for tells keys apart', () => {
  const map = new KeyMap(1000, 0);
  map.put(0, 0, 0, 7);
  for (let bit = 0; bit < 32; bit++) {
    expect(map.get(0, 2 ** bit, 0)).toBe(-1);
    expect(map.get(0, 0, 2 ** bit)).toBe(bit < 7 ? 7 : -1);
  }
  expect(map.get(2 ** 23, 0, 0)).toBe(-1); // Another home; below that it is the same.
  expect(map.get(2 ** 21, 0, 0)).toBe(7);
});
