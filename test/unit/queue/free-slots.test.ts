import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { FreeSlots } from '../../../src/queue/free-slots.ts';
import { propertyOptions } from '../../support/property.ts';

const FIRST = 1024;
const CAPACITY = 1280;

function takeAll(slots: FreeSlots): number[] {
  const taken: number[] = [];
  for (let slot = slots.next(); slot >= 0; slot = slots.next()) {
    slots.take(slot);
    taken.push(slot);
  }
  return taken;
}

describe('FreeSlots', () => {
  test('gives out each slot once, those from the first one on before the others', () => {
    const slots = new FreeSlots(FIRST, CAPACITY);
    const taken = takeAll(slots);
    expect(taken).toEqual(Array.from({ length: CAPACITY }, (_, n) => (FIRST + n) % CAPACITY));
    expect(slots.next()).toBe(-1);
  });

  test('gives out what is free, and those from the first one on as long as there are any', () => {
    const steps = fc.array(fc.record({ slot: fc.nat(CAPACITY - 1), isFreed: fc.boolean() }), {
      maxLength: 300,
      size: 'max',
    });
    let seen = 0;
    fc.assert(
      fc.property(steps, (history) => {
        const slots = new FreeSlots(FIRST, CAPACITY);
        takeAll(slots);
        const twin = new Set<number>();
        for (const { slot, isFreed } of history) {
          if (isFreed && !twin.has(slot)) {
            slots.free(slot);
            twin.add(slot);
          }
          expect(slots.isFree(slot)).toBe(twin.has(slot));
          const next = slots.next();
          expect(twin.has(next)).toBe(twin.size > 0);
          expect(next >= FIRST).toBe([...twin].some((other) => other >= FIRST));
          if (isFreed || next < 0) continue;
          slots.take(next);
          twin.delete(next);
          seen++;
        }
        expect(takeAll(slots).toSorted((one, two) => one - two)).toEqual(
          [...twin].toSorted((one, two) => one - two),
        );
      }),
      propertyOptions(),
    );
    expect(seen).toBeGreaterThan(100);
  });

  test('begins anew with some that are taken', () => {
    const slots = new FreeSlots(FIRST, CAPACITY);
    slots.reset(1270, FIRST, CAPACITY);
    expect(takeAll(slots)).toEqual([1270, 1271, 1272, 1273, 1274, 1275, 1276, 1277, 1278, 1279]);
  });
});
