/**
 * Reads a whole topic, every record visited: by the members of a new consumer group, a partition each,
 * or as a bare scan of one partition's log after the other.
 *
 * The topic was just written, once for all sides of a contest, and is read from the page cache.
 */
import { join } from 'node:path';
import { openStore, type RecordBatch, type Topic } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords, VALUE_BYTE } from './records.ts';
import { sharedDirectory } from './shared-directory.ts';

export type TopicReadParameters = {
  readonly partitions: number;
  readonly valueBytes: number;
  /** In all partitions together; a multiple of 1000 times their number. */
  readonly records: number;
  /** `scan`: bare logs; `group`: as many members as there are partitions. */
  readonly by: 'scan' | 'group';
};

const RECORDS_PER_CALL = 1000;

type BytesTopic = Topic<Uint8Array>;

interface Seen {
  records: number;
  firstBytes: number;
}

export async function openJob(directory: string, parameters: TopicReadParameters): Promise<Job> {
  const { partitions, records, valueBytes, by } = parameters;
  const name = `topic-${partitions}-${records}-of-${valueBytes}`;
  const path = await sharedDirectory(directory, name, (to) => writeTopic(to, parameters));
  const store = await openStore(join(path, 'store'), { readOnly: by === 'scan' });
  const topic = await store.topic('t');
  let groupCount = 0;
  return {
    async run() {
      const seen = { records: 0, firstBytes: 0 };
      const startMs = performance.now();
      if (by === 'scan') await scan(topic, partitions, seen);
      else await consume(topic, { ...parameters, group: `group-${groupCount++}` }, seen);
      const ms = performance.now() - startMs;
      assert(seen.records === records, 'every record was read once');
      assert(seen.firstBytes === records * VALUE_BYTE, 'every value was looked at');
      const bytes = topic.partitions.opened().reduce((sum, log) => sum + log.stats().sizeBytes, 0);
      return { bytes, records, ms };
    },
    close: () => store.close(),
  };
}

async function scan(topic: BytesTopic, partitions: number, seen: Seen): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    for await (const batch of topic.batches({ partitions: partition })) visit(batch, seen);
  }
}

/** All members at once, until all of them together have seen every record. */
async function consume(
  topic: BytesTopic,
  { partitions, records, group }: TopicReadParameters & { readonly group: string },
  seen: Seen,
): Promise<void> {
  const ending = new AbortController();
  const { signal } = ending;
  const readAsMember = async () => {
    const member = await topic.consumerGroup(group, { from: 'earliest' });
    try {
      for await (const batch of member.batches({ signal })) {
        visit(batch, seen);
        if (seen.records === records) ending.abort();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await member.close();
  };
  await Promise.all(Array.from({ length: partitions }, readAsMember));
}

function visit(batch: RecordBatch<Uint8Array>, seen: Seen): void {
  for (const record of batch) {
    seen.records++;
    seen.firstBytes += present(record.valueView(), 'a value')[0] ?? 0;
  }
}

async function writeTopic(directory: string, parameters: TopicReadParameters): Promise<void> {
  const { partitions, records, valueBytes } = parameters;
  const store = await openStore(join(directory, 'store'), { durability: 'os' });
  const topic = await store.topic('t', { partitions });
  const input = makeRecords(RECORDS_PER_CALL, { valueBytes });
  for (let left = records; left > 0; left -= RECORDS_PER_CALL) {
    const partition = (left / RECORDS_PER_CALL) % partitions;
    await topic.appendBatch(input, { partition });
  }
  await store.close();
}
