/**
 * Copies per second into all queues behind an exchange, while consumers see them soon: publishers wait
 * whenever the oldest record that is not in all queues was published too long ago, and so publish as
 * fast as copies are made.
 *
 * The lag is the run's own: it notes when how many records were published, and how many of them every
 * queue has. `lagMaxMs` is the longest that a record waited; what counts are records that came through
 * between the first look and the last.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openStore } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import {
  copiesIn,
  drained,
  makeExchange,
  nextKey,
  type BoundQueue,
  type ExchangeShape,
} from './exchange-load.ts';
import { VALUE_BYTE } from './records.ts';

/** Between two looks at the queues. */
const LOOK_MS = 10;
/** Of the second that is allowed. */
const LAG_MS_MAX = 200;

export type PublishSustainedParameters = ExchangeShape & {
  readonly valueBytes: number;
  readonly seconds: number;
  /** 1 = `publish`, else `publishBatch` of so many. */
  readonly recordsPerCall: number;
  readonly callers: number;
};

/** How many records were published by then, the last of them no earlier than `sinceMs`. */
interface Look {
  readonly sinceMs: number;
  readonly published: number;
}

export async function openJob(directory: string, plan: PublishSustainedParameters): Promise<Job> {
  const { valueBytes, seconds, recordsPerCall, callers } = plan;
  const path = join(directory, 'store');
  const value = Buffer.alloc(valueBytes, VALUE_BYTE);
  return {
    async run() {
      const store = await openStore(path);
      const { exchange, queues, keys } = await makeExchange(store, plan);
      const batches = keys.flatMap((_, n) =>
        n % recordsPerCall === 0
          ? [keys.slice(n, n + recordsPerCall).map((routingKey) => ({ value, routingKey }))]
          : [],
      );
      let published = 0;
      let calls = 0;
      const pace = new Pace(queues, () => published);
      const publishOne = () => exchange.publish(value, { routingKey: nextKey(keys, published) });
      const publishMany = () => {
        return exchange.publishBatch(present(batches[calls++ % batches.length], 'one of them'));
      };
      const startMs = performance.now();
      const isOver = () => performance.now() - startMs >= seconds * 1e3;
      const caller = async () => {
        while (!isOver()) {
          await (recordsPerCall === 1 ? publishOne() : publishMany());
          published += recordsPerCall;
          if (pace.mustWait) await pace.wait();
        }
      };
      const looking = pace.look(isOver);
      await Promise.all(Array.from({ length: callers }, caller));
      const { copied, lagMaxMs, endMs } = await looking;
      await drained(queues, published);
      await store.close();
      rmSync(path, { recursive: true });
      const records = copied * queues.length;
      assert(records > 0, 'something came through');
      return { bytes: records * valueBytes, records, ms: endMs - startMs, extra: { lagMaxMs } };
    },
    close: () => Promise.resolve(),
  };
}

interface Progress {
  /** Records that every queue has. */
  readonly copied: number;
  readonly lagMaxMs: number;
  readonly endMs: number;
}

/** Holds publishers back while copies come too late. */
class Pace {
  mustWait = false;
  readonly #queues: readonly BoundQueue[];
  readonly #published: () => number;
  /** Of which not all records are in all queues; oldest first. */
  readonly #looks: Look[] = [];
  #waiters: (() => void)[] = [];

  constructor(queues: readonly BoundQueue[], published: () => number) {
    this.#queues = queues;
    this.#published = published;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Until it is over. */
  async look(isOver: () => boolean): Promise<Progress> {
    let copied = 0;
    let lagMaxMs = 0;
    let sinceMs = performance.now();
    while (!isOver()) {
      await setTimeout(LOOK_MS);
      this.#looks.push({ sinceMs, published: this.#published() });
      sinceMs = performance.now();
      copied = Math.min(...(await Promise.all(this.#queues.map(copiesIn))));
      const lagMs = this.#lagMs(copied);
      lagMaxMs = Math.max(lagMaxMs, lagMs);
      this.mustWait = lagMs > LAG_MS_MAX;
      if (!this.mustWait) this.#wake();
    }
    this.mustWait = false;
    this.#wake();
    return { copied, lagMaxMs, endMs: performance.now() };
  }

  #lagMs(copied: number): number {
    while ((this.#looks[0]?.published ?? Infinity) <= copied) this.#looks.shift();
    const nowMs = performance.now();
    return nowMs - (this.#looks[0]?.sinceMs ?? nowMs);
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}
