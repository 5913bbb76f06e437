/** Consumers in other processes: what they lease by the verbs of the socket, and what comes back. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { answerControl, decodeAnswer, encodeRequest } from '../../../src/store/control-protocol.ts';
import type { ControlVerb } from '../../../src/store/control-verb.ts';
import {
  acquireRecords,
  describeShareGroup,
  leaveShareGroup,
  peekRecords,
  purgeShareGroup,
  redriveRecords,
  renewLeases,
  settleRecords,
  type RemoteDelivery,
} from '../../../src/store/queue-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const encoder = new TextEncoder();
const directory = '1:2';
const ref = { topic: 'email', group: 'queue' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** There and back, as over a socket. */
async function ask<A, R>(store: Store, verb: ControlVerb<A, R>, args: A): Promise<R> {
  const request = encoder.encode(encodeRequest(verb, args, directory));
  return decodeAnswer(verb, await answerControl({ store, directory }, request));
}

async function openEmail(
  ...values: readonly string[]
): Promise<{ bench: StoreBench; store: Store }> {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('email', {
    codec: utf8,
    partitions: 1,
    failuresMax: 2,
    recordBytesMax: 12 * 1024 * 1024,
  });
  for (const value of values) await queue.send(value, { key: 'k', headers: { h: 'x' } });
  await queue.close();
  return { bench, store };
}

function acquire(
  store: Store,
  consumer: string,
  options: { readonly max?: number; readonly leaseMs?: number; readonly waitMs?: number } = {},
): Promise<readonly RemoteDelivery[]> {
  const { max = 10, leaseMs = null, waitMs = 0 } = options;
  return ask(store, acquireRecords, { ...ref, consumer, max, leaseMs, waitMs });
}

type How = 'ack' | 'release' | 'fail' | 'reject' | 'undelivered';

function settle(
  store: Store,
  consumer: string,
  ...pairs: readonly (readonly [token: string, how: How])[]
): Promise<{ readonly lost: readonly string[] }> {
  const settlements = pairs.map(([token, how]) => ({ token, how, delayMs: 0, error: 'why' }));
  return ask(store, settleRecords, { consumer, settlements });
}

async function statsOf(store: Store): Promise<unknown> {
  const { stats } = await ask(store, describeShareGroup, { ...ref, leasesMax: 10 });
  return stats;
}

