/** What the owner of a store answers to whoever writes to its socket. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { answerControl, decodeAnswer, encodeRequest } from '../../../src/store/control-protocol.ts';
import { OwnerError } from '../../../src/store/owner-error.ts';
import type { ControlVerb } from '../../../src/store/control-verb.ts';
import {
  addPartitions,
  alterTopic,
  CONTROL_VERBS,
  createTopic,
  deleteGroup,
  deleteRecords,
  deleteTopic,
  describeGroup,
  listGroups,
  listTopics,
  liveStats,
  resetGroup,
} from '../../../src/store/control-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const encoder = new TextEncoder();
const directory = '1:2';

/** There and back, as over a socket. */
async function ask<A, R>(store: Store, verb: ControlVerb<A, R>, args: A): Promise<R> {
  const line = await answerControl(
    { store, directory },
    encoder.encode(encodeRequest(verb, args, directory)),
  );
  expect(line).not.toContain('\n');
  return decodeAnswer(verb, line);
}

async function answerTo(store: Store, request: string | Uint8Array): Promise<unknown> {
  const bytes = typeof request === 'string' ? encoder.encode(request) : request;
  return JSON.parse(await answerControl({ store, directory }, bytes));
}

/** Topic `orders` with a record, and group `billing` that committed it. */
async function openOrders(): Promise<Store> {
  const store = await new StoreBench().open();
  const orders = await store.topic('orders', { codec: utf8, partitions: 2 });
  await orders.append({ value: 'one' }, { partition: 0 });
  await orders.resetGroup('billing', 'latest', { partitions: [0], dryRun: false });
  return store;
}

