/**
 * Every file-system call of fixed workloads fails, each in every way, once and for good. The log
 * answers right or fails loudly; what it acknowledged is there when the fault is gone.
 */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';

import { callsOf, Examiner } from '../support/faults/crash-run.ts';
import { describeCase, failCall, FAULT_KINDS, isForgiven } from '../support/faults/error-run.ts';
import { recoveriesOf } from '../support/faults/recovery-run.ts';
import { ROLL_WORKLOADS } from '../support/faults/roll-workloads.ts';
import { Tally } from '../support/faults/tally.ts';
import { WORKLOADS, type Workload } from '../support/faults/workloads.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];

/** Their crashes leave every kind of tail: cut, moved, unlinked, below the start, half made. */
const WRECKERS = [...WORKLOADS, ...ROLL_WORKLOADS].filter(({ name }) =>
  [
    'append at os',
    'delete before',
    'open of a new directory',
    'roll once at os, sectors of 4096',
    'roll step by step at os, sectors of 4096',
  ].includes(name),
);
/** Of each program so many recoveries, each of which does something that the others do not. */
const WRECKS_MAX = 4;

const summaries: string[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
  return () => void process.off('unhandledRejection', onUnhandled);
});

describe.each(WORKLOADS)('$name', (workload) => {
  test.each(SEEDS)('answers right or fails loudly, SEED=%i', async (seed) => {
    const tally = new Tally();
    await failEveryCall(workload, seed, tally);
    summaries.push(tally.summary(`${workload.name}, SEED=${seed}`));
    expect(tally.failures).toEqual([]);
    expect(unhandled).toEqual([]);
    expect(tally.of('cases')).toBeGreaterThan(300);
    expect(tally.of('faults reported')).toBeGreaterThan(tally.of('cases') / 2);
  });
});

describe.each(WRECKERS)('recovery after $name', (workload) => {
  test('opens or fails loudly, and never cuts off what it could not read', async () => {
    const tally = new Tally();
    for (const recovery of await recoveriesOf(workload, { seed: 0, wrecksMax: WRECKS_MAX })) {
      tally.count('recoveries');
      await failEveryCall(recovery, 0, tally);
    }
    summaries.push(tally.summary(`recovery after ${workload.name}`));
    expect(tally.failures).toEqual([]);
    expect(unhandled).toEqual([]);
    expect(WRECKERS).toHaveLength(5);
    expect(tally.of('recoveries')).toBe(WRECKS_MAX);
    expect(tally.of('cases')).toBeGreaterThan(1000);
    expect(tally.of('faults reported')).toBeGreaterThan(tally.of('cases') / 2);
  });
});

async function failEveryCall(workload: Workload, seed: number, tally: Tally): Promise<void> {
  const prepared = await workload.prepare(workload.options);
  const calls = await callsOf(workload, prepared, seed);
  const examiner = new Examiner(workload, tally);
  for (const [index, call] of calls.entries()) {
    for (const kind of FAULT_KINDS.filter(({ appliesTo }) => appliesTo(call))) {
      if (isForgiven(call, kind)) continue;
      for (const isSticky of [false, true]) {
        const error = { workload, prepared, calls, at: index + 1, kind, isSticky, seed };
        tally.count('cases');
        try {
          await failCall(error, tally, examiner);
        } catch (failure) {
          tally.fail(describeCase(error), failure);
        }
      }
    }
  }
}

afterAll(() => console.log(summaries.join('\n')));
