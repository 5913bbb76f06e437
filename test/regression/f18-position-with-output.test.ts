/**
 * F18. Elsewhere: what was applied and how far it was applied were not written together, so a crash in
 * between had it applied twice, or never (etcd#13766: the consistent index was stored ahead of the
 * revision that it stands for, and members no longer held the same).
 *
 * Here: each batch of copies carries its position in the source, and marks in the journal never state
 * more of a destination than is synced there.
 *
 * Red when the position stands elsewhere than the copies, when a mark goes ahead of them, when readers
 * see copies that a power cut can take, or when a deletion takes copies that no mark states.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Exchange } from '../../src/routing/exchange.ts';
import type { Store } from '../../src/store/store.ts';
import { HeldSyncs } from '../support/held-syncs.ts';
import { StoreDisk } from '../support/store-disk.ts';

/** Longer than it takes until a mark is written. */
const MARKED_MS = 1500;

async function done<T>(disk: StoreDisk, work: Promise<T>): Promise<T> {
  const outcome = await disk.drive(work);
  if (outcome.status === 'done') return outcome.value;
  throw outcome.status === 'failed' ? outcome.error : new Error('it crashed');
}

interface Life {
  readonly store: Store;
  readonly events: Exchange<string>;
}

async function opened(disk: StoreDisk): Promise<Life> {
  const store = await disk.open();
  await store.topic('out', { durability: 'os' });
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  await events.bind('out');
  return { store, events };
}

async function publish({ events }: Life, values: readonly string[]): Promise<void> {
  for (const value of values) await events.publish(value, { confirm: 'routed' });
}

async function valuesOf({ store }: Life): Promise<(string | null)[]> {
  const topic = await store.topic('out', { codec: utf8 });
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ from: 'earliest' })) values.push(value);
  return values;
}

function sleep(disk: StoreDisk, ms: number): Promise<void> {
  return new Promise((resolve) => void disk.clock.setTimer(() => resolve(), ms));
}

describe('F18: the position of what is copied', () => {
  test.each(['kill', 'cutPower'] as const)('is that of the copies after a %s', async (mishap) => {
    const disk = await StoreDisk.make();
    const life = await done(disk, opened(disk));
    await done(disk, publish(life, ['a', 'b', 'c']));
    disk[mishap](); // Before any mark states them.
    const again = await done(disk, opened(disk));
    await done(disk, publish(again, ['d']));
    expect(await done(disk, valuesOf(again))).toEqual(['a', 'b', 'c', 'd']);
    await done(disk, again.store.close());
  });

  test('is never ahead of the copies, in a mark either', async () => {
    const disk = await StoreDisk.make();
    const syncs = new HeldSyncs(disk.fileSystem, '/out-');
    const life = await done(disk, opened(disk));
    await done(disk, publish(life, ['a']));
    syncs.hold();
    await done(disk, life.events.publish('b', { durability: 'sync' }));
    await done(disk, sleep(disk, MARKED_MS));
    expect(syncs.waiting.length).toBeGreaterThan(0);
    expect(await done(disk, valuesOf(life))).toEqual(['a']);
    const ids = disk.fileSystem.unsynced().map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(1); // Of the mark, and of the copy.
    for (const data of ids.flatMap((id) => [{ only: id }, { without: id }])) {
      const image = disk.copyAfterPowerCut({ data, names: 'all' });
      const again = await done(image, opened(image));
      await done(image, publish(again, ['c']));
      expect(await done(image, valuesOf(again))).toEqual(['a', 'b', 'c']);
      await done(image, again.store.close());
    }
    syncs.release();
    await done(disk, life.store.close());
  });

  test('outlives the copies that are deleted', async () => {
    const disk = await StoreDisk.make();
    const life = await done(disk, opened(disk));
    await done(disk, publish(life, ['a', 'b', 'c']));
    const topic = await done(disk, life.store.topic('out'));
    await done(disk, topic.deleteBefore({ partition: 0, offset: 3 }));
    disk.cutPower();
    const again = await done(disk, opened(disk));
    await done(disk, publish(again, ['d']));
    expect(await done(disk, valuesOf(again))).toEqual(['d']);
    const [log] = present(
      await done(disk, again.store.topic('out')),
      'it is there',
    ).partitions.opened();
    expect(log?.endOffset).toBe(4);
    await done(disk, again.store.close());
  });
});

