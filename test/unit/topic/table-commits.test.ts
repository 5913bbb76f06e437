/** Tables while transactions write to several partitions: what one brought is seen whole. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { nextTurn } from '../../../src/core/clock.ts';
import type { TopicTable } from '../../../src/topic/topic-table.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { openTable, valuesOf } from '../../support/table-model.ts';

describe('a commit over several partitions', () => {
  /** A table whose reads of partition 1 are held, and a commit to both. */
  async function heldCommit() {
    const bench = new StoreBench();
    const reads = new HeldReads(bench.fileSystem, '/1/');
    const store = await bench.open();
    onTestFinished(() => store.close());
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    const commit = (value: string) =>
      store.transaction((tx) => {
        tx.append(topic, { key: 'k0', value }, { partition: 0 });
        tx.append(topic, { key: 'k1', value }, { partition: 1 });
      });
    await commit('old');
    const table = await openTable(topic);
    reads.hold();
    onTestFinished(() => reads.release());
    await commit('new');
    while (reads.waiting.length === 0) await nextTurn();
    for (let turns = 0; turns < 20; turns++) await nextTurn();
    return { reads, table };
  }

  const firstOf = async (table: TopicTable<string>, key: string) =>
    (await table.get(key))?.value?.slice(0, 3);

  test('is not there as long as one of them was not read', async () => {
    const { reads, table } = await heldCommit();
    expect(await valuesOf(table)).toEqual({ k0: 'old', k1: 'old' });
    expect([await firstOf(table, 'k0'), await firstOf(table, 'k1')]).toEqual(['old', 'old']);
    reads.release();
    await table.reached({ partition: 1, offset: 1 });
    expect(await valuesOf(table)).toEqual({ k0: 'new', k1: 'new' });
  });

  test('is not there in part, when part of it lies in a segment that was not read', async () => {
    const bench = new StoreBench();
    const reads = new HeldReads(bench.fileSystem, '/0/00000000000000000003.log');
    const store = await bench.open();
    onTestFinished(() => store.close());
    const sizes = { segmentBytesMax: 4096, batchBytesMax: 1024 };
    const topic = await store.topic('t', { codec: utf8, partitions: 2, ...sizes });
    const commit = (value: string) =>
      store.transaction((tx) => {
        tx.append(topic, { key: 'k0', value }, { partition: 0 });
        tx.append(topic, { key: 'also', value }, { partition: 0 });
        tx.append(topic, { key: 'k1', value }, { partition: 1 });
      });
    await commit('old');
    const table = await openTable(topic);
    reads.hold();
    onTestFinished(() => reads.release());
    await commit('new'.padEnd(3000));
    while (reads.waiting.length === 0) await nextTurn();
    expect([await firstOf(table, 'k0'), await firstOf(table, 'k1')]).toEqual(['old', 'old']);
    reads.release();
    await table.reached({ partition: 0, offset: 3 });
    expect([await firstOf(table, 'k0'), await firstOf(table, 'k1')]).toEqual(['new', 'new']);
  });

  test('is seen whole, whenever somebody asks', async () => {
    const store = await new StoreBench().open();
    onTestFinished(() => store.close());
    const topic = await store.topic('t', { codec: utf8, partitions: 4 });
    const table = await openTable(topic);
    const bounded = await openTable(topic, { bytesMax: 0 });
    const looks = { count: 0 };
    const write = async (): Promise<void> => {
      for (let at = 0; looks.count < 20; at++) {
        const value = `${at}`.padEnd(at % 10 === 9 ? 150_000 : 10);
        await store.transaction((tx) => {
          for (const partition of [0, 1, 2, 3]) {
            tx.append(topic, { key: `k${partition}`, value }, { partition });
          }
        });
      }
    };
    const writing = write();
    const seen = new Set<string>();
    for (; looks.count < 20; looks.count++) {
      for (const each of [table, bounded]) {
        const numbers: number[] = [];
        for (const key of ['k3', 'k0', 'k2', 'k1']) {
          numbers.push(Number((await each.get(key))?.value ?? -1));
        }
        // What is asked later may be newer, never older.
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
        seen.add(numbers.join(' '));
      }
      const together = await Promise.all(['k0', 'k1', 'k2', 'k3'].map((key) => table.get(key)));
      expect(new Set(together.map((record) => record?.value ?? 'none')).size).toBe(1);
      const entries = new Set<string>();
      for await (const { value } of table.entries()) entries.add(value ?? '');
      expect(entries.size).toBeLessThanOrEqual(1);
      await nextTurn();
    }
    await writing;
    expect(seen.size).toBeGreaterThan(5);
  });
});
