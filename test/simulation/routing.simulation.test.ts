/**
 * Random histories of exchanges, bindings and what is published to them, on a disk that fails, fills up
 * and loses its power: every destination log holds what a plain filter of the sources says (A10).
 * `SEED=` replays one and tells its story.
 */
import { test } from 'vitest';

import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import { simulateRouting } from '../support/simulation/routing/routing-simulator.ts';
import { StoreTally } from '../support/simulation/store/store-world.ts';

const TALLY_MIN = {
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

test('every destination holds what belongs there, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'routing',
    cost: 20,
    newTally: () => new StoreTally(),
    simulate: simulateRouting,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 100,
  });
});
