/** Records of transactions that may be stored already: a duplicate is left out, and the rest is committed. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { FailedError } from '../../../src/core/errors.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { leased } from '../../support/transaction-bench.ts';

const WINDOW_MS = 300_000;
/** So much longer than its window a record may count. */
const LONGER = 1 + 1 / 256;
const RECORD = (id: string) => ({ value: id, dedupId: id });

async function valuesOf(topic: StoreTopic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

function appendOne(store: Store, topic: StoreTopic<string>, id: string, partition = 0) {
  return store.transaction((tx) => tx.append(topic, RECORD(id), { partition }));
}

describe('a duplicate in a transaction', () => {
  test('is left out: of what is stored, of its own call, and of an earlier one', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await topic.append(RECORD('stored'), { partition: 1 });
    const [first, second, plain, none] = await store.transaction((tx) => [
      tx.append(topic, ['a', 'stored', 'b', 'a'].map(RECORD), { partition: 0 }),
      tx.append(topic, ['b', 'c', 'stored'].map(RECORD), { partition: 1 }),
      tx.append(topic, { value: 'a' }, { partition: 0 }),
      tx.append(topic, [RECORD('c'), RECORD('a')], { partition: 0 }),
    ]);
    expect(first?.result).toEqual({
      placements: [{ partition: 0, baseOffset: 0, recordCount: 2 }],
      recordCount: 2,
      duplicates: [
        { index: 1, partition: 1, offset: 0 },
        { index: 3, partition: 0, offset: 0 },
      ],
      durability: 'sync',
    });
    expect(second?.result).toEqual({
      placements: [{ partition: 1, baseOffset: 1, recordCount: 1 }],
      recordCount: 1,
      duplicates: [
        { index: 0, partition: 0, offset: 1 },
        { index: 2, partition: 1, offset: 0 },
      ],
      durability: 'sync',
    });
    expect(plain?.result).toMatchObject({ placements: [{ partition: 0, baseOffset: 2 }] });
    expect(none?.result).toEqual({
      placements: [],
      recordCount: 0,
      duplicates: [
        { index: 0, partition: 1, offset: 1 },
        { index: 1, partition: 0, offset: 0 },
      ],
      durability: 'sync',
    });
    expect(await topic.read({ partition: 0, offset: 1 })).toMatchObject({ value: 'b' });
    expect(await topic.append(RECORD('b'))).toMatchObject({
      partition: 0,
      offset: 1,
      duplicate: true,
    });
    await store.close();
  });

  test('is left out of a queue, and of what the default exchange is given', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { codec: utf8 });
    const direct = await store.exchange('', { codec: utf8 });
    const send = (value: string, dedupId: string) =>
      store.transaction((tx) => [
        tx.send(queue, value, { dedupId }),
        tx.publish(direct, value, { routingKey: 'q', dedupId }),
      ]);
    const [sent, published] = await send('a', 'one');
    expect(sent?.result).toEqual({ partition: 0, offset: 0, durability: 'sync', duplicate: false });
    expect(published?.result).toMatchObject({ destinations: ['q'], offset: 0, duplicate: true });
    const [again] = await send('b', 'one');
    expect(again?.result).toEqual({ partition: 0, offset: 0, durability: 'sync', duplicate: true });
    expect(await valuesOf(queue.topic)).toEqual(['a']);
    await store.close();
  });

  test('is one by its content where the topic says so', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8, dedupBy: 'content' });
    await topic.append({ value: 'a' });
    const [result] = await store.transaction((tx) => [
      tx.append(
        topic,
        ['a', 'b', 'b', 'c'].map((value) => ({ value })),
      ),
    ]);
    expect(result?.result).toMatchObject({
      placements: [{ partition: 0, baseOffset: 1, recordCount: 2 }],
      duplicates: [
        { index: 0, offset: 0 },
        { index: 2, offset: 1 },
      ],
    });
    expect(await topic.append({ value: 'c' })).toMatchObject({ offset: 2, duplicate: true });
    await store.close();
  });

  test('does not keep the acks of its transaction from being committed', async () => {
    const store = await new StoreBench().open();
    const inbox = await store.queue('inbox', { codec: utf8 });
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append(RECORD('stored'));
    const deliveries = await leased(inbox, ['a']);
    const { result } = await store.transaction((tx) => {
      tx.ack(deliveries);
      return tx.append(topic, RECORD('stored'));
    });
    expect(result).toMatchObject({ recordCount: 0, duplicates: [{ index: 0, offset: 0 }] });
    expect(await inbox.stats()).toMatchObject({ settled: { acked: 1 }, leasedCount: 0 });
    await store.close();
  });

  test('is told of when its record cannot be lost any more', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8, durability: 'os' });
    await topic.append(RECORD('stored'));
    const { result } = await appendOne(store, topic, 'stored');
    expect(result).toMatchObject({ duplicates: [{ index: 0, offset: 0 }] });
    const after = disk.copyAfterPowerCut();
    await store.close();
    const again = await after.open();
    expect(await valuesOf(await again.topic('t', { codec: utf8 }))).toEqual(['stored']);
    await again.close();
  });

  test('is known again after a power cut that left the commit to the journal alone', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8 });
    await appendOne(store, topic, 'one');
    const after = disk.copyAfterPowerCut();
    await store.close();
    const again = await after.open();
    const found = await again.topic('t', { codec: utf8 });
    expect(await found.append(RECORD('one'))).toMatchObject({ offset: 0, duplicate: true });
    expect((await appendOne(again, found, 'one')).result).toMatchObject({ recordCount: 0 });
    await again.close();
  });
});

