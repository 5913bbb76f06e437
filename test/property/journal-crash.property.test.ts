/**
 * A journal that is killed, or loses its power, at any call, also in the middle of a snapshot run or
 * of letting go of what came before one: what is found is the state after some of its entries, the
 * first ones, and all that was answered.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { JournalBench, type OpenJournal } from '../support/journal-bench.ts';
import { longHistories, type HistoryStep } from '../support/journal-history.ts';
import { asyncPropertyOptions } from '../support/property.ts';

/** What was answered before the end. */
interface Told {
  /** Entries below survive a power cut. */
  synced: number;
  /** And a kill. */
  written: number;
  /** Runs that were ended. */
  runCount: number;
}

const RUNS_MIN = 200;
/** Of what a run made superfluous nothing is kept. */
const SMALL = { segmentBytesMax: 4096, retention: { retentionMs: 0, retentionBytes: 0 } };

/** Every other entry is to be synced; runs go on beside the steps behind them. */
async function play(live: OpenJournal, steps: readonly HistoryStep[], told: Told): Promise<void> {
  const { journal, runs } = live;
  let running: Promise<void> = Promise.resolve();
  for (const [at, { append }] of steps.entries()) {
    if (append === null) {
      running = runs.run().then(() => void told.runCount++);
      running.catch(() => undefined); // The crash comes between: nobody may be waiting any more.
      continue;
    }
    const level = at % 2 === 0 ? 'sync' : 'os';
    const offset = await append(journal, level);
    told.written = Math.max(told.written, offset + 1);
    if (level === 'sync') told.synced = Math.max(told.synced, offset + 1);
  }
  await running;
}

test('a journal that stops at any call is found as it was after its first entries', async () => {
  const seen = { crashes: 0, withRuns: 0, trimmed: 0, compared: 0, kills: 0 };
  const { numRuns = 0, ...options } = asyncPropertyOptions();
  await fc.assert(
    fc.asyncProperty(longHistories, fc.nat(), fc.boolean(), async (steps, seed, isKill) => {
      const random = new SeededRandom(seed);
      const disk = new FaultyFileSystem({ random });
      const bench = new JournalBench(disk, SMALL);
      const live = await bench.open();
      disk.crashAt = { call: disk.callCount + 1 + (seed % 120), when: 'inside' };
      const told: Told = { synced: 0, written: 0, runCount: 0 };
      const outcome = await disk.drive(play(live, steps, told));
      if (outcome.status === 'failed') throw outcome.error;
      if (outcome.status === 'crashed') seen.crashes++;
      disk.crash();
      bench.fileSystem = isKill ? disk.killImage() : disk.crashImage();
      const again = await bench.open();
      const count = again.journal.appliedOffset;
      expect(count).toBeGreaterThanOrEqual(isKill ? told.written : told.synced);
      const { hashes } = live.fold;
      if (count < hashes.length) {
        expect(again.fold.hash(), `${count} entries`).toBe(hashes[count]);
        seen.compared++;
      }
      await again.journal.close();
      if (isKill) seen.kills++;
      if (told.runCount > 0) seen.withRuns++;
      if (again.log.startOffset > 0) seen.trimmed++;
    }),
    { ...options, numRuns: Math.max(RUNS_MIN, numRuns) },
  );
  expect(seen.crashes).toBeGreaterThan(RUNS_MIN / 4);
  expect(seen.compared).toBeGreaterThan(RUNS_MIN / 2);
  expect(seen.withRuns).toBeGreaterThan(RUNS_MIN / 8);
  expect(seen.trimmed).toBeGreaterThan(RUNS_MIN / 20);
  expect(seen.kills).toBeGreaterThan(RUNS_MIN / 4);
});
