/** Queues as the jobs need them: opened, filled, and checked at the end. */
import type { Queue, RecordInput } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { makeRecords } from './records.ts';

/** Of every queue here: what is acknowledged is on the disk. */
export const QUEUE_OPTIONS = { durability: 'sync' } as const;

/** Long enough to never run out: a call that waits longer has lost a record. */
export const WAIT_MS = 60_000;

const FILL_RECORDS = 1000;
const FILL_CALLS = 16;

/** Values alone: a queue needs no keys. */
export function makePayloads(count: number, valueBytes: number): RecordInput<Uint8Array>[] {
  return makeRecords(count, { valueBytes, keys: 'none' });
}

/** Sends so many records, a multiple of 1,000. */
export async function fillQueue(
  queue: Queue<Uint8Array>,
  records: number,
  valueBytes: number,
): Promise<void> {
  assert(records % FILL_RECORDS === 0, 'a queue is filled by thousands');
  const input = makePayloads(FILL_RECORDS, valueBytes);
  let left = records;
  const caller = async () => {
    while (left > 0) {
      left -= FILL_RECORDS;
      await queue.sendBatch(input);
    }
  };
  await Promise.all(Array.from({ length: FILL_CALLS }, caller));
}

/** Nothing is leased or dead, and so many records are ready. */
export async function checkQueue(queue: Queue<Uint8Array>, ready: number): Promise<void> {
  const { readyCount, leasedCount, deadCount } = await queue.stats();
  const found = [readyCount, leasedCount, deadCount];
  if (found.join() !== [ready, 0, 0].join()) {
    throw new Error(`ready, leased, dead: ${found.join(', ')}; expected ${ready}, 0, 0`);
  }
}
