/** Appending to topics and reading them, partition by partition and all together. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { TopicOptions } from '../../../src/topic/topic-options.ts';
import { partitionOfKey } from '../../../src/topic/partitioner.ts';
import { onTestFinished } from 'vitest';

async function openTopic(options: TopicOptions<string> = {}): Promise<StoreTopic<string>> {
  const store = await openStore({ memory: true });
  onTestFinished(() => store.close());
  return store.topic('t', { codec: utf8, ...options });
}

async function valuesOf(topic: StoreTopic<string>, partition: number): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ partitions: partition })) values.push(value);
  return values;
}

describe('append', () => {
  test('records of one key go to one partition, in their order', async () => {
    const topic = await openTopic({ partitions: 4 });
    for (let at = 0; at < 40; at++) await topic.append({ key: `k${at % 5}`, value: `${at}` });
    for (const key of ['k0', 'k1', 'k2', 'k3', 'k4']) {
      const partition = partitionOfKey(Buffer.from(key), 4);
      const own = (await valuesOf(topic, partition)).filter(
        (value) => `k${Number(value) % 5}` === key,
      );
      const all = Array.from({ length: 40 }, (_, at) => at).filter((at) => `k${at % 5}` === key);
      expect(own).toEqual(all.map(String));
    }
  });

  test('keys as text and as bytes are the same', async () => {
    const topic = await openTopic({ partitions: 16 });
    for (const key of ['a', 'é', '🛩', '']) {
      const one = await topic.append({ key, value: 'x' });
      const two = await topic.append({ key: Buffer.from(key), value: 'x' });
      expect(two.partition).toBe(one.partition);
    }
  });

  test('a partition by hand, or by a function', async () => {
    const topic = await openTopic({
      partitions: 3,
      partitioner: ({ value }) => value?.length ?? 0,
    });
    expect(await topic.append({ value: 'xx' })).toMatchObject({ partition: 2 });
    expect(await topic.append({ value: 'xx' }, { partition: 1 })).toMatchObject({ partition: 1 });
    await expect(topic.append({ value: 'xxx' })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
    await expect(topic.append({ value: 'x' }, { partition: 3 })).rejects.toThrow(
      'from 0 to 2, got `3`',
    );
  });

  test('keyless records stay together, and go on after 16 KiB', async () => {
    const topic = await openTopic({ partitions: 8 });
    const value = 'x'.repeat(1024);
    const partitions: number[] = [];
    for (let at = 0; at < 64; at++) partitions.push((await topic.append({ value })).partition);
    const runs = partitions.filter((partition, at) => partition !== partitions[at - 1]).length;
    expect(runs).toBe(4);
  });
});

describe('appendBatch', () => {
  test('tells where the records went', async () => {
    const topic = await openTopic({ partitions: 4 });
    const records = Array.from({ length: 20 }, (_, at) => ({ key: `k${at}`, value: `${at}` }));
    const { placements, recordCount, durability } = await topic.appendBatch(records);
    expect(recordCount).toBe(20);
    expect(durability).toBe('sync');
    expect(placements.reduce((sum, one) => sum + one.recordCount, 0)).toBe(20);
    expect(placements.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    for (const { partition, baseOffset, recordCount: count } of placements) {
      expect(baseOffset).toBe(0);
      const values = await valuesOf(topic, partition);
      expect(values).toHaveLength(count);
      expect(values.map(Number)).toEqual(values.map(Number).toSorted((a, b) => a - b));
    }
  });

  test('keyless records go to one partition', async () => {
    const topic = await openTopic({ partitions: 8 });
    const records = Array.from({ length: 100 }, () => ({ value: 'x'.repeat(1024) }));
    const { placements } = await topic.appendBatch(records);
    expect(placements).toHaveLength(1);
  });

  test('of one partition, by hand', async () => {
    const topic = await openTopic({ partitions: 2 });
    const { placements } = await topic.appendBatch([{ value: 'a' }, { value: 'b' }], {
      partition: 1,
    });
    expect(placements).toEqual([{ partition: 1, baseOffset: 0, recordCount: 2 }]);
    expect(await topic.appendBatch([])).toMatchObject({ recordCount: 0 });
  });
});

test('deleteBefore: of one partition, up to its end', async () => {
  const topic = await openTopic({ partitions: 2 });
  for (const value of ['a', 'b', 'c']) await topic.append({ value }, { partition: 1 });
  await topic.append({ value: 'x' }, { partition: 0 });
  await topic.deleteBefore({ partition: 1, offset: 2 });
  expect(await valuesOf(topic, 0)).toEqual(['x']);
  expect(await valuesOf(topic, 1)).toEqual(['c']);
  await topic.deleteBefore({ partition: 1, offset: 1 }); // No effect.
  const beyond = topic.deleteBefore({ partition: 1, offset: 4 });
  await expect(beyond).rejects.toMatchObject({ code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE' });
  await expect(topic.deleteBefore({ partition: 2, offset: 0 })).rejects.toThrow('from 0 to 1');
  await topic.deleteBefore({ partition: 1, offset: 3 });
  expect(await valuesOf(topic, 1)).toEqual([]);
  expect(await topic.append({ value: 'd' }, { partition: 1 })).toMatchObject({ offset: 3 });
});

describe('batches', () => {
  test('reads all partitions, and ends', async () => {
    const topic = await openTopic({ partitions: 4 });
    for (let at = 0; at < 40; at++) await topic.append({ key: `${at}`, value: `${at}` });
    const seen: number[] = [];
    for await (const batch of topic.batches()) {
      for (const record of batch) {
        expect(record.partition).toBe(batch.partition);
        expect(partitionOfKey(Buffer.from(record.key ?? ''), 4)).toBe(record.partition);
        seen.push(Number(record.value));
      }
    }
    expect(seen.toSorted((one, two) => one - two)).toEqual(
      Array.from({ length: 40 }, (_, at) => at),
    );
  });

  test('follows all partitions until it is told to stop', async () => {
    const topic = await openTopic({ partitions: 3 });
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { value } of topic.records({ follow: true, signal: stop.signal })) {
        seen.push(value ?? '');
        if (seen.length === 3) stop.abort(new Error('enough'));
      }
    })();
    for (const partition of [2, 0, 1]) await topic.append({ value: `${partition}` }, { partition });
    await expect(reading).rejects.toThrow('enough');
    expect(seen).toEqual(['2', '0', '1']);
  });

  test('a loop that is left ends the reads of all partitions', async () => {
    const topic = await openTopic({ partitions: 3 });
    await topic.append({ value: 'x' }, { partition: 1 });
    for await (const batch of topic.batches({ follow: true })) {
      expect(batch.partition).toBe(1);
      break;
    }
  });

  test('an offset needs one partition', async () => {
    const topic = await openTopic({ partitions: 2 });
    await topic.append({ value: 'a' }, { partition: 1 });
    await topic.append({ value: 'b' }, { partition: 1 });
    expect(() => topic.batches({ from: 1 })).toThrow('one partition');
    const values: (string | null)[] = [];
    for await (const { value } of topic.records({ partitions: 1, from: 1 })) values.push(value);
    expect(values).toEqual(['b']);
    expect(() => topic.batches({ partitions: [] })).toThrow('not empty');
    expect(() => topic.batches({ partitions: [2] })).toThrow('from 0 to 1');
  });
});
