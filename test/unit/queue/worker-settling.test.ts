/** Settlements that fail. */
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../../src/core/errors.ts';
import { work } from '../../../src/queue/worker.ts';
import { FakeQueue, pass, quiet } from '../../support/fake-queue.ts';

describe('a settlement that fails', () => {
  const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
  const diskFull = new DiskFullError(details);

  test.each([
    ['ack', (): unknown => undefined, 'ackAll', 'acked'],
    ['release', (): unknown => Promise.reject(new Error('boom')), 'release', 'delayed'],
  ] as const)(
    'an %s is tried again while the lease is kept',
    async (_name, handler: () => unknown, call, state) => {
      const queue = new FakeQueue();
      const told: unknown[] = [];
      queue.refuse(call, diskFull, 10);
      queue.sendMany(2);
      const worker = work(queue, handler, {
        concurrency: 2,
        retry: () => 1e9,
        onError: (error) => told.push(error),
      });
      await pass(queue, 120_000, 500);
      expect(queue.states()).toEqual([state, state]);
      expect(queue.records[0]).toMatchObject({ attempts: 1, expiries: 0 });
      expect(told.filter((error) => error === diskFull)).toHaveLength(10);
      expect(worker.stats()).toMatchObject({ sourceFailures: 10, lostLeases: 0, settling: 0 });
      await worker.close();
    },
  );

  test('is not tried in a hurry, and more than twice the concurrency is never held', async () => {
    const queue = new FakeQueue();
    queue.refuse('ackAll', diskFull, 1e5);
    queue.sendMany(100);
    const worker = work(queue, () => undefined, { concurrency: 12 });
    await pass(queue, 100_000);
    expect(queue.leasedMax).toBe(24);
    expect(worker.stats().sourceFailures).toBeLessThan(2 * 60);
    expect(worker.stats().sourceFailures).toBeGreaterThan(2 * 15);
    await worker.close();
    expect(worker.stats()).toMatchObject({ abandoned: 24, handled: 0 });
  });

  test('is given up when the lease is lost meanwhile', async () => {
    const queue = new FakeQueue();
    queue.refuse('ackAll', diskFull, 7);
    queue.refuse('ack', diskFull, 7);
    queue.send('a');
    const worker = work(queue, () => undefined, { renew: 'off' });
    await pass(queue, 60_000, 500);
    expect(queue.records[0]).toMatchObject({ state: 'acked' });
    expect(worker.stats().handled).toBe(1);
    expect(worker.stats().lostLeases).toBe((queue.records[0]?.attempts ?? 0) - 1);
    await worker.close();
  });

  test('for no reason that passes leaves the record to the end of its lease, and goes on', async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    const failure = new Error('too large');
    queue.refuse('reject', failure);
    queue.send('a', 'b');
    const worker = work(queue, () => Promise.reject(new Error('boom')), {
      retry: () => null,
      onError: (error) => told.push(error),
    });
    await quiet();
    expect(told).toContain(failure);
    expect(queue.states()).toEqual(['leased', 'rejected']);
    expect(worker.stats()).toMatchObject({ unsettled: 1, failed: 1, running: 0, settling: 0 });
    await pass(queue, 30_000);
    expect(queue.states()).toEqual(['rejected', 'rejected']);
    await worker.close();
  });
});
