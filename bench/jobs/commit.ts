/**
 * Commits records over one or more partitions, one commit behind the other, and counts what the disk
 * is asked for.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { countingFileSystem } from './counting-file-system.ts';
import { makeRecords } from './records.ts';

export type CommitParameters = {
  /** Each commit appends one record to each. */
  readonly partitions: number;
  readonly valueBytes: number;
  /** Per run. */
  readonly commits: number;
};

export async function openJob(directory: string, parameters: CommitParameters): Promise<Job> {
  const { partitions, valueBytes, commits } = parameters;
  const path = join(directory, 'store');
  const [record] = makeRecords(1, { valueBytes });
  assert(record !== undefined, 'one record');
  return {
    async run() {
      const counter = { datasyncs: 0 };
      const store = await openStore(path, { fileSystem: countingFileSystem(counter) });
      const topic = await store.topic('t', { partitions });
      const appendsOf = async () => {
        const all = Array.from({ length: partitions }, (_, partition) =>
          topic.forCommit([record], { partition }),
        );
        return (await Promise.all(all)).flat();
      };
      await store.committer.commit({ appends: await appendsOf() }); // Opens the logs.
      counter.datasyncs = 0;
      const startMs = performance.now();
      for (let left = commits; left > 0; left--) {
        await store.committer.commit({ appends: await appendsOf() });
      }
      const ms = performance.now() - startMs;
      const { datasyncs } = counter;
      let bytes = 0;
      for (const log of topic.partitions.opened()) {
        const { endOffset, sizeBytes } = log.stats();
        assert(endOffset === commits + 1, 'every commit is in every log');
        bytes += sizeBytes;
      }
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes, records: commits, ms, extra: { datasyncsPerCommit: datasyncs / commits } };
    },
    close: () => Promise.resolve(),
  };
}