describe('the verbs', () => {
  test('do what the methods of the store do', async () => {
    const store = await openOrders();
    const created = await ask(store, createTopic, {
      topic: 'clicks',
      partitions: 3,
      options: { durability: 'os', segmentAgeMsMax: null, compression: 'gzip' },
    });
    expect(created).toEqual(store.describeTopic('clicks'));
    expect(created.options).toMatchObject({ durability: 'os', segmentAgeMsMax: null });
    const altered = await ask(store, alterTopic, {
      topic: 'clicks',
      options: { retentionMs: 5000 },
    });
    expect(altered).toEqual(store.describeTopic('clicks'));
    expect(altered.options.retentionMs).toBe(5000);
    const grown = await ask(store, addPartitions, { topic: 'clicks', partitions: 5 });
    expect(grown.keyMaps).toHaveLength(2);
    expect(store.describeTopic('clicks').partitionCount).toBe(5);
    expect(await ask(store, listTopics, {})).toEqual(store.topics());
    const deleted = await ask(store, deleteTopic, { topic: 'clicks' });
    expect(deleted).toMatchObject({ name: 'clicks', groups: [], keptPaths: [] });
    expect(store.topics().map(({ name }) => name)).toEqual(['orders']);
    await store.close();
  });

  test('of groups, too', async () => {
    const store = await openOrders();
    const group = { topic: 'orders', group: 'billing' };
    const orders = await store.topic('orders', { codec: utf8 });
    const member = await orders.consumerGroup('billing');
    expect(await ask(store, listGroups, {})).toEqual(store.groups());
    expect(await ask(store, liveStats, {})).toMatchObject({
      topicCount: 1,
      groupCount: 1,
      memberCount: 1,
      journal: { startOffset: 0, endOffset: 2, segmentCount: 1 },
    });
    const described = await ask(store, describeGroup, group);
    expect(described).toEqual(await orders.describeGroup('billing'));
    expect(described.members).toHaveLength(1);
    await expect(ask(store, deleteGroup, group)).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { kind: 'consumer group', name: 'billing', stored: '1 member' },
    });
    await member.close();
    const reset = { ...group, to: 'earliest', partitions: [0] } as const;
    const moved = [{ partition: 0, from: 1, to: 0 }];
    expect(await ask(store, resetGroup, { ...reset, dryRun: true })).toEqual(moved);
    expect(await ask(store, resetGroup, { ...reset, dryRun: false })).toEqual(moved);
    expect(await ask(store, deleteGroup, group)).toBeNull();
    expect(store.groups()).toEqual([]);
    await store.close();
  });

  test('of records', async () => {
    const store = await openOrders();
    const orders = await store.topic('orders', { codec: utf8 });
    const below = { topic: 'orders', positions: [{ partition: 0, offset: 1 }] };
    expect(await ask(store, deleteRecords, below)).toBeNull();
    expect(await orders.describeGroup('billing')).toMatchObject({
      partitions: [{ startOffset: 1 }, { startOffset: 0 }],
    });
    const behind = { topic: 'orders', positions: [{ partition: 0, offset: 2 }] };
    await expect(ask(store, deleteRecords, behind)).rejects.toMatchObject({
      code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
      details: { requested: 2, endOffset: 1 },
    });
    await store.close();
  });

  test.each([
    ['earliest', 0],
    ['latest', 1],
    ['current', 1],
    [{ offset: 0 }, 0],
    [{ timestamp: 0 }, 0],
    [{ ageMs: 0 }, 0],
    [{ shiftBy: -1 }, 0],
  ] as const)('reset to %j', async (to, offset) => {
    const store = await openOrders();
    const args = { topic: 'orders', group: 'billing', to, partitions: [0], dryRun: true };
    const answer = await ask(store, resetGroup, args);
    expect(answer).toEqual([{ partition: 0, from: 1, to: offset }]);
    await store.close();
  });

  test('reset to an offset per partition', async () => {
    const store = await openOrders();
    const to = { positions: [{ partition: 0, offset: 0 }] };
    const args = { topic: 'orders', group: 'billing', to, partitions: undefined, dryRun: true };
    expect(await ask(store, resetGroup, args)).toEqual([{ partition: 0, from: 1, to: 0 }]);
    const twice = { ...args, to: { positions: [...to.positions, ...to.positions] } };
    await expect(ask(store, resetGroup, twice)).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
    await store.close();
  });

  test('carry errors with code and details', async () => {
    const store = await openOrders();
    const config = { partitions: 1, options: {} };
    const exists = ask(store, createTopic, { topic: 'orders', ...config });
    await expect(exists).rejects.toBeInstanceOf(OwnerError);
    await expect(exists).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    const wrong = ask(store, createTopic, { topic: 'a\u0001', ...config });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    const missing = ask(store, alterTopic, { topic: 'none', options: {} });
    await expect(missing).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
      message: 'there is no topic none',
      details: { kind: 'topic', name: 'none' },
    });
    const reset = { group: 'g', to: 'latest', partitions: undefined, dryRun: false } as const;
    const none = ask(store, resetGroup, { topic: 'none', ...reset });
    await expect(none).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    expect(store.topics()).toHaveLength(1);
    await store.close();
    await expect(ask(store, listTopics, {})).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });

  test('have names of their own', () => {
    const names = CONTROL_VERBS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a hostile request', () => {
  test.each<[string, string | Uint8Array, string | null]>([
    ['nothing', '', null],
    ['no JSON', 'GET / HTTP/1.1', null],
    ['no UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22), 'ERR_ENCODING_INVALID_ENCODED_DATA'],
    ['no object', '[1]', 'ERR_VARVE_INVALID_ARGUMENT'],
    ['no version', '{"verb":"listTopics"}', 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a newer version', '{"v":2,"verb":"listTopics"}', 'ERR_VARVE_UNSUPPORTED_VERSION'],
    ['no directory', '{"v":1,"verb":"listTopics"}', 'ERR_VARVE_INVALID_ARGUMENT'],
    [
      'another directory',
      '{"v":1,"directory":"1:3","verb":"addPartitions","args":{"topic":"orders","partitions":3}}',
      'ERR_VARVE_CONFLICT',
    ],
    ['no verb', '{"v":1,"directory":"1:2"}', 'ERR_VARVE_INVALID_ARGUMENT'],
    ['an unknown verb', '{"v":1,"directory":"1:2","verb":"close"}', 'ERR_VARVE_INVALID_ARGUMENT'],
    [
      'an object as a verb',
      '{"v":1,"directory":"1:2","verb":{"name":"stats"}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'an unknown argument',
      '{"v":1,"directory":"1:2","verb":"stats","args":{"a":1}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'missing arguments',
      '{"v":1,"directory":"1:2","verb":"addPartitions","args":{"topic":"orders"}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'a wrong option',
      '{"v":1,"directory":"1:2","verb":"alterTopic","args":{"topic":"orders","options":{"durability":"none"}}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'an option of its own',
      '{"v":1,"directory":"1:2","verb":"alterTopic","args":{"topic":"orders","options":{"__proto__":{}}}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'too many partitions',
      '{"v":1,"directory":"1:2","verb":"createTopic","args":{"topic":"t","partitions":1e9,"options":{}}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'two places to go to',
      '{"v":1,"directory":"1:2","verb":"resetGroup","args":{"topic":"orders","group":"billing","dryRun":false,"to":{"offset":0,"ageMs":1}}}',
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    ['deep nesting', '['.repeat(500_000), null],
  ])('%s is answered, and changes nothing', async (_what, request, code) => {
    const store = await openOrders();
    const before = { topics: store.topics(), journal: store.stats().journal.endOffset };
    const answer = await answerTo(store, request);
    expect(answer).toMatchObject({ v: 1, error: { code, message: expect.any(String) } });
    expect({ topics: store.topics(), journal: store.stats().journal.endOffset }).toEqual(before);
    await store.close();
  });

  test('of any kind gets an answer', async () => {
    const store = await openOrders();
    const verb = fc.constantFrom('listTopics', 'describeGroup', 'addPartitions', 'resetGroup', 'x');
    const args = fc.dictionary(fc.constantFrom('topic', 'group', 'to', 'dryRun'), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(
        fc.record({ v: fc.constant(1), directory: fc.constant(directory), verb, args }),
        async (request) => {
          const answer = await answerTo(store, JSON.stringify(request));
          expect(answer).toMatchObject({ v: 1 });
        },
      ),
    );
    await store.close();
  });
});

describe('an answer', () => {
  test.each([
    ['no JSON', 'HTTP/1.1 400 Bad Request'],
    ['of another shape', '{"v":1,"ok":[{"name":1}]}'],
    ['empty', '{"v":1}'],
    ['with an error of another shape', '{"v":1,"error":"no"}'],
  ])('%s is not understood', (_what, line) => {
    expect(() => decodeAnswer(listTopics, line)).toThrow(
      /^the answer to listTopics is not understood: /,
    );
  });

  test('of a newer owner may say more', () => {
    const line = '{"v":1,"ok":[{"topic":"t","name":"g","memberCount":0,"state":"new"}],"at":1}';
    expect(decodeAnswer(listGroups, line)).toEqual([{ topic: 't', name: 'g', memberCount: 0 }]);
  });
});
