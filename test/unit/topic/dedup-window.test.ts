/** What a window of ids covers: retention, deletions, damage, other options, and queues that settle. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const WINDOW_MS = 300_000;
const OPTIONS = { codec: utf8, segmentBytesMax: 4096 };
const headers = { pad: 'x'.repeat(1000) };

function send(topic: StoreTopic<string>, dedupId: string) {
  return topic.append({ value: dedupId, dedupId, headers });
}

async function fill(topic: StoreTopic<string>, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await topic.append({ value: `plain ${n}`, headers });
}

async function startOf(topic: StoreTopic<string>): Promise<number> {
  return topic.partitions.at(0).use(async (log) => {
    await log.retain();
    return log.startOffset;
  });
}

describe('the window of ids', () => {
  test.each(['live', 'reopened'])('keeps its records from retention, %s', async (how) => {
    const bench = new StoreBench();
    let store = await bench.open();
    let topic = await store.topic('orders', { ...OPTIONS, retentionBytes: 4096 });
    await fill(topic, 20);
    const before = await startOf(topic);
    expect(before).toBeGreaterThan(10); // No id was sent so far.
    const { offset } = await send(topic, 'one');
    await fill(topic, 40);
    if (how === 'reopened') {
      store = await bench.reopen(store);
      topic = await store.topic('orders', { codec: utf8 });
    }
    expect(await startOf(topic)).toBeLessThanOrEqual(offset);
    expect(await send(topic, 'one')).toMatchObject({ offset, duplicate: true });
    bench.clock.advance(2 * WINDOW_MS);
    await fill(topic, 1);
    expect(await startOf(topic)).toBeGreaterThan(offset);
    expect(await send(topic, 'one')).toMatchObject({ duplicate: false });
    await store.close();
  });

  test('is told of when retention has waited for it twice as long as it is', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', { ...OPTIONS, retentionBytes: 4096 });
    const codes = () => store.health().problems.map(({ code, partition }) => [code, partition]);
    for (let part = 0; part < 4; part++) {
      expect(codes()).toEqual([]);
      await send(topic, `id ${part}`);
      await fill(topic, 20);
      await startOf(topic);
      bench.clock.advance(WINDOW_MS / 2);
    }
    expect(codes()).toEqual([['dedup-holds-records', 0]]);
    expect(store.health().problems[0]?.message).toContain('orders/0');
    bench.clock.advance(2 * WINDOW_MS);
    await fill(topic, 1);
    await startOf(topic);
    expect(codes()).toEqual([]);
    await store.close();
  });

  test('ends where somebody deletes records', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', OPTIONS);
    await send(topic, 'one');
    await send(topic, 'two');
    await topic.deleteBefore({ partition: 0, offset: 1 });
    expect(await send(topic, 'one')).toMatchObject({ offset: 2, duplicate: false });
    expect(await send(topic, 'two')).toMatchObject({ offset: 1, duplicate: true });
    await store.close();
  });

  test('made longer, it has the ids again that are in the log; made shorter, it forgets', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', { ...OPTIONS, dedupWindowMs: 1000 });
    await send(topic, 'one');
    bench.clock.advance(5000);
    await store.alterTopic('orders', { dedupWindowMs: WINDOW_MS });
    expect(await send(topic, 'one')).toMatchObject({ offset: 0, duplicate: true });
    await store.alterTopic('orders', { dedupWindowMs: 1000 });
    expect(await send(topic, 'one')).toMatchObject({ offset: 1, duplicate: false });
    await store.alterTopic('orders', { dedupScope: 'key' });
    expect(await send(topic, 'one')).toMatchObject({ offset: 2, duplicate: false });
    expect(await send(topic, 'one')).toMatchObject({ offset: 2, duplicate: true });
    await store.close();
  });

  test('reaches partitions that came later', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let topic = await store.topic('orders', OPTIONS);
    await send(topic, 'one');
    await store.addPartitions('orders', 3);
    const other = { value: 'x', dedupId: 'two' };
    expect(await topic.append(other, { partition: 2 })).toMatchObject({ duplicate: false });
    expect(await topic.append(other, { partition: 0 })).toMatchObject({
      partition: 2,
      duplicate: true,
    });
    store = await bench.reopen(store);
    topic = await store.topic('orders', { codec: utf8 });
    expect(await topic.append(other, { partition: 1 })).toMatchObject({
      partition: 2,
      duplicate: true,
    });
    expect(await topic.append({ value: 'x', dedupId: 'one' }, { partition: 1 })).toMatchObject({
      partition: 0,
      duplicate: true,
    });
    await store.close();
  });

  test('of a queue lasts until its records are settled, whatever the time', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let queue = await store.queue('jobs', { codec: utf8, dedupWindowMs: 'settled' });
    const sendJob = (dedupId: string) => queue.send(dedupId, { dedupId });
    await sendJob('a');
    await sendJob('b');
    bench.clock.advance(100 * WINDOW_MS);
    expect(await sendJob('a')).toMatchObject({ offset: 0, duplicate: true });
    const [first] = await queue.acquire();
    expect(await sendJob('a')).toMatchObject({ offset: 0, duplicate: true });
    await first?.ack();
    expect(await sendJob('a')).toMatchObject({ offset: 2, duplicate: false });
    expect(await sendJob('b')).toMatchObject({ offset: 1, duplicate: true });
    store = await bench.reopen(store);
    queue = await store.queue('jobs', { codec: utf8 });
    expect(await sendJob('a')).toMatchObject({ offset: 2, duplicate: true });
    expect(await sendJob('b')).toMatchObject({ offset: 1, duplicate: true });
    await store.close();
  });

  test('of a record that cannot be read any more is an error, and no second record', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', OPTIONS);
    await send(topic, 'one');
    const [path] = (await bench.fileSystem.list(topic.partitions.at(0).path)).filter((name) =>
      name.endsWith('.log'),
    );
    const file = await bench.fileSystem.open(`${topic.partitions.at(0).path}/${path}`, 'write');
    await file.write(new Uint8Array(64).fill(0xee), 300);
    await file.close();
    const answer = topic.append({ value: 'again', dedupId: 'one' });
    await expect(answer).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    expect(await topic.append({ value: 'x', dedupId: 'two' })).toMatchObject({ duplicate: false });
    await store.close();
  });

  test.each([
    ['', RangeError],
    ['\ud800', RangeError],
    [7, TypeError],
  ])('takes no id like %j', async (dedupId, ErrorClass) => {
    const store = await new StoreBench().open();
    const topic = await store.topic('orders', OPTIONS);
    const record = { value: 'x', dedupId: dedupId as string };
    await expect(topic.append(record)).rejects.toBeInstanceOf(ErrorClass);
    await expect(topic.append({ value: 'x', dedupId: 'é'.repeat(128) })).rejects.toMatchObject({
      code: 'ERR_VARVE_TOO_LARGE',
      details: { what: 'dedup id', bytes: 256, bytesMax: 255 },
    });
    await store.close();
  });
});
