/** What a review found in stores and their topics. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { EventHub } from '../../../src/core/event-hub.ts';
import { HealthBoard } from '../../../src/core/health-board.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { DirectoryLock } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import { StoreHome } from '../../../src/store/store-home.ts';
import { StoreReserve } from '../../../src/store/store-reserve.ts';
import type { StoreEvents } from '../../../src/topic/store-events.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('after close no partition is opened any more: another process may have the store', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  await (await store.topic('t', { codec: utf8, partitions: 3 })).append({ value: 'x' });
  const again = await bench.reopen(store);
  const topic = await again.topic('t', { codec: utf8 });
  await again.close();
  const closed = { code: 'ERR_VARVE_CLOSED' };
  await expect(topic.read({ partition: 1, offset: 0 })).rejects.toMatchObject(closed);
  await expect(topic.batches({ partitions: 2 }).next()).rejects.toMatchObject(closed);
  await expect(topic.resetGroup('g', 'latest', { dryRun: true })).rejects.toMatchObject(closed);
  await expect(topic.consumerGroup('g')).rejects.toMatchObject(closed);
});

test('nobody gets a topic whose creation is not durable yet', async () => {
  const bench = new StoreBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  const store = await bench.open();
  onTestFinished(async () => {
    held.release();
    await store.close();
  });
  held.hold();
  const first = store.topic('t', { codec: utf8 });
  await settle();
  let hasSecond = false;
  const second = store.topic('t', { codec: utf8 }).then(() => (hasSecond = true));
  await settle();
  expect(hasSecond).toBe(false);
  held.release();
  await Promise.all([first, second]);
  expect(hasSecond).toBe(true);
});

test('no topic is listed that cannot be opened: its creation is not durable', async () => {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const bench = new StoreBench();
  const store = await bench.open({ fileSystem });
  onTestFinished(() => store.close().catch(() => undefined));
  await store.topic('t');
  fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: /journal.*log$/ });
  await expect(store.topic('u')).rejects.toMatchObject({ code: 'ERR_VARVE_FAILED' });
  await expect(store.topic('u', { create: false })).rejects.toMatchObject({
    code: 'ERR_VARVE_NOT_FOUND',
  });
  expect(store.topics().map(({ name }) => name)).toEqual(['t']);
});

test('a journal whose files are gone is damage, not a new store', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  await store.topic('t');
  await store.close();
  for (const name of await bench.fileSystem.list(`${STORE_PATH}/journal`)) {
    await bench.fileSystem.unlink(`${STORE_PATH}/journal/${name}`);
  }
  await expect(bench.open()).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
});

test.each([
  ['segmentAgeMsMax', { segmentAgeMsMax: Number.POSITIVE_INFINITY }],
  ['compressionLevel', { compression: 'none', compressionLevel: 3 }],
] as const)('options that made a topic open it again: %s', async (_name, options) => {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  let isRefused = false;
  await store.topic('t', options).catch(() => (isRefused = true));
  expect(store.topics()).toHaveLength(isRefused ? 0 : 1);
  if (!isRefused) await store.topic('t', options);
});

test('what is told of a topic is a copy', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  await store.topic('t');
  Object.assign(store.describeTopic('t').options, { retentionMs: 5 });
  expect(store.describeTopic('t').options.retentionMs).toBeNull();
});

test.each([null, 7, { key: 7, value: 'x' }, { key: {}, value: 'x' }])(
  'the record %j is refused with a code, however many partitions there are',
  async (record) => {
    const bench = new StoreBench();
    const store = await bench.open();
    onTestFinished(() => store.close());
    for (const partitions of [1, 3]) {
      const topic = await store.topic(`t${partitions}`, { codec: utf8, partitions });
      const refused = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
      await expect(topic.append(record as never)).rejects.toMatchObject(refused);
      await expect(topic.appendBatch([record as never])).rejects.toMatchObject(refused);
    }
  },
);

test('a log that is opened after the lock was lost hears of it', async () => {
  const fileSystem = new MemoryFileSystem();
  await fileSystem.makeDirectory(STORE_PATH);
  const held = await fileSystem.lockDirectory(STORE_PATH, {
    lock: 'auto',
    clock: new ManualClock(),
  });
  let lose: () => void = () => undefined;
  const lock: DirectoryLock = {
    mechanism: held.mechanism,
    takenOver: held.takenOver,
    verify: () => held.verify(),
    release: () => held.release(),
    onLost: (callback) => (lose = callback),
  };
  const directory = new LogDirectory(fileSystem, STORE_PATH);
  const events = new EventHub<StoreEvents>({ names: [], prefix: 'varve', origin: {} });
  const signals = { events, health: new HealthBoard(new ManualClock()) };
  const { health } = signals;
  const clock = new ManualClock();
  const reserve = new StoreReserve({ directory, clock, freeBytesMin: null, health });
  const home = new StoreHome({ clock, reserve, storeId: 1, lock, cap: null, signals });
  lose();
  let isTold = false;
  const own = await home.forLog(null, 'awaited').lock(directory);
  own.onLost(() => (isTold = true));
  expect(isTold).toBe(true);
});
