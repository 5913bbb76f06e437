/** Producers: what is sent again is stored once, through restarts, full disks and power cuts. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { TopicOptions } from '../../../src/topic/topic-options.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';

let opened = 0;

function newDisk(): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1) });
}

async function openOn(fileSystem: FaultyFileSystem): Promise<Store> {
  const random = new SeededRandom(++opened);
  return openStore('/store', { fileSystem, clock: new ManualClock(1e6), random, freeBytesMin: 0 });
}

function topicOf(store: Store, options: TopicOptions<string> = {}): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, ...options });
}

async function valuesIn(topic: StoreTopic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

const sorted = (values: readonly (string | null)[]) => values.map(String).toSorted();

const records = (...values: readonly string[]) => values.map((value) => ({ value }));

describe('a producer', () => {
  test('appends a sequence once, and tells the offset that it has', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    await topic.append({ value: 'plain' });
    const first = await producer.append(topic, { value: 'a' }, { sequence: 0 });
    expect(first).toEqual({
      duplicate: false,
      sequence: 0,
      partition: 0,
      offset: 1,
      durability: 'sync',
    });
    const again = await producer.append(topic, { value: 'a' }, { sequence: 0 });
    expect(again).toEqual({ ...first, duplicate: true });
    expect(await valuesIn(topic)).toEqual(['plain', 'a']);
    await store.close();
  });

  test('counts by itself, and appends of a batch what is missing', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    expect(await producer.append(topic, { value: '0' })).toMatchObject({ sequence: 0 });
    const batch = await producer.appendBatch(topic, records('1', '2'));
    expect(batch).toMatchObject({ recordCount: 2, duplicateCount: 0, lastSequence: 2 });
    const more = await producer.appendBatch(topic, records('1', '2', '3'), { sequence: 1 });
    expect(more).toMatchObject({ recordCount: 1, duplicateCount: 2, lastSequence: 3 });
    expect(more.placements).toEqual([{ partition: 0, baseOffset: 3, recordCount: 1 }]);
    expect(await producer.appendBatch(topic, [])).toMatchObject({ lastSequence: null });
    expect(await valuesIn(topic)).toEqual(['0', '1', '2', '3']);
    expect(await producer.last(topic)).toEqual({
      sequence: 3,
      resumeFrom: 4,
      partition: 0,
      offset: 3,
    });
    await store.close();
  });

  test('takes bytes as they are at the call, whether it waits for something or not', async () => {
    const store = await openOn(newDisk());
    const topic = await store.topic('bytes');
    const producer = await store.producer('p');
    const value = Buffer.from('?');
    const append = (text: string) => {
      value.write(text);
      const answer = producer.append(topic, { value });
      value.fill('?');
      return answer;
    };
    await append('0'); // Waits for the log to be opened; the others find it open.
    await Promise.all([append('1'), append('2')]);
    const found: string[] = [];
    for await (const { value: bytes } of topic.records()) {
      found.push(Buffer.from(bytes ?? []).toString());
    }
    expect(found).toEqual(['0', '1', '2']);
    await store.close();
  });

  test('sends to a queue', async () => {
    const store = await openOn(newDisk());
    const queue = await store.queue('q', { codec: utf8 });
    const producer = await store.producer('p');
    await producer.send(queue, 'job', { sequence: 0, key: 'k' });
    expect(await producer.send(queue, 'job', { sequence: 0, key: 'k' })).toMatchObject({
      duplicate: true,
      offset: 0,
    });
    expect(await producer.last(queue)).toMatchObject({ sequence: 0, resumeFrom: 1 });
    const deliveries = await queue.acquire({ max: 10 });
    expect(deliveries.map(({ value }) => value)).toEqual(['job']);
    await store.close();
  });

  test('refuses a gap, unless gaps are allowed', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const strict = await store.producer('strict');
    await strict.append(topic, { value: 'a' });
    await expect(strict.append(topic, { value: 'c' }, { sequence: 2 })).rejects.toMatchObject({
      code: 'ERR_VARVE_SEQUENCE_GAP',
      details: { producer: 'strict', topic: 't', expected: 1, found: 2 },
    });
    const loose = await store.producer('loose', { gaps: 'allow' });
    await loose.append(topic, { value: 'x' }, { sequence: 10 });
    await loose.appendBatch(topic, records('y', 'z'), { sequence: [20, 30] });
    expect(await loose.last(topic)).toMatchObject({ sequence: 30, resumeFrom: 31, offset: 3 });
    const lists = [
      [5, 4],
      [1, 1],
    ];
    for (const sequence of lists) {
      const call = loose.appendBatch(topic, records('x', 'y'), { sequence });
      await expect(call).rejects.toThrow(RangeError);
    }
    const short = loose.appendBatch(topic, records('x', 'y'), { sequence: [40] });
    await expect(short).rejects.toThrow(TypeError);
    await store.close();
  });

  test('waits for what is on its way before it calls something a duplicate', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    const answers = await Promise.all([
      producer.append(topic, { value: 'a' }, { sequence: 0 }),
      producer.append(topic, { value: 'a' }, { sequence: 0 }),
      producer.append(topic, { value: 'b' }),
    ]);
    expect(answers.map(({ duplicate, offset }) => [duplicate, offset])).toEqual([
      [false, 0],
      [true, 0],
      [false, 1],
    ]);
    await store.close();
  });

  test('is over when somebody else produces under its name, or deletes it', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const older = await store.producer('p');
    await older.append(topic, { value: '0' });
    const onItsWay = older.append(topic, { value: 'a' });
    const newer = await store.producer('p');
    await onItsWay;
    expect([older.epoch, newer.epoch]).toEqual([1, 2]);
    await expect(older.append(topic, { value: 'b' })).rejects.toMatchObject({
      code: 'ERR_VARVE_FENCED',
      details: { kind: 'producer', producer: 'p', epoch: 1, currentEpoch: 2 },
    });
    expect(await newer.last(topic)).toMatchObject({ sequence: 1 });
    await store.deleteProducer('p');
    await expect(newer.last(topic)).rejects.toMatchObject({ code: 'ERR_VARVE_FENCED' });
    await expect(store.deleteProducer('p')).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    await expect(store.producer('p', { create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    const anew = await store.producer('p');
    expect(anew.epoch).toBe(1);
    expect(await anew.append(topic, { value: 'c' })).toMatchObject({ sequence: 0 });
    expect(await valuesIn(topic)).toEqual(['0', 'a', 'c']);
    await store.close();
  });

  test('knows its sequences after a restart, and after a kill', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const producer = await store.producer('p');
    const topic = await topicOf(store, { partitions: 3 });
    await producer.appendBatch(topic, records('0', '1', '2', '3'));
    const killed = disk.crashImage({ data: 'all', names: 'all' });
    await store.close();
    for (const left of [disk, killed]) {
      const again = await openOn(left);
      const same = await topicOf(again);
      const successor = await again.producer('p');
      expect(successor.epoch).toBe(2);
      expect(await successor.last(same)).toMatchObject({ sequence: 3, resumeFrom: 4 });
      const repeated = await successor.appendBatch(same, records('0', '1', '2', '3', '4'), {
        sequence: 0,
      });
      expect(repeated).toMatchObject({ recordCount: 1, duplicateCount: 4 });
      expect(sorted(await valuesIn(same))).toEqual(['0', '1', '2', '3', '4']);
      await again.close();
    }
  });

  test('that allows gaps goes on behind them, however often it is killed', async () => {
    let disk = newDisk();
    let next = 0; // Only even numbers exist; of those that were sent last nobody knows so.
    for (const expected of [0, 1, 1199, 2399]) {
      const store = await openOn(disk);
      const topic = await topicOf(store, { partitions: 2 });
      const producer = await store.producer('p', { gaps: 'allow' });
      const { resumeFrom } = await producer.last(topic);
      expect(resumeFrom).toBe(expected);
      const left = Array.from({ length: 600 }, (_, at) => next - 1200 + 2 * at);
      const fresh = left.map((sequence) => sequence + 1200);
      next += 1200;
      for (const sequence of [left.filter((each) => each >= resumeFrom), fresh]) {
        await producer.appendBatch(topic, records(...sequence.map(String)), { sequence });
      }
      expect(await producer.last(topic)).toMatchObject({ resumeFrom: next - 1 });
      const killed = disk.crashImage({ data: 'all', names: 'all' });
      await store.close();
      disk = killed;
    }
  });

  test('a retry after retention took the batch is still a duplicate', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    await producer.appendBatch(topic, records('0', '1', '2'));
    await topic.deleteBefore({ partition: 0, offset: 3 });
    const left = disk.crashImage({ data: 'none', names: 'none' });
    await store.close();
    for (const each of [disk, left]) {
      const again = await openOn(each);
      const same = await topicOf(again);
      const successor = await again.producer('p');
      const answer = successor.append(same, { value: '1' }, { sequence: 1 });
      await expect(answer).resolves.toMatchObject({ duplicate: true, offset: 1 });
      expect(await valuesIn(same)).toEqual([]);
      await again.close();
    }
  });

  test('keeps its sequences when partitions are added, and loses them with the topic', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    await producer.append(topic, { value: 'a', key: 'k' });
    await store.addPartitions('t', 5);
    const again = await producer.append(topic, { value: 'a', key: 'k' }, { sequence: 0 });
    expect(again).toMatchObject({ duplicate: true, partition: 0, offset: 0 });
    await producer.append(topic, { value: 'b', key: 'k' });
    await store.deleteTopic('t');
    await expect(producer.append(topic, { value: 'c' })).rejects.toThrow('closed');
    const other = await topicOf(store);
    expect(await producer.last(other)).toMatchObject({ sequence: null, resumeFrom: 0 });
    await store.close();
  });

  test('is listed with what is known of it', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    await producer.appendBatch(topic, records('0', '1'));
    const common = { name: 'p', epoch: 1, createdTimeMs: 1e6, openedTimeMs: 1e6 };
    const [live] = store.producers();
    expect(live).toEqual({
      ...common,
      isOpen: true,
      topics: [{ topic: 't', confirmed: 2, notedTimeMs: null }],
    });
    await store.close();
    const again = await openOn(disk);
    expect(again.producers()).toEqual([
      {
        ...common,
        isOpen: false,
        topics: [{ topic: 't', confirmed: 2, notedTimeMs: 1e6 }],
      },
    ]);
    await again.close();
  });

  test('a sequence that only one of two partitions lost in a power cut is stored again', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const topic = await topicOf(store, { partitions: 2, durability: 'os' });
    const producer = await store.producer('p');
    const send = (sequence: number, durability: 'os' | 'sync') =>
      producer.append(
        topic,
        { value: String(sequence) },
        { sequence, partition: sequence % 2, durability },
      );
    await send(0, 'sync');
    await send(1, 'os');
    await send(2, 'sync');
    const left = disk.crashImage({ data: 'none', names: 'none' });
    const again = await openOn(left);
    const same = await topicOf(again);
    const successor = await again.producer('p');
    expect(await successor.last(same)).toMatchObject({ sequence: 2, resumeFrom: 1 });
    expect(await successor.append(same, { value: '1' }, { sequence: 1 })).toMatchObject({
      duplicate: false,
    });
    expect(sorted(await valuesIn(same))).toEqual(['0', '1', '2']);
    await again.close();
    await store.close();
  });

  test('a note does not speak of what a power cut took, and the log has otherwise since', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const topic = await topicOf(store, { partitions: 2, durability: 'os' });
    const producer = await store.producer('p');
    await producer.append(topic, { value: '0' }, { partition: 0, durability: 'sync' });
    await producer.append(topic, { value: '1' }, { partition: 1 });
    await topic.deleteBefore({ partition: 0, offset: 1 }); // Notes what is synced.
    const cut = disk.crashImage({ data: 'none', names: 'none' });
    await store.close();

    const second = await openOn(cut);
    const same = await topicOf(second);
    const successor = await second.producer('p');
    const retry = { sequence: 1, partition: 1, durability: 'sync' } as const;
    expect(await successor.append(same, { value: '1' }, retry)).toMatchObject({
      duplicate: false,
      offset: 0,
    });
    const killed = cut.crashImage({ data: 'all', names: 'all' });
    await second.close();

    const third = await openOn(killed);
    const last = await third.producer('p');
    expect(await last.append(await topicOf(third), { value: '1' }, retry)).toMatchObject({
      duplicate: true,
      offset: 0,
    });
    await third.close();
  });
});

describe('producersOf', () => {
  test('tells where each is that stored something, by name', async () => {
    const store = await openOn(newDisk());
    const topic = await topicOf(store, { partitions: 2 });
    expect(await store.producersOf('t')).toEqual([]);
    const second = await store.producer('second');
    const first = await store.producer('first');
    await second.append(topic, { value: 'a' }, { sequence: 0, partition: 1 });
    expect(await first.last(topic)).toMatchObject({ sequence: null }); // It stored nothing.
    const place = { name: 'second', sequence: 0, resumeFrom: 1, partition: 1, offset: 0 };
    expect(await store.producersOf('t')).toEqual([place]);
    await first.appendBatch(topic, records('b', 'c'), { partition: 0 });
    expect(await store.producersOf('t')).toEqual([
      { name: 'first', sequence: 1, resumeFrom: 2, partition: 0, offset: 1 },
      place,
    ]);
    await store.deleteProducer('first');
    expect(await store.producersOf('t')).toEqual([place]);
    await expect(store.producersOf('none')).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    await store.close();
    await expect(store.producersOf('t')).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });

  test('of a store that is only read looks again each time, and writes nothing', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = new ManualClock(1e6);
    const options = { fileSystem, clock, freeBytesMin: 0 };
    const store = await openStore('/store', { ...options, random: new SeededRandom(++opened) });
    const topic = await topicOf(store);
    const producer = await store.producer('p');
    await producer.append(topic, { value: 'a' });
    const reader = await openStore('/store', { ...options, readOnly: true });
    expect(await reader.producersOf('t')).toMatchObject([{ name: 'p', sequence: 0, offset: 0 }]);
    await producer.appendBatch(topic, records('b', 'c'));
    expect(await reader.producersOf('t')).toMatchObject([{ name: 'p', sequence: 2, offset: 2 }]);
    await reader.close();
    await store.close();
  });
});
