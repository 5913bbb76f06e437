/**
 * A roll at `os`, with two and three unsynced segments: the power is cut at each call, and any
 * subset of the sectors of all of them may have reached the disk.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { crashEverywhere } from '../support/faults/crash-run.ts';
import { sectorMixes } from '../support/faults/sector-mixes.ts';
import { Tally } from '../support/faults/tally.ts';
import { ROLL_WORKLOADS } from '../support/faults/roll-workloads.ts';

const MIXES_MAX = 1200;
const DRAWN_COUNT = 100;
const summaries: string[] = [];

describe.each(ROLL_WORKLOADS)('$name', (workload) => {
  test('any subset of the unsynced sectors is a prefix of what was appended', async () => {
    const tally = new Tally();
    await crashEverywhere(workload, tally, {
      seed: 0,
      disksOf: (fileSystem, call) =>
        sectorMixes(fileSystem, {
          seed: call,
          mixesMax: MIXES_MAX,
          drawnCount: DRAWN_COUNT,
          onCount(mixCount, isExhaustive) {
            tally.count(isExhaustive ? 'points with every mix' : 'points with random mixes');
            if (isExhaustive) tally.count('mixes', mixCount);
          },
        }),
    });
    summaries.push(tally.summary(workload.name));
    expect(tally.failures).toEqual([]);
    expect(tally.of('points with every mix')).toBeGreaterThan(10);
    expect(tally.of('different states')).toBeGreaterThan(40);
  });
});

afterAll(() => console.log(summaries.join('\n')));
