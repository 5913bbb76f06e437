/**
 * Random histories of records with ids on a disk that fails, fills up and loses its power: within its
 * window each is stored once, and nothing is called a duplicate that is not stored (A9). `SEED=` replays
 * one and tells its story.
 */
import { test } from 'vitest';

import { simulateDedup } from '../support/simulation/dedup/dedup-simulator.ts';
import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';

const TALLY_MIN: Readonly<Record<string, number>> = {};

test('an id is stored once in its window, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'dedup',
    cost: 40,
    simulate: simulateDedup,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 50,
  });
});
