/** A queue of which much is settled, on a disk in memory: four sealed segments, and an active one. */
import { expect } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import type { StoreQueue } from '../../src/store/store-queue.ts';
import { HeldSyncs } from './held-syncs.ts';
import { turns } from './log-fixture.ts';
import { StoreBench } from './store-fixture.ts';

export const LOOK_MS = 30_000;
export const DAY_MS = 24 * 60 * 60 * 1000;
export const COUNT = 400;
/** Below what is sealed: three segments of 81 records, and most of a fourth. */
export const SEALED = 320;

export const valueAt = (at: number) => `record ${at} `.padEnd(980, '.');

/** A queue of four sealed segments and an active one, and all that it rewrote. */
export class SettledQueue {
  readonly bench = new StoreBench();
  readonly syncs = new HeldSyncs(this.bench.fileSystem, '/journal/');
  rewrittenCount = 0;
  #store: Store | null = null;
  #queue: StoreQueue<string> | null = null;
  #config = {};

  get store(): Store {
    if (this.#store === null) throw new Error('it was not opened');
    return this.#store;
  }

  get queue(): StoreQueue<string> {
    if (this.#queue === null) throw new Error('it was not opened');
    return this.#queue;
  }

  async open(
    config: object = {},
    segmentBytesMax = 81_920,
    options: StoreOptions = {},
  ): Promise<void> {
    this.#store = await this.bench.open(options);
    this.#store.on('compacted', ({ why, removedCount }) => {
      if (why === 'settled' && removedCount > 0) this.rewrittenCount++;
    });
    this.#config = { ...this.#config, ...config };
    this.#queue = await this.#store.queue('q', {
      codec: utf8,
      segmentBytesMax,
      leaseMs: DAY_MS / 2,
      failuresMax: 1,
      deadLetter: null,
      ...this.#config,
    });
  }

  async reopen(): Promise<void> {
    await this.store.close();
    await this.open();
  }

  async fill(): Promise<readonly Delivery<string>[]> {
    const inputs = Array.from({ length: COUNT }, (_, at) => ({ value: valueAt(at) }));
    await this.queue.sendBatch(inputs);
    const all = await this.queue.acquire({ max: COUNT });
    expect(all).toHaveLength(COUNT);
    return all;
  }

  /** Lets the store look after its queues, until nothing moves any more. */
  async look(): Promise<void> {
    this.bench.clock.advance(LOOK_MS);
    for (let step = 0; step < 40; step++) {
      await turns(20);
      this.bench.clock.advance(100);
    }
  }

  /** Offsets below the active segment whose records are there; each is the one that was sent. */
  async left(): Promise<number[]> {
    const offsets: number[] = [];
    for await (const { offset, value } of this.queue.topic.records()) {
      expect(value).toBe(valueAt(offset));
      if (offset < SEALED) offsets.push(offset);
    }
    return offsets;
  }
}
