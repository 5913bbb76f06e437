/**
 * Random histories of a store, its topics, groups and journal, on a disk that fails, fills up and
 * loses its power, each against oracles that know only what the store said. `SEED=` replays one and
 * tells its story.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { simulateStore } from '../support/simulation/store/store-simulator.ts';
import { StoreTally } from '../support/simulation/store/store-world.ts';

const ONE_SEED = process.env['SEED'];
/** A store costs some times what a log does. */
const SEED_COUNT = Math.ceil(Number(process.env['VARVE_SEEDS'] ?? 2000) / 8);
/** Seeds are run a second time, one in so many: the same calls, bytes and answers (A18). */
const TWICE_EVERY = 40;
const FAILURES_SHOWN_MAX = 5;
/** Per seed on average, half of what is usual. */
const TALLY_MIN: Readonly<Record<string, number>> = {
  opens: 2,
  acks: 3.5,
  changes: 3,
  commits: 2,
  topicChanges: 0.6,
  resets: 0.2,
  deletedGroups: 0.08,
  failedChanges: 0.6,
  diskFull: 0.2,
  faults: 1.4,
  kills: 0.6,
  powerCuts: 1.1,
  recoveryCrashes: 0.6,
  closes: 0.4,
  reads: 0.4,
  secondOpenings: 0.6,
  wholeCommits: 1,
  failedCommits: 0.15,
  waitingCommits: 0.05,
  runs: 0.4,
  hashes: 1.5,
  indexes: 1,
  checkedRecords: 6,
  checkedPositions: 1.2,
  consumers: 2.2,
  deliveries: 12,
  ackedRecords: 10,
  releasedRecords: 0.3,
  deadRecords: 0.12,
  cancelledRecords: 0.15,
  expiredLeases: 0.7,
  staleCalls: 0.18,
  purges: 0.28,
  undonePurges: 0.4,
  pauses: 0.6,
  revivals: 0.03,
  deletedShareGroups: 0.13,
  deletedTopics: 0.05,
  trimmedLogs: 0.08,
  droppedSegments: 0.1,
  stalls: 0.4,
  jumps: 0.3,
  scans: 0.8,
  drains: 0.7,
  accountedRecords: 14,
};
/** Fewer seeds than this say nothing about averages. */
const TALLIED_SEEDS_MIN = 200;

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});

afterEach(() => {
  process.off('unhandledRejection', note);
});

async function expectSeedsToPass(): Promise<void> {
  const tally = new StoreTally();
  const failed: string[] = [];
  for (let seed = 1; seed <= SEED_COUNT && failed.length < FAILURES_SHOWN_MAX; seed++) {
    const { violations, digest } = await simulateStore(seed, tally);
    const found = [
      ...violations,
      ...unhandled.splice(0).map((error) => `unhandled: ${String(error)}`),
    ];
    if (seed % TWICE_EVERY === 0) {
      const again = await simulateStore(seed, new StoreTally());
      if (again.digest !== digest) found.push(`A18: ${digest} at first, ${again.digest} then`);
    }
    const replay = `SEED=${seed} npx vitest run --config test/vitest.config.ts test/simulation/store`;
    if (found.length > 0) failed.push(`${found.slice(0, 3).join('\n  ')}\n  ${replay}`);
  }
  console.log(`simulated: ${tally.toString()}`);
  expect(failed.join('\n')).toBe('');
  if (SEED_COUNT < TALLIED_SEEDS_MIN) return;
  for (const [key, perSeed] of Object.entries(TALLY_MIN)) {
    expect(tally.of(key), `${key} in ${SEED_COUNT} seeds`).toBeGreaterThan(perSeed * SEED_COUNT);
  }
}

async function expectOneToPass(seed: number): Promise<void> {
  const story: string[] = [];
  const { violations, digest } = await simulateStore(seed, new StoreTally(), (what) => {
    story.push(what);
  });
  console.log([...story, `digest ${digest}`].join('\n'));
  expect(violations).toEqual([]);
  expect(unhandled).toEqual([]);
}

test('a store keeps its promises, whatever happens', async () => {
  await (ONE_SEED === undefined ? expectSeedsToPass() : expectOneToPass(Number(ONE_SEED)));
});
