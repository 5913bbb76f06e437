/**
 * Retention skips and archives what groups are not done with, with a crash at each call: nothing goes without
 * its count, no count is doubled, and a copy and the end of its record are there together or not at all.
 */
import { expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';
import {
  checkUnfinished,
  prepareUnfinished,
  runUnfinished,
} from '../support/faults/unfinished-program.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';

/** 2: calls complete in an order of their own, syncs last, so that they overlap; 0: one after the other. */
const SEEDS = [Number(process.env['SEED'] ?? 2)];

test.each(SEEDS)('each record is counted once, and copied once, SEED=%i', async (seed) => {
  const prepared = await prepareUnfinished();
  const tally = new Tally();
  const seen = new Set<string>();
  const calls: Call[] = [];
  const run = async (next: Parameters<FaultyFileSystem['killImage']>[1]) => {
    const random = new SeededRandom(seed);
    const schedule = scheduleOf(seed);
    const fileSystem = prepared.killImage({ inFlight: 'none' }, { schedule, random, ...next });
    let openCalls = 0;
    const opened = (): void => void (openCalls = calls.length);
    const outcome = await fileSystem.drive(runUnfinished(fileSystem, opened));
    return { fileSystem, outcome, openCalls };
  };
  const whole = await run({ trace: (_number, call) => void calls.push(call) });
  expect(whole.outcome).toMatchObject({ status: 'done' });
  expect(whole.fileSystem.violations).toEqual([]);
  for (const crashAt of crashPointsOf(calls, whole.openCalls + 1)) {
    const { call, when, pointCount } = crashAt;
    const { fileSystem } = await run({ crashAt });
    tally.count('crash points', pointCount);
    for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 1 })) {
      const key = imageKey(disk.fileSystem);
      if (seen.has(key)) continue;
      seen.add(key);
      const place = `crash ${when} call ${call} (${nameOf(calls[call - 1])}), ${disk.name}`;
      try {
        tally.count(await checkUnfinished(disk.fileSystem));
      } catch (error) {
        tally.fail(`SEED=${seed} ${place}`, error);
      }
    }
  }
  console.log(tally.summary(`unfinished work, SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(50);
  for (const archived of ['there', 'counted', 'gone']) {
    expect(tally.of(`archived ${archived}, skipped there`), archived).toBeGreaterThan(2);
  }
  for (const skipped of ['counted', 'gone']) {
    expect(tally.of(`archived gone, skipped ${skipped}`), skipped).toBeGreaterThan(2);
  }
});
