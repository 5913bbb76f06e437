/** Records over the socket of a store: what is appended, what is refused, what a request may be. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { MIB, RECORD_BYTES_LIMIT } from '../../../src/core/limits.ts';
import { REQUEST_BYTES_MAX } from '../../../src/io/control-connection.ts';
import { answerControl, decodeAnswer, encodeRequest } from '../../../src/store/control-protocol.ts';
import type { ControlVerb } from '../../../src/store/control-verb.ts';
import { appendRecords, settlePartition, socketRecordOf } from '../../../src/store/record-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { takeRequest } from '../../../tools/record-requests.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const encoder = new TextEncoder();
const directory = '1:2';
const toOrders = { topic: 'orders', partition: null, expectedOffset: null, durability: 'sync' };
const to = { ...toOrders, durability: 'sync' } as const;

async function ask<A, R>(store: Store, verb: ControlVerb<A, R>, args: A): Promise<R> {
  const request = encodeRequest(verb, args, directory);
  return decodeAnswer(verb, await answerControl({ store, directory }, encoder.encode(request)));
}

async function openOrders(): Promise<Store> {
  const store = await new StoreBench().open();
  await store.topic('orders', { partitions: 2, recordBytesMax: 1024 });
  return store;
}

/** What the topic holds, as text. */
async function held(store: Store): Promise<readonly string[]> {
  const topic = await store.topic('orders');
  const found: string[] = [];
  for await (const { partition, offset, value } of topic.records()) {
    found.push(`${partition}:${offset} ${value === null ? null : Buffer.from(value).toString()}`);
  }
  return found.toSorted();
}

function recordsOf(...values: readonly string[]) {
  return values.map((value) => socketRecordOf({ value: Buffer.from(value) }));
}

