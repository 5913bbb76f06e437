/** What a rebuild refuses, with the reason; and that nothing is changed then. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import type { Log } from '../../../src/log/log.ts';
import type { ExchangeCatalog } from '../../../src/routing/exchange-catalog.ts';
import { Outbox } from '../../../src/routing/outbox.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Store } from '../../../src/store/store.ts';
import { sourceOf } from '../../support/exchange-store.ts';
import { contentOf, damage, damageBatches, logPath, loseLog } from '../../support/rebuilds.ts';
import { StoreBench } from '../../support/store-fixture.ts';

interface Scene {
  readonly store: Store;
  readonly events: Exchange<string>;
  readonly other: Exchange<string>;
}

async function openScene(bench: StoreBench): Promise<Scene> {
  const store = await bench.open();
  await store.topic('t', { codec: utf8, segmentBytesMax: 4096 });
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  const other = await store.exchange('other', { type: 'fanout', codec: utf8 });
  return { store, events, other };
}

/** A topic with three records of an exchange, and another exchange. */
async function begin(bench: StoreBench): Promise<Scene> {
  const scene = await openScene(bench);
  await scene.events.bind('t');
  await publish(scene.events, 'one', 'two', 'three');
  return scene;
}

async function publish(exchange: Exchange<string>, ...values: string[]): Promise<void> {
  for (const value of values) await exchange.publish(value, { confirm: 'routed' });
}

async function append(store: Store, value: string): Promise<void> {
  const topic = await store.topic('t', { codec: utf8 });
  await topic.append({ value });
}

const CASES: readonly (readonly [reason: string, spoil: (scene: Scene) => Promise<unknown>])[] = [
  ['were not projected', ({ store }) => append(store, 'own')],
  [
    'exchange other sends records there, too',
    async ({ other }) => {
      await other.bind('t');
      await publish(other, 'a');
    },
  ],
  [
    'exchange other sends records there, too', // By way of the exchange itself.
    async ({ other }) => {
      await other.bind({ exchange: 'events' });
      await publish(other, 'a');
    },
  ],
  [
    'are of another exchange',
    async ({ store, other }) => {
      await other.bind('t');
      await publish(other, 'a');
      await store.deleteExchange('other');
      await store.exchange('other', { type: 'fanout' }); // When nothing is left of the one before.
    },
  ],
  [
    'the exchange has never led there',
    async ({ store }) => {
      await store.deleteTopic('t');
      await store.topic('t', { codec: utf8 });
    },
  ],
  [
    'a backfill',
    async ({ store, events }) => {
      await store.deleteTopic('t');
      await store.topic('t', { codec: utf8 });
      await events.bind('t', {}, { from: 'earliest' });
      await publish(events, 'four');
    },
  ],
  [
    'the source has let go of its first records',
    async ({ store }) => (await sourceOf(store, 'events')).deleteBefore(2),
  ],
];

/** Has a log hold the first record of a source twice, as if it had been copied there twice. */
async function appendCopy(
  source: Log<Uint8Array>,
  log: Log<Uint8Array>,
  catalog: ExchangeCatalog,
): Promise<void> {
  const { exchangeId } = catalog.describe('events');
  const reading = source.source({ from: 0 }, 'own');
  await reading.next();
  const box = new Outbox();
  const cursor = new BatchCursor();
  const records = recordsOf(reading.batch);
  cursor.reset(records);
  cursor.next();
  box.add(records, cursor);
  box.copy();
  const encoded = box.encoded({ exchangeId, stream: 0, position: source.endOffset });
  await new Promise<void>((complete, fail) => {
    const appends = log.forStore().encoded;
    appends.append(encoded, { complete: () => complete(), fail });
    appends.write();
  });
  reading.close();
}

