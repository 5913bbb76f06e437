/**
 * Crashes at every file-system call of an exchange: while it is published to at full rate and new
 * bindings get the past, of which one is taken away meanwhile, and while destinations forget theirs. Whatever a power cut or a kill leaves,
 * each destination log holds in the end what a plain filter of the source says, and nothing that a
 * reader has seen is another then (A10).
 */
import { afterAll, describe, expect, test } from 'vitest';

import { crashPointsOf } from '../support/faults/crash-run.ts';
import { crashRouting } from '../support/faults/routing-crashes.ts';
import { RoutingProgram, type RoutingSetting } from '../support/faults/routing-program.ts';
import { Tally } from '../support/faults/tally.ts';

const PLAIN = { durability: 'os', hasBackfill: true, overlaps: false, trims: false } as const;

const SETTINGS: readonly RoutingSetting[] = [
  { ...PLAIN, name: 'a backfill', seed: 0 },
  { ...PLAIN, name: 'a backfill, out of order', durability: 'sync', seed: 2 },
  { ...PLAIN, name: 'overlapping backfills', overlaps: true, seed: 0 },
  {
    ...PLAIN,
    name: 'overlapping backfills, out of order',
    durability: 'interval',
    overlaps: true,
    seed: 3,
  },
  {
    ...PLAIN,
    name: 'marks and retention',
    durability: 'interval',
    hasBackfill: false,
    trims: true,
    seed: 0,
  },
  { ...PLAIN, name: 'a backfill and retention', trims: true, seed: 1 },
];

const summaries: string[] = [];

describe.each(SETTINGS)('$name', (setting) => {
  test('ends in the filter of the source, wherever it is stopped', async () => {
    const tally = new Tally();
    const whole = new RoutingProgram(setting);
    expect(await whole.run()).toMatchObject({ status: 'done' });
    expect(whole.life.world.complaints()).toEqual([]);
    const points = crashPointsOf(whole.calls, whole.openingCalls + 1);
    await crashRouting(points, (stop) => new RoutingProgram(setting, stop), tally);
    summaries.push(tally.summary(setting.name));
    expect(tally.failures).toEqual([]);
    expect(tally.of('crash points')).toBeGreaterThan(300);
  });
});

afterAll(() => console.log(summaries.join('\n')));
