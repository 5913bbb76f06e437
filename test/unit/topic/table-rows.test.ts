/** The rows of a table: memory that is given back, and rows that are known by a hash alone. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { Fingerprint } from '../../../src/core/fingerprint.ts';
import { KIB } from '../../../src/core/limits.ts';
import { SeededRandom, randomBelow } from '../../../src/core/random.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import { BoundedRows, type RowSource } from '../../../src/topic/bounded-rows.ts';
import { MemoryRows } from '../../../src/topic/memory-rows.ts';
import { RowShard } from '../../../src/topic/row-shard.ts';
import { TableFeed } from '../../../src/topic/table-feed.ts';
import {
  KeyedCursor,
  rowKeyOf,
  type RowPlace,
  type TableRows,
} from '../../../src/topic/table-rows.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function openTopic(): Promise<StoreTopic<string>> {
  const store = await new StoreBench().open();
  onTestFinished(() => store.close());
  return store.topic('t', { codec: utf8 });
}

/** All records of a topic, one after the other. */
async function* recordsOf({
  partitions,
}: StoreTopic<string>): AsyncGenerator<KeyedCursor<string>, void, void> {
  const how = { chosen: null, from: new Map(), skipsTrimmed: false, keepsAlive: false };
  const feed = new TableFeed({ partitions, ...how });
  const cursor = new KeyedCursor<string>();
  await feed.begin();
  for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
    cursor.begin(fed, { codec: utf8, partition: fed.partition });
    while (cursor.next()) yield cursor;
  }
  feed.close();
}

/** Puts the records [from, to) of a topic into rows. */
async function fill(
  rows: TableRows<string>,
  topic: StoreTopic<string>,
  { from = 0, to = Number.POSITIVE_INFINITY } = {},
): Promise<void> {
  for await (const cursor of recordsOf(topic)) {
    if (cursor.offset < from || cursor.offset >= to) continue;
    if (cursor.isDeleted) rows.delete(cursor.key);
    else rows.put(cursor);
  }
}

function seen({
  key,
  value,
  offset,
  epoch,
  appendTimeMs,
  createTimeMs,
  headers,
}: LogRecord<string>) {
  return { key, value, offset, epoch, appendTimeMs, createTimeMs, headers };
}

describe('rows in memory', () => {
  test('a batch of which little is left is let go of, and nothing of a record changes', async () => {
    const topic = await openTopic();
    // The first batches keep two records each, the last ones all of theirs.
    for (let at = 0; at < 30; at++) {
      const often = Array.from({ length: 40 }, (_, n) => ({
        key: `often ${n}`,
        value: `${at}`.padEnd(500),
      }));
      const headers = { number: `${at}` };
      const once = { key: `once ${at}`, value: `${at}`, headers };
      await topic.appendBatch([once, ...often, { key: `also ${at}`, value: 'also' }]);
    }
    const rows = new MemoryRows<string>(KIB);
    await fill(rows, topic);
    const before = rows.entries().map(seen);
    const bytesBefore = rows.memoryBytes;
    expect(before).toHaveLength(100);
    expect(rows.isWasteful).toBe(true);
    await rows.tidy();
    expect(rows.isWasteful).toBe(false);
    expect(rows.memoryBytes).toBeLessThan(bytesBefore / 8);
    expect(rows.entries().map(seen)).toEqual(before);
    const held = new Set(rows.entries().map(({ memory }) => memory.bytes.buffer));
    const heldBytes = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(heldBytes).toBeLessThan(35 * KIB);
    const often = rows.entries().filter(({ key }) => key?.startsWith('often') === true);
    expect(new Set(often.map(({ memory }) => memory)).size).toBe(1);
  });

  test('a batch that is in use is kept as it is', async () => {
    const topic = await openTopic();
    await topic.appendBatch(
      Array.from({ length: 100 }, (_, at) => ({ key: `${at}`, value: 'x'.repeat(500) })),
    );
    const rows = new MemoryRows<string>(0);
    await fill(rows, topic);
    const before = rows.entries().map(({ memory }) => memory);
    expect(rows.isWasteful).toBe(false);
    await rows.tidy();
    expect(rows.entries().map(({ memory }) => memory)).toEqual(before);
  });
});

