/** Looking at records without leasing them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { BrowsedRecord, BrowseOptions } from '../../../src/queue/browse.ts';
import type { QueueOptions } from '../../../src/queue/queue.ts';
import type { ShareGroup } from '../../../src/queue/share-group.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function collect<T>(records: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** Value and state of each. */
async function seen(
  group: ShareGroup<string>,
  options: BrowseOptions = {},
): Promise<readonly string[]> {
  const all = await collect(group.browse(options));
  return all.map(({ record, state }) => `${record.value} ${state}`);
}

async function openQueue(options: QueueOptions<string> = {}, storeOptions: StoreOptions = {}) {
  const bench = new StoreBench();
  const store = await bench.open(storeOptions);
  return { bench, store, queue: await store.queue('q', { codec: utf8, ...options }) };
}

/** Sends one record for each letter. */
async function send(
  queue: { sendBatch(records: readonly { readonly value: string }[]): Promise<unknown> },
  letters: string,
): Promise<void> {
  await queue.sendBatch(letters.split('').map((value) => ({ value })));
}

/** A queue with a record in each state: a dead, b delayed, c ready, d leased, e settled, f never tried. */
async function everyState(storeOptions: StoreOptions = {}) {
  const own = await openQueue({ failuresMax: 1 }, storeOptions);
  const { queue } = own;
  await send(queue, 'abcdef');
  const deliveries = await queue.acquire({ max: 5 });
  const [a, b, c, , e] = deliveries;
  await a?.release({ failed: true, error: 'broken' });
  await b?.release({ delayMs: 5000, error: 'later' });
  await c?.release();
  await e?.ack();
  return own;
}