describe('a consumer elsewhere', () => {
  test('gets records whole, and ends each lease as it says', async () => {
    const { store } = await openEmail('a', 'b', 'c', 'd', 'e');
    const taken = await acquire(store, 'one');
    expect(taken[0]).toEqual({
      token: expect.stringMatching(/^\d+-1-0-0$/),
      partition: 0,
      offset: 0,
      attempt: 1,
      leaseLeftMs: 30_000,
      key: base64('k'),
      value: base64('a'),
      headers: [{ name: 'h', value: base64('x') }],
    });
    const tokens = taken.map(({ token }) => token);
    const hows: readonly How[] = ['ack', 'release', 'fail', 'reject', 'undelivered'];
    const pairs = hows.map((how, at) => [tokens[at] ?? '', how] as const);
    expect(await settle(store, 'one', ...pairs)).toEqual({ lost: [] });
    expect(await statsOf(store)).toMatchObject({
      readyCount: 3,
      leasedCount: 0,
      deadCount: 1,
      settled: { acked: 1, rejected: 1 },
    });
    const states = { states: ['ready' as const], partition: null, limit: 9 };
    expect(await ask(store, peekRecords, { ...ref, ...states })).toMatchObject([
      { offset: 1, attempts: 1, failures: 0, lastError: 'why' },
      { offset: 2, attempts: 1, failures: 1, lastError: 'why' },
      { offset: 4, attempts: 0, failures: 0, lastError: null },
    ]);
    await store.close();
  });

  test('cannot settle what it does not have: stale, foreign or made up', async () => {
    const { store } = await openEmail('a', 'b');
    const [first] = await acquire(store, 'one', { max: 1 });
    const [second] = await acquire(store, 'two', { max: 1 });
    const [own, others] = [first?.token ?? '', second?.token ?? ''];
    expect(await settle(store, 'one', [others, 'ack'], ['9-9-0-0', 'ack'])).toEqual({
      lost: [others, '9-9-0-0'],
    });
    expect(await settle(store, 'nobody', [own, 'ack'])).toEqual({ lost: [own] });
    expect(
      await ask(store, renewLeases, { consumer: 'one', tokens: [own, others], leaseMs: null }),
    ).toEqual({
      lost: [others],
    });
    expect(await settle(store, 'one', [own, 'ack'])).toEqual({ lost: [] });
    expect(await settle(store, 'one', [own, 'ack'])).toEqual({ lost: [own] });
    expect(await statsOf(store)).toMatchObject({ leasedCount: 1, settled: { acked: 1 } });
    await store.close();
  });

  test('that dies keeps its records for as long as their leases, and is forgotten later', async () => {
    const { bench, store } = await openEmail('a');
    const [first] = await acquire(store, 'one', { leaseMs: 1000 });
    bench.clock.advance(900);
    const token = first?.token ?? '';
    await ask(store, renewLeases, { consumer: 'one', tokens: [token], leaseMs: 1000 });
    for (let at = 0; at < 9; at++) bench.clock.advance(100);
    expect(await acquire(store, 'two')).toEqual([]);
    for (let at = 0; at < 3; at++) bench.clock.advance(100);
    const [again] = await acquire(store, 'two', { waitMs: 1000 });
    expect(again).toMatchObject({ offset: 0, attempt: 2 });
    expect(await settle(store, 'one', [token, 'ack'])).toEqual({ lost: [token] });
    expect(await statsOf(store)).toMatchObject({ leasedCount: 1, settled: { acked: 0 } });
    expect(store.remoteConsumers.count).toBe(2);
    for (let at = 0; at < 1500; at++) bench.clock.advance(100);
    expect(store.remoteConsumers.count).toBe(0);
    await store.close();
  });

  test('that leaves gives back what it has', async () => {
    const { store } = await openEmail('a', 'b');
    await acquire(store, 'one');
    expect(await statsOf(store)).toMatchObject({ leasedCount: 2 });
    await ask(store, leaveShareGroup, { consumer: 'one' });
    await ask(store, leaveShareGroup, { consumer: 'one' });
    expect(await statsOf(store)).toMatchObject({ readyCount: 2, leasedCount: 0 });
    expect(store.remoteConsumers.count).toBe(0);
    await store.close();
  });

  test('waits for records, and is answered when the store closes', async () => {
    const { store } = await openEmail();
    const waiting = acquire(store, 'one', { waitMs: 5000 });
    const topic = await store.topic('email', { codec: utf8 });
    await topic.append({ value: 'late' });
    expect(await waiting).toMatchObject([{ value: base64('late') }]);
    const forEver = acquire(store, 'two', { waitMs: Number.MAX_SAFE_INTEGER });
    const [refused] = await Promise.allSettled([forEver, store.close()]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'ERR_VARVE_CLOSED' } });
    await expect(acquire(store, 'three')).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });

  test('does not wait where too many do: others must get through', async () => {
    const { bench, store } = await openEmail();
    const names = Array.from({ length: 8 }, (_, at) => `waits ${at}`);
    const waiting = names.map((name) => acquire(store, name, { waitMs: 60_000 }));
    await Promise.all(names.map((name) => acquire(store, name)));
    expect(await acquire(store, 'one more', { waitMs: 60_000 })).toEqual([]);
    bench.clock.advance(10_000); // Longer than that nobody waits.
    expect(await Promise.all(waiting)).toEqual(names.map(() => []));
    await store.close();
  });

  test('gets as much as an answer carries; the rest is as it was', async () => {
    const large = 'x'.repeat(10 * 1024 * 1024);
    const { store } = await openEmail(large, large, large);
    expect((await acquire(store, 'one')).map(({ offset }) => offset)).toEqual([0]);
    expect(await acquire(store, 'one', { max: 1 })).toMatchObject([{ offset: 1, attempt: 1 }]);
    await store.close();
  });

  test('is refused under the name of another, and when there are too many', async () => {
    const { store } = await openEmail();
    const orders = await store.topic('orders');
    await orders.shareGroup('billing');
    await acquire(store, 'one');
    const other = { topic: 'orders', group: 'billing', consumer: 'one' };
    const wish = { max: 1, leaseMs: null, waitMs: 0 };
    await expect(ask(store, acquireRecords, { ...other, ...wish })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
    });
    for (let at = 1; at < 256; at++) await acquire(store, `consumer ${at}`);
    await expect(acquire(store, 'one more')).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    expect(await acquire(store, 'one')).toEqual([]);
    await store.close();
  });

  test('of a queue that is deleted hears that there is none', async () => {
    const { store } = await openEmail('a');
    await acquire(store, 'one');
    await store.deleteTopic('email');
    await expect(acquire(store, 'one')).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await expect(acquire(store, 'one')).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    expect(store.remoteConsumers.count).toBe(0);
    await store.close();
  });
});

