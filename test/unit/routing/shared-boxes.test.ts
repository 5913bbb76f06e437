/** Logs that get the same records share boxes, and get what they would alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { Outbox, OutboxPool } from '../../../src/routing/outbox.ts';
import { shareBoxes, type BoxOwner } from '../../../src/routing/shared-boxes.ts';
import { manyExamples } from '../../support/property.ts';
import { batchOf, NO_EXTENSION, recordsIn } from '../../support/numbered-batch.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';

const OWNERS = 5;
const RECORDS = 20;

class Owner implements BoxOwner {
  box: Outbox | null = null;
  /** What it is to get with its next batch. */
  wanted: number[] = [];
  readonly #pool: OutboxPool;

  constructor(pool: OutboxPool) {
    this.#pool = pool;
  }

  ownBox(): Outbox {
    if (this.box?.ownerCount === 1) return this.box;
    const own = this.#pool.take();
    if (this.box !== null) own.copyFrom(this.box);
    this.#giveBack();
    return (this.box = own);
  }

  shareBox(box: Outbox): void {
    box.ownerCount++;
    this.#giveBack();
    this.box = box;
  }

  /** @returns numbers of the records in its batch, and where they come from */
  flush(position: number): { records: number[]; sources: number } {
    if (this.box === null) return { records: [], sources: 0 };
    const encoded = this.box.encoded({ exchangeId: 1, stream: 0, position });
    const found = numbersIn(Buffer.from(encoded.bytes), encoded.recordCount);
    this.#giveBack();
    this.box = null;
    return { records: found, sources: encoded.recordCount };
  }

  #giveBack(): void {
    if (this.box !== null) this.#pool.giveBack(this.box);
  }
}

function numbersIn(bytes: Uint8Array, recordCount: number): number[] {
  const cursor = new BatchCursor();
  cursor.reset(recordsIn(bytes, recordCount));
  const found: number[] = [];
  while (cursor.next()) found.push(cursor.valueView()?.[0] ?? -1);
  return found;
}

/** A record for the owners of these bits, or the end of their batches. */
const steps = fc.array(
  fc.record({ owners: fc.integer({ min: 0, max: 2 ** OWNERS - 1 }), isEnd: fc.boolean() }),
  { maxLength: RECORDS, minLength: RECORDS },
);

describe('boxes that are shared', () => {
  it('give each owner what it would have had alone, and hold each record once for alike owners', () => {
    let splits = 0;
    let shared = 0;
    const property = fc.property(steps, (all) => {
      const pool = new OutboxPool();
      const owners = Array.from({ length: OWNERS }, () => new Owner(pool));
      const batch = batchOf(RECORDS);
      const cursor = new BatchCursor();
      cursor.reset(batch);
      for (const { owners: bits, isEnd } of all) {
        expect(cursor.next()).toBe(true);
        const some = owners.filter((_, at) => (bits >> at) % 2 === 1);
        const position = cursor.offset + 1;
        if (isEnd) {
          for (const owner of some) expect(owner.flush(position).records).toEqual(owner.wanted);
          for (const owner of some) owner.wanted = [];
          continue;
        }
        const boxes: Outbox[] = [];
        if (shareBoxes(some, boxes)) splits++;
        expect(new Set(some.map(({ box }) => box))).toEqual(new Set(boxes));
        expect(new Set(boxes).size).toBe(boxes.length);
        const alike = new Set(some.map(({ wanted }) => wanted.join()));
        expect(boxes.length).toBeGreaterThanOrEqual(alike.size);
        if (boxes.length < some.length) shared++;
        for (const box of boxes) box.add(batch, cursor);
        for (const box of boxes) expect(box.metCount).toBe(0);
        for (const owner of some) owner.wanted.push(cursor.offset);
      }
      for (const owner of owners) expect(owner.flush(RECORDS).records).toEqual(owner.wanted);
    });
    fc.assert(property, manyExamples(300));
    expect(splits).toBeGreaterThan(100);
    expect(shared).toBeGreaterThan(100);
  });

  it('are one for all who always get the same', () => {
    const pool = new OutboxPool();
    const owners = Array.from({ length: OWNERS }, () => new Owner(pool));
    const boxes: Outbox[] = [];
    for (let n = 0; n < 3; n++) expect(shareBoxes(owners, boxes)).toBe(false);
    expect(boxes).toHaveLength(1);
    expect(boxes[0]?.ownerCount).toBe(OWNERS);
  });

  it('have their checksum computed once for all: none alone, one for many', () => {
    const batch = batchOf(3);
    const cursor = new BatchCursor();
    cursor.reset(batch);
    cursor.next();
    const box = new Outbox();
    box.add(batch, cursor);
    const from = { exchangeId: 1, stream: 0, position: 1 };
    expect(box.encoded(from).tail).toBeNull();
    box.clear();
    box.ownerCount = 2;
    box.add(batch, cursor);
    const { tail } = box.encoded(from);
    expect(tail).not.toBeNull();
    expect(box.encoded(from).tail).toBe(tail);
    box.clear();
    expect(box.encoded({ ...from, position: 2 }).recordCount).toBe(0);
    expect(box.encoded(from).bytes).toEqual(NO_EXTENSION);
  });
});