describe('an id that a transaction has on its way', () => {
  test('lets others wait for its commit, and they hear where it is', async () => {
    const bench = new StoreBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/0');
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await appendOne(store, topic, 'warm');
    held.hold();
    const answers: string[] = [];
    const hear = (name: string) => () => answers.push(name);
    const first = appendOne(store, topic, 'one');
    await turns(20);
    const plain = topic.append(RECORD('one'), { partition: 1 });
    const second = appendOne(store, topic, 'one', 1);
    const [a, b, c] = [
      first.then(hear('first')),
      plain.then(hear('plain')),
      second.then(hear('second')),
    ];
    await turns(20);
    expect(answers).toEqual([]);
    expect(store.transactions().open).toMatchObject([
      { state: 'committing' },
      { state: 'waiting' },
    ]);
    held.release();
    await Promise.all([a, b, c]);
    expect(answers[0]).toBe('first');
    expect(await plain).toMatchObject({ partition: 0, offset: 1, duplicate: true });
    expect((await second).result).toMatchObject({ duplicates: [{ partition: 0, offset: 1 }] });
    expect(await valuesOf(topic)).toEqual(['warm', 'one']);
    await store.close();
  });

  test('waits for what an append has on its way, and holds nothing meanwhile', async () => {
    const bench = new StoreBench();
    const held = new HeldSyncs(bench.fileSystem, '/topics/t');
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8 });
    const other = await store.topic('other', { codec: utf8 });
    await topic.append(RECORD('warm'));
    held.hold();
    const plain = topic.append(RECORD('one'));
    const waiting = store.transaction((tx) => [
      tx.append(other, RECORD('two')),
      tx.append(topic, RECORD('one')),
    ]);
    await turns(20);
    expect(store.transactions().open).toMatchObject([{ state: 'waiting' }]);
    expect(await other.append(RECORD('two'))).toMatchObject({ offset: 0, duplicate: false });
    held.release();
    expect(await plain).toMatchObject({ offset: 1, duplicate: false });
    const results = (await waiting).map(({ result }) => result);
    expect(results).toMatchObject([
      { recordCount: 0, duplicates: [{ offset: 0 }] },
      { recordCount: 0, duplicates: [{ offset: 1 }] },
    ]);
    await store.close();
  });

  test('is waited for by transactions that have ids of each other, and none waits for ever', async () => {
    const store = await new StoreBench().open();
    const topics = [
      await store.topic('a', { codec: utf8 }),
      await store.topic('b', { codec: utf8 }),
    ];
    const crossing = async (name: string, order: readonly number[]) =>
      store.transaction((tx) =>
        order.map((at) => {
          const topic = topics[at];
          if (topic === undefined) throw new Error('one of two');
          return tx.append(topic, { value: name, dedupId: 'same' });
        }),
      );
    const names = Array.from({ length: 20 }, (_, at) => `tx ${at}`);
    const all = await Promise.all(
      names.map((name, at) => crossing(name, at % 2 === 0 ? [0, 1] : [1, 0])),
    );
    const counts = all.map((own) => own.map(({ result }) => result?.recordCount));
    expect(counts[0]).toEqual([1, 1]);
    expect(new Set(counts.slice(1).flat())).toEqual(new Set([0]));
    for (const topic of topics) expect(await valuesOf(topic)).toEqual(['tx 0']);
    await store.close();
  });

  test('is free again when the transaction is abandoned, also while it waits', async () => {
    const bench = new StoreBench();
    const held = new HeldSyncs(bench.fileSystem, '/topics/t');
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append(RECORD('warm'));
    await rejectionOf(
      store.transaction((tx) => {
        tx.append(topic, RECORD('one'));
        tx.abort();
      }),
    );
    held.hold();
    const plain = topic.append(RECORD('two'));
    const late = rejectionOf(
      store.transaction((tx) => tx.append(topic, [RECORD('one'), RECORD('two')]), {
        timeoutMs: 10,
      }),
    );
    await turns(10);
    bench.clock.advance(10);
    expect(await late).toMatchObject({ details: { state: 'timed-out' } });
    held.release();
    expect(await plain).toMatchObject({ offset: 1, duplicate: false });
    expect(await topic.append(RECORD('one'))).toMatchObject({ offset: 2, duplicate: false });
    await store.close();
  });

  test('nobody may append again while only the next opening can tell', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await appendOne(store, topic, 'warm');
    disk.fileSystem.addFault({ operations: ['datasync'], path: /journal/, errno: 'EIO' });
    const failed = await rejectionOf(appendOne(store, topic, 'one'));
    expect(failed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
    // Not in the other partition either, whose log is sound: it may be there.
    expect(await rejectionOf(topic.append(RECORD('one'), { partition: 1 }))).toBeInstanceOf(
      FailedError,
    );
    expect(await topic.append(RECORD('two'), { partition: 1 })).toMatchObject({ duplicate: false });
    for (const [after, expected] of [
      [disk.copyAfterPowerCut(), false],
      [disk.copy(), true],
    ] as const) {
      const again = await after.open();
      const found = await again.topic('t', { codec: utf8 });
      const isThere = (await valuesOf(found)).includes('one');
      expect(isThere).toBe(expected);
      expect((await found.append(RECORD('one'), { partition: 1 })).duplicate).toBe(isThere);
      expect((await valuesOf(found)).filter((value) => value === 'one')).toHaveLength(1);
      await again.close();
    }
    await store.close().catch(() => undefined);
  });

  test('is answered while its record, which the journal has, waits for room in its log', async () => {
    const disk = await StoreDisk.make();
    const { fileSystem, clock } = disk;
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await appendOne(store, topic, 'warm');
    await topic.append(RECORD('other'), { partition: 1 });
    fileSystem.addFault({ operations: ['write'], path: /topics\/t.*\/0\//, errno: 'ENOSPC' });
    expect((await appendOne(store, topic, 'one')).result).toMatchObject({ recordCount: 1 });
    expect(await valuesOf(topic)).not.toContain('one');
    const again = await topic.append(RECORD('one'), { partition: 1 });
    expect(again).toEqual({ partition: 0, offset: 1, durability: 'sync', duplicate: true });
    expect((await appendOne(store, topic, 'one', 1)).result).toMatchObject({
      duplicates: [{ index: 0, partition: 0, offset: 1 }],
    });
    fileSystem.clearFaults();
    clock.advance(1001);
    await turns(20);
    expect(await topic.append(RECORD('one'))).toMatchObject({ partition: 0, offset: 1 });
    expect(await topic.read({ partition: 0, offset: 1 })).toMatchObject({ value: 'one' });
    // Its window began when it was committed, not when it could be seen.
    clock.advance(WINDOW_MS * LONGER - 1001);
    expect(await topic.append(RECORD('one'), { partition: 1 })).toMatchObject({ duplicate: false });
    await store.close();
  });

  test('means what the topic says when it is committed: it may be altered meanwhile', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8 });
    const append = (value: string, key: string) => topic.append({ value, key, dedupId: 'one' });
    await append('a', 'k');
    const { result } = await store.transaction(async (tx) => {
      const committed = tx.append(topic, [
        { value: 'b', key: 'other', dedupId: 'one' },
        { value: 'c', key: 'k', dedupId: 'one' },
      ]);
      await store.alterTopic('t', { dedupScope: 'key' });
      return committed;
    });
    // What was there before has another meaning: it does not count any more.
    expect(result).toMatchObject({ recordCount: 2, duplicates: [] });
    expect(await append('d', 'other')).toMatchObject({ offset: 1, duplicate: true });
    expect(await append('e', 'k')).toMatchObject({ offset: 2, duplicate: true });
    await store.close();
  });

  test('is refused with what cannot be an id, and the transaction goes on', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8 });
    const { result } = await store.transaction((tx) => {
      expect(() => tx.append(topic, { value: 'x', dedupId: '' })).toThrow(/dedupId/);
      expect(() => tx.append(topic, { value: 'x', dedupId: 'x'.repeat(256) })).toThrow(/dedup id/);
      return tx.append(topic, RECORD('one'));
    });
    expect(result).toMatchObject({ recordCount: 1 });
    await store.close();
  });
});
