/**
 * Random histories of a store, its topics, groups and journal, on a disk that fails, fills up and
 * loses its power, each against oracles that know only what the store said. `SEED=` replays one and
 * tells its story.
 */
import { test } from 'vitest';

import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import { simulateStore } from '../support/simulation/store/store-simulator.ts';

const TALLY_MIN = {
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
  'compacted-asked': 0.1,
  'compacted-share': 0.09,
  'compacted-lag': 0.1,
  'compacted-tombstones': 0.03,
  'compacted-settled': 0.4,
  superseded: 0.6,
  looks: 0.8,
  idleClosures: 0.04,
  trims: 0.02,
};

test('a store keeps its promises, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'store',
    cost: 8,
    simulate: simulateStore,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 200,
  });
});
