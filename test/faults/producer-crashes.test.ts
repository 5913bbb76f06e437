/**
 * Every crash point of a producer over two partitions: before, inside and after each file-system call,
 * and what a power cut or a kill may leave there. All is sent again, and is stored once.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../src/log/log-options.ts';
import { crashPointsOf, disksAfterCrash, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import {
  checkProducer,
  prepareProducer,
  ProducerProgram,
} from '../support/faults/producer-program.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../support/faulty-file-system.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that they overlap. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];
const RANDOM_DISKS = 2;

const summaries: string[] = [];

interface RunOptions extends NextOptions {
  readonly seed: number;
}

async function runOn(
  prepared: FaultyFileSystem,
  durability: DurabilityLevel,
  { seed, ...how }: RunOptions,
) {
  const random = new SeededRandom(seed);
  const next = { schedule: scheduleOf(seed), random, ...how };
  const fileSystem = prepared.killImage({ inFlight: 'none' }, next);
  const program = new ProducerProgram(fileSystem, durability);
  const outcome = await fileSystem.drive(program.run());
  return { fileSystem, program, outcome };
}

describe.each(DURABILITY_LEVELS)('a producer at %s', (durability) => {
  test.each(SEEDS)(
    'has each of its numbers stored once, whatever a crash leaves, SEED=%i',
    async (seed) => {
      const tally = new Tally();
      const prepared = await prepareProducer(durability);
      const calls: Call[] = [];
      const trace = (_number: number, call: Call) => void calls.push(call);
      const whole = await runOn(prepared, durability, { seed, crashAt: null, trace });
      expect(whole.outcome.status).toBe('done');
      expect(whole.program.answered.size).toBe(9);
      const seen = new Set<string>();
      for (const crashAt of crashPointsOf(calls, 1)) {
        const { call, when, pointCount } = crashAt;
        const { fileSystem, program, outcome } = await runOn(prepared, durability, {
          seed,
          crashAt,
        });
        const place = `SEED=${seed} crash ${when} call ${call}`;
        tally.count('crash points', pointCount);
        if (outcome.status !== 'crashed') {
          tally.fail(place, new Error(`it is ${outcome.status}`));
          continue;
        }
        const knowledge = JSON.stringify([[...program.answered], [...program.synced]]);
        for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: RANDOM_DISKS })) {
          const key = `${disk.mishap} ${knowledge} ${imageKey(disk.fileSystem)}`;
          if (seen.has(key)) continue;
          seen.add(key);
          tally.count('different states');
          try {
            const { mishap } = disk;
            await checkProducer(disk.fileSystem, program, { durability, mishap });
          } catch (error) {
            tally.fail(`${place}: ${disk.name}`, error);
          }
        }
      }
      summaries.push(tally.summary(`producer at ${durability}, SEED=${seed}`));
      expect(tally.failures).toEqual([]);
      expect(tally.of('crash points')).toBeGreaterThan(50);
      expect(tally.of('different states')).toBeGreaterThan(50);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
