/** What a run of many seeds takes for enough. */
import { describe, expect, it } from 'vitest';
import { runMany } from '../support/simulation/run-seeds.ts';
import type { Tally } from '../support/simulation/tally.ts';

const TALLY_MIN = { common: 0.5, rare: 0.005 };
const SEEDS = { first: 1000, count: 100 };

/** Seeds of which some do what is rare. @returns those that ran */
async function run(isRare: (seed: number) => boolean, talliedSeedsMin = 100): Promise<number[]> {
  const seeds: number[] = [];
  const simulate = (seed: number, tally: Tally<'common' | 'rare'>) => {
    if (seeds.at(-1) !== seed) seeds.push(seed); // Else it is the second time.
    tally.add('common');
    if (isRare(seed)) tally.add('rare');
    return Promise.resolve({ violations: [], digest: String(seed) });
  };
  const simulation = { file: 'some', simulate, tallyMin: TALLY_MIN, talliedSeedsMin };
  await runMany(simulation, SEEDS, []);
  return seeds;
}

describe('a run of many seeds', () => {
  it('ends with the seeds that were asked for when they do enough', async () => {
    expect(await run((seed) => seed === 1050)).toHaveLength(100);
  });

  it('goes on, each seed once, while they do too little of what is rare', async () => {
    const seeds = await run((seed) => seed === 1110 || seed === 1120);
    expect(seeds).toEqual(Array.from({ length: 200 }, (_, at) => 1000 + at));
  });

  it('fails when that is not made up for, and says what is missing', async () => {
    const isScarce = (seed: number): boolean => seed > 1100 && seed % 200 === 0;
    await expect(run(isScarce)).rejects.toThrow('rare: 3 in 800 seeds, not more than 4');
    await expect(run(() => false)).rejects.toThrow('rare: 0 in 800 seeds');
  });

  it('says nothing of averages over few seeds', async () => {
    expect(await run(() => false, 101)).toHaveLength(100);
  });
});
