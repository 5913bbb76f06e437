/**
 * A program that compacts a log in several passes, while it is appended to, read and trimmed, stops before, inside
 * and after each of its calls: whatever a power cut or a kill leaves folds to what was acknowledged, and goes on
 * until nothing is left that may go.
 */
import { afterAll, expect, test } from 'vitest';

import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  checkCompaction,
  compactableDisk,
  CompactionProgram,
  type Known,
} from '../support/faults/compaction-program.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Stops } from '../support/faults/stops.ts';
import { Tally } from '../support/faults/tally.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that appends overlap with swaps. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];
const summaries: string[] = [];

interface Run {
  readonly calls: readonly Call[];
  readonly stops: Stops<Known>;
  readonly program: CompactionProgram;
}

async function run(seed: number): Promise<Run> {
  const calls: Call[] = [];
  const stops = new Stops<Known>();
  const prepared = await compactableDisk();
  const fileSystem: FaultyFileSystem = prepared.killImage(
    { inFlight: 'all' },
    {
      schedule: scheduleOf(seed),
      trace: (_, call) => void calls.push(call),
      onPoint: (point) => stops.add(point, fileSystem, program.known),
    },
  );
  const program = new CompactionProgram(fileSystem);
  const outcome = await fileSystem.drive(program.run());
  if (outcome.status === 'failed') throw outcome.error;
  return { calls, stops, program };
}

async function examine({ calls, stops }: Run, tally: Tally): Promise<void> {
  const seen = new Set<string>();
  const isNew = (key: string): boolean => seen.size < seen.add(key).size;
  const rested = new Set<string>();
  for (const point of crashPointsOf(calls)) {
    const stop = stops.at(point);
    const place = `crash ${point.when} call ${point.call} (${nameOf(calls[point.call - 1])})`;
    tally.count('crash points', point.pointCount);
    if (stop === null) {
      tally.fail(place, new Error('it does not come there'));
      continue;
    }
    const { fileSystem, known } = stop;
    const kills = (['none', 'all'] as const).map((inFlight) => fileSystem.killImage({ inFlight }));
    if (!isNew(`stop ${JSON.stringify(known)} ${kills.map(imageKey).join(' ')}`)) continue;
    tally.count('different crash points');
    for (const disk of disksAfterCrash(fileSystem, { seed: point.call, randomCount: 1 })) {
      tally.count('states');
      if (!isNew(`${JSON.stringify(known)} ${imageKey(disk.fileSystem)}`)) continue;
      tally.count('different states');
      try {
        await checkCompaction(disk.fileSystem, known, rested);
      } catch (error) {
        tally.fail(`${place}: ${disk.name}`, error);
      }
    }
  }
  tally.count('gone on with', rested.size);
}

test.each(SEEDS)('a crash at any call leaves what folds to the same, SEED=%i', async (seed) => {
  const tally = new Tally();
  const ran = await run(seed);
  const [first, second] = ran.program.results;
  expect(first).toMatchObject({ passCount: 2, droppedTombstoneCount: 0 });
  expect(second?.droppedTombstoneCount).toBeGreaterThan(2);
  await examine(ran, tally);
  summaries.push(tally.summary(`SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(300);
  expect(tally.of('different states')).toBeGreaterThan(300);
});

afterAll(() => console.log(summaries.join('\n')));
