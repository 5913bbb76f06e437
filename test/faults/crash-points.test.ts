/**
 * Every crash point of fixed workloads: before, inside and after each file-system call, and every
 * state that a power cut or a kill may leave there.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { crashEverywhere, disksAfterCrash } from '../support/faults/crash-run.ts';
import { Tally } from '../support/faults/tally.ts';
import { WORKLOADS } from '../support/faults/workloads.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that they overlap. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];

const summaries: string[] = [];

describe.each(WORKLOADS)('$name', (workload) => {
  test.each(SEEDS)('keeps its promises whatever a crash leaves, SEED=%i', async (seed) => {
    const tally = new Tally();
    await crashEverywhere(workload, tally, {
      seed,
      disksOf: (fileSystem, call) => disksAfterCrash(fileSystem, { seed: call, randomCount: 4 }),
    });
    summaries.push(tally.summary(`${workload.name}, SEED=${seed}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('crash points')).toBeGreaterThan(100);
    expect(tally.of('different states')).toBeGreaterThan(50);
  });
});

afterAll(() => console.log(summaries.join('\n')));
