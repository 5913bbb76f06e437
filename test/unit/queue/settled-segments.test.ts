/** Segments of settled records, as they are about to go: what comes back by then stays. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { QueueBench, type OpenQueue } from '../../support/queue-bench.ts';

const COUNT = 20;
/** How often the store looks for them. */
const LOOK_MS = 30_000;

function open(bench: QueueBench): Promise<OpenQueue> {
  return bench.open({ durability: 'os', segmentBytesMax: 4096, partitions: 2 });
}

/** Fills some segments of the first partition with records that are settled then. */
async function fillAndPurge({ queue }: OpenQueue): Promise<void> {
  const records = Array.from({ length: COUNT }, () => ({ value: 'x'.repeat(1000) }));
  await queue.sendBatch(records, { partition: 0 });
  expect(await queue.purge()).toBe(COUNT);
}

test('they stay when the purge that settled them is undone before they go, and go when it is not', async () => {
  const bench = new QueueBench();
  const syncs = new HeldSyncs(bench.fileSystem, '/0/0'); // Its segments.
  const opened = await open(bench);
  const { store, queue } = opened;
  syncs.hold(); // A log is synced before its start is moved.
  onTestFinished(() => syncs.release());
  await fillAndPurge(opened);
  let deletedCount = 0;
  store.on('segments-deleted', () => deletedCount++);
  bench.clock.advance(LOOK_MS);
  await turns(20);
  expect(syncs.waiting).toHaveLength(1);
  expect(await queue.undoPurge()).toBe(COUNT);
  syncs.release();
  await turns(20);
  expect(deletedCount).toBe(0);
  const deliveries = await queue.acquire({ max: COUNT });
  expect(deliveries).toHaveLength(COUNT);
  await queue.ackAll(deliveries);
  bench.clock.advance(LOOK_MS);
  await turns(20);
  expect(deletedCount).toBe(1);
  expect(await queue.stats()).toMatchObject({ settled: { acked: COUNT, trimmed: 0 } });
});

test('they stay for a group that is being made, and begins with them', async () => {
  const bench = new QueueBench();
  const opened = await open(bench);
  await fillAndPurge(opened);
  const { store, queue } = opened;
  await queue.close();
  const topic = await store.topic('q', { codec: utf8 });
  await topic.partitions.at(1).closeIdle();
  let admit: () => void = () => undefined;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  onTestFinished(() => admit());
  const openFile = bench.fileSystem.open.bind(bench.fileSystem);
  bench.fileSystem.open = async (path, mode) => {
    if (path.includes('/1/')) await admitted;
    return openFile(path, mode);
  };
  const making = topic.shareGroup('g'); // It knows its begin in the first partition.
  await turns(20);
  bench.clock.advance(LOOK_MS);
  await turns(20);
  admit();
  const group = await making;
  expect(await group.acquire({ max: COUNT })).toHaveLength(COUNT);
  expect(await group.stats()).toMatchObject({ leasedCount: COUNT, settled: { trimmed: 0 } });
});
