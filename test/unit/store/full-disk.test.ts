/** A store on a disk that appends have filled: what still goes on, and makes room again. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { KIB, MIB } from '../../../src/core/limits.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const VALUE = 'x'.repeat(KIB);
const FULL = { code: 'ERR_VARVE_DISK_FULL', retryable: true };

/** Sends until it is refused. @returns how many were taken */
async function fill(queue: Queue<string>): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await queue.send(VALUE);
    } catch (error) {
      expect(error).toMatchObject(FULL);
      return count;
    }
  }
}

/** Acknowledges all that is ready, 100 a minute. @returns how many those were */
async function workOff(queue: Queue<string>, { clock }: StoreBench): Promise<number> {
  let count = 0;
  for (;;) {
    const deliveries = await queue.acquire({ max: 5 });
    if (deliveries.length === 0) return count;
    await queue.ackAll(deliveries);
    count += deliveries.length;
    if (count % 100 > 0) continue;
    clock.advance(60_000); // Segments that are settled go.
    await turns(50);
  }
}

test('a queue that filled the disk is worked off, also by the next process, and takes more', async () => {
  const bench = new StoreBench();
  const fileSystem = new MemoryFileSystem({ capacityBytes: 2 * MIB });
  const options = { codec: utf8, segmentBytesMax: 128 * KIB };
  const store = await bench.open({ fileSystem });
  const queue = await store.queue('q', options);
  const sent = await fill(queue);
  expect(sent).toBeGreaterThan(800);
  bench.clock.advance(1001); // Each log asks the disk again.
  const [one] = await queue.acquire();
  await one?.ack();
  await store.close();

  const again = await bench.open({ fileSystem });
  const next = await again.queue('q', { codec: utf8 });
  await expect(next.send(VALUE)).rejects.toMatchObject(FULL);
  expect(await workOff(next, bench)).toBe(sent - 1);
  await next.send(VALUE);
  expect(await workOff(next, bench)).toBe(1);
  await again.close();
});

test('the journal leaves a quarter of what appends leave', async () => {
  const bench = new StoreBench();
  const fileSystem = new MemoryFileSystem({ capacityBytes: 2 * MIB });
  const store = await bench.open({ fileSystem, freeBytesMin: 64 * KIB });
  const queue = await store.queue('q', { codec: utf8 });
  await fill(queue);
  bench.clock.advance(1001); // Each log asks the disk again.
  const { freeBytes } = await fileSystem.space('/');
  expect(freeBytes).toBeGreaterThanOrEqual(64 * KIB);
  const metadata = 'm'.repeat(1000);
  const topic = await store.topic('q', { codec: utf8 });
  const group = await topic.consumerGroup('g');
  const commit = async (): Promise<void> => {
    for (;;) await group.commit({ partition: 0, offset: 1 }, { metadata });
  };
  await expect(commit()).rejects.toMatchObject({
    ...FULL,
    details: { freeBytesMin: 16 * KIB },
  });
  const left = await fileSystem.space('/');
  expect(left.freeBytes).toBeGreaterThanOrEqual(16 * KIB);
  expect(left.freeBytes).toBeLessThan(24 * KIB);
  await store.close();
});

test('an opening that fails, wherever the disk is full, leaves neither timers nor files', async () => {
  const disk = await StoreDisk.make();
  const made = await disk.drive(disk.open().then((store) => store.topic('topic')));
  expect(made.status).toBe('done');
  disk.cutPower();
  let failedCount = 0;
  for (let skip = 0; ; skip++) {
    const copy = disk.copy();
    const { fileSystem, clock } = copy;
    const operations = ['write', 'create', 'open'] as const;
    fileSystem.addFault({ errno: 'ENOSPC', operations, skip, times: Infinity });
    const outcome = await copy.drive(copy.open());
    if (outcome.status === 'done') break;
    failedCount++;
    expect(clock.pendingTimerCount, `from write ${skip} on`).toBe(0);
    expect(fileSystem.openFileCount, `from write ${skip} on`).toBe(0);
  }
  expect(failedCount).toBeGreaterThan(3);
});
