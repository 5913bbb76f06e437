/** What callers are told whose call meets the deletion of its topic, whichever comes first, and by how much. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Store } from '../../../src/store/store.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const TURNS_MAX = 30;
/** Of calls that are made first, and some of which open their logs first. */
const CALLED_TURNS_MAX = 180;
const CLOSED = { code: 'ERR_VARVE_CLOSED', details: { resource: 'topic', name: 't' } };

/** A topic whose logs are open, or not yet; calls of the disk end in any order. */
async function setup(seed: number, isUsed: boolean) {
  const disk = await StoreDisk.make({ schedule: { random: new SeededRandom(seed) } });
  const run = async <T>(work: Promise<T>): Promise<T> => {
    const outcome = await disk.drive(work);
    if (outcome.status === 'done') return outcome.value;
    throw outcome.status === 'failed' ? outcome.error : new Error('the disk has crashed');
  };
  const before = await run(disk.open());
  const made = await run(before.topic('t', { codec: utf8, partitions: 2 }));
  for (const partition of [0, 1]) await run(made.append({ value: 'old' }, { partition }));
  await run(before.close());
  const store = await run(disk.open());
  onTestFinished(() => run(store.close()));
  const topic = await run(store.topic('t', { codec: utf8 }));
  if (isUsed) await run(topic.appendBatch([{ value: 'a' }, { key: 'k', value: 'b' }]));
  return { store, topic, run };
}

type Calls = Readonly<Record<string, () => Promise<unknown>>>;
type Told = Map<string, PromiseSettledResult<unknown>[]>;

/** Deletes the topic so many turns before the calls, or behind them when that is negative. */
async function meet(store: Store, lead: number, calls: Calls): Promise<Told> {
  const names = Object.keys(calls);
  const callAll = (): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled(Object.values(calls).map((call) => call()));
  const early = lead < 0 ? callAll() : null;
  await turns(early === null ? 0 : -lead);
  const deleting = store.deleteTopic('t');
  await turns(early === null ? lead : 0);
  const answers = await (early ?? callAll());
  await deleting;
  return new Map(answers.map((answer, at) => [names[at] ?? '', [answer]]));
}

/** Of calls that come long before the deletion, long behind it, and at each turn in between. */
async function meetings(
  isUsed: boolean,
  callsOf: (parts: Awaited<ReturnType<typeof setup>>) => Calls,
): Promise<Told> {
  const told: Told = new Map();
  for (let lead = -CALLED_TURNS_MAX; lead <= TURNS_MAX; lead += lead < 0 ? 3 : 1) {
    const parts = await setup(lead + CALLED_TURNS_MAX, isUsed);
    for (const [name, answers] of await parts.run(meet(parts.store, lead, callsOf(parts)))) {
      told.set(name, [...(told.get(name) ?? []), ...answers]);
    }
  }
  return told;
}

describe.each([
  ['open', true],
  ['not open yet', false],
])('a topic that is deleted, whose logs are %s', (_, isUsed) => {
  test('ends all calls with the same error at whichever turn they come, or has answered them', async () => {
    const told = await meetings(isUsed, ({ topic }) => ({
      append: () => topic.append({ value: 'x' }, { partition: 1 }),
      appendBatch: () => topic.appendBatch([{ value: 'x' }, { key: 'k', value: 'y' }]),
      deleteBefore: () => topic.deleteBefore({ partition: 0, offset: 1 }),
      read: () => topic.read({ partition: 0, offset: 0 }),
      sync: () => topic.sync(),
    }));
    expect(told.size).toBe(5);
    for (const [name, answers] of told) {
      const refused = answers.filter(({ status }) => status === 'rejected');
      expect(refused.length, name).toBeGreaterThan(TURNS_MAX / 2);
      expect(refused.length, name).toBeLessThan(answers.length);
      for (const one of refused) expect(one, name).toMatchObject({ reason: CLOSED });
    }
  });

  test('is nowhere for the default exchange, or has the record', async () => {
    const told = await meetings(isUsed, ({ store }) => ({
      publish: async () => {
        const exchange = await store.exchange('', { codec: utf8 });
        const { destinations } = await exchange.publish('x', { routingKey: 't' });
        return destinations.join();
      },
    }));
    const ways = told
      .get('publish')
      ?.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)));
    expect(new Set(ways)).toEqual(new Set(['t', '']));
  });
});