const TOPICS = ['one', 'two', 'three', 'four', 'five'];
const KEYS = 30;

/** Keys by topic: about half of them each. */
function randomKeys(random: SeededRandom): Map<string, ReadonlySet<string>> {
  const some = (): string[] =>
    Array.from({ length: KEYS }, (_, key) => `key ${key}`).filter(
      () => randomBelow(random, 2) === 0,
    );
  return new Map(TOPICS.map((topic) => [topic, new Set(some())]));
}

describe('destinations of many records', () => {
  it.each([1, 2, 3])(
    'get theirs, some alike and one in pieces, while one fails for a while, %i',
    async (seed) => {
      const random = new SeededRandom(seed);
      const disk = await RoutingDisk.make();
      const events = await disk.exchange('events', { type: 'direct' });
      const keysOf = randomKeys(random);
      await disk.run(disk.store.topic('five', { partitions: 3 }));
      for (const [topic, keys] of keysOf) {
        await disk.run(disk.store.topic(topic));
        for (const pattern of keys) await disk.run(events.bind(topic, { pattern }));
      }
      const wanted = new Map<string, string[]>(TOPICS.map((topic) => [topic, []]));
      const path = disk.filesOf('two');
      for (let round = 0; round < 12; round++) {
        const files = disk.disk.fileSystem;
        if (round === 4) files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: 3 });
        const records = Array.from({ length: 200 }, (_, n) => {
          const value = `${round} ${n} `.padEnd(20 + randomBelow(random, 1500), '.');
          return { value, routingKey: `key ${randomBelow(random, KEYS)}` };
        });
        await disk.run(events.publishBatch(records));
        for (const { value, routingKey } of records) {
          for (const [topic, keys] of keysOf)
            if (keys.has(routingKey)) wanted.get(topic)?.push(value);
        }
      }
      await disk.until(async () => {
        const counts = await Promise.all(
          TOPICS.map(async (topic) => (await disk.values(topic)).length),
        );
        return counts.every((count, at) => count === wanted.get(TOPICS[at] ?? '')?.length);
      });
      for (const topic of TOPICS.slice(0, -1))
        expect(await disk.values(topic)).toEqual(wanted.get(topic));
      const five = await disk.values('five');
      expect(five).toHaveLength(wanted.get('five')?.length ?? 0);
      expect(new Set(five)).toEqual(new Set(wanted.get('five')));
      await disk.close();
    },
  );

  it('get theirs in turn with one whose records go to several partitions', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'direct' });
    await disk.run(disk.store.topic('three', { partitions: 3 }));
    for (const topic of ['one', 'two']) await disk.run(disk.store.topic(topic));
    for (const topic of ['one', 'two']) await disk.run(events.bind(topic, { pattern: 'alike' }));
    for (const topic of ['one', 'three']) await disk.run(events.bind(topic, { pattern: 'apart' }));
    // So many that logs stay open and begin new batches together.
    const records = Array.from({ length: 3000 }, (_, n) => {
      const routingKey = n % 3 === 2 ? 'apart' : 'alike';
      return { value: `${n} ${routingKey} `.padEnd(1000, '.'), routingKey };
    });
    await disk.run(events.publishBatch(records, { confirm: 'routed' }));
    const alike = records.filter(({ routingKey }) => routingKey === 'alike');
    expect(await disk.values('one')).toEqual(records.map(({ value }) => value));
    expect(await disk.values('two')).toEqual(alike.map(({ value }) => value));
    expect(await disk.values('three')).toHaveLength(1000);
    await disk.close();
  });

  it('get theirs compressed, each for itself', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'fanout' });
    const topics = { plain: undefined, zipped: 'gzip', 'zipped too': 'gzip' } as const;
    for (const [topic, compression] of Object.entries(topics)) {
      await disk.run(disk.store.topic(topic, compression === undefined ? {} : { compression }));
      await disk.run(events.bind(topic));
    }
    const values = Array.from({ length: 100 }, (_, n) => `${n} `.padEnd(1000, '.'));
    await disk.run(
      events.publishBatch(
        values.map((value) => ({ value })),
        { confirm: 'routed' },
      ),
    );
    await disk.close();
    await disk.open();
    for (const topic of Object.keys(topics)) expect(await disk.values(topic)).toEqual(values);
    await disk.close();
  });
});
