/** Figures of a share group: exact, whatever happens while they are asked for. */
import { expect, onTestFinished, test, vi } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { LeaseTable } from '../../../src/queue/lease-table.ts';
import { UnreadRanges } from '../../../src/queue/unread-ranges.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const PARTITIONS = [0, 1, 2];
const PER_PARTITION = 4;
const COUNT = PARTITIONS.length * PER_PARTITION;

test('figures count each record once, though it is settled while they wait for the disk', async () => {
  const bench = new StoreBench();
  let store = await bench.open();
  let queue = await store.queue('q', { codec: utf8, partitions: PARTITIONS.length });
  for (const partition of PARTITIONS) {
    const records = Array.from({ length: PER_PARTITION }, (_, n) => ({ value: `${n}` }));
    await queue.sendBatch(records, { partition });
  }
  const reads = new HeldReads(bench.fileSystem, '/topics/');
  store = await bench.reopen(store); // Nothing of it is in memory.
  queue = await store.queue('q', { codec: utf8 });
  await queue.cancel({ partition: 0, offset: 3 }); // The group is used now.
  reads.hold();
  const before = queue.stats();
  await expect.poll(() => reads.waiting.length).toBe(1);
  for (const partition of PARTITIONS) await queue.cancel({ partition, offset: 1 });
  reads.release();
  const { readyCount, unsettledCount, settled } = await before;
  expect({ readyCount, unsettledCount, cancelled: settled.cancelled }).toEqual({
    readyCount: COUNT - 1,
    unsettledCount: COUNT - 1,
    cancelled: 1,
  });
  const after = await queue.stats();
  expect(after).toMatchObject({ unsettledCount: COUNT - 4, settled: { cancelled: 4 } });
  await store.close();
});

/** A group with so many records in each state. */
async function groupOf(count: number) {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, leasedMax: 10_000 });
  await queue.sendBatch(Array.from({ length: 5 * count }, (_, n) => ({ value: `${n}` })));
  const deliveries = await queue.acquire({ max: 4 * count });
  const quarter = (at: number) => deliveries.slice(at * count, (at + 1) * count);
  await Promise.all(quarter(0).map((delivery) => delivery.reject('no')));
  await Promise.all(quarter(1).map((delivery) => delivery.release({ delayMs: 60_000 })));
  await Promise.all(quarter(2).map((delivery) => delivery.release()));
  bench.clock.advance(1000);
  return { store, queue };
}

test('figures take as many steps of a large group as of a small one', async () => {
  const steps: number[] = [];
  for (const count of [5, 500]) {
    const { store, queue } = await groupOf(count);
    const spies = [
      ...(['find', 'sortedSlots', 'stateAt', 'offsetAt', 'timeAt', 'minReady'] as const).map(
        (name) => vi.spyOn(LeaseTable.prototype, name),
      ),
      ...(['countBelow', 'next'] as const).map((name) => vi.spyOn(UnreadRanges.prototype, name)),
    ];
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await queue.stats()).toMatchObject({
      readyCount: 2 * count,
      leasedCount: count,
      delayedCount: count,
      deadCount: count,
      unsettledCount: 4 * count,
      oldestReadyAgeMs: 1000,
    });
    steps.push(spies.reduce((sum, { mock }) => sum + mock.calls.length, 0));
    vi.restoreAllMocks();
    await store.close();
  }
  const [few = 0, many] = steps;
  expect(few).toBeGreaterThan(0);
  expect(many).toBe(few);
});