test('a binding counts for what is published from then on, however late that is copied', async () => {
  const disk = await StoreDisk.make();
  const life = await done(disk, opened(disk));
  await done(disk, life.store.topic('later'));
  const syncs = new HeldSyncs(disk.fileSystem, '/exchange');
  await done(disk, life.store.close());
  const again = await done(disk, opened(disk));
  syncs.hold(); // Nothing is copied of what is not durable.
  await done(disk, again.events.publish('before', { durability: 'os' }));
  await done(
    disk,
    again.events.bind('later').then(() => undefined),
  );
  await done(disk, again.events.publish('after', { durability: 'os' }));
  syncs.release();
  await done(disk, publish(again, ['last']));
  const topic = await done(disk, again.store.topic('later', { codec: utf8 }));
  const values: (string | null)[] = [];
  const read = async () => {
    for await (const { value } of topic.records({ from: 'earliest' })) values.push(value);
  };
  await done(disk, read());
  expect(values).toEqual(['after', 'last']);
  expect(await done(disk, valuesOf(again))).toEqual(['before', 'after', 'last']);
  await done(disk, again.store.close());
});

test('what a new binding gets of the past is whole, though its exchange is deleted', async () => {
  const disk = await StoreDisk.make();
  const life = await done(disk, opened(disk));
  const texts = Array.from({ length: 20 }, (_, number) => `record ${number}`);
  await done(disk, publish(life, texts));
  await done(disk, life.store.topic('past', { partitions: 1 }));
  const both = life.events
    .bind('past', {}, { from: 'earliest' })
    .then(() => life.store.deleteExchange('events'));
  await done(disk, both);
  await done(disk, sleep(disk, MARKED_MS));
  const topic = await done(disk, life.store.topic('past', { codec: utf8 }));
  const values: (string | null)[] = [];
  const read = async () => {
    for await (const { value } of topic.records({ from: 'earliest' })) values.push(value);
  };
  await done(disk, read());
  expect(values).toEqual(texts);
  expect(life.store.topics().map(({ name }) => name)).toEqual(['out', 'past']);
  await done(disk, life.store.close());
});

test('copies that a full disk refused are made when it has room', async () => {
  const disk = await StoreDisk.make();
  const life = await done(disk, opened(disk));
  await done(disk, publish(life, ['a']));
  for (const value of ['b', 'c']) {
    const rule = {
      operations: ['write'],
      path: /\/out-.*\.log$/u,
      errno: 'ENOSPC',
      times: 1,
    } as const;
    disk.fileSystem.addFault(rule);
    await done(disk, life.events.publish(value));
  }
  await done(disk, publish(life, ['d']));
  expect(await done(disk, valuesOf(life))).toEqual(['a', 'b', 'c', 'd']);
  await done(disk, life.store.close());
});

test('what a log did not get that could not be opened is not passed by a mark', async () => {
  const disk = await StoreDisk.make();
  const life = await done(disk, opened(disk));
  await done(disk, life.store.close());
  const { fileSystem } = disk;
  fileSystem.addFault({ operations: ['open'], path: /\/out-/u, errno: 'EMFILE', times: Infinity });
  const again = await done(disk, opened(disk));
  await done(disk, again.store.topic('other'));
  await done(disk, again.events.bind('other'));
  await done(disk, again.events.publish('a'));
  await done(disk, again.events.publish('b'));
  await done(disk, sleep(disk, MARKED_MS));
  disk.kill();
  const last = await done(disk, opened(disk));
  await done(disk, publish(last, ['c']));
  expect(await done(disk, valuesOf(last))).toEqual(['a', 'b', 'c']);
  await done(disk, last.store.close());
});
