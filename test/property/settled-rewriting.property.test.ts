/**
 * A queue whose segments are rewritten all the while: whatever its consumers do, and another group that comes,
 * every record that somebody has not settled is there, and handed out as it was sent.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import type { ShareGroup } from '../../src/queue/share-group.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreQueue } from '../../src/store/store-queue.ts';
import { turns } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { StoreBench } from '../support/store-fixture.ts';

const LOOK_MS = 30_000;
const DAY_MS = 24 * 3_600_000;

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ sends: fc.integer({ min: 1, max: 25 }) }) },
  { weight: 5, arbitrary: fc.record({ acquires: fc.integer({ min: 1, max: 40 }) }) },
  // Of what is leased, by place: which of it, and how it ends.
  {
    weight: 8,
    arbitrary: fc.record({
      of: fc.constantFrom('queue' as const, 'queue' as const, 'late' as const),
      ends: fc.constantFrom('ack' as const, 'ack' as const, 'release', 'delay', 'reject'),
      every: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom('look' as const, 'look' as const, 'purge', 'undo', 'late', 'reopen'),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const valueAt = (offset: number) => `record ${offset} `.padEnd(300, '.');

let rewrittenCount = 0;
let undoneCount = 0;

/** What one group has not settled, as this test knows by what it did. */
class Consumer {
  readonly unsettled = new Set<number>();
  /** By the last purge. */
  purged = new Set<number>();
  /** Came back from a purge, unless they were rewritten away meanwhile. */
  perhaps = new Set<number>();
  leased: Delivery<string>[] = [];
  group: ShareGroup<string>;

  constructor(group: ShareGroup<string>) {
    this.group = group;
  }

  async acquire(max: number): Promise<void> {
    for (const delivery of await this.group.acquire({ max })) {
      const { offset, value } = delivery;
      expect(value).toBe(valueAt(offset));
      if (this.perhaps.delete(offset)) this.unsettled.add(offset);
      expect(this.unsettled.has(offset), `${offset} was settled`).toBe(true);
      this.leased.push(delivery);
    }
  }

  async end(how: string, every: number): Promise<void> {
    const chosen = this.leased.filter((_, at) => at % every === 0);
    this.leased = this.leased.filter((_, at) => at % every !== 0);
    for (const delivery of chosen) {
      if (how === 'release') await delivery.release();
      else if (how === 'delay') await delivery.release({ delayMs: DAY_MS });
      else if (how === 'reject') await delivery.reject('broken');
      else {
        await delivery.ack();
        this.unsettled.delete(delivery.offset);
      }
    }
  }
}

class World {
  readonly bench = new StoreBench();
  /** Offsets that were purged when segments were rewritten: they may be missing when that is undone. */
  readonly #excused = new Set<number>();
  #store: Store | null = null;
  #queue: StoreQueue<string> | null = null;
  #main: Consumer | null = null;
  #late: Consumer | null = null;
  #sent = 0;

