/**
 * Every crash point of commits over 1 to 8 partitions: before, inside and after each file-system
 * call, and what a power cut or a kill may leave there.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import {
  checkCommits,
  CommitProgram,
  prepareCommits,
  type CommitSetting,
} from '../support/faults/commit-program.ts';
import {
  crashPointsOf,
  disksAfterCrash,
  scheduleOf,
  type CrashedDisk,
} from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../support/faulty-file-system.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that they overlap. */
const SEEDS = process.env['SEED'] === undefined ? null : [Number(process.env['SEED'])];

/** Above so many partitions the disks at a crash point are chosen by chance: each takes longer. */
const EXHAUSTIVE_PARTITIONS_MAX = 2;
const RANDOM_DISKS = 2;

const summaries: string[] = [];

function seedsOf({ partitionCount }: CommitSetting): readonly number[] {
  if (partitionCount <= EXHAUSTIVE_PARTITIONS_MAX) return [0, 2];
  return partitionCount % 2 === 0 ? [0] : [2];
}

interface RunOptions extends NextOptions {
  readonly seed: number;
}

async function runOn(
  prepared: FaultyFileSystem,
  setting: CommitSetting,
  { seed, ...how }: RunOptions,
) {
  const random = new SeededRandom(seed);
  const next = { schedule: scheduleOf(seed), random, ...how };
  const fileSystem = prepared.killImage({ inFlight: 'none' }, next);
  const program = new CommitProgram(fileSystem, setting);
  const outcome = await fileSystem.drive(program.run());
  return { fileSystem, program, outcome };
}

function disksOf(
  fileSystem: FaultyFileSystem,
  { partitionCount }: CommitSetting,
  call: number,
): Iterable<CrashedDisk> {
  if (partitionCount <= EXHAUSTIVE_PARTITIONS_MAX) {
    return disksAfterCrash(fileSystem, { seed: call, randomCount: RANDOM_DISKS });
  }
  return chosenDisks(fileSystem, call);
}

function* chosenDisks(fileSystem: FaultyFileSystem, call: number): Generator<CrashedDisk> {
  const next = { schedule: null, random: new SeededRandom(call), crashAt: null };
  for (const kept of ['none', 'all'] as const) {
    const image = fileSystem.crashImage({ data: kept, names: kept }, next);
    yield { name: `${kept} unsynced`, mishap: 'power cut', fileSystem: image };
    const killed = fileSystem.killImage({ inFlight: kept }, next);
    yield { name: `kill, ${kept} in flight`, mishap: 'kill', fileSystem: killed };
  }
  for (let number = 0; number < RANDOM_DISKS; number++) {
    const random = new SeededRandom(call * 1000 + number);
    const image = fileSystem.crashImage({ random }, next);
    yield { name: `random power cut ${number}`, mishap: 'power cut', fileSystem: image };
  }
}

const SETTINGS: readonly CommitSetting[] = [1, 2, 3, 4, 5, 6, 7, 8].map((partitionCount) => ({
  partitionCount,
  durability: DURABILITY_LEVELS[partitionCount % DURABILITY_LEVELS.length] ?? 'sync',
  isLong: partitionCount <= EXHAUSTIVE_PARTITIONS_MAX,
}));

describe.each(SETTINGS)('commits over $partitionCount partitions at $durability', (setting) => {
  test.each(SEEDS ?? seedsOf(setting))(
    'are whole or absent whatever a crash leaves, SEED=%i',
    async (seed) => {
      const tally = new Tally();
      const prepared = await prepareCommits(setting);
      const calls: Call[] = [];
      const trace = (_number: number, call: Call) => void calls.push(call);
      const whole = await runOn(prepared, setting, { seed, crashAt: null, trace });
      expect(whole.outcome.status).toBe('done');
      const seen = new Set<string>();
      const { openingCalls } = whole.program;
      for (const crashAt of crashPointsOf(calls, openingCalls + 1)) {
        const { call, when, pointCount } = crashAt;
        const crashed = await runOn(prepared, setting, { seed, crashAt });
        const place = `SEED=${seed} crash ${when} call ${call}`;
        tally.count('crash points', pointCount);
        if (crashed.outcome.status !== 'crashed') {
          tally.fail(place, new Error(`it is ${crashed.outcome.status}`));
          continue;
        }
        await checkAll(crashed, place, call);
      }
      summaries.push(
        tally.summary(`${setting.partitionCount} at ${setting.durability}, SEED=${seed}`),
      );
      expect(tally.failures).toEqual([]);
      expect(tally.of('crash points')).toBeGreaterThan(10 * setting.partitionCount);
      expect(tally.of('different states')).toBeGreaterThan(20);

      async function checkAll(
        { fileSystem, program }: Awaited<ReturnType<typeof runOn>>,
        place: string,
        call: number,
      ): Promise<void> {
        const { told } = program;
        const knowledge = JSON.stringify([
          told.commits.map((one) => one.isAcknowledged),
          [...told.plain],
        ]);
        for (const disk of disksOf(fileSystem, setting, call)) {
          tally.count('states');
          const key = `${disk.mishap} ${knowledge} ${imageKey(disk.fileSystem)}`;
          if (seen.has(key)) continue;
          seen.add(key);
          tally.count('different states');
          try {
            await checkCommits(disk.fileSystem, told, { setting, mishap: disk.mishap });
          } catch (error) {
            tally.fail(`${place}: ${disk.name}`, error);
          }
        }
      }
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
