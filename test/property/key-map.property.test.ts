/** A key map knows what its slow twin knows, however its keys crowd, and refuses only what it must. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { KeyMap } from '../../src/log/key-map.ts';
import { manyExamples, propertyOptions } from '../support/property.ts';
import { ReferenceKeyMap, type KeyLanes } from '../support/reference/key-map.ts';

const U32_MAX = 2 ** 32 - 1;

/** Most have few homes, and the last of the ring among them. */
const firsts = fc.oneof(
  fc.constantFrom(0, U32_MAX, 2 ** 31),
  fc.integer({ min: 0, max: 40 }).map((part) => Math.floor((part / 40) * U32_MAX)),
  fc.nat(U32_MAX),
);
/** Few, so that keys differ by one lane alone, and both ends. */
const seconds = fc.oneof(fc.constantFrom(0, 1, U32_MAX), fc.nat(U32_MAX));
/** Some differ in bits that a slot has no room for: those are one. */
const thirds = fc.oneof(fc.constantFrom(0, 127, 128, U32_MAX, U32_MAX - 127, 2 ** 31), fc.nat(600));
const keys: fc.Arbitrary<KeyLanes> = fc.tuple(firsts, seconds, thirds);

const steps = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 26 }));
const puts = fc.record({
  /** Of the keys. */
  which: fc.nat(),
  step: fc.oneof({ weight: 20, arbitrary: steps }, fc.constantFrom(2 ** 31, 2 ** 32 - 200)),
});
const examples = fc.record({
  slots: fc.oneof(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 60, max: 300 })),
  firstOffset: fc.constantFrom(0, 17, 2 ** 53 - 2 ** 36),
  keys: fc.array(keys, { minLength: 1, maxLength: 200 }),
  strangers: fc.array(keys, { maxLength: 20 }),
  puts: fc.array(puts, { maxLength: 400 }),
});

interface Pair {
  readonly map: KeyMap;
  readonly twin: ReferenceKeyMap;
}

function put({ map, twin }: Pair, lanes: KeyLanes, offset: number): void {
  const expected = twin.expected(lanes, offset);
  const hadOneAside = expected === 'either' && twin.hasOneAside;
  const isTaken = map.put(...lanes, offset);
  if (expected !== 'either') expect(isTaken).toBe(expected === 'taken');
  // There is room for one aside.
  else if (hadOneAside) expect(isTaken).toBe(false);
  if (isTaken) twin.put(lanes, offset);
  expect(map.get(...lanes)).toBe(twin.get(lanes));
  expect(map.count).toBe(twin.count);
}

function compare({ map, twin }: Pair, lanesOfAll: readonly KeyLanes[]): void {
  for (const lanes of lanesOfAll) {
    const [first, second, third] = lanes;
    expect(map.get(...lanes)).toBe(twin.get(lanes));
    // What differs by one lane.
    for (const other of [0, U32_MAX]) {
      expect(map.get(other, second, third)).toBe(twin.get([other, second, third]));
      expect(map.get(first, other, third)).toBe(twin.get([first, other, third]));
      expect(map.get(first, second, other)).toBe(twin.get([first, second, other]));
    }
  }
}

test('it has the last offset of each key that it took, and no other', () => {
  fc.assert(
    fc.property(examples, ({ slots, firstOffset, keys: known, strangers, puts: all }) => {
      const pair = {
        map: new KeyMap(slots, firstOffset),
        twin: new ReferenceKeyMap(slots, firstOffset),
      };
      let offset = firstOffset;
      for (const { which, step } of all) {
        const lanes = known[which % known.length];
        if (lanes !== undefined) put(pair, lanes, offset);
        offset += step;
      }
      compare(pair, [...known, ...strangers]);
    }),
    manyExamples(300),
  );
});

test('where keys crowd so much that one finds no slot, it is kept aside, and none is lost', () => {
  // Three neighbours as homes, of a ring that ends among them: one of the first is moved on by the others.
  const slots = 300;
  const homes = [slots - 2, slots - 1, 0].map((home) => Math.ceil((home * 2 ** 32) / slots));
  const orders = fc.array(fc.nat(homes.length - 1), { minLength: 140, maxLength: 200 });
  let asideCount = 0;
  fc.assert(
    fc.property(orders, (order) => {
      const pair = { map: new KeyMap(slots, 0), twin: new ReferenceKeyMap(slots, 0) };
      const all = order.map((home, at): KeyLanes => [homes[home] ?? 0, at, 0]);
      let offset = 0;
      for (const lanes of all) put(pair, lanes, offset++);
      compare(pair, all);
      // All take a later offset, the one aside too.
      for (const lanes of all) if (pair.twin.get(lanes) >= 0) put(pair, lanes, offset++);
      compare(pair, all);
      if (pair.twin.hasOneAside) asideCount++;
    }),
    propertyOptions(),
  );
  expect(asideCount).toBeGreaterThan(0);
});
