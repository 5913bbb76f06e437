/** Queues on a full disk: what is there is worked off, which makes room, and sends go on. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { DiskFullError } from '../../../src/core/errors.ts';
import { KIB, MIB, RESERVE_BYTES } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Queue, QueueOptions } from '../../../src/queue/queue.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { STORE_PATH } from '../../support/store-fixture.ts';

const VALUE = 'x'.repeat(10 * KIB);
const BALLAST = '/ballast';
const QUEUE: QueueOptions<string> = { codec: utf8, segmentBytesMax: 256 * KIB };

async function settle(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

class FullDisk {
  readonly fileSystem = new MemoryFileSystem({ capacityBytes: 24 * MIB });
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);

  async open(options: StoreOptions = {}): Promise<Store> {
    const { fileSystem, clock, random } = this;
    const store = await openStore(STORE_PATH, { fileSystem, clock, random, ...options });
    onTestFinished(() => store.close());
    return store;
  }

  async freeBytes(): Promise<number> {
    return (await this.fileSystem.space(STORE_PATH)).freeBytes;
  }

  /** Somebody else takes all of it but `leftBytes`, for good. */
  async occupy(leftBytes: number): Promise<void> {
    const file = await this.fileSystem.open(BALLAST, 'create');
    const bytes = (await this.freeBytes()) - leftBytes;
    expect(await file.write(new Uint8Array(bytes), 0)).toBe(bytes);
    await file.close();
    this.clock.advance(1000); // Then the file system is asked again.
  }

  get hasReserve(): Promise<boolean> {
    return this.fileSystem.list(STORE_PATH).then((names) => names.includes('reserve'));
  }
}

/** Sends one by one until one is refused. @returns how many were taken */
async function fill(queue: Queue<string>): Promise<number> {
  for (let count = 0; ; count++) {
    const refusal = await rejectionOf(queue.send(VALUE)).catch(() => null);
    if (refusal === null) continue;
    expect(refusal).toBeInstanceOf(DiskFullError);
    expect(refusal).toMatchObject({ code: 'ERR_VARVE_DISK_FULL', retryable: true });
    return count;
  }
}

/** Acquires and acks until nothing is left. @returns how many */
async function drain(queue: Queue<string>, max = 20): Promise<number> {
  for (let count = 0; ;) {
    const deliveries = await queue.acquire({ max });
    if (deliveries.length === 0) return count;
    await queue.ackAll(deliveries);
    count += deliveries.length;
  }
}

describe.each([
  ['the default floor', null],
  ['a floor of its own', 4 * MIB],
  ['no floor: the operating system refuses', 0],
])('a disk that the queue itself has filled, %s:', (_name, freeBytesMin) => {
  test('what is there is worked off, its segments go, and sends go on by themselves', async () => {
    const disk = new FullDisk();
    const store = await disk.open({ freeBytesMin });
    const queue = await store.queue('q', QUEUE);
    const count = await fill(queue);
    expect(count).toBeGreaterThan(1800);
    expect(await drain(queue)).toBe(count);
    expect((await queue.stats()).settled).toMatchObject({ acked: count });
    for (let second = 0; second < 40; second++) {
      disk.clock.advance(1000);
      await settle();
    }
    const { partitions } = await store.topic('q');
    expect(partitions.at(0).opened?.startOffset).toBeGreaterThan(count - 100);
    await queue.send('again');
    expect(await queue.peek(2)).toMatchObject([{ record: { value: 'again' } }]);
    expect(await disk.hasReserve).toBe(true);
    expect(store.health()).toEqual({ status: 'ok', problems: [] });
  });
});

