/**
 * Crashes at every file-system call of backfills under full publish rate: publishers publish again as soon
 * as they are answered, from before the bind until the last backfill has ended. Whatever a power cut or a
 * kill leaves, each destination holds in the end what a plain filter of the source says, in order and once
 * (A10), and nothing is gone that a reader may have seen.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { BusyBackfill, preparePast, type BusySetting } from '../support/faults/busy-backfill.ts';
import { crashPointsOf } from '../support/faults/crash-run.ts';
import { crashRouting } from '../support/faults/routing-crashes.ts';
import { bindingTo } from '../support/faults/routing-program.ts';
import { Tally } from '../support/faults/tally.ts';

const PAST = bindingTo('past', '*.b');

const SETTINGS: readonly BusySetting[] = [
  {
    name: 'one binding',
    durability: 'os',
    hasUnsynced: false,
    bindings: [PAST],
    roundMs: 100,
    seed: 5,
  },
  {
    name: 'a binding to an exchange',
    durability: 'sync',
    hasUnsynced: true,
    bindings: [{ ...bindingTo('other', '#'), kind: 'exchange' }],
    roundMs: 50,
    seed: 29,
  },
  {
    name: 'two bindings that overlap, syncs last',
    durability: 'interval',
    hasUnsynced: true,
    bindings: [PAST, bindingTo('past', '#')],
    roundMs: 50,
    seed: 14,
  },
];

/** Of the source, while there are backfills. */
const SYNCS_MIN = 10;

const summaries: string[] = [];

describe.each(SETTINGS)('$name', (setting) => {
  test('ends in the filter of the source, wherever it is stopped', async () => {
    const past = await preparePast(setting.durability);
    const whole = new BusyBackfill(setting, past);
    expect(await whole.run()).toMatchObject({ status: 'done' });
    expect(whole.life.world.complaints()).toEqual([]);
    expectFullRate(whole);
    expectInterleaved(whole);
    const calls = whole.calls.slice(0, whole.publishingCalls);
    const points = crashPointsOf(calls, whole.openingCalls + 1);
    const tally = new Tally();
    await crashRouting(points, (stop) => new BusyBackfill(setting, past, stop), tally);
    summaries.push(tally.summary(setting.name));
    expect(tally.failures).toEqual([]);
    expect(tally.of('crash points')).toBeGreaterThan(600);
  });
});

/** Publishes were on their way at every call, and with every sync of the source new ones. */
function expectFullRate({ calls, openingCalls, backfillCalls }: BusyBackfill): void {
  const during = calls.slice(openingCalls, backfillCalls);
  expect(during.filter((call) => call.askedCount === call.answeredCount)).toEqual([]);
  const syncs = during.filter(
    ({ operation, path }) => operation === 'datasync' && /exchange[^/]*\/0\/\d+\.log$/.test(path),
  );
  expect(syncs.length).toBeGreaterThanOrEqual(SYNCS_MIN);
  expect(new Set(syncs.map(({ askedCount }) => askedCount)).size).toBe(syncs.length);
}

/** Copies of what was published meanwhile came in between those of the past, in one log at least. */
function expectInterleaved({ life }: BusyBackfill): void {
  const ledgers = [...life.world.oracle.destinations.values()].flatMap((one) => one.ledgers);
  const isMixed = ledgers.map(({ inOrder }) => {
    const isPast = inOrder.map(({ batch: { from } }) => (from?.stream ?? 0) > 0);
    const [first, last] = [isPast.indexOf(true), isPast.lastIndexOf(true)];
    return isPast.slice(first, last).includes(false);
  });
  expect(isMixed).toContain(true);
}

afterAll(() => console.log(summaries.join('\n')));
