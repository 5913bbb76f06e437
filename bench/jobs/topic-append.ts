/**
 * Keyed appends to a new topic, one promise each, at any number of partitions.
 *
 * Timed from the first call to the last acknowledgement; creating and opening are not.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type DurabilityLevel } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords } from './records.ts';

export type TopicAppendParameters = {
  readonly durability: DurabilityLevel;
  readonly partitions: number;
  readonly valueBytes: number;
  /** Per run. */
  readonly records: number;
  readonly callsInFlight: number;
};

/** Different keys. */
const KEYS = 1000;

export async function openJob(directory: string, parameters: TopicAppendParameters): Promise<Job> {
  const { durability, partitions, valueBytes, records, callsInFlight } = parameters;
  const path = join(directory, 'store');
  const input = makeRecords(KEYS, { valueBytes });
  return {
    async run() {
      const store = await openStore(path);
      const topic = await store.topic('t', { durability, partitions });
      for (const record of input) await topic.append(record, { durability: 'os' }); // Opens them all.
      await topic.sync();
      let left = records;
      const appendOneByOne = async () => {
        while (left > 0) await topic.append(present(input[--left % KEYS], 'one of the keys'));
      };
      const startMs = performance.now();
      await Promise.all(Array.from({ length: callsInFlight }, appendOneByOne));
      const ms = performance.now() - startMs;
      let counted = 0;
      let bytes = 0;
      for (const log of topic.partitions.opened()) {
        const { endOffset, syncedOffset, sizeBytes } = log.stats();
        assert(durability !== 'sync' || syncedOffset === endOffset, 'every record was synced');
        counted += endOffset;
        bytes += sizeBytes;
      }
      assert(counted === records + KEYS, 'every record was appended');
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}
