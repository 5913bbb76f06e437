/**
 * Random histories of transactions on a disk that fails, fills up and loses its power: each is whole or
 * absent in all that it touches, to readers too (A4). `SEED=` replays one and tells its story.
 */
import { expect, test } from 'vitest';

import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import { Tally } from '../support/simulation/tally.ts';
import { simulateTransactions } from '../support/simulation/transactions/transaction-simulator.ts';

const TALLY_MIN: Readonly<Record<string, number>> = {
  opens: 2,
  closes: 0.6,
  kills: 1,
  powerCuts: 1.8,
  recoveryCrashes: 1.5,
  faults: 4.5,
  diskFull: 2,
  runs: 0.5,
  // How transactions end.
  committed: 6,
  routed: 0.9,
  throw: 0.45,
  abort: 0.45,
  signal: 0.45,
  timedOut: 0.6,
  leaseLost: 0.12,
  fenced: 0.04,
  failed: 0.8,
  indeterminate: 0.03,
  refusedCalls: 1.5,
  batches: 2,
  takenPartitions: 0.02,
  // Nobody was told of them, and they are there.
  found: 0.4,
  // What goes on meanwhile.
  plain: 11,
  deliveries: 7,
  releases: 0.3,
  partitions: 0.3,
  deletedTopics: 0.15,
  // What is checked.
  checkedRecords: 70,
  frames: 15,
  looks: 1.5,
};

/** Two transactions of one member with positions of one partition: the later batch was committed first. */
const FOUND = [15, 162, 534];

test('transactions are there as a whole or not at all, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'transactions',
    cost: 40,
    simulate: simulateTransactions,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 50,
  });
});

test('seeds that found something pass', async () => {
  for (const seed of FOUND) {
    const { violations } = await simulateTransactions(seed, new Tally());
    expect(violations, `seed ${seed}`).toEqual([]);
  }
});
