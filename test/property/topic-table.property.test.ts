/** Tables of a topic against what a plain read of it comes to, over restarts, while it is written. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { TopicTable } from '../../src/topic/topic-table.ts';
import { asyncPropertyOptions, REPLAY } from '../support/property.ts';
import { StoreBench } from '../support/store-fixture.ts';
import { ChangeFold, entriesOf, rowsOf } from '../support/table-model.ts';

/** Some are no text, and look alike as text. */
const KEYS = [
  ...Array.from({ length: 12 }, (_, at) => Buffer.from(`key ${at}`)),
  Buffer.from([0xff]),
  Buffer.from([0xfe]),
  Buffer.from([0xc3, 0x28]),
  Buffer.from('�'),
  Buffer.alloc(0),
];

const put = fc.record({
  key: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...KEYS) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  value: fc.oneof(
    { weight: 3, arbitrary: fc.nat(200) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  /** Where it goes, when keys are scattered. */
  partition: fc.nat(2),
});
type Put = typeof put extends fc.Arbitrary<infer P> ? P : never;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ one: put }) },
  { weight: 4, arbitrary: fc.record({ batch: fc.array(put, { minLength: 1, maxLength: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ burst: fc.array(put, { minLength: 2, maxLength: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ commit: fc.array(put, { minLength: 1, maxLength: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ advanceMs: fc.integer({ min: 1, max: 50 }) }) },
  { weight: 3, arbitrary: fc.record({ trimTo: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ grow: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ reopen: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ check: fc.constant(true) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const settings = fc.record({
  partitions: fc.integer({ min: 1, max: 3 }),
  segmentBytesMax: fc.constantFrom(4096, 1 << 20),
  batchBytesMax: fc.constantFrom(1024, 65_536),
  durability: fc.constantFrom('os' as const, 'sync' as const),
  /** Keys go to a partition by chance, as somebody may have it who chooses them. */
  isScattered: fc.constantFrom(false, false, true),
  bytesMax: fc.constantFrom(0, 2000, 1 << 20),
});
type Settings = typeof settings extends fc.Arbitrary<infer S> ? S : never;

const counts = { records: 0, rows: 0, changes: 0, tombstones: 0, checks: 0, trims: 0 };

/** A topic with tables that have been there since it was opened, and those who fold their changes. */
class World {
  readonly bench = new StoreBench();
  readonly #settings: Settings;
  store!: Store;
  topic!: StoreTopic<string>;
  #tables: TopicTable<string>[] = [];
  #folds: ChangeFold[] = [];
  #markCount = 0;
  #isNew = true;
  #hasTrimmed = false;

  constructor(set: Settings) {
    this.#settings = set;
  }

  async open(): Promise<void> {
    const { bytesMax, isScattered: _, partitions, ...options } = this.#settings;
    this.store = await this.bench.open();
    const create = { codec: utf8, ...options, partitions };
    this.topic = await this.store.topic('t', this.#isNew ? create : { codec: utf8 });
    this.#isNew = false;
    this.#tables = [await this.topic.table(), await this.topic.table({ bytesMax })];
    this.#hasTrimmed = false;
    this.#folds = this.#tables.flatMap((table) => [
      new ChangeFold(table, 'start'),
      new ChangeFold(table, entriesOf(table)),
    ]);
  }

  async close(): Promise<void> {
    for (const fold of this.#folds) {
      await fold.stop();
      counts.changes += fold.count;
    }
    for (const table of this.#tables) await table.close();
    await this.store.close();
  }

  async run(doing: Step): Promise<void> {
    const { topic, store } = this;
    if ('one' in doing) await this.#append([doing.one]);
    else if ('batch' in doing) await this.#append(doing.batch);
    else if ('burst' in doing) await Promise.all(doing.burst.map((one) => this.#append([one])));
    else if ('commit' in doing) {
      await store.transaction((tx) => {
        for (const one of doing.commit) tx.append(topic, inputOf(one), this.#placeOf(one));
      });
    } else if ('advanceMs' in doing) this.bench.clock.advance(doing.advanceMs);
    else if ('trimTo' in doing) await this.#trim(doing.trimTo);
    else if ('grow' in doing) {
      if (topic.partitionCount < 4) await store.addPartitions('t', topic.partitionCount + 1);
    } else if ('reopen' in doing) {
      await this.check();
      await this.close();
      await this.open();
    } else await this.check();
  }

  async check(): Promise<void> {
    const { topic } = this;
    this.bench.clock.advance(1);
    await this.#catchUp();
    const expected = await rowsOf(topic);
    counts.checks++;
    counts.rows += expected.size;
    const fresh = await topic.table();
    for (const table of [...this.#tables, fresh]) await this.#compare(table, expected);
    await fresh.close();
    for (const { rows } of this.#folds) {
      // What retention took is no change.
      if (!this.#hasTrimmed) expect(rows).toEqual(expected);
      else expect([...rows]).toEqual(expect.arrayContaining([...expected]));
    }
    await this.#compareReadOnly(expected);
  }

  /** Tables and those who fold their changes have all there is. */
  async #catchUp(): Promise<void> {
    const { topic } = this;
    const number = this.#markCount++;
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const key = `mark ${number} ${partition}`;
      const place = await topic.append({ key, value: 'x' }, { partition });
      for (const table of this.#tables) await table.reached(place);
      for (const fold of this.#folds) await fold.seen(key);
    }
  }

  async #compare(
    table: TopicTable<string>,
    expected: Map<string, string> | ReadonlyMap<string, string>,
  ) {
    expect(await entriesOf(table)).toEqual(expected);
    expect(table.size).toBe(expected.size);
    expect(table.stats().keyCount).toBe(expected.size);
    for (const key of KEYS) {
      const record = await table.get(key);
      const row =
        record === null ? undefined : `${record.partition}/${record.offset} ${record.value}`;
      expect(row, `key ${key.toString('hex')}`).toBe(expected.get(key.toString('hex')));
    }
  }

  /** As another process would read it. */
  async #compareReadOnly(expected: ReadonlyMap<string, string>): Promise<void> {
    await this.topic.sync();
    this.bench.clock.advance(1000); // By then the checkpoint says what is visible.
    await new Promise((resolve) => setImmediate(resolve));
    const store = await this.bench.open({ readOnly: true });
    try {
      const topic = await store.topic('t', { codec: utf8, create: false });
      const table = await topic.table();
      await this.#compare(table, expected);
      await table.close();
    } finally {
      await store.close();
    }
  }

  #placeOf({ partition }: Put): { readonly partition?: number } {
    const { topic } = this;
    return this.#settings.isScattered ? { partition: partition % topic.partitionCount } : {};
  }

  async #append(puts: readonly Put[]): Promise<void> {
    counts.records += puts.length;
    counts.tombstones += puts.filter(({ value }) => value === null).length;
    const [first] = puts;
    if (first === undefined) return;
    await this.topic.appendBatch(puts.map(inputOf), this.#placeOf(first));
  }

  async #trim(share: number): Promise<void> {
    // A key that lies in several partitions would come back from another one, in a table made anew.
    if (this.#settings.isScattered || this.topic.partitionCount > this.#settings.partitions) return;
    await this.#catchUp(); // Who reads changes and is passed by this is told that he is.
    const { partitions } = await this.#extents();
    const partition = Math.floor(share * partitions.length) % partitions.length;
    const { startOffset, visibleOffset } = partitions[partition] ?? {
      startOffset: 0,
      visibleOffset: 0,
    };
    const offset = startOffset + Math.floor(share * (visibleOffset - startOffset));
    await this.topic.deleteBefore({ partition, offset });
    this.#hasTrimmed = true;
    counts.trims++;
  }

  async #extents() {
    const logs = this.topic.partitions.all().map((partition) => partition.log());
    return { partitions: await Promise.all(logs) };
  }
}

function inputOf({ key, value }: Put) {
  return { key, value: value === null ? null : 'v'.repeat(value) };
}

test('a table is what the topic comes to, and so are its changes, one after the other', async () => {
  const { numRuns = 0, ...options } = asyncPropertyOptions<[Settings, Step[]]>();
  await fc.assert(
    fc.asyncProperty(
      settings,
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
      async (set, steps) => {
        const world = new World(set);
        await world.open();
        for (const doing of steps) await world.run(doing);
        await world.check();
        await world.close();
        expect(world.bench.clock.pendingTimerCount).toBe(0);
      },
    ),
    { ...options, numRuns: Math.ceil(numRuns / 2) }, // Each takes as long as many others.
  );
  expect(counts.records, REPLAY).toBeGreaterThan(500);
  expect(counts.tombstones, REPLAY).toBeGreaterThan(100);
  expect(counts.rows, REPLAY).toBeGreaterThan(300);
  expect(counts.changes, REPLAY).toBeGreaterThan(1000);
  expect(counts.trims, REPLAY).toBeGreaterThan(5);
});
