/**
 * Random histories of producers on a disk that fails, fills up and loses its power: each number is stored
 * once (A9), whatever is sent again, and `last` says so. `SEED=` replays one and tells its story.
 */
import { test } from 'vitest';

import { simulateProducers } from '../support/simulation/producers/producer-simulator.ts';
import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';

const TALLY_MIN = {
  opens: 2,
  checkedRecords: 24,
  lasts: 10,
  answers: 9,
  duplicates: 2.5,
  repeats: 0.9,
  commits: 1.3,
  takeovers: 0.6,
  trims: 0.6,
  refusals: 0.35,
  diskFull: 0.2,
  faults: 2.9,
  kills: 0.9,
  powerCuts: 1.9,
  recoveryCrashes: 1.8,
  closes: 0.6,
};

test('a producer has each of its numbers stored once, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'producers',
    cost: 8,
    simulate: simulateProducers,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 200,
  });
});