describe('a rebuild is refused', () => {
  test.each(CASES)('when: %s', async (reason, spoil) => {
    const bench = new StoreBench();
    const scene = await begin(bench);
    const { store, events } = scene;
    await spoil(scene);
    const before = await contentOf(store, 't');
    const rebuilding = events.rebuild('t', { dryRun: false });
    await expect(rebuilding).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_REBUILDABLE',
      details: { destination: 't', reason: expect.stringContaining(reason) },
    });
    expect(await contentOf(store, 't')).toEqual(before);
    await store.close();
  });

  test('when there is no such destination, or it is an exchange', async () => {
    const bench = new StoreBench();
    const { store, events } = await begin(bench);
    const code = 'ERR_VARVE_NOT_FOUND';
    await expect(events.rebuild('nowhere')).rejects.toMatchObject({ code });
    await expect(events.rebuild({ exchange: 'other' })).rejects.toMatchObject({ code });
    const wrong = { dryRun: 'no' as never };
    await expect(events.rebuild('t', wrong)).rejects.toBeInstanceOf(TypeError);
    await store.close();
  });

  test('when the log held more than the exchange sent, and was lost', async () => {
    const bench = new StoreBench();
    const { store } = await begin(bench);
    await append(store, 'own');
    const path = logPath(store, 't', 0);
    await store.close();
    await loseLog(bench.fileSystem, path);
    const again = await openScene(bench);
    await expect(again.events.rebuild('t', { dryRun: false })).rejects.toMatchObject({
      details: { reason: expect.stringContaining('it had 4 offsets') },
    });
    await again.store.close();
  });

  test('when the log was lost, and had more than the exchange had sent by then', async () => {
    const bench = new StoreBench();
    const { store } = await begin(bench);
    await append(store, 'own');
    const path = logPath(store, 't', 0);
    await store.close();
    await loseLog(bench.fileSystem, path);
    const again = await openScene(bench);
    await again.events.publish('four');
    await expect(again.events.rebuild('t', { dryRun: false })).rejects.toMatchObject({
      details: { reason: 'partition 0 had records that the exchange did not send' },
    });
    await again.store.close();
  });

  test('when a record is not the one that the exchange sends there', async () => {
    const bench = new StoreBench();
    const { store, events } = await begin(bench);
    const topic = await store.topic('t', { codec: utf8 });
    const log = await topic.partitions.at(0).log();
    await appendCopy(await sourceOf(store, 'events'), log, store.exchangeCatalog);
    await publish(events, 'six', 'ten');
    expect(await contentOf(store, 't')).toHaveLength(6);
    await expect(events.rebuild('t')).rejects.toMatchObject({
      details: { reason: expect.stringContaining('offset 3 of partition 0 holds another record') },
    });
    await store.close();
  });

  test.each([true, false])(
    'when the log is lost, and who else led there is gone: %s',
    async (isGone) => {
      const bench = new StoreBench();
      const { store, events, other } = await begin(bench);
      await other.bind({ exchange: 'events' }, { pattern: 'x' });
      if (isGone) await store.deleteExchange('other');
      else {
        await other.unbind({ exchange: 'events' }, { pattern: 'x' });
        await publish(other, 'elsewhere');
      }
      await expect(events.rebuild('t')).resolves.toMatchObject({ destination: 't' });
      const path = logPath(store, 't', 0);
      await store.close();
      await loseLog(bench.fileSystem, path);
      const again = await openScene(bench);
      const why = isGone ? 'other, which is gone, has led there, too' : 'other leads there, too';
      const reason = `exchange ${why}, and the end of partition 0 cannot be read`;
      await expect(again.events.rebuild('t')).rejects.toMatchObject({ details: { reason } });
      await again.store.close();
    },
  );

  test('when a record of another source stands in what cannot be read', async () => {
    const bench = new StoreBench();
    const { store, events } = await begin(bench);
    await append(store, 'own');
    await publish(events, 'four');
    const path = logPath(store, 't', 0);
    await store.close();
    // The batch of the third record, and that of the foreign one behind it.
    await damageBatches(bench.fileSystem, path, [2, 3]);
    const again = await openScene(bench);
    await expect(again.events.rebuild('t', { dryRun: false })).rejects.toMatchObject({
      details: { reason: expect.stringMatching(/^offset 4 of partition 0|sends 4 records/) },
    });
    await again.store.close();
  });

  test('when the source is damaged', async () => {
    const bench = new StoreBench();
    const { store, events } = await begin(bench);
    const path = logPath(store, 'exchange:events', 0);
    await damage(bench.fileSystem, path, 0, 300);
    await expect(events.rebuild('t')).rejects.toMatchObject({
      details: { reason: 'the source is damaged' },
      cause: { code: 'ERR_VARVE_CORRUPT' },
    });
    await store.close();
  });

  test('while a damaged partition is used', async () => {
    const bench = new StoreBench();
    const { store, events } = await begin(bench);
    await publish(events, 'x'.repeat(5000), 'y'.repeat(5000));
    const before = await contentOf(store, 't');
    await damage(bench.fileSystem, logPath(store, 't', 0), 0, 300);
    const queue = await store.queue('t', { codec: utf8 });
    await expect(queue.acquire()).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    await expect(events.rebuild('t', { dryRun: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { name: 't/0', stored: 'in use' },
    });
    await publish(events, 'z');
    await store.close();
    const again = await openScene(bench);
    const report = await again.events.rebuild('t', { dryRun: false });
    expect(report.partitions).toMatchObject([{ isReplaced: true }]);
    const after = await contentOf(again.store, 't');
    expect(after.slice(0, -1)).toEqual(before);
    await again.store.close();
  });
});
