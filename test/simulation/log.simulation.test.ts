/**
 * Thousands of random histories of one log on a disk that fails, fills up and loses its power, each
 * against an oracle that knows only what the log said. `SEED=` replays one and tells its story.
 */
import { test } from 'vitest';

import { expectSeedsToPass } from '../support/simulation/run-seeds.ts';
import { simulate } from '../support/simulation/simulator.ts';

const TALLY_MIN = {
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
  compactions: 0.1,
  rewrittenSegments: 0.08,
  superseded: 0.3,
  checkedRecords: 20,
};

test('a log keeps its promises, whatever happens', async () => {
  await expectSeedsToPass({
    file: 'log',
    cost: 1,
    simulate: simulate,
    tallyMin: TALLY_MIN,
    talliedSeedsMin: 500,
  });
});