test.each(['in memory', 'bounded'])(
  'rows %s that retention took go in steps, between which others come and go',
  async (kind) => {
    const topic = await openTopic();
    const records = Array.from({ length: 20_000 }, (_, at) => ({ key: `key ${at}`, value: '' }));
    for (let at = 0; at < 20_000; at += 2000) await topic.appendBatch(records.slice(at, at + 2000));
    const rows =
      kind === 'bounded'
        ? new BoundedRows<string>(new FakeSource(topic), 0, new Fingerprint(1))
        : new MemoryRows<string>();
    await fill(rows, topic);
    const sizes: number[] = [];
    for (const step = rows.drop([19_000]); step.next().done !== true;) {
      if (sizes.length === 0) rows.delete('key 19999');
      sizes.push(rows.size);
    }
    expect(sizes.length).toBeGreaterThanOrEqual(2);
    expect(sizes[0]).toBeGreaterThan(5000);
    expect(rows.size).toBe(999);
    expect([rows.placeOf('key 18999'), rows.placeOf('key 19000')?.offset]).toEqual([null, 19_000]);
  },
);

/** A source that counts its reads, of which the records can be taken away. */
class FakeSource implements RowSource<string> {
  readCount = 0;
  readonly gone = new Set<number>();
  onCatchUp: () => void = () => undefined;
  readonly #topic: StoreTopic<string>;

  constructor(topic: StoreTopic<string>) {
    this.#topic = topic;
  }

  read({ partition, offset }: RowPlace): Promise<LogRecord<string> | null> {
    this.readCount++;
    return this.gone.has(offset) ? Promise.resolve(null) : this.#topic.read({ partition, offset });
  }

  async catchUp(): Promise<void> {
    this.onCatchUp();
  }

  position = Number.MAX_SAFE_INTEGER;

  positions(): ReadonlyMap<number, number> {
    return new Map([[0, this.position]]);
  }

