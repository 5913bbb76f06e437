/** Records that are published under several routing keys, and what becomes of those. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { TooLargeError } from '../../../src/core/errors.ts';
import { UnroutableError } from '../../../src/core/routing-errors.ts';
import { openLog, verifyLog, type VerifyEvent } from '../../../src/index.ts';
import type { Store } from '../../../src/store/store.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const ROUTED = { confirm: 'routed' } as const;
const CC = { routingKey: 'a', cc: ['b', 'x'], bcc: ['c'] };

/** Values and headers, of a topic or the source of an exchange. */
async function recordsOf(store: Store, name: string) {
  const topic = await store.topic(name, { codec: utf8 });
  const records: [string | null, Record<string, string>][] = [];
  for await (const batch of topic.batches()) {
    for (const { value, headers } of batch) {
      const texts = [...headers].map(([header, text]) => [header, Buffer.from(text).toString()]);
      records.push([value, Object.fromEntries(texts)]);
    }
  }
  return records;
}

/** One exchange, and a queue for each of its patterns. */
async function bound(type: 'direct' | 'topic' | 'fanout', patterns: readonly string[]) {
  const bench = new StoreBench();
  const store = await bench.open();
  const exchange = await store.exchange('main', { type, codec: utf8 });
  for (const [at, pattern] of patterns.entries()) {
    await (await store.queue(`q${at}`)).close();
    await exchange.bind(`q${at}`, { pattern });
  }
  return { bench, store, exchange };
}

