/** Records that are given up while something stands in the way of their burial. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Queue, QueueOptions } from '../../../src/queue/queue.ts';
import type { Store } from '../../../src/store/store.ts';
import { flipBit } from '../../support/disk-damage.ts';
import { turns } from '../../support/log-fixture.ts';
import { QueueBench } from '../../support/queue-bench.ts';

const LONG = 'x'.repeat(1000);
const FILL = 20;
/** Three records to a segment. */
const QUEUE: QueueOptions<string> = { failuresMax: 2, segmentBytesMax: 4096, retention: 'keep' };

/**
 * The first `count` records failed once, which is once too often since: from the next opening of the
 * group on they are condemned.
 */
async function withCondemned(count: number, options: QueueOptions<string> = {}) {
  const bench = new QueueBench();
  const { store, queue } = await bench.open({ ...QUEUE, deadLetter: 'dead', ...options });
  for (let at = 0; at < FILL; at++) await queue.send(`${at} ${LONG}`);
  for (const delivery of await queue.acquire({ max: count })) {
    await delivery.release({ failed: true, error: 'broken' });
  }
  await queue.close();
  const topic = await store.topic('q');
  await topic.alterShareGroup('queue', { failuresMax: 1 });
  const segment = `${topic.partitions.at(0).path}/${'0'.repeat(20)}.log`;
  const open = () => store.queue('q', { codec: utf8 });
  return { bench, store, segment, open };
}

/** What is in the dead-letter queue. */
async function buriedIn(store: Store): Promise<string[]> {
  const dead = await store.queue('dead', { codec: utf8 });
  const values: string[] = [];
  for await (const { record } of dead.browse())
    values.push((record.value ?? '').split(' ')[0] ?? '');
  await dead.close();
  return values;
}

async function keptIn(queue: Queue<string>): Promise<number> {
  return (await queue.stats()).deadCount;
}

function problemsOf(store: Store): string[] {
  return store.health().problems.map(({ code }) => code);
}

async function pass({ clock }: QueueBench, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await turns(20);
  }
}

