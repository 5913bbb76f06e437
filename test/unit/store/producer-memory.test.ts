/** What is remembered of producers: notes, places, holes, doubts, and what becomes of them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { PRODUCER_CALLS_MAX } from '../../../src/core/limits.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { journalNote } from '../../../src/topic/producer-notes.ts';
import { producerNotes } from '../../../src/topic/producer-state.ts';
import type { TopicOptions } from '../../../src/topic/topic-options.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { foldOfEntries } from '../../support/simulation/store/journal-hash.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

interface Setting {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
}

async function settingOf(store: Store, options: TopicOptions<string> = {}): Promise<Setting> {
  const topic = await store.topic('t', { codec: utf8, ...options });
  return { store, topic, producer: await store.producer('p') };
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => ({ value: String(from + at) }));

describe('what is on its way', () => {
  test('is bounded, by calls and by bytes, and the error counts which', async () => {
    const disk = await StoreDisk.make();
    const held = new HeldSyncs(disk.fileSystem, '/topics/');
    const { store, topic, producer } = await settingOf(await disk.open());
    await producer.append(topic, { value: 'first' });
    held.hold();
    const sent = Array.from({ length: PRODUCER_CALLS_MAX }, () =>
      producer.append(topic, { value: 'x' }),
    );
    expect(await rejectionOf(producer.append(topic, { value: 'y' }))).toMatchObject({
      code: 'ERR_VARVE_BACKPRESSURE',
      message: '1024 calls wait for the disk, the limit is 1024: await earlier appends',
      details: { queuedBytes: PRODUCER_CALLS_MAX, queuedBytesMax: PRODUCER_CALLS_MAX },
    });
    held.release();
    await Promise.all(sent);
    expect(await producer.last(topic)).toMatchObject({ sequence: PRODUCER_CALLS_MAX });
    await store.close();
  });

  test('and failed to be synced is in doubt until the next opening, and stored once then', async () => {
    const disk = await StoreDisk.make();
    const { store, topic, producer } = await settingOf(await disk.open(), { partitions: 2 });
    await producer.append(topic, { value: '0' }, { partition: 1 });
    disk.fileSystem.addFault({ operations: ['datasync'], path: /topics/, errno: 'EIO' });
    const failed = await rejectionOf(producer.append(topic, { value: '1' }, { partition: 0 }));
    expect(failed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
    // Not in the other partition either: it may be there.
    const retried = producer.append(topic, { value: '1' }, { sequence: 1, partition: 1 });
    expect(await rejectionOf(retried)).toBe(failed);
    expect(await rejectionOf(producer.last(topic))).toBe(failed);
    for (const left of [disk.copy(), disk.copyAfterPowerCut()]) {
      const again = await settingOf(await left.open());
      const { resumeFrom } = await again.producer.last(again.topic);
      const answer = await again.producer.append(again.topic, { value: '1' }, { sequence: 1 });
      expect(answer.duplicate).toBe(resumeFrom === 2);
      const values: (string | null)[] = [];
      for await (const { value } of again.topic.records()) values.push(value);
      expect(new Set(values)).toEqual(new Set(['0', '1']));
      expect(values).toHaveLength(2);
      await again.store.close();
    }
    await store.close().catch(() => undefined);
  });
});

describe('holes', () => {
  test('are what was refused, also where gaps are allowed: it is no gap that was left', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    const loose = await store.producer('loose', { gaps: 'allow' });
    const send = (sequence: number, partition: number) =>
      loose.append(topic, { value: String(sequence) }, { sequence, partition });
    await send(3, 1);
    disk.fileSystem.addFault({ operations: ['datasync'], path: /topics/, errno: 'EIO' });
    const failed = topic.append({ value: 'plain' }, { partition: 0 });
    expect(await rejectionOf(failed)).toMatchObject({ code: 'ERR_VARVE_FAILED' });
    expect(await rejectionOf(send(6, 0))).toMatchObject({ code: 'ERR_VARVE_FAILED' });
    await send(9, 1);
    expect(await loose.last(topic)).toMatchObject({ sequence: 9, resumeFrom: 6 });
    const left = disk.copyAfterPowerCut();
    await store.close().catch(() => undefined);
    const again = await left.open();
    const same = await again.topic('t', { codec: utf8 });
    const successor = await again.producer('loose', { gaps: 'allow' });
    const retried = successor.append(same, { value: '6' }, { sequence: 6 });
    expect(await retried).toMatchObject({ duplicate: false });
    await again.close();
  });

  test('are so many at most: the next append is refused, and names the first', async () => {
    const disk = await StoreDisk.make();
    const first = await settingOf(await disk.open(), { partitions: 2, durability: 'os' });
    const count = 2 * PRODUCER_CALLS_MAX + 20;
    // Even numbers go to partition 0, which alone is synced.
    await first.producer.appendBatch(first.topic, numbered(0, count));
    await first.topic.partitions.at(0).sync();
    const left = disk.copyAfterPowerCut();
    await first.store.close();
    const { store, topic, producer } = await settingOf(await left.open());
    const last = await producer.last(topic);
    expect(last).toMatchObject({ sequence: count - 2, resumeFrom: 1 });
    const send = (sequence: number) =>
      producer.append(topic, { value: String(sequence) }, { sequence });
    expect(await rejectionOf(send(count - 1))).toMatchObject({
      code: 'ERR_VARVE_SEQUENCE_GAP',
      details: { expected: 1, found: count - 1 },
    });
    const committed = store.transaction((tx) => tx.append(topic, { value: 'x' }, { producer }));
    expect(await rejectionOf(committed)).toMatchObject({ code: 'ERR_VARVE_SEQUENCE_GAP' });
    for (let sequence = 1; sequence < 24; sequence += 2) {
      expect(await send(sequence)).toMatchObject({ duplicate: false });
    }
    expect(await send(count - 1)).toMatchObject({ duplicate: false });
    await store.close();
  });

  test('are so many at most where what is missing is in doubt', async () => {
    const disk = await StoreDisk.make();
    const { store, topic, producer } = await settingOf(await disk.open(), { partitions: 2 });
    await producer.appendBatch(topic, numbered(0, 2));
    const path = /\/1\/\d+\.log$/u;
    disk.fileSystem.addFault({ operations: ['datasync'], path, errno: 'EIO' });
    const failed = await rejectionOf(
      producer.appendBatch(topic, numbered(2, 2 * PRODUCER_CALLS_MAX + 20)),
    );
    expect(failed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
    const next = producer.append(topic, { value: 'next' }, { partition: 0 });
    expect(await rejectionOf(next)).toMatchObject({
      code: 'ERR_VARVE_SEQUENCE_GAP',
      details: { expected: 3 },
    });
    await store.close().catch(() => undefined);
  });

  test('are not what is on its way to another partition, however many there are', async () => {
    const disk = await StoreDisk.make();
    const held = new HeldSyncs(disk.fileSystem, '/1/');
    const { store, topic, producer } = await settingOf(await disk.open(), { partitions: 2 });
    await producer.appendBatch(topic, numbered(0, 2));
    held.hold();
    // Even numbers go to partition 0, and are stored; odd ones wait for their sync.
    const end = 2 * PRODUCER_CALLS_MAX + 20;
    const sent = producer.appendBatch(topic, numbered(2, end));
    const [even] = topic.partitions.opened();
    while (present(even, 'it is open').durableOffset < end / 2) await turns(1);
    const next = producer.append(topic, { value: 'next' });
    await turns(5);
    held.release();
    expect(await next).toMatchObject({ sequence: end, duplicate: false });
    expect(await sent).toMatchObject({ recordCount: end - 2 });
    expect(await producer.last(topic)).toMatchObject({ sequence: end, resumeFrom: end + 1 });
    await store.close();
  });
});

describe('places', () => {
  test('are told of the last five batches, and of older ones that they are stored', async () => {
    const bench = new StoreBench();
    const { store, topic, producer } = await settingOf(await bench.open());
    for (let sequence = 0; sequence < 7; sequence++) {
      await producer.append(topic, { value: String(sequence) }, { sequence });
      await topic.append({ value: 'plain' }); // Or it would be one batch.
    }
    const placeOf = async (from: Producer, to: StoreTopic<string>, sequence: number) => {
      const answer = await from.append(to, { value: 'again' }, { sequence });
      return [answer.duplicate, answer.partition, answer.offset];
    };
    const check = async (from: Producer, to: StoreTopic<string>) => {
      for (const sequence of [0, 1]) {
        expect(await placeOf(from, to, sequence)).toEqual([true, null, null]);
      }
      for (const sequence of [2, 3, 6]) {
        expect(await placeOf(from, to, sequence)).toEqual([true, 0, 2 * sequence]);
      }
    };
    await check(producer, topic);
    const again = await settingOf(await bench.reopen(store));
    await check(again.producer, again.topic);
    await again.store.close();
  });

  test('are known when retention has taken the batches by itself', async () => {
    const bench = new StoreBench();
    const sizes = { segmentBytesMax: 4096, batchBytesMax: 1024, retentionBytes: 8192 };
    let { store, topic, producer } = await settingOf(await bench.open(), sizes);
    await producer.appendBatch(topic, numbered(0, 5));
    for (let at = 0; at < 60; at++) await topic.append({ value: 'x'.repeat(500) });
    const startOf = () =>
      topic.partitions.at(0).use(async (log) => {
        await log.retain();
        return log.startOffset;
      });
    expect(await startOf()).toBeGreaterThan(5);
    for (let run = 0; run < 2; run++) {
      const answer = await producer.appendBatch(topic, numbered(0, 6), { sequence: 0 });
      expect(answer).toMatchObject({ duplicateCount: run === 0 ? 5 : 6 });
      ({ store, topic, producer } = await settingOf(await bench.reopen(store)));
    }
    expect(await producer.last(topic)).toMatchObject({ sequence: 5, resumeFrom: 6 });
    await store.close();
  });
});

describe('notes', () => {
  test('of many producers are several entries, and the last alone names logs', async () => {
    const entries: unknown[] = [];
    const logs = [{ logId: 7, offset: 100 }];
    const run = { first: 1, last: 1, count: 1, partition: 0, baseOffset: 0 };
    const producers = Array.from({ length: 70 }, (_, producerId) => ({
      producerId,
      confirmed: 0,
      runs: Array.from({ length: 1500 }, () => run),
    }));
    const bench = new StoreBench();
    const store = await bench.open();
    const journal = Object.create(null, {
      append: { value: (_type: unknown, entry: unknown) => Promise.resolve(entries.push(entry)) },
    });
    await journalNote({ journal, clock: bench.clock }, { topicId: 3, logs, producers }, 'os');
    expect(entries.length).toBeGreaterThan(2);
    for (const [at, entry] of entries.entries()) {
      expect(entry).toMatchObject({ topicId: 3, logs: at === entries.length - 1 ? logs : [] });
    }
    const noted = entries.flatMap((entry) => (entry as { producers: unknown[] }).producers);
    expect(noted).toEqual(producers);
    await store.close();
  });

  test('that come while a producer is deleted do not bring it back', async () => {
    const disk = await StoreDisk.make();
    const held = new HeldSyncs(disk.fileSystem, '/journal/');
    const { store, topic, producer } = await settingOf(await disk.open());
    const other = await store.producer('other');
    await producer.appendBatch(topic, numbered(0, 3));
    await other.append(topic, { value: 'x' });
    const { topicId } = topic.partitions;
    held.hold();
    // While a sync runs, the entry that deletes the producer waits for the next, unwritten.
    const made = store.topic('other');
    await turns(5);
    const deleted = store.deleteProducer('p');
    await turns(5);
    const noted = topic.deleteBefore({ partition: 0, offset: 4 });
    await turns(5);
    held.release();
    await Promise.all([made, deleted, noted]);
    await store.close();
    const fold = present(await foldOfEntries(disk.fileSystem), 'the journal has all entries');
    expect(fold.get(producerNotes, String(topicId))?.producers.size).toBe(1);
  });

  test('tell of a producer whose deletion the disk refused', async () => {
    const disk = await StoreDisk.make();
    const { store, topic, producer } = await settingOf(await disk.open());
    await producer.appendBatch(topic, numbered(0, 3));
    const { fileSystem, clock } = disk;
    const { capacityBytes } = fileSystem;
    fileSystem.capacityBytes -= (await fileSystem.space(STORE_PATH)).freeBytes;
    clock.advance(1001); // The journal asks the disk again.
    expect(await rejectionOf(store.deleteProducer('p'))).toMatchObject({
      code: 'ERR_VARVE_DISK_FULL',
    });
    fileSystem.capacityBytes = capacityBytes;
    clock.advance(1001);
    const again = await store.producer('p');
    expect(await again.appendBatch(topic, numbered(0, 4), { sequence: 0 })).toMatchObject({
      duplicateCount: 3,
      recordCount: 1,
    });
    await store.close();
  });
});
