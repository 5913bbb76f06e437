/** `Store.health`: what is wrong, since when, and what to do. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { HealthBoard } from '../../../src/core/health-board.ts';
import { QUARANTINE_BYTES_WARNED } from '../../../src/core/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { turns } from '../../support/log-fixture.ts';
import type { DirectoryLock } from '../../../src/io/file-system.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A store whose syncs below `part` fail as soon as `breakSyncs` was called. */
async function setup(part: string, options: Parameters<StoreBench['open']>[0] = {}) {
  const bench = new StoreBench();
  let isBroken = false;
  const open = bench.fileSystem.open.bind(bench.fileSystem);
  bench.fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    const sync = file.datasync.bind(file);
    file.datasync = () =>
      isBroken && path.includes(part) ? Promise.reject(new Error('the disk is gone')) : sync();
    return file;
  };
  const store = await bench.open(options);
  onTestFinished(() => store.close().catch(() => undefined));
  return { bench, store, breakSyncs: () => void (isBroken = true) };
}

/** In the middle of what is synced. */
async function flipByte({ fileSystem }: StoreBench, path: string): Promise<void> {
  const file = await fileSystem.open(`${path}/${'0'.repeat(20)}.log`, 'write');
  const byte = new Uint8Array(1);
  await file.read(byte, 500);
  await file.write(
    byte.map((value) => value ^ 1),
    500,
  );
  await file.close();
}

function codesOf(store: Store): string[] {
  return store.health().problems.map(({ code }) => code);
}

describe('a store', () => {
  test('is well', async () => {
    const { store } = await setup('/none/');
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    expect(store.health()).toEqual({ status: 'ok', problems: [] });
  });

  test('is degraded by a partition whose writer failed: which, since when, what to do', async () => {
    const { bench, store, breakSyncs } = await setup('/topics/');
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await topic.append({ value: 'a' }, { partition: 1 });
    bench.clock.advance(1000);
    const sinceMs = bench.clock.now();
    breakSyncs();
    await expect(topic.append({ value: 'b' }, { partition: 1 })).rejects.toThrow('failed');
    bench.clock.advance(1000);
    expect(store.health()).toEqual({
      status: 'degraded',
      problems: [
        {
          code: 'partition-failed',
          severity: 'degraded',
          topic: 't',
          partition: 1,
          sinceMs,
          message: 'the writer of t/1 failed: the disk is gone',
          remedy: expect.stringContaining('open it again'),
        },
      ],
    });
  });

  test('has failed when its journal did', async () => {
    const { store, breakSyncs } = await setup('/journal/');
    breakSyncs();
    await expect(store.topic('t')).rejects.toThrow('failed');
    expect(store.health()).toMatchObject({
      status: 'failed',
      problems: [{ code: 'journal-failed', severity: 'failed', topic: null }],
    });
  });

  test('says which worker stopped, until another one is started or its group is closed', async () => {
    const { store, breakSyncs } = await setup('/journal/');
    const queue = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    const worker = queue.work(breakSyncs, { name: 'mailer', onError: () => undefined });
    await expect(worker.done).rejects.toThrow('failed');
    expect(codesOf(store)).toEqual(['journal-failed', 'worker-stopped']);
    expect(store.health().problems[1]).toMatchObject({
      topic: 'q',
      severity: 'degraded',
      message: expect.stringMatching(/^a worker of queue q stopped: .*failed/) as string,
    });
    await queue.close().catch(() => undefined);
    expect(codesOf(store)).toEqual(['journal-failed']);
  });

  test('tells problems of two groups of a topic apart', () => {
    const board = new HealthBoard(new ManualClock());
    const problem = { code: 'burials-failed', topic: 't', message: 'm' } as const;
    board.raise({ ...problem, group: 'a' });
    board.raise({ ...problem, group: 'b' });
    board.clear({ ...problem, group: 'a' });
    expect(board.read().problems).toHaveLength(1);
    board.clear({ ...problem, group: 'b' });
    expect(board.read().status).toBe('ok');
  });

  test('says that leases that are over cannot be ended, until they are', async () => {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const { bench, store } = await setup('/none/', { fileSystem });
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.send('a');
    await queue.acquire();
    const path = /journal\/.*log$/;
    fileSystem.addFault({ operations: ['write'], path, errno: 'ENOSPC', times: 4 });
    for (let second = 0; second < 3; second++) {
      bench.clock.advance(1000);
      await turns(20);
    }
    expect(codesOf(store)).toEqual(['disk-full', 'leases-failed']);
    expect(await queue.acquire()).toHaveLength(0);
    for (let second = 0; second < 12; second++) {
      bench.clock.advance(1000);
      await turns(20);
    }
    expect(codesOf(store)).toEqual([]);
    expect(await queue.acquire()).toMatchObject([{ expiries: 1 }]);
  });

  test('has failed when its lock is lost', async () => {
    let lose: () => void = () => undefined;
    class LosingFileSystem extends MemoryFileSystem {
      override async lockDirectory(
        ...args: Parameters<MemoryFileSystem['lockDirectory']>
      ): Promise<DirectoryLock> {
        const lock = await super.lockDirectory(...args);
        return {
          mechanism: lock.mechanism,
          takenOver: lock.takenOver,
          verify: () => lock.verify(),
          release: () => lock.release(),
          onLost: (callback) => (lose = callback),
        };
      }
    }
    const { store } = await setup('/none/', { fileSystem: new LosingFileSystem() });
    lose();
    expect(store.health().status).toBe('failed');
    expect(codesOf(store)).toContain('lock-lost');
  });

  test('says that a partition is damaged, when it was to be opened, until it is repaired', async () => {
    const { bench, store } = await setup('/none/');
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a'.repeat(KIB) });
    const { path } = topic.partitions.at(0);
    await store.close();
    await flipByte(bench, path);
    const again = await bench.open();
    onTestFinished(() => again.close());
    const damaged = await again.topic('t', { codec: utf8 });
    expect(again.health().status).toBe('ok'); // Nobody has looked yet.
    await expect(damaged.append({ value: 'b' })).rejects.toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
    });
    expect(again.health()).toMatchObject({
      status: 'degraded',
      problems: [{ code: 'partition-damaged', topic: 't', partition: 0 }],
    });
    await flipByte(bench, path);
    await damaged.append({ value: 'b' });
    expect(again.health().status).toBe('ok');
  });

  test('says that a partition is read-only, when there is no room to recover it', async () => {
    const fileSystem = new MemoryFileSystem({ capacityBytes: 4 * MIB });
    const { bench, store } = await setup('/none/', { fileSystem });
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'a' });
    const { path } = topic.partitions.at(0);
    await store.close();
    const file = await fileSystem.open(`${path}/${'0'.repeat(20)}.log`, 'write');
    const { sizeBytes } = await file.stat();
    await file.write(Buffer.alloc(2 * MIB, 1), sizeBytes); // A torn tail, too large to be copied.
    await file.close();
    const again = await bench.open({ fileSystem });
    onTestFinished(() => again.close());
    const full = await again.topic('t', { codec: utf8 });
    expect((await full.read({ partition: 0, offset: 0 }))?.value).toBe('a');
    expect(again.health()).toMatchObject({
      status: 'degraded',
      problems: [{ code: 'disk-full' }, { code: 'partition-read-only', topic: 't', partition: 0 }],
    });
  });

  test('says how much is in quarantine, when it is much', async () => {
    const { bench, store } = await setup('/none/');
    const first = await store.topic('t', { codec: utf8 });
    const directory = `${first.partitions.at(0).path}/quarantine`;
    await bench.fileSystem.makeDirectory(directory);
    const file = await bench.fileSystem.open(`${directory}/cut`, 'create');
    await file.write(Buffer.from('x'), QUARANTINE_BYTES_WARNED);
    await file.close();
    await first.append({ value: 'a' });
    expect(store.health()).toMatchObject({
      status: 'degraded',
      problems: [{ code: 'quarantine-large', topic: 't', partition: 0 }],
    });
  });

  test('says that its bytes are used up, until there is room', async () => {
    const { bench, store } = await setup('/none/', { storeBytesMax: 20 * KIB });
    const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4 * KIB });
    const value = 'x'.repeat(KIB);
    for (let at = 0; at < 16; at++) await topic.append({ value });
    const sinceMs = bench.clock.now();
    for (let at = 0; at < 4; at++) await topic.append({ value }).catch(() => undefined);
    bench.clock.advance(1000);
    expect(store.health()).toMatchObject({
      status: 'degraded',
      problems: [{ code: 'bytes-max-reached', sinceMs }],
    });
    await topic.partitions.at(0).use((log) => log.deleteBefore(10));
    await topic.append({ value });
    expect(store.health().status).toBe('ok');
  });
});