describe('hostile requests', () => {
  test.each<[string, string]>([
    [
      'acquireRecords',
      '{"topic":"email","group":"queue","consumer":"c","max":0,"leaseMs":null,"waitMs":0}',
    ],
    [
      'acquireRecords',
      '{"topic":"email","group":"queue","consumer":"c","max":1,"leaseMs":1,"waitMs":0}',
    ],
    [
      'acquireRecords',
      '{"topic":"email","group":"queue","consumer":7,"max":1,"leaseMs":null,"waitMs":0}',
    ],
    [
      'acquireRecords',
      '{"topic":"email","group":"queue","consumer":"c","max":1,"leaseMs":null,"waitMs":-1}',
    ],
    [
      'settleRecords',
      '{"consumer":"c","settlements":[{"token":"t","how":"eat","delayMs":0,"error":""}]}',
    ],
    ['settleRecords', '{"consumer":"c","settlements":{}}'],
    ['renewLeases', '{"consumer":"c","tokens":[1],"leaseMs":null}'],
    [
      'peekRecords',
      '{"topic":"email","group":"queue","states":["gone"],"partition":null,"limit":1}',
    ],
    ['peekRecords', '{"topic":"email","group":"queue","states":["ready"],"partition":5,"limit":1}'],
    ['describeShareGroup', '{"topic":"email","group":"queue","leasesMax":1e9}'],
    [
      'redriveRecords',
      '{"topic":"email","group":"queue","to":null,"reasons":["age"],"refs":null,"limit":1,"dryRun":true}',
    ],
    ['purgeShareGroup', '{"topic":"email","group":"queue"}'],
  ])('%s %s changes nothing', async (verb, args) => {
    const { store } = await openEmail('a');
    const before = store.stateHash();
    const request = `{"v":1,"directory":"${directory}","verb":"${verb}","args":${args}}`;
    const answer = await answerControl({ store, directory }, encoder.encode(request));
    expect(JSON.parse(answer)).toMatchObject({ error: { code: 'ERR_VARVE_INVALID_ARGUMENT' } });
    expect(store.stateHash()).toBe(before);
    await store.close();
  });

  test('about what is not there are refused', async () => {
    const { store } = await openEmail('a');
    const none = { topic: 'email', group: 'none' };
    for (const asked of [
      ask(store, purgeShareGroup, { ...none, undo: false }),
      ask(store, describeShareGroup, { ...none, leasesMax: 0 }),
      ask(store, peekRecords, { ...none, states: [], partition: null, limit: 1 }),
      ask(store, redriveRecords, {
        ...none,
        to: null,
        reasons: null,
        refs: null,
        from: null,
        limit: null,
        dryRun: false,
      }),
      ask(store, acquireRecords, { ...none, consumer: 'c', max: 1, leaseMs: null, waitMs: 0 }),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    }
    expect(store.shareGroups()).toHaveLength(1);
    await store.close();
  });
});