describe('a record that is given up', () => {
  test('and damaged is kept as dead, without a copy; the others are buried', async () => {
    const { bench, store, segment, open } = await withCondemned(3);
    flipBit(bench.fileSystem, segment, { position: 1500 });
    const failures: unknown[] = [];
    store.on('lease-failed', ({ error }) => failures.push(error));
    const queue = await open();
    const [next] = await queue.acquire();
    expect(next?.offset).toBe(3);
    await expect.poll(() => buriedIn(store)).toEqual(['0', '2']);
    expect(await keptIn(queue)).toBe(1);
    await pass(bench, 10);
    expect(failures).toMatchObject([{ code: 'ERR_VARVE_CORRUPT' }]); // Once, not every second.
    expect(await queue.stats()).toMatchObject({ condemnedCount: 0, settled: { failures: 3 } });
    expect(problemsOf(store)).not.toContain('burials-failed');
    // Kept over a restart: whoever repairs the log finds it.
    bench.kill();
    const { queue: again } = await bench.open({ segmentBytesMax: 4096 });
    expect(await keptIn(again)).toBe(1);
  });

  test('and cannot be read is tried again, ever more rarely, and does not hold up the others', async () => {
    const { bench, store, open } = await withCondemned(4);
    const failures: number[] = [];
    store.on('lease-failed', () => failures.push(Math.round(bench.clock.monotonic() / 1000)));
    const path = /topics\/q-.*\/0{20}\.log/;
    bench.fileSystem.addFault({ operations: ['read'], path, errno: 'EIO', times: 1e9 });
    const queue = await open();
    await queue.acquire();
    await pass(bench, 200);
    const gaps = failures.slice(1).map((second, at) => second - (failures[at] ?? 0));
    expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(store.health()).toMatchObject({
      status: 'degraded',
      problems: [{ code: 'burials-failed', topic: 'q' }],
    });
    expect(store.health().problems[0]?.message).toMatch(/^records of queue q .* EIO/);
    expect(await buriedIn(store)).toEqual(['3']);
    bench.fileSystem.clearFaults();
    expect(await queue.stats()).toMatchObject({ condemnedCount: 3, deadCount: 0 });
    await pass(bench, 60);
    expect(await buriedIn(store)).toEqual(['3', '0', '1', '2']);
    expect(store.health().status).toBe('ok');
    expect(await queue.stats()).toMatchObject({ condemnedCount: 0, settled: { failures: 4 } });
  });

  test('stays condemned while there is no room for its copy, counted as that, and acks go on', async () => {
    const { bench, store, open } = await withCondemned(2);
    const path = /topics\/dead/;
    bench.fileSystem.addFault({
      operations: ['write', 'create'],
      path,
      errno: 'ENOSPC',
      times: 1e9,
    });
    const queue = await open();
    const deliveries = await queue.acquire({ max: 5 });
    expect(deliveries.map(({ offset }) => offset)).toEqual([2, 3, 4, 5, 6]);
    await queue.ackAll(deliveries);
    await pass(bench, 5);
    expect(await queue.stats()).toMatchObject({
      readyCount: FILL - 7,
      condemnedCount: 2,
      unsettledCount: FILL - 5,
      deadCount: 0,
      settled: { acked: 5, failures: 0 },
    });
    const condemned: unknown[] = [];
    for await (const { offset, state, reason } of queue.browse({ states: ['condemned'] })) {
      condemned.push({ offset, state, reason });
    }
    expect(condemned).toEqual([
      { offset: 0, state: 'condemned', reason: 'failures' },
      { offset: 1, state: 'condemned', reason: 'failures' },
    ]);
    expect(problemsOf(store)).toEqual(['burials-failed']);
    bench.fileSystem.clearFaults();
    await pass(bench, 60);
    expect(await buriedIn(store)).toEqual(['0', '1']);
    expect(problemsOf(store)).toEqual([]);
    expect(await queue.stats()).toMatchObject({ condemnedCount: 0, settled: { failures: 2 } });
  });

  test('is not buried any more once the group is closed, and is when it is opened again', async () => {
    const { bench, store, open } = await withCondemned(1);
    const path = /topics\/dead/;
    bench.fileSystem.addFault({
      operations: ['write', 'create'],
      path,
      errno: 'ENOSPC',
      times: 1e9,
    });
    const queue = await open();
    await queue.acquire();
    await pass(bench, 2);
    expect(problemsOf(store)).toEqual(['burials-failed']);
    await queue.close();
    expect(problemsOf(store)).toEqual([]);
    bench.fileSystem.clearFaults();
    await pass(bench, 60);
    const again = await open();
    expect((await again.stats()).settled.failures).toBe(0);
    await again.acquire();
    await expect.poll(() => buriedIn(store)).toEqual(['0']);
  });

  test('and deleted meanwhile is settled, without a copy', async () => {
    const { bench, store, open } = await withCondemned(2);
    const path = /topics\/dead/;
    bench.fileSystem.addFault({
      operations: ['write', 'create'],
      path,
      errno: 'ENOSPC',
      times: 1e9,
    });
    const queue = await open();
    await queue.acquire();
    await pass(bench, 2);
    expect(await queue.stats()).toMatchObject({ condemnedCount: 2 });
    const topic = await store.topic('q');
    await topic.partitions.at(0).use((log) => log.deleteBefore(1));
    bench.fileSystem.clearFaults();
    await pass(bench, 4);
    expect(await buriedIn(store)).toEqual(['1']);
    const { settled, condemnedCount, deadCount } = await queue.stats();
    expect({ ...settled, condemnedCount, deadCount }).toMatchObject({
      failures: 2,
      condemnedCount: 0,
      deadCount: 0,
    });
    expect(problemsOf(store)).toEqual([]);
  });
});