describe('a record with several routing keys', () => {
  test('goes once to each destination that one of them leads to', async () => {
    const { store, exchange } = await bound('direct', ['a', 'b', 'c', 'd']);
    await exchange.bind('q0', { pattern: 'c' });
    const result = await exchange.publish('one', { ...CC, ...ROUTED });
    expect(result).toMatchObject({ offset: 0, destinations: ['q0', 'q1', 'q2'] });
    for (const name of ['q0', 'q1', 'q2']) expect(await recordsOf(store, name)).toHaveLength(1);
    expect(await recordsOf(store, 'q3')).toEqual([]);
    await store.close();
  });

  test('shows those of CC to everybody, and those of BCC to nobody but the exchange', async () => {
    const { store, exchange } = await bound('topic', ['#']);
    const headers = { own: 'x', 'varve-cc': 'mine', 'varve-bcc': 'mine' };
    await exchange.publish('one', { ...CC, headers });
    await exchange.publish('two', { routingKey: 'a', bcc: ['c'], headers: { own: 'y' } });
    await exchange.publish('three', { routingKey: 'a', cc: ['c'] });
    await exchange.publish('four', { routingKey: 'a', cc: [], bcc: [], headers, ...ROUTED });
    const key = { 'varve-routing-key': 'a' };
    expect(await recordsOf(store, 'q0')).toEqual([
      ['one', { ...key, 'varve-cc': '["b","x"]', own: 'x' }],
      ['two', { ...key, own: 'y' }],
      ['three', { ...key, 'varve-cc': '["c"]' }],
      ['four', { ...key, own: 'x' }],
    ]);
    expect(await recordsOf(store, 'exchange:main')).toEqual([
      ['one', { ...key, 'varve-cc': '["b","x"]', 'varve-bcc': '["c"]', own: 'x' }],
      ['two', { ...key, 'varve-bcc': '["c"]', own: 'y' }],
      ['three', { ...key, 'varve-cc': '["c"]' }],
      ['four', { ...key, own: 'x' }],
    ]);
    await store.close();
  });

  test('leads others of its routing key nowhere else', async () => {
    const { store, exchange } = await bound('direct', ['a', 'c']);
    const destinations: (readonly string[])[] = [];
    for (const further of [{}, { cc: ['c'] }, {}, { bcc: ['c'] }, {}]) {
      const result = await exchange.publish('x', { routingKey: 'a', ...further, ...ROUTED });
      destinations.push(result.destinations);
    }
    expect(destinations).toEqual([['q0'], ['q0', 'q1'], ['q0'], ['q0', 'q1'], ['q0']]);
    expect(await recordsOf(store, 'q1')).toHaveLength(2);
    expect(await recordsOf(store, 'q0')).toHaveLength(5);
    await store.close();
  });

  test('is mandatory as a whole: one key that leads anywhere is enough', async () => {
    const { store, exchange } = await bound('direct', ['a']);
    const mandatory = { routingKey: 'x', mandatory: true };
    for (const further of [{ cc: ['y', 'a'] }, { bcc: ['a'] }]) {
      const { destinations } = await exchange.publish('one', { ...mandatory, ...further });
      expect(destinations).toEqual(['q0']);
    }
    const refused = await rejectionOf(exchange.publish('two', { ...mandatory, cc: ['y'] }));
    expect(refused).toBeInstanceOf(UnroutableError);
    expect(await recordsOf(store, 'exchange:main')).toHaveLength(2);
    await store.close();
  });

  test('goes to the alternate when none of them leads anywhere', async () => {
    const { store } = await bound('direct', []);
    await (await store.queue('rest')).close();
    const rest = await store.exchange('rest', { type: 'fanout' });
    await rest.bind('rest');
    const exchange = await store.exchange('first', {
      type: 'direct',
      alternate: 'rest',
      codec: utf8,
    });
    await (await store.queue('q')).close();
    await exchange.bind('q', { pattern: 'c' });
    const one = await exchange.publish('one', { routingKey: 'a', cc: ['b'], bcc: ['c'] });
    const two = await exchange.publish('two', {
      routingKey: 'a',
      cc: ['b'],
      bcc: ['d'],
      ...ROUTED,
    });
    expect([one.destinations, two.destinations]).toEqual([['q'], ['rest']]);
    const key = { 'varve-routing-key': 'a', 'varve-cc': '["b"]' };
    expect(await recordsOf(store, 'rest')).toEqual([['two', key]]);
    expect(await recordsOf(store, 'q')).toEqual([['one', key]]);
    await store.close();
  });

  test('is one of its own in a batch', async () => {
    const { store, exchange } = await bound('topic', ['a.*', '*.b']);
    const { destinations } = await exchange.publishBatch(
      [
        { value: 'one', routingKey: 'a.x' },
        { value: 'two', routingKey: 'a.x', cc: ['x.b'] },
        { value: 'three', routingKey: 'x.x', bcc: ['x.b', 'a.x'] },
        { value: 'four', routingKey: 'x.x' },
      ],
      ROUTED,
    );
    expect(destinations).toEqual([['q0'], ['q0', 'q1'], ['q0', 'q1'], []]);
    expect(await recordsOf(store, 'q1')).toEqual([
      ['two', { 'varve-routing-key': 'a.x', 'varve-cc': '["x.b"]' }],
      ['three', { 'varve-routing-key': 'x.x' }],
    ]);
    await store.close();
  });

  test('is seen whole by an exchange that goes by headers, on the way and in a backfill', async () => {
    const { store, exchange } = await bound('topic', ['a']);
    await (await store.queue('late')).close();
    const byHeaders = await store.exchange('by-headers', { type: 'headers' });
    await exchange.bind({ exchange: 'by-headers' }, { pattern: 'z' });
    await exchange.publish('one', { routingKey: 'a', bcc: ['z'], headers: { h: '1' } });
    await exchange.publish('two', { routingKey: 'a', cc: ['z'], headers: { h: '2' } });
    await exchange.publish('three', { routingKey: 'a', headers: { h: '1' }, ...ROUTED });
    await byHeaders.bind('late', { headers: { h: '1' } }, { from: 'earliest' });
    await exchange.publish('four', { routingKey: 'a', bcc: ['z'], headers: { h: '1' }, ...ROUTED });
    await expect.poll(() => recordsOf(store, 'late')).toHaveLength(2);
    const key = { 'varve-routing-key': 'a', h: '1' };
    expect(new Map(await recordsOf(store, 'late'))).toEqual(
      new Map([
        ['one', key],
        ['four', key],
      ]),
    );
    await store.close();
  });

  test('has none beside the first when it is dead, and when it is driven back', async () => {
    const { store, exchange } = await bound('direct', ['b']);
    await (await store.topic('q0')).alterShareGroup('queue', { deadLetter: 'dead' });
    await exchange.publish('one', { ...CC, headers: { own: 'x' }, ...ROUTED });
    const queue = await store.queue('q0', { codec: utf8 });
    const [delivery] = await queue.acquire();
    await delivery?.reject('no use');
    const [[, dead] = []] = await recordsOf(store, 'dead');
    expect(dead).toMatchObject({ own: 'x', 'varve-death-reason': 'rejected' });
    expect(dead).not.toHaveProperty('varve-cc');
    await (await store.queue('dead')).redrive({ dryRun: false });
    const [back] = await queue.acquire();
    const names = [...(back?.headers.keys() ?? [])];
    expect(names).toContain('own');
    expect(names).not.toContain('varve-cc');
    await store.close();
  });

  test.each([{ cc: 'a' }, { bcc: [1] }, { cc: Array.from({ length: 65 }, () => 'a') }])(
    'is refused when they are none: %j',
    async (further) => {
      const { store, exchange } = await bound('fanout', ['']);
      const options: object = further;
      const refused = await rejectionOf(exchange.publish('x', options));
      expect(refused).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      const long = { cc: ['é'.repeat(128)] };
      expect(await rejectionOf(exchange.publish('x', long))).toBeInstanceOf(TooLargeError);
      expect(await recordsOf(store, 'exchange:main')).toEqual([]);
      await store.close();
    },
  );
});

