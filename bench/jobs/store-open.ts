/**
 * The time until `openStore` resolves for a store of many topics: after a clean close, or after a
 * process that used some of them was killed. Partitions are opened at their first use, outside of it.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../src/index.ts';
import type { Job } from '../core/job.ts';
import { checkTopics, descriptorCount, makeTopics, type ManyTopics } from './many-topics.ts';

export type StoreOpenParameters = ManyTopics & {
  /** Whether a process is killed before each run; else the store was closed. */
  readonly isKilled: boolean;
};

const CHILD = fileURLToPath(new URL('../crash/store-child.js', import.meta.url));

export async function openJob(directory: string, parameters: StoreOpenParameters): Promise<Job> {
  const path = join(directory, 'store');
  const { topics, partitions, isKilled } = parameters;
  await makeTopics(path, parameters);
  return {
    async run() {
      if (isKilled) kill(path, partitions);
      const startMs = performance.now();
      const store = await openStore(path);
      const ms = performance.now() - startMs;
      const descriptors = descriptorCount();
      checkTopics(store, topics);
      const { sizeBytes } = store.stats().journal;
      await store.close();
      return { bytes: sizeBytes, records: topics, ms, extra: { descriptors } };
    },
    close: () => Promise.resolve(),
  };
}

function kill(path: string, partitions: number): void {
  const { signal, stderr } = spawnSync(process.execPath, [CHILD, path, String(partitions)]);
  if (signal !== 'SIGKILL') throw new Error(`the process was not killed: ${stderr.toString()}`);
}
