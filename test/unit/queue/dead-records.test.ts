/** The dead that are kept, against a map of them. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { DeadRecords } from '../../../src/queue/dead-records.ts';
import { DEATH_REASONS } from '../../../src/queue/share-entries.ts';
import type { DeadRecord } from '../../../src/queue/share-partition.ts';
import { propertyOptions } from '../../support/property.ts';

function deadOf(seed: number): DeadRecord {
  const error = `error ${seed}`;
  const said = { firstError: error, firstErrorMs: seed, lastError: error, lastErrorMs: seed + 1 };
  return {
    attempts: seed % 65_536,
    failures: (seed * 7) % 65_536,
    expiries: (seed * 11) % 256,
    crashes: (seed * 13) % 256,
    reason: DEATH_REASONS[seed % DEATH_REASONS.length] ?? 'rejected',
    trouble: seed % 3 === 0 ? said : null,
    timeMs: 2 ** 41 + seed,
  };
}

function expectEqual(dead: DeadRecords, model: ReadonlyMap<number, DeadRecord>): void {
  expect(dead.size).toBe(model.size);
  const ascending = (one: number, two: number) => one - two;
  expect([...dead.offsets()].toSorted(ascending)).toEqual([...model.keys()].toSorted(ascending));
  for (const [offset, record] of model) expect(dead.get(offset)).toEqual(record);
}

const nearby = fc.nat({ max: 40 });
/** Also such that differ in their upper bits alone. */
const anyOffset = fc.oneof(
  { weight: 8, arbitrary: nearby },
  fc.tuple(nearby, fc.nat({ max: 3 })).map(([low, high]) => low + high * 2 ** 32),
  fc.maxSafeNat(),
);
const anyStep = fc.record({
  kind: fc.constantFrom('set', 'set', 'set', 'set', 'set', 'delete', 'delete', 'below'),
  offset: anyOffset,
  seed: fc.nat(),
});

describe('dead records', () => {
  test('are those of a map, whatever is added and removed', () => {
    const seen = { removed: 0, below: 0, largest: 0 };
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 150, size: 'max' }), (steps) => {
        const dead = new DeadRecords();
        const model = new Map<number, DeadRecord>();
        for (const { kind, offset, seed } of steps) {
          const isThere = model.has(offset);
          expect(dead.has(offset)).toBe(isThere);
          expect(dead.get(offset)).toEqual(model.get(offset) ?? null);
          if (kind === 'set') {
            dead.set(offset, deadOf(seed));
            model.set(offset, deadOf(seed));
          } else if (kind === 'delete') {
            expect(dead.delete(offset)).toBe(model.delete(offset));
            if (isThere) seen.removed++;
          } else {
            const end = offset % 20;
            dead.deleteBelow(end);
            for (const each of model.keys()) if (each < end) model.delete(each);
            seen.below++;
          }
          seen.largest = Math.max(seen.largest, model.size);
        }
        expectEqual(dead, model);
      }),
      propertyOptions(),
    );
    expect(seen.removed).toBeGreaterThan(100);
    expect(seen.below).toBeGreaterThan(20);
    expect(seen.largest).toBeGreaterThan(20); // It has grown.
  });

  test('of many, most of them removed again, are found', () => {
    const dead = new DeadRecords();
    const model = new Map<number, DeadRecord>();
    for (let at = 0; at < 20_000; at++) {
      dead.set(5 * at, deadOf(at));
      model.set(5 * at, deadOf(at));
    }
    for (let at = 0; at < 20_000; at++) {
      if (at % 100 === 0) continue;
      dead.delete(5 * at);
      model.delete(5 * at);
    }
    expectEqual(dead, model);
    dead.deleteBelow(50_000);
    for (const offset of model.keys()) if (offset < 50_000) model.delete(offset);
    expectEqual(dead, model);
  });

  test('a copy of the rows stays as it is', () => {
    const dead = new DeadRecords();
    for (let offset = 0; offset < 10; offset++) dead.set(offset, deadOf(offset));
    const rows = dead.copyRows();
    for (let offset = 0; offset < 10; offset++) dead.set(offset, deadOf(offset + 1));
    dead.deleteBelow(5);
    const copied = Array.from({ length: rows.size }, (_, row) => rows.recordAt(row));
    expect(copied).toEqual(Array.from({ length: 10 }, (_, offset) => deadOf(offset)));
    expect([...rows.offsets()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('counts stay at the largest that a row has room for', () => {
    const dead = new DeadRecords();
    const many = { attempts: 70_000, failures: 65_536, expiries: 256, crashes: 300 };
    dead.set(1, { ...deadOf(1), ...many });
    expect(dead.get(1)).toMatchObject({
      attempts: 65_535,
      failures: 65_535,
      expiries: 255,
      crashes: 255,
    });
  });
});
