/**
 * Every crash point of appends with ids: before, inside and after each file-system call, and what a power
 * cut or a kill may leave there. Whatever that is, a retry of everything stores each record once.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import { crashPointsOf, disksAfterCrash, scheduleOf } from '../support/faults/crash-run.ts';
import {
  checkDedup,
  checkTold,
  DedupProgram,
  prepareDedup,
  type DedupSetting,
} from '../support/faults/dedup-program.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../support/faulty-file-system.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that they overlap. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];

const SETTINGS: readonly DedupSetting[] = DURABILITY_LEVELS.map((durability, at) => ({
  durability,
  dedupBy: at % 2 === 0 ? 'id' : 'content',
}));

const summaries: string[] = [];

async function runOn(
  prepared: FaultyFileSystem,
  setting: DedupSetting,
  { seed, ...how }: NextOptions & { readonly seed: number },
) {
  const next = { schedule: scheduleOf(seed), random: new SeededRandom(seed), ...how };
  const fileSystem = prepared.killImage({ inFlight: 'none' }, next);
  const program = new DedupProgram(fileSystem, setting);
  const outcome = await fileSystem.drive(program.run());
  return { fileSystem, program, outcome };
}

describe.each(SETTINGS)('records by $dedupBy at $durability', (setting) => {
  test.each(SEEDS)('are stored once whatever a crash leaves, SEED=%i', async (seed) => {
    const tally = new Tally();
    const prepared = await prepareDedup(setting);
    const calls: Call[] = [];
    const trace = (_number: number, call: Call) => void calls.push(call);
    const whole = await runOn(prepared, setting, { seed, crashAt: null, trace });
    expect(whole.outcome).toMatchObject({ status: 'done' });
    /** By image: what is there; null = it is not as it should be. */
    const seen = new Map<string, ReadonlyMap<string, string> | null>();
    for (const crashAt of crashPointsOf(calls)) {
      const { call, when, pointCount } = crashAt;
      const { outcome, program, fileSystem } = await runOn(prepared, setting, { seed, crashAt });
      const place = `SEED=${seed} crash ${when} call ${call}`;
      tally.count('crash points', pointCount);
      if (outcome.status !== 'crashed') {
        tally.fail(place, outcome.status === 'failed' ? outcome.error : new Error('it is done'));
        continue;
      }
      for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 1 })) {
        tally.count('states');
        const key = imageKey(disk.fileSystem);
        try {
          let stored = seen.get(key);
          if (stored === undefined) {
            tally.count('different states');
            seen.set(key, null);
            seen.set(key, (stored = await checkDedup(disk.fileSystem, setting)));
          }
          if (stored !== null) checkTold(stored, program.told, { setting, mishap: disk.mishap });
        } catch (error) {
          tally.fail(`${place}: ${disk.name}`, error);
        }
      }
    }
    summaries.push(tally.summary(`by ${setting.dedupBy} at ${setting.durability}, SEED=${seed}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('different states')).toBeGreaterThan(100);
  });
});

afterAll(() => console.log(summaries.join('\n')));