  async open(): Promise<void> {
    const store = await this.bench.open();
    this.#store = store;
    store.on('compacted', ({ why }) => {
      if (why === 'settled') rewrittenCount++;
    });
    this.#queue = await store.queue('q', {
      codec: utf8,
      segmentBytesMax: 4096,
      leaseMs: DAY_MS / 2,
      failuresMax: 1,
      deadLetter: null,
    });
    this.#main = this.#adopt(this.#main, this.#queue);
    if (this.#late !== null) {
      this.#late = this.#adopt(this.#late, await this.#queue.topic.shareGroup('late', LATE));
    }
  }

  async run(one: Step): Promise<void> {
    const queue = this.#queue;
    const main = this.#main;
    if (queue === null || main === null) throw new Error('it is not open');
    if (typeof one === 'object') await this.#use(one, queue, main);
    else if (one === 'look') await this.#look();
    else if (one === 'purge') {
      const before = await this.#readyOf(main);
      const count = await queue.purge();
      if (count === 0) return;
      if (main.perhaps.size === 0) expect(count).toBe(before.size);
      main.purged = new Set([...before, ...main.perhaps]);
      main.perhaps.clear();
      for (const offset of before) main.unsettled.delete(offset);
    } else if (one === 'undo') {
      // A purge of nothing takes the place of the one before.
      if ((await queue.undoPurge()) === 0) main.purged.clear();
      if (main.purged.size > 0) undoneCount++;
      for (const offset of main.purged) {
        (this.#excused.has(offset) ? main.perhaps : main.unsettled).add(offset);
      }
      main.purged = new Set();
    } else if (one === 'late' && this.#late === null) {
      this.#late = new Consumer(await queue.topic.shareGroup('late', LATE));
      for await (const { offset } of queue.topic.records()) this.#late.unsettled.add(offset);
    } else if (one === 'reopen') {
      await this.close();
      await this.open();
    }
  }

  /** All that is not settled is there. */
  async check(): Promise<void> {
    const found = new Set<number>();
    for await (const { offset, value } of this.#queue?.topic.records() ?? []) {
      expect(value).toBe(valueAt(offset));
      found.add(offset);
    }
    for (const consumer of [this.#main, this.#late]) {
      for (const offset of consumer?.unsettled ?? []) {
        expect(found.has(offset), `${offset} is there`).toBe(true);
      }
    }
  }

  async close(): Promise<void> {
    await this.#store?.close();
  }

  /** Leases end with their process. */
  #adopt(before: Consumer | null, group: ShareGroup<string>): Consumer {
    const consumer = new Consumer(group);
    for (const offset of before?.unsettled ?? []) consumer.unsettled.add(offset);
    consumer.purged = before?.purged ?? new Set();
    consumer.perhaps = before?.perhaps ?? new Set();
    return consumer;
  }

  async #use(one: Exclude<Step, string>, queue: StoreQueue<string>, main: Consumer): Promise<void> {
    if ('sends' in one) {
      for (let n = 0; n < one.sends; n++) {
        const { offset } = await queue.send(valueAt(this.#sent));
        expect(offset).toBe(this.#sent++);
        for (const consumer of [main, this.#late]) consumer?.unsettled.add(offset);
      }
    } else if ('acquires' in one) {
      for (const consumer of [main, this.#late]) await consumer?.acquire(one.acquires);
    } else await (one.of === 'late' ? this.#late : main)?.end(one.ends, one.every);
  }

  async #look(): Promise<void> {
    for (const offset of this.#main?.purged ?? []) {
      if (this.#late?.unsettled.has(offset) !== true) this.#excused.add(offset);
    }
    this.bench.clock.advance(LOOK_MS);
    for (let before = -1, quiet = 0; quiet < 4; quiet++) {
      if (rewrittenCount > before) quiet = 0;
      before = rewrittenCount;
      await turns(100);
      this.bench.clock.advance(10);
    }
    await this.check();
  }

  /** What a purge settles: all that is not leased, nor dead. */
  async #readyOf({ group, unsettled, leased }: Consumer): Promise<Set<number>> {
    const ready = new Set(unsettled);
    for (const { offset } of leased) ready.delete(offset);
    for await (const { offset, state } of group.browse()) {
      if (state === 'dead') ready.delete(offset);
    }
    return ready;
  }
}

const LATE = {
  retention: 'settled',
  deadLetter: null,
  failuresMax: 1,
  leaseMs: DAY_MS / 2,
} as const;

test('nothing goes that somebody has not settled, whatever is rewritten meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 30, maxLength: 80, size: 'max' }),
      async (steps) => {
        const world = new World();
        await world.open();
        await world.run({ sends: 25 });
        for (const one of steps) await world.run(one);
        await world.run('look');
        await world.run('reopen');
        await world.check();
        await world.close();
      },
    ),
    asyncPropertyOptions({ numRuns: 75, endOnFailure: true }),
  );
  expect(rewrittenCount).toBeGreaterThan(20);
  expect(undoneCount).toBeGreaterThan(3);
});
