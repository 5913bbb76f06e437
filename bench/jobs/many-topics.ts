/** A store of many topics, as the jobs need it: made once, each partition with one record. */
import { readdirSync } from 'node:fs';
import { openStore, type Store } from '../../src/index.ts';

export type ManyTopics = {
  readonly topics: number;
  readonly partitions: number;
};

export function topicName(number: number): string {
  return `topic-${number}`;
}

/** Makes the store and closes it. */
export async function makeTopics(path: string, { topics, partitions }: ManyTopics): Promise<void> {
  const store = await openStore(path);
  for (let n = 0; n < topics; n++) await store.topic(topicName(n), { partitions });
  await store.close();
}

/** Appends a record to every partition of some topics. */
export async function useTopics(store: Store, topics: number, partitions: number): Promise<void> {
  const value = Buffer.alloc(100, 0x61);
  for (let n = 0; n < topics; n++) {
    const topic = await store.topic(topicName(n));
    const each = Array.from({ length: partitions }, (_, partition) => partition);
    await Promise.all(each.map((partition) => topic.append({ value }, { partition })));
  }
}

/** Files that this process has open; none where that cannot be asked. */
export function descriptorCount(): number {
  try {
    return readdirSync('/proc/self/fd').length - 1; // The listing has one of its own.
  } catch {
    return 0;
  }
}

export function checkTopics(store: Store, topics: number): void {
  const { topicCount } = store.stats();
  if (topicCount !== topics) throw new Error(`${topicCount} of ${topics} topics`);
}
