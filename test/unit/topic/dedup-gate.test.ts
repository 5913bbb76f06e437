import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { turns } from '../../support/log-fixture.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';

const WINDOW_MS = 300_000;

async function valuesOf(topic: { records(): AsyncIterable<{ value: string | null }> }) {
  const values = new Set<string | null>();
  for await (const { value } of topic.records()) {
    expect(values).not.toContain(value);
    values.add(value);
  }
  return values;
}

describe('records with a dedupId', () => {
  test('are stored once, and the second caller hears where', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', { codec: utf8, partitions: 3 });
    const first = await topic.append({ value: 'a', dedupId: 'one' }, { partition: 2 });
    expect(first).toEqual({ partition: 2, offset: 0, durability: 'sync', duplicate: false });
    const second = await topic.append({ value: 'b', dedupId: 'one' }, { partition: 1 });
    expect(second).toEqual({ partition: 2, offset: 0, durability: 'sync', duplicate: true });
    const other = await topic.append({ value: 'c', dedupId: 'two' }, { partition: 1 });
    expect(other).toMatchObject({ partition: 1, offset: 0, duplicate: false });
    expect(await topic.append({ value: 'plain' })).toMatchObject({ duplicate: false });
    expect(await valuesOf(topic)).toEqual(new Set(['a', 'c', 'plain']));
    const stored = await topic.read({ partition: 2, offset: 0 });
    expect([...(stored?.headers ?? [])]).toEqual(
      [['varve-dedup-id', Buffer.from('one')]].map(([name, value]) => [
        name,
        new Uint8Array(value as Buffer),
      ]),
    );
    await store.close();
  });

  test('that are on their way when the store is closed are stored, and answered', async () => {
    for (const durability of ['os', 'sync'] as const) {
      const bench = new StoreBench();
      const store = await bench.open();
      const topic = await store.topic('orders', { codec: utf8, durability });
      await topic.append({ value: 'a', dedupId: 'one' });
      const onItsWay = topic.append({ value: 'b', dedupId: 'two' });
      await store.close();
      expect(await onItsWay).toMatchObject({ offset: 1, duplicate: false });
      const again = await bench.open();
      const reopened = await again.topic('orders', { codec: utf8 });
      const retried = await reopened.append({ value: 'c', dedupId: 'two' });
      expect(retried).toMatchObject({ offset: 1, duplicate: true });
      await again.close();
      expect(bench.fileSystem.openFileCount).toBe(0);
    }
  });

  test('of one batch and of the batch before: duplicates are named by their number', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', { codec: utf8, partitions: 2 });
    const batch = (...ids: string[]) =>
      topic.appendBatch(
        ids.map((id) => ({ value: id, dedupId: id })),
        { partition: 1 },
      );
    expect(await batch('a', 'b')).toEqual({
      placements: [{ partition: 1, baseOffset: 0, recordCount: 2 }],
      recordCount: 2,
      duplicates: [],
      durability: 'sync',
    });
    expect(await batch('c', 'b', 'd', 'c', 'a')).toEqual({
      placements: [{ partition: 1, baseOffset: 2, recordCount: 2 }],
      recordCount: 2,
      duplicates: [
        { index: 1, partition: 1, offset: 1 },
        { index: 3, partition: 1, offset: 2 },
        { index: 4, partition: 1, offset: 0 },
      ],
      durability: 'sync',
    });
    expect(await batch('a', 'b')).toMatchObject({ placements: [], recordCount: 0 });
    await store.close();
  });

  test('sent twice at once: the second is not answered before the first is durable', async () => {
    const bench = new StoreBench();
    const held = new HeldSyncs(bench.fileSystem, '/topics/');
    const store = await bench.open();
    const topic = await store.topic('orders', { codec: utf8 });
    await topic.append({ value: 'warm', dedupId: 'warm' });
    held.hold();
    const answers: string[] = [];
    const first = topic.append({ value: 'a', dedupId: 'one' });
    const second = topic.append({ value: 'b', dedupId: 'one' });
    void first.then(() => answers.push('first'));
    void second.then(() => answers.push('second'));
    await turns(20);
    expect(held.waiting).toHaveLength(1);
    expect(answers).toEqual([]);
    held.release();
    expect(await first).toMatchObject({ offset: 1, duplicate: false });
    expect(await second).toMatchObject({ offset: 1, duplicate: true });
    expect(answers).toEqual(['first', 'second']);
    await store.close();
  });

  test('count for their window, by a clock that nobody sets', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', { codec: utf8 });
    const send = () => topic.append({ value: 'a', dedupId: 'one' });
    expect(await send()).toMatchObject({ offset: 0, duplicate: false });
    bench.clock.jumpTo(bench.clock.now() + 100 * WINDOW_MS);
    expect(await send()).toMatchObject({ offset: 0, duplicate: true });
    bench.clock.advance(WINDOW_MS);
    expect(await send()).toMatchObject({ offset: 0, duplicate: true });
    bench.clock.advance(WINDOW_MS / 256 + 1);
    expect(await send()).toMatchObject({ offset: 1, duplicate: false });
    await store.close();
  });

  test('are known again after the store was opened again, for as long as their window is', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let topic = await store.topic('orders', { codec: utf8, partitions: 2 });
    for (let n = 0; n < 500; n++) {
      await topic.append(
        { value: `${n}`, dedupId: `id ${n}` },
        { partition: n % 2, durability: 'os' },
      );
    }
    bench.clock.advance(WINDOW_MS / 2);
    store = await bench.reopen(store);
    topic = await store.topic('orders', { codec: utf8 });
    for (let n = 0; n < 500; n += 7) {
      const answer = await topic.append({ value: 'again', dedupId: `id ${n}` });
      expect(answer).toMatchObject({ partition: n % 2, offset: n >> 1, duplicate: true });
    }
    bench.clock.advance(WINDOW_MS);
    expect(await topic.append({ value: 'anew', dedupId: 'id 3' })).toMatchObject({
      duplicate: false,
    });
    await store.close();
  });

  test('by content and by key: each means what its options say', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('orders', {
      codec: utf8,
      dedupBy: 'content',
      dedupScope: 'key',
    });
    const isDuplicate = async (record: { value: string | null; key?: string; dedupId?: string }) =>
      (await topic.append(record)).duplicate;
    expect(await isDuplicate({ value: 'a', key: 'k' })).toBe(false);
    expect(await isDuplicate({ value: 'a', key: 'k' })).toBe(true);
    expect(await isDuplicate({ value: 'a', key: 'other' })).toBe(false);
    expect(await isDuplicate({ value: 'a' })).toBe(false);
    expect(await isDuplicate({ value: 'a', key: 'k', dedupId: 'a' })).toBe(false);
    expect(await isDuplicate({ value: 'b', key: 'k', dedupId: 'a' })).toBe(true);
    expect(await isDuplicate({ value: null, key: 'k' })).toBe(false);
    expect(await isDuplicate({ value: '', key: 'k' })).toBe(false);
    expect(await isDuplicate({ value: null, key: 'k' })).toBe(true);
    await store.close();
  });

  test('whose header was set by hand: it is the id of nobody', async () => {
    const store = await new StoreBench().open();
    const byId = await store.topic('by id', { codec: utf8 });
    const byContent = await store.topic('by content', { codec: utf8, dedupBy: 'content' });
    const forged = { 'varve-dedup-id': 'one', other: 'x' };
    for (const topic of [byId, byContent]) {
      await topic.append({ value: 'a', headers: forged });
      expect(await topic.append({ value: 'b', dedupId: 'one' })).toMatchObject({ offset: 1 });
      expect(await topic.append({ value: 'c', headers: forged })).toMatchObject({ offset: 2 });
      await topic.append({ value: 'd', headers: forged, dedupId: 'two' });
      expect((await topic.append({ value: 'e', dedupId: 'two' })).duplicate).toBe(true);
    }
    const idOf = async (topic: typeof byId, offset: number) => {
      const id = (await topic.read({ partition: 0, offset }))?.headers.get('varve-dedup-id');
      return id === undefined ? null : Buffer.from(id).toString();
    };
    // It is kept for who reads it, but not where it would keep a content from being known again.
    expect([await idOf(byId, 0), await idOf(byId, 3)]).toEqual(['one', 'two']);
    expect([await idOf(byContent, 0), await idOf(byContent, 3)]).toEqual([null, 'two']);
    expect(await byContent.append({ value: 'a' })).toMatchObject({ offset: 0, duplicate: true });
    await store.close();
  });

  test('are counted: what is known, what was left out, and what was read to be certain', async () => {
    const store = await new StoreBench().open();
    const nothing = { idCount: 0, sizeBytes: 0, duplicateCount: 0, confirmedReadCount: 0 };
    expect(store.stats().dedup).toEqual(nothing);
    const topic = await store.topic('orders', { codec: utf8 });
    const other = await store.topic('other', { codec: utf8 });
    await topic.appendBatch(['a', 'b', 'a'].map((id) => ({ value: id, dedupId: id })));
    await topic.append({ value: 'again', dedupId: 'b' });
    await other.append({ value: 'a', dedupId: 'a' });
    await store.transaction((tx) => tx.append(other, { value: 'b', dedupId: 'a' }));
    const { sizeBytes, ...counts } = store.stats().dedup;
    expect(counts).toEqual({ idCount: 3, duplicateCount: 3, confirmedReadCount: 2 });
    expect(sizeBytes).toBeGreaterThan(0);
    await store.close();
  });

  test('have one entry, however often one is settled and sent again while another stays', async () => {
    const ROUNDS = 30;
    const store = await new StoreBench().open();
    const queue = await store.queue('jobs', { codec: utf8, dedupWindowMs: 'settled' });
    await queue.send('stays', { dedupId: 'stays' });
    const [held] = await queue.acquire({ max: 1 });
    expect(held?.value).toBe('stays');
    for (let round = 0; round < ROUNDS; round++) {
      const sent = await queue.send('again', { dedupId: 'again' });
      expect(sent.duplicate).toBe(false);
      expect(await queue.send('again', { dedupId: 'again' })).toMatchObject({
        duplicate: true,
        offset: sent.offset,
      });
      const [delivery] = await queue.acquire({ max: 1 });
      await delivery?.ack();
    }
    expect(store.stats().dedup).toMatchObject({ idCount: 2, duplicateCount: ROUNDS });
    expect(await queue.send('stays', { dedupId: 'stays' })).toMatchObject({ duplicate: true });
    await store.close();
  });
});
