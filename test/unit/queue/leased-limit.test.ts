/** `leasedMax`: whatever becomes of leases, as many records are leased as may be, and no more. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LEASE_MS = 1000;

async function queueOf(count: number, leasedMax: number) {
  const bench = new StoreBench();
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await bench.open({ fileSystem });
  const open = () => store.queue('q', { codec: utf8, leasedMax, leaseMs: LEASE_MS });
  const queue = await open();
  await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: `${at}` })));
  return { bench, fileSystem, store, open, queue };
}

describe('the limit of leased records', () => {
  test('is 2,000 unless told otherwise, over all consumers and partitions of a group', async () => {
    const store = await new StoreBench().open();
    const handles = [
      await store.queue('q', { codec: utf8, partitions: 2, leaseMs: 60_000 }),
      await store.queue('q', { codec: utf8 }),
    ];
    for (const partition of [0, 1]) {
      const records = Array.from({ length: 1500 }, (_, at) => ({ value: `${at}` }));
      await handles[0]?.sendBatch(records, { partition });
    }
    const all = await Promise.all(handles.map((handle) => handle.acquire({ max: 1500 })));
    expect(all.map(({ length }) => length)).toEqual([1500, 500]);
    expect(await handles[1]?.acquire({ max: 10 })).toEqual([]);
    await handles[0]?.ackAll(all[0]?.slice(0, 3) ?? []);
    expect(await handles[1]?.acquire({ max: 10 })).toHaveLength(3);
    await store.close();
  });

  test('is no window: one record that takes long holds up none behind it', async () => {
    const { bench, store, queue } = await queueOf(300, 10);
    const [long] = await queue.acquire({ leaseMs: 12 * 3_600_000 });
    let count = 0;
    for (;;) {
      const others = await queue.acquire({ max: 100 });
      if (others.length === 0) break;
      expect(others).toHaveLength(Math.min(9, 299 - count));
      await queue.ackAll(others);
      count += others.length;
      bench.clock.advance(100);
    }
    expect(count).toBe(299);
    expect(await queue.stats()).toMatchObject({ leasedCount: 1, settled: { acked: 299 } });
    await long?.ack();
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 300 } });
    await store.close();
  });

  test('counts what a closed consumer could not give back until its leases are over', async () => {
    const { bench, fileSystem, store, open, queue } = await queueOf(4, 2);
    const closed = await open();
    expect(await closed.acquire({ max: 4 })).toHaveLength(2);
    // Twice: the first time the journal has the reserve.
    const noRoom = { operations: ['write'], path: /journal.*log$/, errno: 'ENOSPC' } as const;
    fileSystem.addFault({ ...noRoom, times: 2 });
    await expect(closed.close()).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(await queue.acquire({ max: 4 })).toEqual([]);
    bench.clock.advance(LEASE_MS + 100);
    await turns(50);
    expect(await queue.acquire({ max: 4 })).toMatchObject([{ expiries: 1 }, { expiries: 1 }]);
    await store.close();
  });

  test('counts a lease once that is acknowledged when another one ends, at the same time', async () => {
    const { bench, store, queue } = await queueOf(5, 2);
    const [one, two] = await queue.acquire({ max: 2 });
    const acks: Promise<unknown>[] = [];
    const outcomeOf = (ack: Promise<void> | undefined) =>
      ack?.then(
        () => 'acked',
        (error: unknown) => error,
      ) ?? Promise.resolve();
    one?.signal.addEventListener('abort', () => acks.push(outcomeOf(two?.ack())));
    two?.signal.addEventListener('abort', () => acks.push(outcomeOf(one?.ack())));
    bench.clock.advance(LEASE_MS + 100);
    const lost = { code: 'ERR_VARVE_LEASE_LOST', details: { reason: 'expired' } };
    expect(await Promise.all(acks)).toMatchObject([lost, lost]);
    await turns(50);
    expect(await queue.acquire({ max: 5 })).toHaveLength(2);
    expect(await queue.stats()).toMatchObject({ leasedCount: 2, settled: { acked: 0 } });
    await store.close();
  });
});
