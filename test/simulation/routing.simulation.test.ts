/**
 * Random histories of exchanges, bindings and what is published to them, on a disk that fails, fills up
 * and loses its power: every destination log holds what a plain filter of the sources says (A10). What
 * the program does meanwhile is counted, and too little of it fails the run: see `TALLY_MIN`.
 * `SEED=` replays one and tells its story.
 */
import { test } from 'vitest';

import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import type { RoutingTallyKey } from '../support/simulation/routing/routing-tally.ts';
import { simulateRouting } from '../support/simulation/routing/routing-simulator.ts';

const TALLY_MIN: Partial<Record<RoutingTallyKey, number>> = {
  // Lives, and how they end.
  opens: 3,
  closes: 0.4,
  kills: 0.8,
  powerCuts: 1.4,
  recoveryCrashes: 1,
  faults: 2.2,
  fullStores: 0.1,
  // Checks.
  looks: 5,
  quietLooks: 0.9,
  checkedCopies: 13,
  // What is published, and by which way it goes.
  publishes: 18,
  routed: 1.4,
  unroutable: 0.8,
  transactions: 0.4,
  refusedTransactions: 0.05,
  byAlternate: 0.2,
  byAlternateChain: 0.005,
  throughExchanges: 0.3,
  letters: 0.25,
  letterCopies: 0.2,
  // Changes of the topology.
  topologyChanges: 4,
  backfills: 0.7,
  cycles: 1.4,
  grownTopics: 0.2,
  deletedTopics: 0.18,
  deletedExchanges: 0.15,
  reusedTopicNames: 0.06,
  reusedExchangeNames: 0.06,
  prunings: 0.01,
  // What goes from logs, what destinations are let off, and what is made again.
  trims: 0.3,
  sourceTrims: 0.4,
  heldSources: 0.02,
  deliveries: 1.8,
  settled: 1.8,
  settledTrims: 0.06,
  detaches: 0.2,
  skippedRecords: 0.15,
  soundRebuilds: 0.01,
  rebuilds: 0.02,
  refusedRebuilds: 0.2,
};

test('every destination holds what belongs there, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'routing',
    cost: 20,
    simulate: simulateRouting,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 100,
  });
});
