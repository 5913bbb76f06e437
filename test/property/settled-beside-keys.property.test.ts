/**
 * One log whose segments are rewritten for their settled records and by key, both at once, with deletion and
 * reopening between: nobody meets damage, and nothing goes but what is settled, superseded or deleted.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { Pace } from '../../src/core/pace.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import type { Log } from '../../src/log/log.ts';
import { openLog } from '../../src/log/open-log.ts';
import type { WantedOffsets } from '../../src/log/settled-rewriter.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { LOG_PATH, turns } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';

const STEP = { turns: fc.oneof(fc.nat(3), fc.nat(60)) };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      ...STEP,
      kind: fc.constant('append' as const),
      keys: fc.array(fc.nat(12), { minLength: 1, maxLength: 20 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      ...STEP,
      kind: fc.constant('settle' as const),
      // All but one in so many.
      every: fc.integer({ min: 3, max: 30 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ ...STEP, kind: fc.constant('compact' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ ...STEP, kind: fc.constant('delete' as const), share: fc.nat(60) }),
  },
  { weight: 1, arbitrary: fc.record({ ...STEP, kind: fc.constant('rest' as const) }) },
  { weight: 1, arbitrary: fc.record({ ...STEP, kind: fc.constant('reopen' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const valueAt = (offset: number, key: number) => `${offset} of ${key} `.padEnd(250, '.');

let settledCount = 0;
let supersededCount = 0;
let besideCount = 0;

class World {
  readonly #clock = new ManualClock();
  readonly #fileSystem = new MemoryFileSystem();
  /** By offset. */
  readonly #keys: number[] = [];
  readonly #settled = new Set<number>();
  #log: Log<string> | null = null;
  #going: Promise<void>[] = [];
  #isSettling = false;
  #compactingCount = 0;

  get log(): Log<string> {
    if (this.#log === null) throw new Error('it is closed');
    return this.#log;
  }

  async open(): Promise<void> {
    this.#log = await openLog(LOG_PATH, {
      codec: utf8,
      fileSystem: this.#fileSystem,
      clock: this.#clock,
      segmentBytesMax: 4096,
      compaction: 'key',
    });
  }

  async step(one: Step): Promise<void> {
    if (one.kind === 'append') await this.#append(one.keys);
    else if (one.kind === 'settle') this.#begin(this.#settle(one.every));
    else if (one.kind === 'compact') this.#begin(this.#compact());
    else if (one.kind === 'delete') this.#begin(this.#delete(one.share / 100));
    else {
      await this.#rest();
      if (one.kind === 'reopen') await this.#reopen();
      await this.#check();
    }
    await turns(one.turns);
  }

  /** Once more by key: then none is there twice, in the sealed segments. */
  async end(): Promise<void> {
    await this.#rest();
    const { limitOffset } = await this.log.compact();
    const seen = new Set<number>();
    for (const offset of await this.#check()) {
      const key = this.#keys[offset] ?? -1;
      if (offset < limitOffset) expect(seen.has(key), `key ${key} twice`).toBe(false);
      seen.add(key);
    }
    await this.#reopen();
    await this.#check();
    await this.log.close();
    for await (const event of verifyLog(LOG_PATH, { fileSystem: this.#fileSystem })) {
      expect(event.type, JSON.stringify(event)).toBe('segment');
    }
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  #begin(action: Promise<void>): void {
    action.catch(() => undefined); // `#rest` tells of it.
    this.#going.push(action);
  }

  async #rest(): Promise<void> {
    const going = this.#going;
    this.#going = [];
    await Promise.all(going);
  }

  async #append(keys: readonly number[]): Promise<void> {
    for (const key of keys) {
      const value = valueAt(this.#keys.length, key);
      const { offset } = await this.log.append({ key: `key ${key}`, value });
      expect(offset).toBe(this.#keys.length);
      this.#keys.push(key);
    }
    await this.log.sync();
  }

  /** One at a time: so do stores. */
  async #settle(every: number): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      for (let offset = 0; offset < this.#keys.length; offset++) {
        if (offset % every !== 0) this.#settled.add(offset);
      }
      const { settledRewriter } = this.log.forStore();
      const { segments } = await settledRewriter.choose(() => this.#wanted());
      const { signal } = new AbortController();
      const clock = this.#clock;
      for (const segment of segments) {
        const pace = new Pace({ clock, bytesPerSecondMax: null, keepsAlive: false, signal });
        const movedBytes = await settledRewriter.rewrite(segment, this.#wanted(), pace);
        if (movedBytes > 0) settledCount++;
        if (movedBytes > 0 && this.#compactingCount > 0) besideCount++;
      }
    } finally {
      this.#isSettling = false;
    }
  }

  #wanted(): WantedOffsets {
    const has = (offset: number) => !this.#settled.has(offset);
    const countIn = (from: number, to: number) => {
      let count = 0;
      for (let offset = from; offset < to; offset++) if (has(offset)) count++;
      return count;
    };
    return { has, countIn };
  }

  async #compact(): Promise<void> {
    this.#compactingCount++;
    try {
      supersededCount += (await this.log.compact()).supersededCount;
    } finally {
      this.#compactingCount--;
    }
  }

  async #delete(share: number): Promise<void> {
    const { startOffset, visibleOffset } = this.log;
    const offset = startOffset + Math.floor((visibleOffset - startOffset) * share);
    await this.log.deleteBefore(offset);
  }

  async #reopen(): Promise<void> {
    await this.log.close();
    await this.open();
  }

  /** @returns the offsets that are there */
  async #check(): Promise<number[]> {
    const found = new Set<number>();
    for await (const { offset, value } of this.log.records()) {
      expect(value).toBe(valueAt(offset, this.#keys[offset] ?? -1));
      found.add(offset);
    }
    const later = new Set<number>();
    for (let offset = this.#keys.length - 1; offset >= this.log.startOffset; offset--) {
      const key = this.#keys[offset] ?? -1;
      const mayBeGone = this.#settled.has(offset) || later.has(key);
      expect(found.has(offset) || mayBeGone, `${offset} is there`).toBe(true);
      later.add(key);
    }
    return [...found];
  }
}

test('settled records and superseded ones go side by side, and nothing else does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
      async (steps) => {
        const world = new World();
        await world.open();
        try {
          for (const one of steps) await world.step(one);
          await world.end();
        } finally {
          await world.close();
        }
      },
    ),
    asyncPropertyOptions({ numRuns: 50, interruptAfterTimeLimit: 100_000 }),
  );
  // Or nothing of it was tried.
  expect(Math.min(settledCount, supersededCount, besideCount)).toBeGreaterThan(0);
}, 200_000);
