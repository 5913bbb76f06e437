/** Handles of a store that was closed: who calls them is told that, and not which file is closed. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { nextTurn } from '../../../src/core/clock.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { STORE_PATH } from '../../support/store-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const CLOSED = {
  name: 'ClosedError',
  code: 'ERR_VARVE_CLOSED',
  message: `store ${STORE_PATH} is closed`,
  details: { resource: 'store', name: STORE_PATH },
};

interface Handles {
  readonly store: Store;
  readonly used: Exchange<string>;
  /** Nothing was published to it: its log was never opened. */
  readonly unused: Exchange<string>;
  readonly topic: StoreTopic<string>;
  readonly unread: StoreTopic<string>;
}

async function closedStore(): Promise<Handles> {
  const disk = await StoreDisk.make();
  const work = async (): Promise<Handles> => {
    const store = await disk.open();
    const topic = await store.topic('one', { codec: utf8 });
    const unread = await store.topic('two', { codec: utf8 });
    const used = await store.exchange('events', { type: 'topic', codec: utf8 });
    await used.bind('one', { pattern: '#' });
    await used.publish('value', { routingKey: 'key', confirm: 'routed' });
    await topic.append({ value: 'plain' });
    await store.exchange('unused', { type: 'topic' });
    await store.close();
    const again = await disk.open();
    const handles = {
      store: again,
      used: await again.exchange('events', { codec: utf8 }),
      unused: await again.exchange('unused', { codec: utf8 }),
      topic: await again.topic('one', { codec: utf8 }),
      unread: await again.topic('two', { codec: utf8 }),
    };
    expect(unread.name).toBe('two');
    await handles.used.publish('value', { routingKey: 'key', confirm: 'routed' });
    await handles.topic.append({ value: 'plain' });
    await again.close();
    return handles;
  };
  return done(disk, work());
}

async function done<T>(disk: StoreDisk, work: Promise<T>): Promise<T> {
  const outcome = await disk.drive(work);
  if (outcome.status === 'done') return outcome.value;
  throw outcome.status === 'failed' ? outcome.error : new Error('the disk has crashed');
}

async function firstOf<T>(records: AsyncIterable<T>): Promise<T | null> {
  for await (const record of records) return record;
  return null;
}

const CALLS: readonly (readonly [string, (handles: Handles) => unknown])[] = [
  ['publish', ({ used }) => used.publish('x', { routingKey: 'key' })],
  ['publish and wait for the routes', ({ used }) => used.publish('x', { confirm: 'routed' })],
  ['publishBatch', ({ used }) => used.publishBatch([{ value: 'x' }])],
  ['publish for the first time', ({ unused }) => unused.publish('x')],
  ['bind', ({ used }) => used.bind('two', { pattern: 'a' })],
  ['bind with the past', ({ used }) => used.bind('two', {}, { from: 'earliest' })],
  ['unbind', ({ used }) => used.unbind('one', { pattern: '#' })],
  ['setAlternate', ({ used }) => used.setAlternate('unused')],
  ['describe', ({ used }) => used.describe()],
  ['bindings', ({ used }) => used.bindings()],
  ['explain', ({ used }) => used.explain('key')],
  ['simulate', ({ used }) => used.simulate().run()],
  ['stats', ({ used }) => used.stats()],
  ['stats of what was not used', ({ unused }) => unused.stats()],
  ['detach', ({ used }) => used.detach('one')],
  ['detach from what was not used', ({ unused }) => unused.detach('one')],
  ['rebuild', ({ used }) => used.rebuild('one')],
  ['append', ({ topic }) => topic.append({ value: 'x' })],
  ['appendBatch', ({ topic }) => topic.appendBatch([{ value: 'x' }])],
  ['append for the first time', ({ unread }) => unread.append({ value: 'x' })],
  ['read records', ({ topic }) => firstOf(topic.records())],
  ['read batches for the first time', ({ unread }) => firstOf(unread.batches())],
  ['join a consumer group', ({ topic }) => topic.consumerGroup('group')],
  ['open a share group', ({ topic }) => topic.shareGroup('group')],
  ['open a queue', ({ store }) => store.queue('queue')],
  ['open an exchange', ({ store }) => store.exchange('events')],
];

describe('after the store was closed', () => {
  const handles = closedStore();

  test.each(CALLS)('%s says so', async (_name, call) => {
    const closed = await handles;
    const calling = (async (): Promise<unknown> => call(closed))();
    await expect(calling).rejects.toMatchObject(CLOSED);
  });
});

test('a binding that is being made meanwhile is there, or its maker hears of the store', async () => {
  for (let turns = 0; turns < 60; turns++) {
    const disk = await StoreDisk.make();
    const work = async (): Promise<{ readonly error: unknown; readonly bindingCount: number }> => {
      const store = await disk.open();
      await store.topic('one');
      const events = await store.exchange('events', { type: 'topic', codec: utf8 });
      await events.publish('value', { routingKey: 'key' });
      const binding = events.bind('one', { pattern: '#' }, { from: 'earliest' });
      const bound = binding.then(() => null).catch((error: unknown) => error);
      for (let turn = 0; turn < turns; turn++) {
        await (turns % 2 === 0 ? Promise.resolve() : nextTurn());
      }
      await store.close();
      const error = await bound;
      const again = await disk.open();
      const { bindingCount } = (await again.exchange('events')).describe();
      await again.close();
      return { error, bindingCount };
    };
    const { error, bindingCount } = await done(disk, work());
    if (error === null) expect(bindingCount).toBe(1);
    else expect(error).toMatchObject(CLOSED);
  }
});

test('a topic that was deleted before says that, and no more', async () => {
  const disk = await StoreDisk.make();
  const work = async (): Promise<readonly unknown[]> => {
    const store = await disk.open();
    const topic = await store.topic('one', { codec: utf8 });
    await topic.append({ value: 'x' });
    const append = () => topic.append({ value: 'x' }).catch((error: unknown) => error);
    await store.deleteTopic('one');
    const before = await append();
    await store.close();
    return [before, await append()];
  };
  const deleted = { code: 'ERR_VARVE_CLOSED', details: { resource: 'topic', name: 'one' } };
  expect(await done(disk, work())).toMatchObject([deleted, deleted]);
});