test('the worst comes first, then the oldest; what is raised twice is one', () => {
  const clock = new ManualClock();
  const board = new HealthBoard(clock);
  board.raise({ code: 'partition-failed', topic: 'a', partition: 0, message: 'a' });
  clock.advance(10);
  board.raise({ code: 'partition-failed', topic: 'a', partition: 0, message: 'again' });
  board.raise({ code: 'partition-failed', topic: 'a', partition: 1, message: 'b' });
  board.raise({ code: 'journal-failed', message: 'c' });
  expect(board.read().problems.map(({ message }) => message)).toEqual(['c', 'a', 'b']);
  expect(board.read().status).toBe('failed');
  board.clear({ code: 'journal-failed' });
  board.clear({ code: 'partition-failed', topic: 'a', partition: 0 });
  expect(board.read()).toMatchObject({ status: 'degraded', problems: [{ message: 'b' }] });
});

test('stats say how much is open, queued and synced', async () => {
  const { store } = await setup('/none/');
  const topic = await store.topic('t', { codec: utf8, partitions: 3 });
  expect(store.stats()).toMatchObject({ partitionCount: 3, openPartitionCount: 0, queuedBytes: 0 });
  const appends = [0, 1].map((partition) => topic.append({ value: 'a' }, { partition }));
  await Promise.all(appends);
  const late = topic.append({ value: 'x'.repeat(KIB) }, { partition: 0 });
  expect(store.stats().queuedBytes).toBeGreaterThan(KIB);
  await late;
  const stats = store.stats();
  expect(stats).toMatchObject({ topicCount: 1, openPartitionCount: 2, queuedBytes: 0 });
  expect(stats.openFileCount).toBe(2 * 2 + 3);
  expect(stats.syncs).toEqual({ runningCount: 0, waitingCount: 0 });
  expect(stats.sizeBytes).toBeGreaterThan(KIB);
  await store.close();
  expect(store.stats().openPartitionCount).toBe(0);
});