describe('copies without keys of BCC', () => {
  test.each(['none', 'gzip'] as const)(
    'are logs that are right to the last bit, out of batches that are compressed by %s',
    async (compression) => {
      const bench = new StoreBench();
      const store = await bench.open();
      await (await store.queue('q')).close();
      const source = { compression };
      const exchange = await store.exchange('main', { type: 'fanout', source, codec: utf8 });
      await exchange.bind('q');
      const inputs = Array.from({ length: 500 }, (_, n) => ({
        value: n % 7 === 0 ? null : 'v'.repeat(n),
        routingKey: 'k'.repeat(n % 256),
        key: n % 3 === 0 ? undefined : `key ${n}`,
        createTimeMs: 1000 + ((n * 7) % 11),
        headers: n % 4 === 0 ? {} : { n: `${n}` },
        ...(n % 2 === 0 && { bcc: [`hidden ${n}`, 'x'.repeat(n % 200)] }),
        ...(n % 5 === 0 && { cc: [`shown ${n}`] }),
      }));
      await exchange.publishBatch(inputs, ROUTED);
      await store.close();

      const topics = `${STORE_PATH}/topics`;
      const { fileSystem } = bench;
      const name = (await fileSystem.list(topics)).find((each) => each.startsWith('q-'));
      const path = `${topics}/${name}/0`;
      const events: VerifyEvent[] = [];
      for await (const event of verifyLog(path, { fileSystem })) events.push(event);
      expect(events).toMatchObject([{ type: 'segment', recordCount: 500, nextOffset: 500 }]);

      const log = await openLog(path, { fileSystem, codec: utf8, readOnly: true });
      const found: unknown[] = [];
      for await (const { value, key, createTimeMs, headers } of log.records()) {
        const texts = [...headers].map(([header, text]) => [header, Buffer.from(text).toString()]);
        found.push({ value, key: key?.toString(), createTimeMs, headers: texts });
      }
      expect(found).toEqual(
        inputs.map(({ value, routingKey, key, createTimeMs, headers, cc }) => ({
          value,
          key,
          createTimeMs,
          headers: [
            ['varve-routing-key', routingKey],
            ...(cc === undefined ? [] : [['varve-cc', JSON.stringify(cc)]]),
            ...Object.entries(headers),
          ],
        })),
      );
      await log.close();
    },
  );
});
