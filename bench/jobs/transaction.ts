/**
 * Small transactions: a record of a queue is acknowledged, and a record appended to each of two topics,
 * by callers that each wait for theirs before they begin the next. The queue was filled beforehand;
 * acquiring its records, ten at a time, is timed.
 *
 * Everything is at level `sync`. With `plainBytes` one producer more appends plain records to one of the
 * topics, each when the one before is on the disk: what stands before a commit is synced by itself.
 *
 * A run has so many transactions that the journal takes several snapshots meanwhile. `groups` are turns
 * of the event loop in which transactions ended: those that share an entry of the journal end in one.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Delivery, type Queue, type Store, type Topic } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { inNextTurn } from '../../src/core/clock.ts';
import type { Job } from '../core/job.ts';
import { LatencyHistogram } from '../load/latency-histogram.ts';
import { countingFileSystem } from './counting-file-system.ts';
import { checkQueue, fillQueue, makePayloads, QUEUE_OPTIONS, WAIT_MS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

/** Records that a caller takes at a time. */
const ACQUIRE_MAX = 10;

export type TransactionParameters = {
  readonly valueBytes: number;
  /** Per run; a multiple of 1,000. */
  readonly transactions: number;
  readonly callers: number;
  /** Size of the values of a plain producer; null = there is none. */
  readonly plainBytes: number | null;
};

/** What a transaction works on. */
interface Places {
  readonly queue: Queue<Uint8Array>;
  readonly debits: Topic<Uint8Array>;
  readonly credits: Topic<Uint8Array>;
}

export async function openJob(directory: string, plan: TransactionParameters): Promise<Job> {
  const path = join(directory, 'store');
  const { transactions, valueBytes } = plan;
  return {
    async run() {
      const counter = { datasyncs: 0 };
      const store = await openStore(path, { fileSystem: countingFileSystem(counter) });
      const places = await openPlaces(store);
      await fillQueue(places.queue, transactions, valueBytes);
      await openLogs(places);
      const watch = new Watch(counter);
      const plain = appendPlain(places.debits, plan.plainBytes, () => watch.count < transactions);
      await Promise.all([runAll(places, plan, watch), plain]);
      const figures = watch.end();
      await check(places, plan, 1 + (await plain));
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes: 3 * transactions * valueBytes, records: transactions, ...figures };
    },
    close: () => Promise.resolve(),
  };
}

async function openPlaces(store: Store): Promise<Places> {
  const options = { durability: 'sync' } as const;
  return {
    queue: await store.queue('transfers', QUEUE_OPTIONS),
    debits: await store.topic('debits', options),
    credits: await store.topic('credits', options),
  };
}

/** The first record of a log opens it. */
async function openLogs({ debits, credits }: Places): Promise<void> {
  for (const topic of [debits, credits]) await topic.append({ value: Buffer.alloc(1) });
}

async function runAll(places: Places, plan: TransactionParameters, watch: Watch): Promise<void> {
  const { transactions, callers, valueBytes } = plan;
  const [record] = makePayloads(1, valueBytes);
  assert(record !== undefined, 'one record');
  let left = transactions;
  const caller = async () => {
    while (left > 0) {
      const max = Math.min(left, ACQUIRE_MAX);
      left -= max; // Never more, over all callers, than there are.
      for (let wanted = max; wanted > 0;) {
        const deliveries = await places.queue.acquire({ max: wanted, waitMs: WAIT_MS });
        assert(deliveries.length > 0, 'what was sent is acquired by somebody');
        wanted -= deliveries.length;
        for (const delivery of deliveries) {
          const startMs = performance.now();
          const { value } = delivery;
          assert(value?.[0] === VALUE_BYTE, 'the payload is looked at');
          await transact(delivery, places, { value });
          watch.ended(startMs);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

function transact(
  delivery: Delivery<Uint8Array>,
  { debits, credits }: Places,
  record: { readonly value: Uint8Array },
): Promise<void> {
  return delivery.transaction((transaction) => {
    transaction.append(debits, record);
    transaction.append(credits, record);
  });
}

/** @returns how many records it appended */
async function appendPlain(
  topic: Topic<Uint8Array>,
  valueBytes: number | null,
  isGoingOn: () => boolean,
): Promise<number> {
  if (valueBytes === null) return 0;
  const record = { value: Buffer.alloc(valueBytes, VALUE_BYTE) };
  let count = 0;
  for (; isGoingOn(); count++) await topic.append(record);
  return count;
}

/** Everything was done once. */
async function check(
  { queue, debits, credits }: Places,
  { transactions }: TransactionParameters,
  plainCount: number,
): Promise<void> {
  await checkQueue(queue, 0);
  const endOf = (topic: Topic<Uint8Array>) => topic.partitions.opened()[0]?.endOffset;
  assert(endOf(debits) === transactions + plainCount, 'one record for each, and the plain ones');
  assert(endOf(credits) === transactions + 1, 'one record for each, and the first');
}

/** Counts transactions from now on, and what they cost. */
class Watch {
  count = 0;
  readonly #counter: { readonly datasyncs: number };
  readonly #datasyncs: number;
  readonly #histogram = new LatencyHistogram();
  readonly #cpu = process.cpuUsage();
  readonly #startMs = performance.now();
  #groups = 0;
  #isGroupCounted = false;

  constructor(counter: { readonly datasyncs: number }) {
    this.#counter = counter;
    this.#datasyncs = counter.datasyncs;
  }

  ended(startMs: number): void {
    this.count++;
    this.#histogram.record(performance.now() - startMs);
    if (this.#isGroupCounted) return;
    this.#groups++;
    this.#isGroupCounted = true;
    inNextTurn(() => (this.#isGroupCounted = false));
  }

  end() {
    const ms = performance.now() - this.#startMs;
    const { user, system } = process.cpuUsage(this.#cpu);
    const datasyncs = this.#counter.datasyncs - this.#datasyncs;
    const extra = {
      ...this.#histogram.figures(),
      cpuUs: (user + system) / this.count,
      transactionsPerGroup: this.count / this.#groups,
      datasyncsPerGroup: datasyncs / this.#groups,
    };
    return { ms, extra };
  }
}
