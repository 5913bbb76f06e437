/**
 * A table of a topic through the public API: how fast it is read into memory, and how fast it answers, with
 * all records in memory or none.
 *
 * The topic was just written, once for all sides of a contest, and is read from the page cache.
 */
import { join } from 'node:path';
import { openStore, SeededRandom, type Topic } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { randomBelow } from '../../src/core/random.ts';
import type { Job, Sample } from '../core/job.ts';
import { sharedDirectory } from './shared-directory.ts';

export type TableParameters = {
  /** `load`: making the table; `get`: keys by chance, one after the other; `scan`: a bare read of all. */
  readonly measured: 'load' | 'get' | 'scan';
  /** Of records that it may keep; null = all. */
  readonly bytesMax: number | null;
  /** Each has one record; a multiple of 1000. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Look-ups of a run. */
  readonly gets: number;
};

const RECORDS_PER_CALL = 1000;
const SEED = 20_261_123;

type BytesTopic = Topic<Uint8Array>;

export async function openJob(directory: string, parameters: TableParameters): Promise<Job> {
  const { keys, valueBytes, measured } = parameters;
  const name = `table-${keys}-of-${valueBytes}`;
  const path = await sharedDirectory(directory, name, (to) => writeTopic(to, parameters));
  const store = await openStore(join(path, 'store'), { readOnly: true });
  const topic = await store.topic('t');
  const run = { load, get: await getter(topic, parameters), scan }[measured];
  return { run: () => run(topic, parameters), close: () => store.close() };
}

async function load(topic: BytesTopic, { bytesMax, keys }: TableParameters): Promise<Sample> {
  const startMs = performance.now();
  const table = await topic.table({ bytesMax });
  const ms = performance.now() - startMs;
  const { keyCount, memoryBytes } = table.stats();
  assert(keyCount === keys, 'every key is there');
  await table.close();
  return { bytes: bytesOf(topic), records: keys, ms, extra: { memoryBytes } };
}

/** Of a table that is made once. */
async function getter(
  topic: BytesTopic,
  { measured, bytesMax, keys, gets }: TableParameters,
): Promise<() => Promise<Sample>> {
  const random = new SeededRandom(SEED);
  const table = measured === 'get' ? await topic.table({ bytesMax }) : null;
  return async () => {
    const asked = Array.from({ length: gets }, () => keyOf(randomBelow(random, keys)));
    let bytes = 0;
    const startMs = performance.now();
    for (const key of asked) bytes += (await table?.get(key))?.sizeBytes ?? 0;
    const ms = performance.now() - startMs;
    assert(bytes > 0 && bytes % gets === 0, 'every key had its record');
    return { bytes, records: gets, ms };
  };
}

async function scan(topic: BytesTopic, { keys }: TableParameters): Promise<Sample> {
  let records = 0;
  let keyBytes = 0;
  const startMs = performance.now();
  for await (const batch of topic.batches()) {
    for (const record of batch) {
      records++;
      keyBytes += record.keyView()?.length ?? 0;
    }
  }
  const ms = performance.now() - startMs;
  assert(records === keys && keyBytes > keys, 'every record was read once, with its key');
  return { bytes: bytesOf(topic), records, ms };
}

function bytesOf(topic: BytesTopic): number {
  return topic.partitions.opened().reduce((sum, log) => sum + log.stats().sizeBytes, 0);
}

function keyOf(at: number): string {
  return `key-${String(at).padStart(12, '0')}`;
}

/** Keys in an order by chance: neighbours in the log are none in the map. */
async function writeTopic(directory: string, { keys, valueBytes }: TableParameters): Promise<void> {
  const store = await openStore(join(directory, 'store'), { durability: 'os' });
  const topic = await store.topic('t');
  const random = new SeededRandom(SEED);
  const order = Uint32Array.from({ length: keys }, (_, at) => at);
  for (let at = keys - 1; at > 0; at--) {
    const other = randomBelow(random, at + 1);
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
  }
  const value = new Uint8Array(valueBytes).fill(1);
  for (let at = 0; at < keys; at += RECORDS_PER_CALL) {
    const records = [...order.subarray(at, at + RECORDS_PER_CALL)];
    await topic.appendBatch(records.map((number) => ({ key: keyOf(number), value })));
  }
  await store.close();
}
