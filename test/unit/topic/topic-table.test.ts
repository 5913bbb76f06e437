/** A topic as a table: what it answers, what it follows, when it fails. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { nextTurn, type ManualClock } from '../../../src/core/clock.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { TopicOptions } from '../../../src/topic/topic-options.ts';
import type { TableOptions } from '../../../src/topic/table-options.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { entriesOf, openTable, valuesOf } from '../../support/table-model.ts';

interface Opened {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

async function openTopic(options: TopicOptions<string> = {}): Promise<Opened> {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  return { clock: bench.clock, store, topic: await store.topic('t', { codec: utf8, ...options }) };
}

/** In memory, and read again each time. */
const KINDS = [
  ['in memory', null],
  ['bounded', 0],
] as const;

test('many rows that retention took go in turns of the event loop, and are shown in none', async () => {
  const { topic } = await openTopic();
  const records = Array.from({ length: 40_000 }, (_, at) => ({ key: `key ${at}`, value: '' }));
  for (let at = 0; at < 40_000; at += 2000) await topic.appendBatch(records.slice(at, at + 2000));
  const table = await openTable(topic);
  await topic.deleteBefore({ partition: 0, offset: 39_990 });
  expect(table.size).toBeGreaterThan(30_000);
  expect(await table.get('key 39989')).toBeNull();
  const shown: number[] = [];
  for await (const { offset } of table.entries()) shown.push(offset);
  expect([shown.length, Math.min(...shown)]).toEqual([10, 39_990]);
  let turns = 0;
  for (; table.size > 10 && turns < 20; turns++) await nextTurn();
  expect(table.size).toBe(10);
  await topic.deleteBefore({ partition: 0, offset: 39_995 });
  expect(table.size).toBe(5); // Of so few at once.
});

