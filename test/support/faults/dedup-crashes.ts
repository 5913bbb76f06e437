/** Every crash point of a program of ids, and every disk that may be left there. */
import { strictEqual } from 'node:assert/strict';

import { SeededRandom } from '../../../src/core/random.ts';
import type { Call } from '../fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../faulty-file-system.ts';
import { crashPointsOf, disksAfterCrash, scheduleOf } from './crash-run.ts';
import {
  checkDedup,
  checkTold,
  DedupProgram,
  prepareDedup,
  type DedupSetting,
} from './dedup-program.ts';
import { imageKey } from './image-key.ts';
import { Tally } from './tally.ts';

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

/** @returns what was found wrong, with counts of crash points and of states */
export async function crashDedup(setting: DedupSetting, seed: number): Promise<Tally> {
  const tally = new Tally();
  const prepared = await prepareDedup(setting);
  const calls: Call[] = [];
  const trace = (_number: number, call: Call) => void calls.push(call);
  const whole = await runOn(prepared, setting, { seed, crashAt: null, trace });
  strictEqual(whole.outcome.status, 'done');
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
  return tally;
}