describe.each([
  ['the default floor', null],
  ['no floor', 0],
])('a disk that others have filled to the last byte, %s:', (_name, freeBytesMin) => {
  test('the reserve is given up for what consumers do; topics do not get it', async () => {
    const disk = new FullDisk();
    const store = await disk.open({ freeBytesMin });
    const queue = await store.queue('q', QUEUE);
    for (let sent = 0; sent < 200; sent++) await queue.send(VALUE);
    await disk.occupy(0);
    expect(await rejectionOf(queue.send(VALUE))).toBeInstanceOf(DiskFullError);
    expect(await disk.hasReserve).toBe(true); // A send is no reason.
    const first = await queue.acquire({ max: 1 });
    await queue.ackAll(first);
    expect(await disk.hasReserve).toBe(false);
    expect(store.health()).toMatchObject({ status: 'degraded', problems: [{ code: 'disk-full' }] });
    expect(await rejectionOf(queue.send('small'))).toBeInstanceOf(DiskFullError);
    expect(await disk.freeBytes()).toBeGreaterThan(RESERVE_BYTES - 16 * KIB);
    expect(await drain(queue)).toBe(199);
    // Its segments go, and that is room enough: for another reserve, and for sends.
    for (let second = 0; second < 60; second++) {
      disk.clock.advance(1000);
      await settle();
    }
    expect(await disk.hasReserve).toBe(true);
    expect(store.health().status).toBe('ok');
    await queue.send('again');
  });

  test('opens, and is worked off; sends go on when there is room', async () => {
    const disk = new FullDisk();
    const before = await disk.open({ freeBytesMin });
    const sender = await before.queue('q', QUEUE);
    for (let sent = 0; sent < 100; sent++) await sender.send(VALUE);
    await before.close();
    await disk.occupy(0);
    const store = await disk.open({ freeBytesMin });
    const queue = await store.queue('q', QUEUE);
    expect(await rejectionOf(queue.send(VALUE))).toBeInstanceOf(DiskFullError);
    expect(await drain(queue)).toBe(100);
    await disk.fileSystem.unlink(BALLAST);
    disk.clock.advance(10_000);
    await expect.poll(() => store.health().status).toBe('ok');
    await queue.send('again');
    expect(await disk.hasReserve).toBe(true);
  });

  test('a store without a reserve says so, and has one again when there is room', async () => {
    const disk = new FullDisk();
    const before = await disk.open({ freeBytesMin });
    const sender = await before.queue('q', QUEUE);
    await sender.send(VALUE);
    await before.close();
    await disk.fileSystem.unlink(`${STORE_PATH}/reserve`);
    await disk.occupy(0);
    const store = await disk.open({ freeBytesMin });
    expect(store.health()).toMatchObject({ problems: [{ code: 'disk-full' }] });
    const queue = await store.queue('q', { ...QUEUE, create: false });
    expect(await rejectionOf(queue.acquire({ max: 1 }))).toBeInstanceOf(DiskFullError);
    await disk.fileSystem.unlink(BALLAST);
    disk.clock.advance(10_000);
    await expect.poll(() => store.health().status).toBe('ok');
    expect(await drain(queue)).toBe(1);
  });
});

test('a little room is enough for the copies of many that failed for good: each few of them make more', async () => {
  const disk = new FullDisk();
  const store = await disk.open();
  const queue = await store.queue('q', { ...QUEUE, failuresMax: 1, deadLetter: 'q.dead' });
  for (let sent = 0; sent < 400; sent++) await queue.send(VALUE);
  await disk.occupy(64 * KIB);
  for (let at = 0; at < 400; at++) {
    const [delivery] = await queue.acquire();
    if (at % 4 === 0) await delivery?.release({ failed: true, error: 'no' });
    else await delivery?.ack();
  }
  await settle();
  // Each of its segments has some of them, so none can go.
  expect(await queue.stats()).toMatchObject({ condemnedCount: 100, settled: { acked: 300 } });
  await disk.fileSystem.unlink(BALLAST);
  // Above the floor and the reserve; not enough for a fifth of them.
  await disk.occupy((24 * MIB) / 64 + RESERVE_BYTES + 160 * KIB);
  for (let second = 0; second < 200; second++) {
    disk.clock.advance(1000);
    await settle(10);
  }
  expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { failures: 100 } });
  expect(await drain(await store.queue('q.dead', { codec: utf8 }))).toBe(100);
  expect(store.health()).toEqual({ status: 'ok', problems: [] });
});

test('records that fail for good wait for room for their copies, and nobody waits for them', async () => {
  const disk = new FullDisk();
  const store = await disk.open();
  const queue = await store.queue('q', { ...QUEUE, failuresMax: 1, deadLetter: 'q.dead' });
  for (let sent = 0; sent < 200; sent++) await queue.send(VALUE);
  await disk.occupy(64 * KIB);
  let acked = 0;
  for (let at = 0; at < 200; at++) {
    const [delivery] = await queue.acquire();
    if (at % 2 === 0) await delivery?.release({ failed: true, error: 'no' });
    else {
      await delivery?.ack();
      acked++;
    }
  }
  await settle();
  expect(await queue.acquire()).toEqual([]);
  expect(await queue.stats()).toMatchObject({ readyCount: 0, leasedCount: 0, condemnedCount: 100 });
  expect(store.health().problems.map(({ code }) => code)).toContain('burials-failed');
  await disk.fileSystem.unlink(BALLAST);
  for (let second = 0; second < 70; second++) {
    disk.clock.advance(1000);
    await settle(10);
  }
  expect(await queue.stats()).toMatchObject({
    unsettledCount: 0,
    settled: { acked, failures: 100 },
  });
  const letters = await store.queue('q.dead', { codec: utf8 });
  expect(await drain(letters)).toBe(100);
  expect(store.health()).toEqual({ status: 'ok', problems: [] });
});
