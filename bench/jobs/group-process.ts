/**
 * A group reads batches and writes as many records to another topic: by `process`, each batch with its
 * position in one transaction, or by a plain append and then a commit, each synced by itself.
 *
 * Timed from the first batch to the last position; filling the topic and joining the group are not.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  openStore,
  type ConsumerGroup,
  type LogRecord,
  type RecordInput,
  type Topic,
} from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords } from './records.ts';

export type GroupProcessParameters = {
  readonly isTransactional: boolean;
  readonly valueBytes: number;
  /** Per run; a multiple of `recordsPerBatch`. */
  readonly records: number;
  readonly recordsPerBatch: number;
};

interface Work {
  readonly member: ConsumerGroup<Uint8Array>;
  readonly output: Topic<Uint8Array>;
  readonly records: number;
}

export async function openJob(directory: string, parameters: GroupProcessParameters): Promise<Job> {
  const { isTransactional, valueBytes, records, recordsPerBatch } = parameters;
  const path = join(directory, 'store');
  const input = makeRecords(recordsPerBatch, { valueBytes });
  return {
    async run() {
      const store = await openStore(path);
      const source = await store.topic('source', { durability: 'os' });
      // One after the other: appended together they would share a batch.
      // One more than is written: who is given it has committed all before.
      for (let left = records; left >= 0; left -= recordsPerBatch) await source.appendBatch(input);
      await source.sync();
      const output = await store.topic('output', { durability: 'sync' });
      await output.appendBatch(input); // Opens the log.
      const member = await source.consumerGroup('g', { from: 'earliest', autoCommit: 'never' });
      const startMs = performance.now();
      const work = { member, output, records };
      await (isTransactional ? processAll(work) : copyAll(work));
      const ms = performance.now() - startMs;
      // In sight is only what is durable.
      const { visibleOffset } = output.partitions.at(0).opened ?? {};
      assert(visibleOffset === records + recordsPerBatch, 'each record was written once');
      assert(member.committed(0)?.offset === records, 'the group stands behind what was written');
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes: records * valueBytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}

/** What ends `process`: all before this batch is committed. */
const ENOUGH = new Error('all is written');

async function processAll({ member, output, records }: Work): Promise<void> {
  const processing = member.process((batch, { tx }) => {
    if (batch.baseOffset >= records) throw ENOUGH;
    tx.append(output, outputsOf(batch));
  });
  await processing.catch((error: unknown) => {
    if (error !== ENOUGH) throw error;
  });
}

async function copyAll({ member, output, records }: Work): Promise<void> {
  for await (const batch of member.batches()) {
    if (batch.baseOffset >= records) return;
    await output.appendBatch(outputsOf(batch));
    await member.commit(batch);
  }
}

/** A record for each that was read. */
function outputsOf(batch: Iterable<LogRecord<Uint8Array>>): RecordInput<Uint8Array>[] {
  return Array.from(batch, ({ key, value }) => ({ key, value }));
}
