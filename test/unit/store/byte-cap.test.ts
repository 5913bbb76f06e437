/** `storeBytesMax`: what all logs of a store may have together. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { TopicOptions } from '../../../src/topic/topic-options.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const KIB = 1024;
const VALUE = 'x'.repeat(KIB);
const FULL = { code: 'ERR_VARVE_DISK_FULL', retryable: true };

async function setup(
  storeBytesMax: number,
  options: TopicOptions<string> = {},
): Promise<{ bench: StoreBench; store: Store; topic: StoreTopic<string> }> {
  const bench = new StoreBench();
  const store = await bench.open({ storeBytesMax });
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4 * KIB, ...options });
  return { bench, store, topic };
}

async function settle(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Appends until it is refused. @returns how many were taken */
async function fill(topic: StoreTopic<string>, max = 1000): Promise<number> {
  for (let count = 0; count < max; count++) {
    try {
      await topic.append({ value: VALUE });
    } catch (error) {
      expect(error).toMatchObject(FULL);
      return count;
    }
  }
  return max;
}

test('retention of partitions that nobody opened is looked at every hour', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const options = { codec: utf8, segmentBytesMax: 4 * KIB, retentionMs: 1000 };
  await fill(await store.topic('t', options), 30);
  const again = await bench.reopen(store);
  const { partitions } = await again.topic('t', { codec: utf8 });
  const partition = partitions.at(0);
  for (let minute = 0; minute < 60; minute++) {
    expect(partition.opened).toBeNull();
    bench.clock.advance(60_000);
    await settle();
  }
  await expect.poll(() => partition.opened?.startOffset).toBeGreaterThan(20);
  await again.close();
  expect(bench.clock.pendingTimerCount).toBe(0);
});

describe('appends beyond the cap', () => {
  test('are refused, say so, and go on when there is room', async () => {
    const { store, topic } = await setup(40 * KIB);
    const count = await fill(topic);
    expect(count).toBeGreaterThan(25);
    expect(store.stats().sizeBytes).toBeLessThanOrEqual(41 * KIB);
    expect(store.stats()).toMatchObject({ isSizeComplete: true, sizeBytesMax: 40 * KIB });
    await expect(topic.append({ value: VALUE })).rejects.toMatchObject({
      ...FULL,
      message: expect.stringContaining(`the store may have ${40 * KIB} bytes`),
      details: { errno: 'EDQUOT', operation: 'append', bytesMax: 40 * KIB },
    });
    expect((await topic.read({ partition: 0, offset: 0 }))?.value).toBe(VALUE);
    await topic.partitions.at(0).use((log) => log.deleteBefore(count - 2));
    expect(await fill(topic)).toBeGreaterThan(20);
  });

  test('count what all topics have, also those that nobody opened since', async () => {
    const { bench, store, topic } = await setup(1000 * KIB);
    await fill(topic, 30);
    await store.close();
    const again = await bench.open({ storeBytesMax: 40 * KIB });
    expect(again.stats()).toMatchObject({ isSizeComplete: false });
    const other = await again.topic('u', { codec: utf8 });
    expect(await fill(other)).toBeLessThan(10);
    expect(again.stats().isSizeComplete).toBe(true);
    await again.close();
    const unbounded = await bench.open();
    const grown = await unbounded.topic('u', { codec: utf8 });
    expect(await fill(grown, 20)).toBe(20);
    await unbounded.close();
  });

  test('wait for retention, of topics that are not open too', async () => {
    const { bench, store, topic } = await setup(1000 * KIB, { retentionMs: 1000 });
    await fill(topic, 30);
    await store.close();
    bench.clock.advance(10_000);
    const again = await bench.open({ storeBytesMax: 40 * KIB });
    const other = await again.topic('u', { codec: utf8 });
    expect(await fill(other, 20)).toBe(20);
    const { partitions } = await again.topic('t', { codec: utf8 });
    expect(partitions.at(0).opened?.startOffset).toBeGreaterThan(20);
    await again.close();
  });

  test('do not stop what is journaled: commits, changes of topics', async () => {
    const { store, topic } = await setup(20 * KIB);
    await fill(topic);
    const group = await topic.consumerGroup('g');
    for await (const batch of group.batches()) {
      await group.commit(batch);
      break;
    }
    await store.alterTopic('t', { retentionBytes: 4 * KIB });
    expect(store.describeTopic('t').options.retentionBytes).toBe(4 * KIB);
    await topic.partitions.at(0).use((log) => log.retain());
    expect(await fill(topic)).toBeGreaterThan(5);
  });
});

test.each([0, -1, 1.5, '1'])('storeBytesMax: %j is refused', async (storeBytesMax) => {
  const options = JSON.parse(JSON.stringify({ storeBytesMax }));
  await expect(new StoreBench().open(options)).rejects.toMatchObject({
    code: 'ERR_VARVE_INVALID_ARGUMENT',
  });
});
