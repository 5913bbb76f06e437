import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  chooseRetention,
  type RetainedSegment,
  type RetentionPolicy,
} from '../../src/log/retention.ts';
import { propertyOptions } from '../support/property.ts';

const NOW_MS = 1_000_000;

const segments = fc
  .array(
    fc.record({
      recordCount: fc.integer({ min: 1, max: 100 }),
      sizeBytes: fc.integer({ min: 0, max: 1000 }),
      lastAppendTimeMs: fc.option(fc.integer({ min: 0, max: NOW_MS + 5000 })),
    }),
    { maxLength: 30 },
  )
  .map((all) => {
    let baseOffset = 0;
    return all.map(({ recordCount, sizeBytes, lastAppendTimeMs }): RetainedSegment => {
      const segment = { baseOffset, sizeBytes, lastAppendTimeMs };
      baseOffset += recordCount;
      return segment;
    });
  });
const policy = fc.record({
  retentionMs: fc.option(fc.integer({ min: 0, max: NOW_MS })),
  retentionBytes: fc.option(fc.integer({ min: 0, max: 20_000 })),
});

/** Whether a segment may go by its age: only on the word of a time that we wrote. */
function isOld(segment: RetainedSegment | undefined, { retentionMs }: RetentionPolicy): boolean {
  const lastAppendTimeMs = segment?.lastAppendTimeMs ?? 0;
  if (retentionMs === null || lastAppendTimeMs === 0) return false;
  return NOW_MS - lastAppendTimeMs > retentionMs;
}

/** Whether what is left without a segment is enough for the policy. */
function isTooMuch(rest: readonly RetainedSegment[], { retentionBytes }: RetentionPolicy): boolean {
  return retentionBytes !== null && sizeOf(rest) >= retentionBytes;
}

function sizeOf(all: readonly RetainedSegment[]): number {
  return all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

test('retention takes the oldest, whole segments only, and never the last', () => {
  let chosen = 0;
  fc.assert(
    fc.property(segments, policy, (all, wanted) => {
      const choice = chooseRetention(all, wanted, NOW_MS);
      if (choice === null) return;
      chosen++;
      const { segmentCount, sizeBytes, startOffset, reasons } = choice;
      expect(segmentCount).toBeGreaterThan(0);
      expect(segmentCount).toBeLessThan(all.length);
      expect(startOffset).toBe(all[segmentCount]?.baseOffset);
      expect(sizeBytes).toBe(sizeOf(all.slice(0, segmentCount)));
      expect(reasons).toHaveLength(segmentCount);
    }),
    propertyOptions(),
  );
  expect(chosen).toBeGreaterThan(0);
});

test('each segment goes for its reason: too old, or too much without it', () => {
  fc.assert(
    fc.property(segments, policy, (all, wanted) => {
      const choice = chooseRetention(all, wanted, NOW_MS);
      const unexplained = choice?.reasons.filter((reason, at) =>
        reason === 'age' ? !isOld(all[at], wanted) : !isTooMuch(all.slice(at + 1), wanted),
      );
      expect(unexplained ?? []).toEqual([]);
    }),
    propertyOptions(),
  );
});

test('the first segment that stays has no reason to go', () => {
  fc.assert(
    fc.property(segments, policy, (all, wanted) => {
      const kept = chooseRetention(all, wanted, NOW_MS)?.segmentCount ?? 0;
      const first = all[kept];
      if (first === undefined || kept === all.length - 1) return; // The last one always stays.
      expect(isOld(first, wanted)).toBe(false);
      expect(isTooMuch(all.slice(kept + 1), wanted)).toBe(false);
    }),
    propertyOptions(),
  );
});

test('retention is idempotent: what it leaves it leaves again', () => {
  fc.assert(
    fc.property(segments, policy, (all, wanted) => {
      const kept = chooseRetention(all, wanted, NOW_MS)?.segmentCount ?? 0;
      expect(chooseRetention(all.slice(kept), wanted, NOW_MS)).toBeNull();
    }),
    propertyOptions(),
  );
});

test('without a policy nothing goes', () => {
  fc.assert(
    fc.property(segments, (all) => {
      const none = { retentionMs: null, retentionBytes: null };
      expect(chooseRetention(all, none, NOW_MS)).toBeNull();
    }),
    propertyOptions(),
  );
});