describe('browse', () => {
  test('passes what is not settled, in order, with its state', async () => {
    const { store, queue, bench } = await everyState();
    const all = await collect(queue.browse());
    const told = all.map(({ record, offset, ...rest }) => [record.value, offset, rest]);
    const timeMs = bench.clock.now();
    const none = { attempts: 0, failures: 0, expiries: 0, crashes: 0 };
    const plain = { partition: 0, dueMs: null, reason: null, trouble: null, ...none };
    const trouble = (text: string) => ({
      firstError: text,
      firstErrorMs: timeMs,
      lastError: text,
      lastErrorMs: timeMs,
    });
    const dead = { state: 'dead', reason: 'failures', trouble: trouble('broken') };
    const delayed = { state: 'delayed', dueMs: timeMs + 5000, trouble: trouble('later') };
    expect(told).toEqual([
      ['a', 0, { ...plain, ...dead, attempts: 1, failures: 1 }],
      ['b', 1, { ...plain, ...delayed, attempts: 1 }],
      ['c', 2, { ...plain, state: 'ready', attempts: 1 }],
      ['d', 3, { ...plain, state: 'leased', attempts: 1 }],
      ['f', 5, { ...plain, state: 'ready' }],
    ]);
    await store.close();
  });

  test('leases nothing, and changes nothing', async () => {
    const { store, queue } = await everyState();
    const before = store.stateHash();
    await collect(queue.browse());
    await queue.peek(10);
    expect(store.stateHash()).toBe(before);
    expect(await queue.stats()).toMatchObject({
      readyCount: 2,
      leasedCount: 1,
      delayedCount: 1,
      deadCount: 1,
    });
    const next = await queue.acquire({ max: 10 });
    expect(next.map(({ value }) => value)).toEqual(['c', 'f']);
    await store.close();
  });

  test.each([
    [['ready'], ['c ready', 'f ready']],
    [
      ['leased', 'dead'],
      ['a dead', 'd leased'],
    ],
    [['delayed'], ['b delayed']],
    [[], []],
  ] as const)('of states %j only', async (states, expected) => {
    const { store, queue } = await everyState();
    expect(await seen(queue, { states })).toEqual(expected);
    await store.close();
  });

  test('stops at the limit, and peek at what is ready', async () => {
    const { store, queue } = await everyState();
    expect(await seen(queue, { limit: 2 })).toEqual(['a dead', 'b delayed']);
    expect(await seen(queue, { limit: 0 })).toEqual([]);
    const values = (records: readonly BrowsedRecord<string>[]) =>
      records.map(({ record }) => record.value);
    expect(values(await queue.peek())).toEqual(['c']);
    expect(values(await queue.peek(5))).toEqual(['c', 'f']);
    await store.close();
  });

  test('goes from partition to partition, or through one of them', async () => {
    const { store, queue } = await openQueue({ partitions: 3 });
    for (const partition of [2, 0, 1, 0]) {
      await queue.send(`p${partition}`, { partition });
    }
    expect(await seen(queue)).toEqual(['p0 ready', 'p0 ready', 'p1 ready', 'p2 ready']);
    expect(await seen(queue, { partition: 2 })).toEqual(['p2 ready']);
    expect(await seen(queue, { limit: 3 })).toEqual(['p0 ready', 'p0 ready', 'p1 ready']);
    await store.close();
  });

  test('shows the state that a record has when it is passed, not at the start', async () => {
    const { store, queue } = await openQueue();
    await send(queue, 'abcd');
    const records = queue.browse();
    const first = await records.next();
    expect(first.value).toMatchObject({ offset: 0, state: 'ready' });
    const [, b, c] = await queue.acquire({ max: 3 });
    await b?.ack();
    await send(queue, 'e'); // Came meanwhile.
    const rest = await collect(records);
    expect(rest.map(({ offset, state }) => [offset, state])).toEqual([
      [present(c, 'acquired').offset, 'leased'],
      [3, 'ready'],
    ]);
    await store.close();
  });

  test('looks at a group that nobody uses, whose delays ended meanwhile', async () => {
    const { bench, store } = await everyState();
    await store.close();
    const readOnly = await bench.open({ readOnly: true });
    const topic = await readOnly.topic('q', { codec: utf8 });
    const found = async () =>
      (await collect(topic.browseShareGroup('queue'))).map(
        ({ record, state }) => `${record.value} ${state}`,
      );
    expect(await found()).toEqual(['a dead', 'b delayed', 'c ready', 'd ready', 'f ready']);
    bench.clock.advance(5000);
    expect(await found()).toEqual(['a dead', 'b ready', 'c ready', 'd ready', 'f ready']);
    expect(() => topic.browseShareGroup('other')).toThrow('there is no share group other');
    const queue = await readOnly.queue('q', { codec: utf8 });
    expect((await queue.peek()).map(({ offset }) => offset)).toEqual([1]);
    await expect(queue.acquire()).rejects.toMatchObject({ code: 'ERR_VARVE_READ_ONLY' });
    await readOnly.close();
  });

  test('of a store that was killed shows its leases, also when it is only read', async () => {
    const disk = new FaultyFileSystem({ random: new SeededRandom(1) });
    const { bench, store } = await everyState({ fileSystem: disk });
    const readOnly = await bench.open({ readOnly: true, fileSystem: disk.killImage() });
    const queue = await readOnly.queue('q', { codec: utf8 });
    expect(await seen(queue)).toEqual(['a dead', 'b delayed', 'c ready', 'd leased', 'f ready']);
    await readOnly.close();
    await store.close();
  });

  test('passes over what retention took, also meanwhile', async () => {
    const { store, queue } = await openQueue({ segmentBytesMax: 65_536 });
    const value = 'x'.repeat(10_000);
    for (let n = 0; n < 40; n++) await queue.send(value);
    const records = queue.browse();
    expect((await records.next()).value).toMatchObject({ offset: 0 });
    await queue.topic.deleteBefore({ partition: 0, offset: 30 });
    const offsets = (await collect(records)).map(({ offset }) => offset);
    expect(offsets.slice(-10)).toEqual(Array.from({ length: 10 }, (_, at) => 30 + at));
    expect(offsets).toEqual(offsets.toSorted((one, two) => one - two));
    const later = (await collect(queue.browse())).map(({ offset }) => offset);
    expect(later[0]).toBe(30);
    await store.close();
  });

  test('finds scattered records among many that are settled', async () => {
    const { store, queue } = await openQueue({ leasedMax: 10_000 });
    const count = 3000;
    await queue.sendBatch(Array.from({ length: count }, (_, n) => ({ value: String(n) })));
    const deliveries = await queue.acquire({ max: count });
    const kept = new Set([0, 7, 24, 25, 41, 1000, 2998]);
    await queue.ackAll(deliveries.filter(({ offset }) => !kept.has(offset)));
    expect((await collect(queue.browse())).map(({ offset }) => offset)).toEqual([...kept]);
    await store.close();
  });

  test('lets the log go when it is left early', async () => {
    const { store, queue } = await openQueue();
    await send(queue, 'abc');
    const values: (string | null)[] = [];
    for await (const { record } of queue.browse()) {
      values.push(record.value);
      break;
    }
    expect(values).toEqual(['a']);
    await store.close();
  });

  test('refuses what it does not know, and ends with the reason of its signal', async () => {
    const { store, queue } = await openQueue();
    await send(queue, 'abc');
    const invalid = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
    const wrong = [
      { states: ['settled'] },
      { states: 'ready' },
      { partition: 1 },
      { limit: -1 },
      { state: 'ready' },
    ];
    for (const options of wrong) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
      await expect(queue.browse(options as BrowseOptions).next()).rejects.toMatchObject(invalid);
    }
    await expect(queue.peek(0)).rejects.toMatchObject(invalid);
    const reason = new Error('enough');
    await expect(queue.browse({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
    await store.close();
    await expect(queue.browse().next()).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });
});