describe('appendRecords', () => {
  test('puts keys where the topic itself puts them, with all that a record has', async () => {
    const store = await openOrders();
    const topic = await store.topic('orders');
    const sent = ['a', 'b', 'c', 'd'].map((key) => ({
      key: Buffer.from(key),
      value: Uint8Array.of(0, 255, key.charCodeAt(0)),
      headers: { h: Uint8Array.of(128), t: 'text' },
      createTimeMs: 5,
    }));
    const { placements } = await ask(store, appendRecords, {
      ...to,
      records: sent.map(socketRecordOf),
    });
    expect(placements).toHaveLength(2);
    const own = await topic.appendBatch(sent);
    expect(
      own.placements.map(({ partition, recordCount }) => ({ partition, recordCount })),
    ).toEqual(placements.map(({ partition, recordCount }) => ({ partition, recordCount })));
    for (const { partition, baseOffset, recordCount } of placements) {
      const first = await topic.read({ partition, offset: baseOffset });
      const again = await topic.read({ partition, offset: baseOffset + recordCount });
      expect(first?.value).toEqual(again?.value);
      expect(first?.keyView()).toEqual(again?.keyView());
      expect([...(first?.headers ?? [])]).toEqual([...(again?.headers ?? [])]);
      expect(first?.createTimeMs).toBe(5);
    }
    await store.close();
  });

  test('keeps a tombstone, an empty value and no key apart', async () => {
    const store = await openOrders();
    const records = [
      socketRecordOf({ key: '', value: null }),
      socketRecordOf({ value: new Uint8Array() }),
    ];
    await ask(store, appendRecords, { ...to, partition: 1, records });
    const topic = await store.topic('orders');
    const [tombstone, empty] = await Promise.all(
      [0, 1].map((offset) => topic.read({ partition: 1, offset })),
    );
    expect(tombstone?.value).toBeNull();
    expect(tombstone?.keyView()).toHaveLength(0);
    expect(empty?.value).toHaveLength(0);
    expect(empty?.keyView()).toBeNull();
    await store.close();
  });

  test('with an expected offset appends there, or nothing', async () => {
    const store = await openOrders();
    const records = recordsOf('x', 'y');
    const there = { ...to, partition: 1, expectedOffset: 0, records };
    const placed = [{ partition: 1, baseOffset: 0, recordCount: 2 }];
    expect(await ask(store, appendRecords, there)).toEqual({ placements: placed, duplicates: [] });
    await expect(ask(store, appendRecords, there)).rejects.toMatchObject({
      code: 'ERR_VARVE_WRONG_OFFSET',
      details: { expected: 0, actual: 2 },
    });
    const nowhere = ask(store, appendRecords, { ...there, partition: null, expectedOffset: 2 });
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    expect(await held(store)).toEqual(['1:0 x', '1:1 y']);
    await store.close();
  });

  test.each([
    ['a topic that is not there', { topic: 'none' }, 'ERR_VARVE_NOT_FOUND'],
    ['a partition that is not there', { partition: 2 }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a negative offset', { expectedOffset: -1, partition: 0 }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a level that there is not', { durability: 'none' }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['no list', { records: {} }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a record that is none', { records: [null] }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['no value', { records: [{ key: null }] }, 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a time of its own', bad({ createTimeMs: -1 }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a field of its own', bad({ offset: 7 }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['a prototype', bad(JSON.parse('{"__proto__":{"value":""}}')), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['text that is no base64', bad({ value: 'c2Vjcm.0' }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['cut base64', bad({ value: 'c2Vjc' }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['headers that are no list', bad({ headers: { a: '' } }), 'ERR_VARVE_INVALID_ARGUMENT'],
    [
      'a header of numbers',
      bad({ headers: [{ name: 'a', value: 1 }] }),
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    [
      'an id beside an expected offset',
      { expectedOffset: 0, ...bad({ dedupId: 'a' }) },
      'ERR_VARVE_INVALID_ARGUMENT',
    ],
    ['an id that is none', bad({ dedupId: 7 }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['an empty id', bad({ dedupId: '' }), 'ERR_VARVE_INVALID_ARGUMENT'],
    ['an id above the limit', bad({ dedupId: 'i'.repeat(256) }), 'ERR_VARVE_TOO_LARGE'],
    ['a record above the limit', bad({ value: 'A'.repeat(2000) }), 'ERR_VARVE_TOO_LARGE'],
    ['a key above the limit', bad({ key: 'A'.repeat(100_000) }), 'ERR_VARVE_TOO_LARGE'],
  ])('%s is refused, and appends nothing', async (_what, wrong, code) => {
    const store = await openOrders();
    const args = { ...toOrders, partition: 0, records: recordsOf('x'), ...wrong };
    const request = { v: 1, directory, verb: 'appendRecords', args };
    const line = await answerControl({ store, directory }, encoder.encode(JSON.stringify(request)));
    expect(JSON.parse(line)).toMatchObject({ v: 1, error: { code } });
    expect(line).not.toMatch(/c2Vj/); // Records are nobody's business.
    expect(await held(store)).toEqual([]);
    await store.close();
  });

  test('whatever the arguments are, there is an answer', async () => {
    const store = await openOrders();
    const field = fc.constantFrom('topic', 'partition', 'expectedOffset', 'records', 'durability');
    await fc.assert(
      fc.asyncProperty(fc.dictionary(field, fc.jsonValue()), async (wrong) => {
        const args = { ...toOrders, records: [], ...wrong };
        const request = JSON.stringify({ v: 1, directory, verb: 'appendRecords', args });
        const line = await answerControl({ store, directory }, encoder.encode(request));
        expect(JSON.parse(line)).toMatchObject({ v: 1 });
      }),
    );
    expect(await held(store)).toEqual([]);
    await store.close();
  });
});

test('settlePartition makes durable what is there, and tells the range', async () => {
  const store = await openOrders();
  const topic = await store.topic('orders');
  await topic.append({ value: Buffer.from('a') }, { partition: 1 });
  await topic.deleteBefore({ partition: 1, offset: 1 });
  const others = [{ value: Buffer.from('b') }, { value: Buffer.from('c') }];
  await topic.appendBatch(others, { partition: 1, durability: 'os' });
  const log = await topic.partitions.at(1).log();
  expect(log.syncedOffset).toBe(1);
  const at = { topic: 'orders', partition: 1 };
  expect(await ask(store, settlePartition, at)).toEqual({ startOffset: 1, endOffset: 3 });
  expect(log.syncedOffset).toBe(3);
  await expect(ask(store, settlePartition, { ...at, partition: 2 })).rejects.toMatchObject({
    code: 'ERR_VARVE_INVALID_ARGUMENT',
  });
  await store.close();
});

describe('a request', () => {
  test('carries the largest record that a topic may allow', () => {
    const key = new Uint8Array(60_000);
    const headers = { h: new Uint8Array(60_000) };
    const value = new Uint8Array(RECORD_BYTES_LIMIT - 120_100);
    const records = takeRequest([{ key, value, headers }, { value: null }], 0);
    expect(records).toHaveLength(1);
    const request = encodeRequest(appendRecords, { ...to, records }, directory);
    expect(request.length).toBeLessThan(REQUEST_BYTES_MAX);
  });

  test.each([0, 1, 100, 70_000])('with values of %i bytes is of about a MiB', (valueBytes) => {
    const all = Array.from({ length: 20_000 }, () => ({ value: new Uint8Array(valueBytes) }));
    let taken = 0;
    for (let requestCount = 0; taken < all.length && requestCount < 5; requestCount++) {
      const records = takeRequest(all, taken);
      const request = encodeRequest(appendRecords, { ...to, records }, directory);
      expect(request.length).toBeLessThanOrEqual(MIB);
      taken += records.length;
    }
    expect(taken).toBeGreaterThan(valueBytes > 1000 ? 20 : 10_000);
  });
});

/** Arguments with one record that has these fields. */
function bad(fields: object): object {
  return { records: [{ key: null, value: '', ...fields }] };
}
