/**
 * Random histories of records with ids on a disk that fails, fills up and loses its power: within its
 * window each is stored once, and nothing is called a duplicate that is not stored (A9). `SEED=` replays
 * one and tells its story.
 */

import { expect, test } from 'vitest';

import { simulateDedup } from '../support/simulation/dedup/dedup-simulator.ts';
import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import { Tally } from '../support/simulation/tally.ts';

const TALLY_MIN: Readonly<Record<string, number>> = {
  opens: 2,
  closes: 0.3,
  kills: 0.6,
  powerCuts: 1,
  recoveryCrashes: 0.9,
  faults: 3,
  diskFull: 3,
  // What callers hear.
  stored: 20,
  duplicates: 20,
  twins: 2.5,
  refused: 4,
  unknown: 2,
  freed: 0.5,
  confirmed: 20,
  // What ends windows.
  acks: 1.5,
  trimmedTopics: 0.5,
  // Each id that may be there is sent again after an opening.
  probedNew: 2,
  probedDuplicates: 1.8,
  again: 0.4,
  checkedRecords: 35,
  segments: 8,
};

/**
 * A closing log that was asked, a window without what was just synced, one without a closing store, and
 * fingerprints whose beginning could not be synced.
 */
const FOUND = [2, 20, 57, 318, 5094, 5397, 5703];

test('an id is stored once in its window, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'dedup',
    cost: 40,
    simulate: simulateDedup,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 50,
  });
});

test('seeds that found something pass', async () => {
  for (const seed of FOUND) {
    const { violations } = await simulateDedup(seed, new Tally());
    expect(violations, `seed ${seed}`).toEqual([]);
  }
});
