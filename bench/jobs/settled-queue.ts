/**
 * A queue that keeps a few of many messages: what it has on the disk when all others are settled, and nothing
 * is rewritten any more.
 *
 * Of each hundred one is dead and kept, or waits for a month, in turn. The store looks after its queues every
 * second here, not every 30 s, so that it does so while messages come and go as often as it would in a day.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../src/core/clock.ts';
import { encodedRecordBytes } from '../../src/format/batch-encoder.ts';
import { bytes, openStore, type Store } from '../../src/index.ts';
import type { OpenJob, Sample } from '../core/job.ts';
import { VALUE_BYTE } from './records.ts';

export type SettledQueueParameters = {
  /** A multiple of 1000. */
  readonly messages: number;
  readonly valueBytes: number;
  readonly segmentBytesMax: number;
};

const AT_A_TIME = 1000;
/** One of so many is not settled. */
const KEPT_EVERY = 100;
const LOOK_MS = 30_000;
const SHORT_LOOK_MS = 1000;
const MONTH_MS = 30 * 24 * 3_600_000;
/** Nothing was rewritten for so long: nothing is left to rewrite. */
const QUIET_MS = 5 * SHORT_LOOK_MS;

const clock: Clock = {
  ...systemClock,
  setTimer: (callback, delayMs, options) =>
    systemClock.setTimer(callback, delayMs === LOOK_MS ? SHORT_LOOK_MS : delayMs, options),
};

export const openJob: OpenJob<SettledQueueParameters> = (directory, parameters) => {
  const path = join(directory, 'store');
  return Promise.resolve({
    run: () => run(path, parameters),
    close: () => Promise.resolve(),
  });
};

async function run(path: string, parameters: SettledQueueParameters): Promise<Sample> {
  const { messages, valueBytes, segmentBytesMax } = parameters;
  const startMs = performance.now();
  const store = await openStore(path, { clock, compactionBytesPerSecondMax: null });
  let lastMs = startMs;
  store.on('compacted', () => (lastMs = performance.now()));
  const keptCount = await useQueue(store, parameters);
  lastMs = performance.now();
  while (performance.now() - lastMs < QUIET_MS) {
    await new Promise((resolve) => setTimeout(resolve, SHORT_LOOK_MS));
  }
  const ms = performance.now() - startMs - QUIET_MS;
  await store.close();
  const sizeBytes = bytesIn(join(path, 'topics'));
  rmSync(path, { recursive: true });
  const recordBytes = encodedRecordBytes(0, null, null) + valueBytes;
  const share = sizeBytes / (3 * keptCount * recordBytes + 2 * segmentBytesMax);
  const mib = sizeBytes / 1024 ** 2;
  return { bytes: messages * recordBytes, records: messages, ms, extra: { share, mib } };
}

/** Sends and settles. @returns how many are not settled */
async function useQueue(store: Store, parameters: SettledQueueParameters): Promise<number> {
  const { messages, valueBytes, segmentBytesMax } = parameters;
  const queue = await store.queue('jobs', {
    codec: bytes,
    durability: 'os',
    segmentBytesMax,
    deadLetter: null,
  });
  const inputs = Array.from({ length: AT_A_TIME }, () => ({
    value: Buffer.alloc(valueBytes, VALUE_BYTE),
  }));
  for (let sent = 0; sent < messages; sent += AT_A_TIME) {
    await queue.sendBatch(inputs);
    const all = [...(await queue.acquire({ max: AT_A_TIME }))];
    const kept = all.filter(({ offset }) => offset % KEPT_EVERY === 0);
    const giveUp = kept.map((delivery) =>
      (delivery.offset / KEPT_EVERY) % 2 === 0
        ? delivery.reject('broken')
        : delivery.release({ delayMs: MONTH_MS }),
    );
    const settled = queue.ackAll(all.filter(({ offset }) => offset % KEPT_EVERY !== 0));
    await Promise.all([...giveUp, settled]);
  }
  await queue.topic.sync();
  const { deadCount, unsettledCount } = await queue.stats();
  if (deadCount + unsettledCount !== messages / KEPT_EVERY) {
    throw new Error(`${deadCount} dead, ${unsettledCount} unsettled of ${messages}`);
  }
  return deadCount + unsettledCount;
}

/** Of all files in a directory, and below. */
function bytesIn(path: string): number {
  return readdirSync(path, { withFileTypes: true }).reduce((sum, entry) => {
    const place = join(path, entry.name);
    return sum + (entry.isDirectory() ? bytesIn(place) : statSync(place).size);
  }, 0);
}
