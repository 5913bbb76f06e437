/**
 * BullMQ over a Redis of its own: jobs added by `addBulk`, processed by one `Worker`, removed when done.
 *
 * As its documentation says for speed: `addBulk` instead of `add`, a concurrency of 100 in one worker,
 * jobs removed on completion, `maxRetriesPerRequest: null`. Several callers of `addBulk` are in
 * flight, which with `appendfsync always` share a sync; ioredis' automatic pipelining is off, because
 * it was slower. A job's data is JSON: the payload is a string of as many characters.
 *
 * - `always` is level `sync`: Redis syncs its log before it answers, so a job is on the disk before
 *   `addBulk` resolves, and its attempt before the processor gets it.
 * - `everysec` syncs once in a second: less than `sync`, and a row beside it.
 *
 * Timed from the first `addBulk` to the last job that is recorded as completed; adding and processing
 * go on at the same time. Starting Redis, connecting and closing are outside. Redis starts anew, and
 * empty, for each run. It and its Node client are two processes that talk over loopback TCP and share
 * the machine: so it is for whoever uses it.
 */
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { loadPeer, peerVersion } from './load-peer.ts';
import { VALUE_BYTE } from './records.ts';
import { RedisServer, type AppendFsync } from './redis-server.ts';

const QUEUE = 'queue';

export type PeerBullmqParameters = {
  readonly valueBytes: number;
  /** Added and processed per run; a multiple of `recordsPerCall`. */
  readonly records: number;
  readonly recordsPerCall: number;
  /** Of `addBulk`. */
  readonly callsInFlight: number;
  /** Of the worker. */
  readonly concurrency: number;
  readonly appendFsync: AppendFsync;
};

/** What is used of the package. */
interface Bullmq {
  readonly Queue: new (name: string, options: object) => BullQueue;
  readonly Worker: new (
    name: string,
    process: (job: { readonly data: { readonly payload: string } }) => Promise<void>,
    options: object,
  ) => BullWorker;
}

interface BullQueue {
  waitUntilReady(): Promise<unknown>;
  addBulk(jobs: readonly object[]): Promise<unknown>;
  getJobCounts(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

interface BullWorker {
  waitUntilReady(): Promise<unknown>;
  /** Resolves when the worker is closed. */
  run(): Promise<void>;
  on(event: 'completed', listener: () => void): void;
  on(event: 'failed', listener: (job: unknown, error: Error) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  close(): Promise<void>;
}

export async function openJob(directory: string, plan: PeerBullmqParameters): Promise<Job> {
  const bullmq = loadPeer('bullmq') as Bullmq;
  const path = join(directory, 'redis');
  const withRedis = async <R>(action: (server: RedisServer) => Promise<R>): Promise<R> => {
    const server = await RedisServer.start(path, plan.appendFsync);
    try {
      return await action(server);
    } finally {
      await server.close();
    }
  };
  const redisFacts = await withRedis((server) => server.facts());
  assert(redisFacts['appendfsync'] === plan.appendFsync, 'Redis syncs as it was asked to');
  const versions = { bullmq: peerVersion('bullmq'), ioredis: peerVersion('ioredis') };
  return {
    facts: { ...versions, ...redisFacts },
    run: () => withRedis((server) => run(bullmq, server, plan)),
    close: () => Promise.resolve(),
  };
}

async function run({ Queue, Worker }: Bullmq, server: RedisServer, plan: PeerBullmqParameters) {
  const { records, valueBytes, concurrency } = plan;
  const connection = { host: server.host, port: server.port, maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection });
  let touched = 0;
  const process = (job: { readonly data: { readonly payload: string } }) => {
    touched += job.data.payload.charCodeAt(0);
    return Promise.resolve();
  };
  const worker = new Worker(QUEUE, process, { connection, concurrency, autorun: false });
  const completed = completion(worker, records);
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  const startMs = performance.now();
  const running = worker.run();
  await Promise.all([addAll(queue, plan), completed]);
  const ms = performance.now() - startMs;
  await worker.close();
  await running;
  const left = Object.values(await queue.getJobCounts()).reduce((sum, count) => sum + count, 0);
  await queue.close();
  assert(touched === records * VALUE_BYTE, 'every payload was looked at once');
  assert(left === 0, 'no job is left');
  return { bytes: records * valueBytes, records, ms };
}

/** Resolves when so many jobs were completed. */
function completion(worker: BullWorker, records: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = records;
    worker.on('completed', () => {
      if (--left === 0) resolve();
    });
    worker.on('failed', (_, error) => reject(error));
    worker.on('error', reject);
  });
}

async function addAll(queue: BullQueue, plan: PeerBullmqParameters): Promise<void> {
  const { records, recordsPerCall, callsInFlight, valueBytes } = plan;
  const payload = String.fromCharCode(VALUE_BYTE).repeat(valueBytes);
  const jobs = Array.from({ length: recordsPerCall }, () => ({
    name: 'job',
    data: { payload },
    opts: { removeOnComplete: true },
  }));
  let left = records;
  const caller = async () => {
    while (left > 0) {
      left -= recordsPerCall;
      await queue.addBulk(jobs);
    }
  };
  await Promise.all(Array.from({ length: callsInFlight }, caller));
}
