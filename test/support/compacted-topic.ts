/** Topics whose records supersede each other, in small segments, and what is left of them. */
import { utf8 } from '../../src/codec/codec.ts';
import { nextTurn } from '../../src/core/clock.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { TopicConfig, TopicOptions } from '../../src/topic/topic-options.ts';

/** Some 20 records go into a segment. */
export const VALUE_BYTES = 64;
export const SEGMENT_BYTES_MAX = 4096;

/** A topic in small segments, that is not compacted yet: see `compactable`. */
export function openSmall(
  store: Store,
  name: string,
  options: TopicOptions<string> = {},
): Promise<StoreTopic<string>> {
  return store.topic(name, { codec: utf8, segmentBytesMax: SEGMENT_BYTES_MAX, ...options });
}

/** From now on it is compacted: by itself at its next roll, or look of the store, and when it is asked for. */
export async function compactable(
  store: Store,
  topic: StoreTopic<string>,
  config: TopicConfig = {},
): Promise<void> {
  await store.alterTopic(topic.name, { compaction: 'key', ...config });
}

/** Values that say which of all they are, each at least `VALUE_BYTES` long. */
export function numbered(n: number): string {
  return `${n} `.padEnd(VALUE_BYTES, '.');
}

/** Appends records with the keys `k0` to `k<keys - 1>` in turn. */
export async function fill(
  topic: StoreTopic<string>,
  count: number,
  { keys = 5, partition = 0, from = 0 } = {},
): Promise<void> {
  for (let n = from; n < from + count; n++) {
    await topic.append({ key: `k${n % keys}`, value: numbered(n) }, { partition });
  }
}

/** The offsets that are left in a partition. */
export async function offsetsOf(topic: StoreTopic<string>, partition = 0): Promise<number[]> {
  const offsets: number[] = [];
  for await (const { offset } of topic.records({ partitions: partition })) offsets.push(offset);
  return offsets;
}

/** The last value of each key, read from the start. */
export async function foldOf(topic: StoreTopic<string>): Promise<Map<string, string>> {
  const last = new Map<string, string>();
  for await (const { key, value } of topic.records()) {
    const name = Buffer.from(key ?? []).toString();
    if (value === null) last.delete(name);
    else last.set(name, value);
  }
  return last;
}

/** Until it holds, or for so long that it never will. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000 && !holds(); turn++) await nextTurn();
  if (!holds()) throw new Error('it has not come to that');
}
