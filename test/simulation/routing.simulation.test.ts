/**
 * Random histories of exchanges, bindings and what is published to them, on a disk that fails, fills up
 * and loses its power: every destination log holds what a plain filter of the sources says (A10).
 * `SEED=` replays one and tells its story.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { simulateRouting } from '../support/simulation/routing/routing-simulator.ts';
import { StoreTally } from '../support/simulation/store/store-world.ts';

const ONE_SEED = process.env['SEED'];
const FIRST_SEED = Number(process.env['VARVE_FIRST_SEED'] ?? 1);
const SEED_COUNT = Math.ceil(Number(process.env['VARVE_SEEDS'] ?? 2000) / 20);
/** Per seed on average, half of what is usual. */
const TALLY_MIN: Readonly<Record<string, number>> = {
  opens: 3,
  topologyChanges: 4,
  publishes: 14,
  backfills: 0.7,
  checkedCopies: 9,
  quietLooks: 0.9,
  routed: 1.5,
  deletedTopics: 0.12,
  deletedExchanges: 0.15,
  sourceTrims: 0.5,
  trims: 0.7,
  powerCuts: 1.4,
  kills: 0.8,
  faults: 2.2,
};
/** Fewer seeds than this say nothing about averages. */
const TALLIED_SEEDS_MIN = 100;
/** Seeds are run a second time, one in so many: the same calls, bytes and answers (A18). */
const TWICE_EVERY = 40;
const FAILURES_SHOWN_MAX = 5;

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
  const end = FIRST_SEED + SEED_COUNT;
  for (let seed = FIRST_SEED; seed < end && failed.length < FAILURES_SHOWN_MAX; seed++) {
    const { violations, digest } = await simulateRouting(seed, tally);
    const found = [
      ...violations,
      ...unhandled.splice(0).map((error) => `unhandled: ${String(error)}`),
    ];
    if (seed % TWICE_EVERY === 0) {
      const again = await simulateRouting(seed, new StoreTally());
      if (again.digest !== digest) found.push(`A18: ${digest} at first, ${again.digest} then`);
    }
    const replay = `SEED=${seed} npx vitest run --config test/vitest.config.ts test/simulation/routing`;
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
  const { violations, digest } = await simulateRouting(seed, new StoreTally(), (what) => {
    story.push(what);
  });
  console.log([...story, `digest ${digest}`].join('\n'));
  expect(violations).toEqual([]);
  expect(unhandled).toEqual([]);
}

test('every destination holds what belongs there, whatever happens', async () => {
  await (ONE_SEED === undefined ? expectSeedsToPass() : expectOneToPass(Number(ONE_SEED)));
});
