/** How much a queue keeps of which little is wanted, where its segments are rolled by age and stay small. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreQueue } from '../../../src/store/store-queue.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LOOK_MS = 30_000;
const HOUR_MS = 60 * 60 * 1000;
/** A month, rolled every three hours. */
const ROLL_MS = 3 * HOUR_MS;
const ROLLS = 240;
/** Segments of a queue are that small where it is not written to often. */
const SMALL_BYTES = 64 * 1024;
/** No file takes less of a disk. */
const BLOCK_BYTES = 4096;
/** What a record takes besides its value, at least. */
const RECORD_BYTES = 8;

class MonthlyQueue {
  readonly bench: StoreBench;
  readonly #store: Store;
  readonly #queue: StoreQueue<string>;
  /** Offsets that are dead and kept. */
  readonly dead: number[] = [];
  readonly #valueBytes: number;
  rewrittenCount = 0;
  sentCount = 0;
  largestBytes = 0;

  private constructor(bench: StoreBench, store: Store, queue: StoreQueue<string>, bytes: number) {
    this.bench = bench;
    this.#store = store;
    this.#queue = queue;
    this.#valueBytes = bytes;
    store.on('compacted', () => this.rewrittenCount++);
  }

  static async open(valueBytes: number): Promise<MonthlyQueue> {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', {
      codec: utf8,
      segmentAgeMsMax: ROLL_MS - 1,
      failuresMax: 1,
      deadLetter: null,
    });
    return new MonthlyQueue(bench, store, queue, valueBytes);
  }

  /** What is sent until the next roll: of all of it one record dies. */
  async fill(count: number): Promise<void> {
    const value = (at: number) => `record ${this.sentCount + at} `.padEnd(this.#valueBytes, '.');
    await this.#queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: value(at) })));
    this.sentCount += count;
    const all = await this.#queue.acquire({ max: count });
    expect(all).toHaveLength(count);
    const [broken, ...others] = all;
    await broken?.reject('broken');
    if (broken !== undefined) this.dead.push(broken.offset);
    await this.#queue.ackAll(others);
    this.largestBytes = Math.max(this.largestBytes, ...(await this.sizes()));
  }

  /** Time passes; the store looks after its queues once. */
  async pass(ms: number): Promise<void> {
    this.bench.clock.advance(ms - LOOK_MS);
    await turns(10);
    this.bench.clock.advance(LOOK_MS);
    for (let before = -1; before < this.rewrittenCount;) {
      before = this.rewrittenCount;
      await turns(100);
      this.bench.clock.advance(1);
    }
  }

  /** Bytes of each segment, oldest first. */
  async sizes(): Promise<number[]> {
    const { fileSystem } = this.bench;
    const { path } = this.#queue.topic.partitions.at(0);
    const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log'));
    const stats = await Promise.all(
      names.toSorted().map((name) => fileSystem.stat(`${path}/${name}`)),
    );
    return stats.map(({ sizeBytes }) => sizeBytes);
  }

  /** Offsets that are there. */
  async left(): Promise<number[]> {
    const offsets: number[] = [];
    for await (const { offset } of this.#queue.topic.records()) offsets.push(offset);
    return offsets;
  }

  get unsettledBytes(): number {
    return this.dead.length * (this.#valueBytes + RECORD_BYTES);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

test('a month of small segments with a dead record each keeps three times what is unsettled', async () => {
  const queue = await MonthlyQueue.open(400);
  const counts: number[] = [];
  for (let roll = 0; roll < ROLLS; roll++) {
    await queue.fill(100);
    await queue.pass(ROLL_MS);
    counts.push(queue.rewrittenCount);
  }
  const sizes = await queue.sizes();
  expect(sizes).toHaveLength(ROLLS);
  expect(queue.largestBytes).toBeLessThan(SMALL_BYTES);
  expect(sum(sizes)).toBeLessThanOrEqual(3 * queue.unsettledBytes + 2 * queue.largestBytes);
  // They wait until two of them are due, and each is rewritten once.
  expect(counts.slice(0, 6)).toEqual([0, 0, 2, 2, 4, 4]);
  expect(counts.at(-1)).toBe(ROLLS - 2);
  const left = await queue.left();
  expect(queue.dead.filter((offset) => !left.includes(offset))).toEqual([]);
  await queue.close();
});

test('segments are left alone that take no more of a disk than an empty one', async () => {
  const queue = await MonthlyQueue.open(20);
  for (let roll = 0; roll < ROLLS; roll++) {
    await queue.fill(50);
    await queue.pass(ROLL_MS);
  }
  const sizes = await queue.sizes();
  expect(sizes).toHaveLength(ROLLS);
  expect(queue.largestBytes).toBeLessThan(BLOCK_BYTES);
  expect(sum(sizes)).toBeGreaterThan(SMALL_BYTES);
  expect(queue.rewrittenCount).toBe(0);
  await queue.close();
});
