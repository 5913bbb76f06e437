/** What a consumer may have at a time, and what becomes of it when it goes. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('a consumer that asks twice at once gets no more than it may have', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, prefetch: 3 });
  await queue.sendBatch(['a', 'b', 'c', 'd', 'e'].map((value) => ({ value })));
  const both = await Promise.all([queue.acquire({ max: 2 }), queue.acquire({ max: 2 })]);
  expect(both.map((deliveries) => deliveries.length)).toEqual([2, 1]);
  await queue.ackAll(both.flat());
  const [first] = await queue.acquire({ max: 1 });
  // What it has is counted once, in the very turn in which it got it.
  expect(await queue.acquire({ max: 2 })).toHaveLength(1);
  await first?.ack();
  await store.close();
});

test('what a consumer could not give back when it was closed comes back to others', async () => {
  const disk = await StoreDisk.make();
  const { fileSystem, clock } = disk;
  const outcome = await disk.drive(
    (async () => {
      const store = await disk.open();
      const settings = { codec: utf8, leasedMax: 2, leaseMs: 1000 };
      const leaving = await store.queue('q', settings);
      const staying = await store.queue('q', settings);
      await leaving.sendBatch([{ value: 'a' }, { value: 'b' }]);
      const held = await leaving.acquire({ max: 2 });
      // Twice: the first time the journal has the reserve.
      const noRoom = { operations: ['write'], path: /journal.*log$/, errno: 'ENOSPC' } as const;
      fileSystem.addFault({ ...noRoom, times: 2 });
      const full = { code: 'ERR_VARVE_DISK_FULL' };
      const ended = await Promise.allSettled([held[0]?.ack(), leaving.close()]);
      const refused = { status: 'rejected', reason: full };
      expect(ended).toMatchObject([refused, refused]);
      expect(held.map(({ signal }) => signal.aborted)).toEqual([true, true]);
      fileSystem.clearFaults();
      clock.advance(1100);
      const again = await staying.acquire({ max: 2, waitMs: 1 });
      expect(again.map(({ value, attempt }) => `${value} ${attempt}`)).toEqual(['a 2', 'b 2']);
      await staying.ackAll(again);
      expect(await staying.stats()).toMatchObject({ leasedCount: 0, settled: { acked: 2 } });
      await store.close();
    })(),
  );
  expect(outcome).toEqual({ status: 'done', value: undefined });
});
