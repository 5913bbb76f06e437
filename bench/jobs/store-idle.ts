/**
 * What topics cost that nobody uses now: descriptors and memory, while their handles are held.
 *
 * Each run opens the store and all topics, appends one record to each partition, waits until nothing
 * moves any more, and looks at both. Timed: the appends, each of which opens a partition.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore, type Topic } from '../../src/index.ts';
import type { Job } from '../core/job.ts';
import { heldMemoryBytes } from './held-memory.ts';
import {
  checkTopics,
  descriptorCount,
  makeTopics,
  topicName,
  type ManyTopics,
} from './many-topics.ts';

const TOPICS_AT_A_TIME = 16;
/** Several looks of the store at what is idle. */
const IDLE_MS = 500;

export async function openJob(directory: string, parameters: ManyTopics): Promise<Job> {
  const path = join(directory, 'store');
  const { topics, partitions } = parameters;
  await makeTopics(path, parameters);
  return {
    async run() {
      const store = await openStore(path);
      checkTopics(store, topics);
      const bareBytes = heldMemoryBytes();
      const handles: Topic<Uint8Array>[] = [];
      for (let n = 0; n < topics; n++) handles.push(await store.topic(topicName(n)));
      const openedBytes = (heldMemoryBytes() - bareBytes) / topics;
      const startMs = performance.now();
      await useAll(handles, partitions);
      const ms = performance.now() - startMs;
      await sleep(IDLE_MS);
      const descriptors = descriptorCount();
      const usedBytes = (heldMemoryBytes() - bareBytes) / topics;
      await store.close();
      const extra = { descriptors, openedBytes, usedBytes };
      return { bytes: 0, records: handles.length * partitions, ms, extra };
    },
    close: () => Promise.resolve(),
  };
}

async function useAll(handles: readonly Topic<Uint8Array>[], partitions: number) {
  const value = Buffer.alloc(100, 0x61);
  for (let from = 0; from < handles.length; from += TOPICS_AT_A_TIME) {
    const some = handles.slice(from, from + TOPICS_AT_A_TIME);
    await Promise.all(
      some.flatMap((topic) =>
        Array.from({ length: partitions }, (_, partition) =>
          topic.append({ value }, { partition }),
        ),
      ),
    );
  }
}