describe.each(KINDS)('a table %s', (_name, bytesMax) => {
  test('has the last record of each key, and follows the topic', async () => {
    const { topic } = await openTopic();
    await topic.appendBatch([
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
      { key: 'a', value: '3' },
    ]);
    const table = await openTable(topic, { bytesMax });
    expect(await valuesOf(table)).toEqual({ a: '3', b: '2' });
    await table.reached(await topic.append({ key: 'b', value: '4' }));
    await table.reached(await topic.append({ key: 'c', value: '5' }));
    expect(await valuesOf(table)).toEqual({ a: '3', b: '4', c: '5' });
    expect((await table.get('b'))?.value).toBe('4');
    expect(await table.get('d')).toBeNull();
  });

  test('a tombstone removes its key, which may come again', async () => {
    const { topic } = await openTopic();
    const table = await openTable(topic, { bytesMax });
    await topic.append({ key: 'a', value: '1' });
    await table.reached(await topic.append({ key: 'a', value: null }));
    expect(await table.get('a')).toBeNull();
    expect(table.size).toBe(0);
    await topic.append({ key: 'never', value: null });
    await table.reached(await topic.append({ key: 'a', value: '2' }));
    expect(await valuesOf(table)).toEqual({ a: '2' });
  });

  test('keys are bytes: what is no text is told apart, and an empty key is one', async () => {
    const { topic } = await openTopic();
    const keys = [[0xff], [0xfe], [0xef, 0xbf, 0xbd], [], [0xc3, 0xa9]].map((key) =>
      Uint8Array.from(key),
    );
    await topic.appendBatch(keys.map((key, at) => ({ key, value: String(at) })));
    const table = await openTable(topic, { bytesMax });
    for (const [at, key] of keys.entries()) {
      expect((await table.get(key))?.value).toBe(String(at));
    }
    expect((await table.get('\ufffd'))?.value).toBe('2');
    expect((await table.get(''))?.value).toBe('3');
    expect((await table.get('é'))?.value).toBe('4');
    expect(await table.get('ÿ')).toBeNull();
    expect(table.size).toBe(5);
  });

  test('records without a key are no part of it, and counted', async () => {
    const { topic } = await openTopic();
    await topic.appendBatch([{ value: '1' }, { key: 'a', value: '2' }, { value: null }]);
    const table = await openTable(topic, { bytesMax });
    expect(table.stats()).toMatchObject({ keyCount: 1, keylessCount: 2 });
    await table.reached(await topic.append({ value: '3' }));
    expect(table.stats()).toMatchObject({ keyCount: 1, keylessCount: 3 });
  });

  test('entries come once each, also those that change meanwhile', async () => {
    const { topic } = await openTopic();
    for (let at = 0; at < 10; at++) await topic.append({ key: `k${at}`, value: 'old' });
    const table = await openTable(topic, { bytesMax });
    const entries = table.entries();
    const seen = [(await entries.next()).value?.key];
    expect(seen).toEqual(['k0']);
    for (const key of ['k0', 'k5', 'k5', 'none before']) await topic.append({ key, value: 'new' });
    await table.reached(await topic.append({ key: 'k7', value: null }));
    for await (const { key } of entries) seen.push(key);
    expect(new Set(seen).size).toBe(seen.length);
    for (const at of [0, 1, 2, 3, 4, 5, 6, 8, 9]) expect(seen).toContain(`k${at}`);
  });

  test('what was deleted from the topic is not in it, before or after', async () => {
    const { topic } = await openTopic();
    for (const key of ['a', 'b', 'c', 'a']) await topic.append({ key, value: key });
    const table = await openTable(topic, { bytesMax });
    expect((await table.get('b'))?.value).toBe('b');
    await topic.deleteBefore({ partition: 0, offset: 2 });
    expect(await table.get('b')).toBeNull();
    expect(table.stats().keyCount).toBe(2);
    expect(await valuesOf(table)).toEqual({ a: 'a', c: 'c' });
    await table.reached(await topic.append({ key: 'b', value: 'again' }));
    expect(await valuesOf(await openTable(topic, { bytesMax }))).toEqual(await valuesOf(table));
  });

  test('goes on where retention took what it had not read', async () => {
    const { topic, store } = await openTopic();
    const table = await openTable(topic, { bytesMax });
    await table.reached(await topic.append({ key: 'a', value: '0' }));
    // One commit is more than a round holds back, so it is read while this goes on.
    const value = 'x'.repeat(300_000);
    const committed = store.transaction((tx) => {
      for (let at = 0; at < 20; at++) tx.append(topic, { key: `k${at}`, value });
    });
    await committed;
    await topic.deleteBefore({ partition: 0, offset: 18 });
    await table.reached({ partition: 0, offset: 20 });
    expect(Object.keys(await valuesOf(table)).toSorted()).toEqual(['k17', 'k18', 'k19']);
  });

  test('with several partitions that have a key the later record counts', async () => {
    const { topic, clock } = await openTopic({ partitions: 3 });
    const append = (value: string | null, partition: number) =>
      topic.append({ key: 'a', value }, { partition });
    const table = await openTable(topic, { bytesMax });
    const both = async () => {
      const fresh = await openTable(topic, { bytesMax });
      const values = [await table.get('a'), await fresh.get('a')].map((one) => one?.value ?? null);
      expect(values[1]).toBe(values[0]);
      return values[0];
    };
    await append('one', 1);
    await table.reached(await append('two', 0)); // At the same time: the higher partition.
    expect(await both()).toBe('one');
    clock.advance(1);
    await table.reached(await append('three', 0));
    expect(await both()).toBe('three');
    await table.reached(await append(null, 2));
    expect(await both()).toBeNull();
    await table.reached(await append('four', 1)); // As old as the tombstone, and of a lower partition.
    expect(await both()).toBeNull();
    clock.advance(1);
    await table.reached(await append('five', 0));
    expect(await both()).toBe('five');
    expect(table.size).toBe(1);
  });

  test('some partitions alone', async () => {
    const { topic } = await openTopic({ partitions: 3 });
    for (const partition of [0, 1, 2]) {
      await topic.append({ key: `k${partition}`, value: 'x' }, { partition });
    }
    const table = await openTable(topic, { bytesMax, partitions: [2, 0, 2] });
    expect(Object.keys(await valuesOf(table)).toSorted()).toEqual(['k0', 'k2']);
    await table.reached(await topic.append({ key: 'k3', value: 'x' }, { partition: 2 }));
    expect(table.stats().positions.map(({ partition }) => partition)).toEqual([0, 2]);
    await expect(table.reached({ partition: 1, offset: 0 })).rejects.toThrow('`partition`');
  });

  test('goes on with partitions that are added', async () => {
    const { topic, store } = await openTopic();
    const table = await openTable(topic, { bytesMax });
    const some = await openTable(topic, { bytesMax, partitions: [0] });
    await store.addPartitions('t', 3);
    await table.reached(await topic.append({ key: 'a', value: '1' }, { partition: 2 }));
    expect(await valuesOf(table)).toEqual({ a: '1' });
    expect(await valuesOf(some)).toEqual({});
    expect(table.stats().positions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
  });

  test('a deleted topic and a closed store end it, loudly', async () => {
    const { topic, store } = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const other = await store.topic('other', { codec: utf8 });
    const [table, ofOther] = [
      await openTable(topic, { bytesMax }),
      await openTable(other, { bytesMax }),
    ];
    const waiting = rejectionOf(table.reached({ partition: 0, offset: 5 }));
    const changes = rejectionOf(table.changes().next());
    await store.deleteTopic('t');
    expect(await waiting).toMatchObject({ details: { resource: 'topic', name: 't' } });
    expect(await changes).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await expect(table.get('a')).rejects.toMatchObject({ details: { resource: 'topic' } });
    await expect(table.entries().next()).rejects.toMatchObject({ details: { name: 't' } });
    await expect(topic.table({ bytesMax })).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await store.close();
    await expect(ofOther.get('a')).rejects.toMatchObject({ details: { resource: 'store' } });
  });

  test('close ends what waits, and lets go of the partitions', async () => {
    const { topic } = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const table = await topic.table({ bytesMax });
    const { life } = await topic.partitions.at(0).log();
    const changes = table.changes({ from: 'start' });
    await changes.next();
    const next = changes.next();
    const entries = table.entries();
    const reached = rejectionOf(table.reached({ partition: 0, offset: 1 }));
    expect(life.reads.size).toBe(2);
    await table.close();
    await table.close();
    expect((await next).done).toBe(true);
    expect(await reached).toMatchObject({ message: 'table t is closed' });
    await expect(entries.next()).rejects.toThrow('table t is closed');
    await expect(table.get('a')).rejects.toMatchObject({ details: { resource: 'table' } });
    expect(life.reads.size).toBe(0);
    expect(topic.partitions.at(0).isIdle).toBe(true);
  });

  test('a signal ends it, before it is loaded and after', async () => {
    const { topic } = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const ending = new AbortController();
    const table = await openTable(topic, { bytesMax, signal: ending.signal });
    const reason = new Error('enough');
    const changes = table.changes({ signal: ending.signal }).next();
    const loading = topic.table({ bytesMax, signal: ending.signal });
    ending.abort(reason);
    await expect(loading).rejects.toBe(reason);
    await expect(changes).rejects.toBe(reason);
    await expect(table.get('a')).rejects.toBe(reason);
    await expect(topic.table({ bytesMax, signal: ending.signal })).rejects.toBe(reason);
    const { life } = await topic.partitions.at(0).log();
    expect(life.reads.size).toBe(0);
    expect(topic.partitions.at(0).isIdle).toBe(true);
  });
});

describe('changes', () => {
  test('from the start: all records with a key, then what comes', async () => {
    const { topic } = await openTopic();
    await topic.appendBatch([{ key: 'a', value: '1' }, { value: '2' }, { key: 'a', value: null }]);
    const table = await openTable(topic);
    const changes = table.changes({ from: 'start' });
    const shown = async () => {
      const { value } = await changes.next();
      return value === undefined ? null : [value.key, value.record.value, value.isDeleted];
    };
    expect(await shown()).toEqual(['a', '1', false]);
    expect(await shown()).toEqual(['a', null, true]);
    const next = shown();
    await topic.append({ key: 'b', value: '3' });
    expect(await next).toEqual(['b', '3', false]);
    await changes.return();
  });

  test('from now: from the call on, whenever they are asked for', async () => {
    const { topic } = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const table = await openTable(topic);
    const changes = table.changes();
    await table.reached(await topic.append({ key: 'a', value: '2' }));
    expect((await changes.next()).value?.record.value).toBe('2');
    await changes.return();
  });

  test('from the start begins where the topic does, also inside a batch', async () => {
    const { topic } = await openTopic();
    await topic.appendBatch(['a', 'b', 'c'].map((key) => ({ key, value: key })));
    await topic.appendBatch([{ value: 'keyless' }, { key: 'd', value: 'd' }]);
    await topic.deleteBefore({ partition: 0, offset: 2 });
    const table = await openTable(topic);
    const changes = table.changes({ from: 'start' });
    expect((await changes.next()).value?.key).toBe('c');
    await changes.return();
    await topic.deleteBefore({ partition: 0, offset: 4 });
    expect((await openTable(topic)).stats().keylessCount).toBe(0);
  });

  test('a record that counts less than that of another partition is none', async () => {
    const { topic } = await openTopic({ partitions: 2 });
    const table = await openTable(topic);
    const changes = table.changes();
    await table.reached(await topic.append({ key: 'a', value: 'one' }, { partition: 1 }));
    expect((await changes.next()).value?.record.value).toBe('one');
    // Of the same time: that of the higher partition counts.
    await table.reached(await topic.append({ key: 'a', value: 'two' }, { partition: 0 }));
    await topic.append({ key: 'b', value: 'three' }, { partition: 0 });
    expect((await changes.next()).value?.record.value).toBe('three');
    await changes.return();
    expect((await table.get('a'))?.value).toBe('one');
  });

  test('nothing is read for one who does not ask', async () => {
    const { topic } = await openTopic();
    const table = await openTable(topic);
    const { life } = await topic.partitions.at(0).log();
    const changes = table.changes();
    for (let at = 0; at < 50; at++) {
      await table.reached(await topic.append({ key: 'a', value: `${at}` }));
    }
    expect(life.reads.size).toBe(1);
    expect((await changes.next()).value?.record.value).toBe('0');
    await changes.return();
    expect(life.reads.size).toBe(1);
  });

  test('that nobody ever asks for leave nothing behind', async () => {
    const { topic } = await openTopic();
    const table = await openTable(topic);
    const { partitions } = topic;
    const watch = partitions.watch.bind(partitions);
    let watchCount = 0;
    partitions.watch = (callback) => {
      const end = watch(callback);
      watchCount++;
      return () => {
        watchCount--;
        end();
      };
    };
    table.changes();
    await table.changes().return();
    expect(watchCount).toBe(0);
    const changes = table.changes();
    const next = changes.next();
    await topic.append({ key: 'a', value: '1' });
    await next;
    expect(watchCount).toBe(1);
    await changes.return();
    expect(watchCount).toBe(0);
  });

  test('one whom retention passed is told, for he may have missed a deletion', async () => {
    const { topic } = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const table = await openTable(topic);
    const changes = table.changes();
    await topic.append({ key: 'a', value: null });
    await topic.append({ key: 'b', value: '2' });
    await topic.deleteBefore({ partition: 0, offset: 2 });
    await expect(changes.next()).rejects.toMatchObject({ code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE' });
    expect((await table.get('b'))?.value).toBe('2');
  });
});

describe('what is asked wrongly', () => {
  test.each<[string, unknown, string]>([
    ['an unknown option', { bytesmax: 1 }, 'bytesMax'],
    ['negative memory', { bytesMax: -1 }, 'bytesMax'],
    ['no partitions', { partitions: [] }, 'not empty'],
    ['a partition that is not there', { partitions: [1] }, 'from 0 to 0'],
    ['a signal that is none', { signal: 1 }, 'AbortSignal'],
  ])('%s', async (_name, options, message) => {
    const { topic } = await openTopic();
    const given = options as TableOptions; // As from JavaScript.
    await expect(topic.table(given)).rejects.toThrow(message);
  });

  test('keys, places and changes', async () => {
    const { topic } = await openTopic();
    const table = await openTable(topic);
    const wrong = 1 as unknown as string;
    await expect(table.get(wrong)).rejects.toThrow('`key`');
    await expect(table.reached({ partition: 0, offset: -1 })).rejects.toThrow('`offset`');
    await expect(table.reached({ partition: 1, offset: 0 })).rejects.toThrow('`partition`');
    expect(() => table.changes({ from: wrong as 'now' })).toThrow('`from`');
    expect((await entriesOf(table)).size).toBe(0);
  });
});
