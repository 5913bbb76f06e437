/**
 * A log that is compacted by key, against all that was appended to it: random keys, tombstones, records
 * without keys, clocks that jump, lags, maps of a few keys, ends at any step, retention beside it.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { CompactedLog, type CompactedLogOptions } from '../support/compacted-log.ts';
import { asyncPropertyOptions } from '../support/property.ts';

const keys = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'ö') },
  { weight: 5, arbitrary: fc.nat(40).map((number) => `key-${number}`) },
  { weight: 1, arbitrary: fc.constant(null) },
);

const records = fc.record({
  key: keys,
  isTombstone: fc.nat(4).map((one) => one === 0),
  valueBytes: fc.oneof(fc.nat(20), fc.nat(400)),
  hasHeaders: fc.nat(3).map((one) => one === 0),
});

const steps = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      records: fc.array(records, { minLength: 1, maxLength: 25 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.oneof(fc.nat(50), fc.nat(5000)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('jump' as const),
      ms: fc.integer({ min: -3_600_000, max: 30 * 3_600_000 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      isPlanned: fc.boolean(),
      abortAfter: fc.option(fc.nat(60), { freq: 2 }),
      beside: fc.constantFrom(
        'nothing',
        'nothing',
        'nothing',
        'reader',
        'append',
        'retain',
        'delete',
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reader' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      which: fc.nat(3),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

const options: fc.Arbitrary<CompactedLogOptions> = fc.record({
  compactionLagMsMin: fc.constantFrom(0, 0, 1000),
  compactionLagMsMax: fc.constantFrom(null, 2000),
  compactionShareMin: fc.constantFrom(0.01, 0.5, 1),
  tombstoneRetentionMs: fc.constantFrom(0, 1, 1000, 100_000),
  durability: fc.constantFrom('sync', 'os'),
  compression: fc.constantFrom('none', 'gzip'),
  retentionBytes: fc.constantFrom(null, null, null, 20_000),
  mapSlots: fc.constantFrom(2, 5, 60, 100_000),
  isByItself: fc.boolean(),
});

test('a compacted log folds to what was appended, and so does whoever reads it slowly', async () => {
  let [removedCount, droppedCount, abortedCount, readCount] = [0, 0, 0, 0];
  const schedules = fc.array(steps, { minLength: 5, maxLength: 40, size: 'max' });
  await fc.assert(
    fc.asyncProperty(options, schedules, fc.nat(2 ** 31 - 1), async (given, schedule, seed) => {
      const log = await CompactedLog.open(given, seed);
      try {
        for (const step of schedule) await log.step(step);
        await log.rest();
      } finally {
        await log.close();
      }
      removedCount += log.removedCount;
      droppedCount += log.droppedCount;
      abortedCount += log.abortedCount;
      readCount += log.readCount;
    }),
    asyncPropertyOptions({ interruptAfterTimeLimit: 100_000 }),
  );
  // Or nothing of it was tried.
  expect(Math.min(removedCount, droppedCount, abortedCount, readCount)).toBeGreaterThan(0);
}, 200_000);