  async *walk(): AsyncGenerator<KeyedCursor<string>, void, void> {
    for await (const cursor of recordsOf(this.#topic)) {
      if (!this.gone.has(cursor.offset)) yield cursor;
    }
  }
}

test('a bounded table keeps records up to its bound, in memory of their own', async () => {
  const topic = await openTopic();
  const bytesMax = 256 * KIB;
  for (let at = 0; at < 400; at += 20) {
    const keys = Array.from({ length: 20 }, (_, n) => `key ${at + n}`);
    await topic.appendBatch(keys.map((key) => ({ key, value: key.padEnd(4 * KIB) })));
  }
  const source = new FakeSource(topic);
  const rows = new BoundedRows<string>(source, bytesMax, new Fingerprint(1));
  await fill(rows, topic);
  const emptyBytes = rows.memoryBytes;
  for (let at = 0; at < 400; at++) await rows.get(`key ${at}`);
  expect(rows.memoryBytes - emptyBytes).toBeLessThanOrEqual(bytesMax);
  // Some that are kept change, each in a batch of which nothing else is kept.
  for (let at = 360; at < 400; at++) {
    const keys = [`key ${at}`, ...Array.from({ length: 19 }, (_, n) => `other ${at} ${n}`)];
    await topic.appendBatch(keys.map((key) => ({ key, value: key.padEnd(4 * KIB) })));
  }
  await fill(rows, topic, { from: 400 });
  // Those that were asked for last are kept: what is handed out without a read is what is held.
  const held = new Set<ArrayBufferLike>();
  const { readCount } = source;
  for (let at = 399; at >= 0; at--) {
    const record = await rows.get(`key ${at}`);
    if (source.readCount > readCount) break;
    if (record !== null) held.add(record.memory.bytes.buffer);
  }
  const heldBytes = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(heldBytes).toBeLessThanOrEqual(bytesMax);
  expect(heldBytes).toBeGreaterThan(bytesMax / 2);
});

/** All keys have one hash. */
class OneHash extends Fingerprint {
  override ofView(): void {
    this.high = 7;
    this.low = 7;
    this.third = 7;
  }
}

describe('bounded rows', () => {
  test('what was asked for is kept, as long as there is room, and follows what is put', async () => {
    const topic = await openTopic();
    await topic.appendBatch(
      Array.from({ length: 10 }, (_, at) => ({ key: `${at}`, value: `old ${at}` })),
    );
    const source = new FakeSource(topic);
    const rows = new BoundedRows(source, 2200, new Fingerprint(1));
    await fill(rows, topic);
    expect(source.readCount).toBe(0);
    for (const key of ['1', '2', '3', '1', '2', '3']) await rows.get(key);
    expect(source.readCount).toBe(3);
    await rows.get('4'); // No room for four.
    await rows.get('1');
    expect(source.readCount).toBe(5);
    await topic.append({ key: '1', value: 'new' });
    await fill(rows, topic);
    expect((await rows.get('1'))?.value).toBe('new');
    expect(source.readCount).toBe(5);
    expect(rows.memoryBytes).toBeLessThan(2200 + 64 * 16 * 30 + 1);
    rows.delete('1');
    expect(await rows.get('1')).toBeNull();
  });

  test('a record is never handed out for another key that has its hash', async () => {
    const topic = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const rows = new BoundedRows(new FakeSource(topic), 10_000, new OneHash(1));
    await fill(rows, topic);
    expect((await rows.get('a'))?.value).toBe('1'); // It is kept.
    await topic.append({ key: 'b', value: '2' });
    await fill(rows, topic);
    expect(rows.size).toBe(1);
    expect(await rows.get('a')).toBeNull();
    expect((await rows.get('b'))?.value).toBe('2');
    expect(await rows.get('a')).toBeNull();
  });

  test('what compaction took is waited for, once', async () => {
    const topic = await openTopic();
    await topic.append({ key: 'a', value: '1' });
    const source = new FakeSource(topic);
    const rows = new BoundedRows(source, 0, new Fingerprint(1));
    await fill(rows, topic);
    await topic.append({ key: 'a', value: '2' });
    source.gone.add(0);
    let waits = 0;
    source.onCatchUp = () => waits++;
    expect(await rows.get('a')).toBeNull();
    expect(waits).toBe(1);
    expect(source.readCount).toBe(2);
    const filled = fill(rows, topic);
    source.catchUp = () => filled;
    expect((await rows.get('a'))?.value).toBe('2');
  });
});

describe('all entries of bounded rows', () => {
  /** Rows of the first three records: `a`, `b` and `c`, of which `b` has another one at offset 4. */
  async function setup() {
    const topic = await openTopic();
    for (const [at, key] of ['a', 'b', 'c', 'd', 'b'].entries()) {
      await topic.append({ key, value: `${at}` });
    }
    const source = new FakeSource(topic);
    source.position = 3;
    const rows = new BoundedRows(source, 0, new Fingerprint(1));
    await fill(rows, topic, { to: 3 });
    const walked: (string | null)[] = [];
    const walk = async (onEach: (key: string | null) => Promise<void> | void = () => undefined) => {
      for await (const { key, value } of rows.entries()) {
        walked.push(`${key} ${value}`);
        await onEach(key);
      }
      return walked;
    };
    return { topic, source, rows, walk };
  }

  test('have a key whose record compaction took before its successor had come', async () => {
    const { topic, source, rows, walk } = await setup();
    source.gone.add(1);
    source.catchUp = () => fill(rows, topic, { from: 3 });
    expect(await walk()).toEqual(['a 0', 'c 2', 'b 4']);
  });

  test('have it also when its successor comes once the walk has passed the place', async () => {
    const { topic, source, rows, walk } = await setup();
    source.gone.add(1);
    const onEach = async (key: string | null) => {
      if (key === 'c') await fill(rows, topic, { from: 3 });
    };
    expect(await walk(onEach)).toEqual(['a 0', 'c 2', 'b 4']);
  });

  test('have no key twice that changes when it was met', async () => {
    const { topic, rows, walk } = await setup();
    const onEach = async (key: string | null) => {
      if (key === 'b') await fill(rows, topic, { from: 3 });
    };
    expect(await walk(onEach)).toEqual(['a 0', 'b 1', 'c 2']);
  });

  test('leave no memory behind, whether they came to their end or not', async () => {
    const { rows, walk } = await setup();
    const before = rows.memoryBytes;
    await walk();
    for await (const _ of rows.entries()) {
      expect(rows.memoryBytes).toBeGreaterThan(before);
      break;
    }
    expect(rows.memoryBytes).toBe(before);
  });
});

test('a shard of rows is a map, whatever is put, deleted and dropped', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const shard = new RowShard();
    const model = new Map<string, RowPlace>();
    const below = (bound: number): number => randomBelow(random, bound);
    const marked = new Map<object, Set<string>>();
    for (let at = 0; at < 2000; at++) {
      if (below(300) === 0) {
        const by = {};
        shard.beginMarks(by);
        marked.set(by, new Set());
      }
      // Few homes, so that rows stand behind each other, and around the end of the columns.
      const hash = {
        high: below(3),
        low: below(2) === 0 ? below(40) : 0xffff_fff0 + below(16),
        third: below(3),
      };
      const key = `${hash.high} ${hash.low} ${hash.third}`;
      const slot = shard.find(hash);
      const row = model.get(key);
      if (row === undefined) expect(slot).toBe(-1);
      else {
        const found = { partition: shard.partitionAt(slot), offset: shard.offsetAt(slot) };
        expect({ ...found, appendTimeMs: shard.timeAt(slot) }).toEqual(row);
      }
      for (const [by, keys] of marked) {
        expect(slot >= 0 && shard.isMarked(by, slot)).toBe(keys.has(key));
        if (slot >= 0 && below(3) === 0) {
          shard.mark(by, slot);
          keys.add(key);
        }
        if (below(100) > 0) continue;
        shard.endMarks(by);
        marked.delete(by);
      }
      const what = below(10);
      if (what < 6) {
        const place = { partition: below(2), offset: at, appendTimeMs: at * 3 };
        shard.put(hash, place);
        model.set(key, place);
      } else if (what < 9) {
        if (slot >= 0) shard.delete(slot);
        model.delete(key);
      } else if (below(20) === 0) {
        const partition = below(2);
        const offset = below(at + 1);
        const floors: number[] = [];
        floors[partition] = offset;
        shard.drop(floors);
        const isBelow = (place: RowPlace): boolean =>
          place.partition === partition && place.offset < offset;
        const dropped = [...model].filter(([, place]) => isBelow(place));
        for (const [each] of dropped) model.delete(each);
      }
      for (const [by, keys] of marked) {
        marked.set(by, new Set([...keys].filter((each) => model.has(each))));
      }
      expect(shard.count).toBe(model.size);
    }
    for (const key of model.keys()) {
      const [high = 0, low = 0, third = 0] = key.split(' ').map(Number);
      expect(shard.find({ high, low, third })).toBeGreaterThanOrEqual(0);
    }
  }
});

test('the key of a row tells bytes apart', () => {
  expect(rowKeyOf('é')).toBe(rowKeyOf(Buffer.from('é')));
  expect(rowKeyOf(Uint8Array.of(0xff))).not.toBe(rowKeyOf(Uint8Array.of(0xfe)));
  expect(rowKeyOf('\ud800')).toBe(rowKeyOf('\ufffd')); // As they are stored.
});
