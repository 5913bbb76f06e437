/** Something elsewhere whose records are copied into a store: the recipe "sequence = source offset". */
import { utf8 } from '../../src/codec/codec.ts';
import type { DurabilityLevel } from '../../src/log/log-options.ts';
import type { Producer } from '../../src/store/producer.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';

export interface SourceRecord {
  readonly offset: number;
  readonly value: string;
}

/** Some of its offsets have no record, as behind a compaction. */
export function sourceOf(count: number): readonly SourceRecord[] {
  return Array.from({ length: count }, (_, at) => {
    const offset = 3 + 2 * at + Math.floor(at / 3) * 5;
    return { offset, value: String(offset) };
  });
}

export interface Copies {
  readonly store: Store;
  readonly orders: StoreTopic<string>;
  readonly index: StoreTopic<string>;
  readonly producer: Producer;
}

/** Where they go: two topics, one of them with several partitions. */
export async function openCopies(store: Store, durability: DurabilityLevel): Promise<Copies> {
  return {
    store,
    orders: await store.topic('orders', { codec: utf8, partitions: 2, durability }),
    index: await store.topic('index', { codec: utf8, durability }),
    producer: await store.producer('copy-of-x', { gaps: 'allow' }),
  };
}

/** Copies what is missing, in transactions of `batch` records. @param stop  asked before each */
export async function copyMissing(
  copies: Copies,
  source: readonly SourceRecord[],
  { batch, stop = () => false }: { readonly batch: number; readonly stop?: () => boolean },
): Promise<void> {
  const { store, orders, index, producer } = copies;
  const lasts = await Promise.all([producer.last(orders), producer.last(index)]);
  const from = Math.min(...lasts.map(({ resumeFrom }) => resumeFrom));
  const missing = source.filter(({ offset }) => offset >= from);
  for (let at = 0; at < missing.length && !stop(); at += batch) {
    const records = missing.slice(at, at + batch);
    const sequence = records.map(({ offset }) => offset);
    await store.transaction((tx) => {
      tx.append(orders, records.map(keyed), { producer, sequence });
      tx.append(index, records.map(plain), { producer, sequence });
    });
  }
}

/** Offsets of what is in a topic, by partition. */
export async function copiedInto(topic: StoreTopic<string>): Promise<readonly number[][]> {
  const found: number[][] = [];
  for (let partitions = 0; partitions < topic.partitionCount; partitions++) {
    const own: number[] = [];
    for await (const { value } of topic.records({ partitions })) own.push(Number(value));
    found.push(own);
  }
  return found;
}

function keyed({ value }: SourceRecord) {
  return { key: value, value };
}

function plain({ value }: SourceRecord) {
  return { value };
}
