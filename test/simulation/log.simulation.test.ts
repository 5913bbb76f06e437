/**
 * Thousands of random histories of one log on a disk that fails, fills up and loses its power, each
 * against an oracle that knows only what the log said. `SEED=` replays one and tells its story.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { simulate } from '../support/simulation/simulator.ts';
import { Tally, type TallyKey } from '../support/simulation/tally.ts';

const ONE_SEED = process.env['SEED'];
const SEED_COUNT = Number(process.env['VARVE_SEEDS'] ?? 2000);
/** Seeds are run a second time, one in so many: the same calls, bytes and answers (A18). */
const TWICE_EVERY = 40;
const FAILURES_SHOWN_MAX = 5;

/** Per seed on average, half of what is usual; a run below that exercised too little to count. */
const TALLY_MIN: Readonly<Partial<Record<TallyKey, number>>> = {
  opens: 1.5,
  acks: 10,
  refusals: 1,
  crashes: 1.5,
  powerCuts: 1,
  kills: 0.5,
  recoveryCrashes: 0.3,
  closes: 0.4,
  faults: 0.4,
  failedWriters: 0.15,
  diskFull: 0.2,
  tornTails: 0.04,
  reads: 0.8,
  followed: 3,
  asides: 0.15,
  trims: 0.1,
  positions: 0.08,
  indexes: 0.5,
  batches: 4,
  compressedBatches: 0.8,
  secondRecoveries: 0.3,
  rests: 0.4,
  damages: 0.12,
  alarms: 0.08,
  gaps: 0.08,
  checkedRecords: 20,
};
/** Fewer seeds than this say nothing about averages. */
const TALLIED_SEEDS_MIN = 500;

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
  const tally = new Tally();
  const failed: string[] = [];
  for (let seed = 1; seed <= SEED_COUNT && failed.length < FAILURES_SHOWN_MAX; seed++) {
    const { violations, digest } = await simulate(seed, tally);
    const found = [
      ...violations,
      ...unhandled.splice(0).map((error) => `unhandled: ${String(error)}`),
    ];
    if (seed % TWICE_EVERY === 0) {
      const again = await simulate(seed, new Tally());
      if (again.digest !== digest)
        found.push(`A18: ${digest} the first time, ${again.digest} then`);
    }
    const replay = `SEED=${seed} npx vitest run --config test/vitest.config.ts test/simulation`;
    if (found.length > 0)
      failed.push(`SEED=${seed}: ${found.slice(0, 3).join('\n  ')}\n  ${replay}`);
  }
  console.log(`simulated: ${tally.toString()}`);
  expect(failed.join('\n')).toBe('');
  if (SEED_COUNT < TALLIED_SEEDS_MIN) return;
  for (const [key, perSeed] of Object.entries(TALLY_MIN)) {
    const count = tally.of(key as TallyKey);
    expect(count, `${key} in ${SEED_COUNT} seeds`).toBeGreaterThanOrEqual(perSeed * SEED_COUNT);
  }
}

async function expectOneToPass(seed: number): Promise<void> {
  const story: string[] = [];
  const { violations, digest } = await simulate(seed, new Tally(), (what) => {
    story.push(what);
  });
  console.log([...story, `digest ${digest}`].join('\n'));
  expect(violations).toEqual([]);
  expect(unhandled).toEqual([]);
}

test('a log keeps its promises, whatever happens', async () => {
  await (ONE_SEED === undefined ? expectSeedsToPass() : expectOneToPass(Number(ONE_SEED)));
});
