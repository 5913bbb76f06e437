/**
 * A program that swaps all segments of a log stops at each of its calls: whatever a power cut or a kill leaves
 * is a log in which the oldest segments are of the next generation and the others are not.
 */
import { afterAll, expect, test } from 'vitest';

import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Stops } from '../support/faults/stops.ts';
import {
  checkSwaps,
  RECORDS,
  runSwaps,
  swappableDisk,
  type Known,
} from '../support/faults/swap-program.ts';
import { Tally } from '../support/faults/tally.ts';

const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];
const summaries: string[] = [];

interface Run {
  readonly calls: readonly Call[];
  readonly stops: Stops<Known>;
}

/** Runs the program to its end on a copy, and keeps each point where it might have stopped. */
async function run(prepared: FaultyFileSystem, before: Known, seed: number): Promise<Run> {
  const calls: Call[] = [];
  const stops = new Stops<Known>();
  const known = { ...before };
  const fileSystem: FaultyFileSystem = prepared.killImage(
    { inFlight: 'all' },
    {
      schedule: scheduleOf(seed),
      trace: (_, call) => void calls.push(call),
      onPoint: (point) => stops.add(point, fileSystem, { ...known }),
    },
  );
  const outcome = await fileSystem.drive(runSwaps(fileSystem, known));
  if (outcome.status === 'failed') throw outcome.error;
  return { calls, stops };
}

/** Examines each different disk that a stop may leave; calls `onStop` with each different stop. */
async function examine(
  { calls, stops }: Run,
  tally: Tally,
  onStop: (fileSystem: FaultyFileSystem, known: Known) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const seen = new Set<string>();
  for (const point of crashPointsOf(calls)) {
    const stop = stops.at(point);
    const place = `crash ${point.when} call ${point.call} (${nameOf(calls[point.call - 1])})`;
    tally.count('crash points');
    if (stop === null) {
      tally.fail(place, new Error('it does not come there'));
      continue;
    }
    const { fileSystem, known } = stop;
    await onStop(fileSystem, known);
    const options = { seed: point.call, randomCount: 3 };
    for (const disk of disksAfterCrash(fileSystem, options)) {
      const key = `${known.swappedCount} ${known.endOffset} ${imageKey(disk.fileSystem)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      tally.count('different states');
      try {
        const newCount = await checkSwaps(disk.fileSystem, known);
        tally.count(newCount > known.swappedCount ? 'ahead of what was told' : 'as was told');
      } catch (error) {
        tally.fail(`${place}: ${disk.name}`, error);
      }
    }
  }
}

const nothing: Known = { swappedCount: 0, endOffset: RECORDS };

test.each(SEEDS)('a crash at any call leaves a mixture that is right, SEED=%i', async (seed) => {
  const tally = new Tally();
  await examine(await run(await swappableDisk(), nothing, seed), tally);
  summaries.push(tally.summary(`SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(100);
  expect(tally.of('different states')).toBeGreaterThan(50);
  expect(tally.of('ahead of what was told')).toBeGreaterThan(0);
});

test('so does a power cut after a kill, when the next process has gone on with the next segment', async () => {
  const tally = new Tally();
  const killed = new Map<string, { fileSystem: FaultyFileSystem; known: Known }>();
  await examine(await run(await swappableDisk(), nothing, 0), new Tally(), async (stop, known) => {
    // The rename is there for all to see, and a power cut would still undo it.
    const isUndoable = stop
      .unsynced()
      .some(({ kind, path }) => kind === 'rename' && path.includes('.log'));
    if (isUndoable) killed.set(`${known.swappedCount}`, { fileSystem: stop, known });
  });
  expect(killed.size).toBeGreaterThan(2);
  for (const { fileSystem, known } of killed.values()) {
    await examine(await run(fileSystem, known, 0), tally);
  }
  summaries.push(tally.summary('after a kill'));
  expect(tally.failures).toEqual([]);
  expect(tally.of('different states')).toBeGreaterThan(50);
});

afterAll(() => console.log(summaries.join('\n')));
