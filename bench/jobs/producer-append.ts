/**
 * Batches to a new topic at level `sync`, by a producer, which numbers the records, or without one.
 *
 * Timed from the first call to the last answer; creating and opening are not.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords } from './records.ts';

export type ProducerAppendParameters = {
  readonly isProduced: boolean;
  readonly valueBytes: number;
  /** Per run; a multiple of `recordsPerCall`. */
  readonly records: number;
  readonly recordsPerCall: number;
  readonly callsInFlight: number;
};

export async function openJob(
  directory: string,
  parameters: ProducerAppendParameters,
): Promise<Job> {
  const { isProduced, valueBytes, records, recordsPerCall, callsInFlight } = parameters;
  const path = join(directory, 'store');
  const input = makeRecords(recordsPerCall, { valueBytes });
  return {
    async run() {
      const store = await openStore(path);
      const topic = await store.topic('t', { durability: 'sync' });
      const producer = await store.producer('p');
      const append = isProduced
        ? () => producer.appendBatch(topic, input)
        : () => topic.appendBatch(input);
      await append(); // Opens the log.
      let left = records;
      const caller = async () => {
        while (left > 0) {
          left -= recordsPerCall;
          await append();
        }
      };
      const startMs = performance.now();
      await Promise.all(Array.from({ length: callsInFlight }, caller));
      const ms = performance.now() - startMs;
      const { endOffset = 0, syncedOffset = 0 } = topic.partitions.at(0).opened?.stats() ?? {};
      assert(endOffset === records + recordsPerCall, 'every record was appended once');
      assert(syncedOffset === endOffset, 'every record was synced');
      const { sequence } = await producer.last(topic);
      assert(sequence === (isProduced ? endOffset - 1 : null), 'a producer numbered them all');
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes: records * valueBytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}
