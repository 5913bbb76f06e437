/** Dead records that go to an exchange: under which key, how they come round, and how they go back. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { DEATH_HEADERS, HISTORY_HEADER } from '../../../src/format/header-names.ts';
import type { Queue, QueueOptions } from '../../../src/queue/queue.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import type { Store } from '../../../src/store/store.ts';
import { failAll, textsOf } from '../../support/dead-queue.ts';
import { turns } from '../../support/log-fixture.ts';
import { headerTexts, QueueBench } from '../../support/queue-bench.ts';

const ROUTING_KEY = 'varve-routing-key';
const SOURCE = 'exchange:dlx';
const DYING: QueueOptions<string> = { failuresMax: 1, deadLetter: SOURCE };

/** A queue `q` whose dead records go to a fanout exchange. */
async function routed(options: QueueOptions<string> = {}) {
  const bench = new QueueBench();
  const { store, queue } = await bench.open({ ...DYING, ...options });
  await store.exchangeCatalog.open('dlx', { type: 'fanout' });
  return { bench, store, queue };
}

async function published(store: Store, name = SOURCE): Promise<LogRecord<string>[]> {
  const topic = await store.topic(name, { codec: utf8, create: false });
  const records: LogRecord<string>[] = [];
  for await (const record of topic.records()) records.push(record);
  return records;
}

const headersOf = (record: LogRecord<string> | undefined) =>
  headerTexts(present(record, 'a record').headers);

/** The first header of each. */
const firstHeaders = async (store: Store) =>
  (await published(store)).map(({ headers }) => {
    const [name, value] = present([...headers][0], 'a header');
    return [name, Buffer.from(value).toString()];
  });

/** As routing copies the newest letter of the exchange, with all of its headers. */
async function routeTo(store: Store, queue: Queue<string>, source = SOURCE): Promise<void> {
  const letter = present((await published(store, source)).at(-1), 'a letter');
  await queue.send(letter.value ?? '', {
    key: letter.key,
    headers: Object.fromEntries(letter.headers),
  });
}

async function reject(queue: Queue<string>): Promise<void> {
  await present((await queue.acquire())[0], 'a record').reject('no use');
}

/** How many are dead here, and how many were published. */
const figures = async (store: Store, queue: Queue<string>) => [
  (await queue.stats()).deadCount,
  (await published(store)).length,
];

describe('a record that dies for an exchange', () => {
  test('is published there as it was, and says why it died', async () => {
    const { store, queue } = await routed();
    await queue.send('a', { key: 'k', headers: { 1: 'mine' }, createTimeMs: 5 });
    await failAll(queue);
    const [letter] = await published(store);
    expect(letter).toMatchObject({ value: 'a', key: 'k', createTimeMs: 5 });
    const headers = headersOf(letter);
    expect(headers).toMatchObject({
      1: 'mine',
      [DEATH_HEADERS.topic]: 'q',
      [DEATH_HEADERS.reason]: 'failures',
      [DEATH_HEADERS.lastError]: 'Error: broken',
    });
    expect(JSON.parse(headers[HISTORY_HEADER] ?? '')).toMatchObject([
      { topic: 'q', count: 1, exchange: SOURCE },
    ]);
    expect(letter?.cause).toEqual({ kind: 'dead-letter', topic: 'q', partition: 0, offset: 0 });
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, deadCount: 0 });
    expect(store.shareGroups().map(({ topic }) => topic)).toEqual(['q']);
  });

  test('has its routing key in front: the name of the queue, its own, or that of the setting', async () => {
    const { store, queue } = await routed();
    await queue.send('sent', { headers: { 1: 'in front of all names' } });
    await queue.send('published', { headers: { [ROUTING_KEY]: 'a.b', 'varve-other': 'x' } });
    await queue.send('forged', { headers: { [ROUTING_KEY]: 'x'.repeat(256) } });
    await failAll(queue);
    const topic = await store.topic('q');
    await topic.alterShareGroup('queue', { deadLetterRoutingKey: 'dead.letters' });
    await queue.send('again', { headers: { [ROUTING_KEY]: 'a.b' } });
    await queue.send('and again');
    await failAll(queue);
    expect(await firstHeaders(store)).toEqual([
      [ROUTING_KEY, 'q'],
      [ROUTING_KEY, 'a.b'],
      [ROUTING_KEY, 'q'],
      [ROUTING_KEY, 'dead.letters'],
      [ROUTING_KEY, 'dead.letters'],
    ]);
    const keys = (await published(store)).map((each) => headersOf(each)[DEATH_HEADERS.routingKey]);
    expect(keys).toEqual([undefined, 'a.b', 'x'.repeat(256), 'a.b', undefined]);
  });

  test('of a share group is published as well', async () => {
    const { store } = await routed();
    const topic = await store.topic('t', { codec: utf8 });
    const group = await topic.shareGroup('g', { failuresMax: 1, deadLetter: SOURCE });
    await topic.append({ value: 'a' });
    const [delivery] = await group.acquire();
    await delivery?.release({ failed: true });
    expect(await firstHeaders(store)).toEqual([[ROUTING_KEY, 't']]);
  });

  test.each(['kill', 'power'])('is there once, or not dead: %s', async (how) => {
    const { bench, queue } = await routed();
    await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
    await failAll(queue);
    if (how === 'kill') bench.kill();
    else bench.cutPower();
    const again = await bench.open();
    expect((await published(again.store)).map(({ value }) => value)).toEqual(['a', 'b']);
    expect(await again.queue.stats()).toMatchObject({
      unsettledCount: 0,
      settled: { failures: 2 },
    });
  });

  test('waits, condemned, until the exchange is there: it is not made', async () => {
    const bench = new QueueBench();
    const { store, queue } = await bench.open(DYING);
    await queue.send('a');
    await failAll(queue);
    await turns(50);
    expect(await queue.stats()).toMatchObject({ condemnedCount: 1, deadCount: 0 });
    expect(store.topics().map(({ name }) => name)).toEqual(['q']);
    const [problem] = store.health().problems;
    expect(problem).toMatchObject({ code: 'burials-failed', topic: 'q' });
    expect(problem?.message).toContain('exchange dlx');
    await store.exchangeCatalog.open('dlx', { type: 'fanout' });
    for (let second = 0; second < 60; second++) {
      bench.clock.advance(1000);
      await turns(20);
    }
    expect(store.health().problems).toEqual([]);
    expect((await published(store)).map(({ value }) => value)).toEqual(['a']);
    expect(await queue.stats()).toMatchObject({ condemnedCount: 0, settled: { failures: 1 } });
  });

  test('is still with its consumer when it is rejected and there is no exchange', async () => {
    const { store, queue } = await new QueueBench().open(DYING);
    await queue.send('a');
    const [delivery] = await queue.acquire();
    await expect(delivery?.reject('no use')).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
      message: expect.stringContaining('exchange') as string,
    });
    await store.exchangeCatalog.open('dlx', { type: 'fanout' });
    await delivery?.reject('no use');
    expect(await figures(store, queue)).toEqual([0, 1]);
  });

  test('with no room for what is said of it stays, and holds up no other', async () => {
    const { store, queue } = await routed();
    await queue.send('full', { headers: { own: 'x'.repeat(65_400) } });
    await queue.send('next');
    await failAll(queue);
    expect(await figures(store, queue)).toEqual([1, 1]);
  });
});

describe('a letter that an exchange routes back to where it died', () => {
  /** It has died once, was routed, and is there again. */
  async function back(options: QueueOptions<string> = {}) {
    const opened = await routed(options);
    await opened.queue.send('a');
    await failAll(opened.queue);
    await routeTo(opened.store, opened.queue);
    return opened;
  }

  test('stays there when it dies again', async () => {
    const { store, queue } = await back();
    await failAll(queue);
    expect(await figures(store, queue)).toEqual([1, 1]);
  });

  test('stays there when it dies of something else, also by way of others', async () => {
    const { bench, store, queue } = await routed({ expiriesMax: 1, leaseMs: 1000 });
    const other = await store.queue('other', { codec: utf8, ...DYING });
    await queue.send('a');
    await failAll(queue);
    await routeTo(store, other);
    await failAll(other);
    expect(await figures(store, other)).toEqual([0, 2]);
    await routeTo(store, queue);
    expect(await queue.acquire()).toHaveLength(1);
    bench.clock.advance(1100);
    await turns(50);
    expect(await figures(store, queue)).toEqual([1, 2]);
    expect((await queue.stats()).settled).toMatchObject({ 'lease-expired': 1, failures: 1 });
  });

  test('is published again whenever somebody rejects it', async () => {
    const { store, queue } = await back();
    for (let round = 2; round < 5; round++) {
      await reject(queue);
      expect(await figures(store, queue)).toEqual([0, round]);
      await routeTo(store, queue);
    }
    await failAll(queue); // Since it failed for the first time, it was rejected.
    expect(await figures(store, queue)).toEqual([0, 5]);
    await routeTo(store, queue);
    await failAll(queue);
    expect(await figures(store, queue)).toEqual([1, 5]);
  });

  test('is published again when it goes to another exchange, or dies in another group', async () => {
    const { store, queue } = await back();
    await store.exchangeCatalog.open('other', { type: 'fanout' });
    const topic = await store.topic('q', { codec: utf8 });
    const group = await topic.shareGroup('g', {
      from: { offset: 1 },
      failuresMax: 1,
      deadLetter: SOURCE,
    });
    const [delivery] = await group.acquire();
    await delivery?.release({ failed: true });
    expect(await published(store)).toHaveLength(2);
    await topic.alterShareGroup('queue', { deadLetter: 'exchange:other' });
    await failAll(queue);
    expect(await published(store, 'exchange:other')).toHaveLength(1);
    expect(await queue.stats()).toMatchObject({ deadCount: 0 });
  });

  test('is not taken for one that was sent back by hand', async () => {
    const { store, queue } = await routed();
    const letters = await store.queue('letters', { codec: utf8 });
    for (let round = 1; round < 4; round++) {
      if (round === 1) await queue.send('a');
      await failAll(queue);
      expect(await figures(store, queue)).toEqual([0, round]);
      await routeTo(store, letters);
      expect(await letters.redrive({ dryRun: false })).toMatchObject({ movedCount: 1 });
    }
    expect(await textsOf(store, 'q')).toEqual(['a']);
  });

  test('stays in a queue whose own letters go to a topic where it died', async () => {
    const { store, queue } = await routed();
    const letters = await store.queue('letters', { codec: utf8, failuresMax: 1, deadLetter: 'q' });
    await queue.send('a');
    await failAll(queue);
    await routeTo(store, letters);
    await failAll(letters);
    expect(await figures(store, letters)).toEqual([1, 1]);
  });
});

describe('a redrive', () => {
  test('of letters that an exchange routed takes them back, under the key that they had', async () => {
    const { store, queue } = await routed({ deadLetterRoutingKey: 'dead' });
    await queue.send('a', { headers: { [ROUTING_KEY]: 'a.b', mine: '1' } });
    await failAll(queue);
    await queue.send('b');
    await failAll(queue);
    const letters = await store.queue('letters', { codec: utf8 });
    for (const { value, headers } of await published(store)) {
      await letters.send(value ?? '', { headers: Object.fromEntries(headers) });
    }
    expect(await letters.redrive({ dryRun: false })).toMatchObject({
      destinations: [{ topic: 'q', count: 2 }],
    });
    const back = (await queue.peek(2)).map(({ record }) => record);
    expect(back.map((record) => Object.keys(headersOf(record)))).toEqual([
      [ROUTING_KEY, 'mine', HISTORY_HEADER, 'varve-cause'],
      [HISTORY_HEADER, 'varve-cause'],
    ]);
    expect(headersOf(back[0])[ROUTING_KEY]).toBe('a.b');
    const [delivery] = await queue.acquire();
    expect(delivery?.cause).toEqual({
      kind: 'redriven',
      topic: 'letters',
      partition: 0,
      offset: 0,
    });
    expect(delivery?.record.cause).toEqual(delivery?.cause);
    expect(back[1]?.cause).toEqual({ kind: 'redriven', topic: 'letters', partition: 0, offset: 1 });
  });

  test('to an exchange publishes them, under their own key or the name of where they died', async () => {
    const { store, queue } = await routed({ deadLetter: 'letters' });
    await queue.send('a', { headers: { [ROUTING_KEY]: 'a.b' } });
    await queue.send('b');
    await failAll(queue);
    const letters = await store.queue('letters', { codec: utf8 });
    const edit = ({ record }: { record: LogRecord<string> }) =>
      record.value === 'b' ? { headers: { 1: 'new' } } : {};
    await letters.redrive({ to: SOURCE, dryRun: false, edit });
    expect(await firstHeaders(store)).toEqual([
      [ROUTING_KEY, 'a.b'],
      [ROUTING_KEY, 'q'],
    ]);
    const records = await published(store);
    expect(headersOf(records[1])).toMatchObject({ 1: 'new' });
    expect(records.map(({ cause }) => cause)).toEqual(
      [0, 1].map((offset) => ({ kind: 'redriven', topic: 'letters', partition: 0, offset })),
    );
    const gone = letters.redrive({ to: 'exchange:none' });
    await expect(gone).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
  });

  test('of what was kept as dead says where it was', async () => {
    const { store, queue } = await routed({ deadLetter: null });
    await store.topic('topic/with/1');
    await queue.send('a', { headers: { [ROUTING_KEY]: 'a.b' } });
    await failAll(queue);
    await queue.redrive({ to: 'topic/with/1', dryRun: false });
    const [moved] = await published(store, 'topic/with/1');
    expect(moved?.cause).toEqual({ kind: 'redriven', topic: 'q', partition: 0, offset: 0 });
    expect(headersOf(moved)[ROUTING_KEY]).toBe('a.b');
  });
});

test('letters are routed on, and die for good where they come back', async () => {
  const { store, queue } = await routed();
  await store.exchangeCatalog.bind('dlx', 'q', '');
  const letters = await store.queue('letters', { codec: utf8 });
  await store.exchangeCatalog.bind('dlx', 'letters', '');
  await queue.send('a');
  await failAll(queue);
  const [letter] = await letters.acquire({ waitMs: 1000 });
  const exchangeId = store.exchangeCatalog.describe('dlx').exchangeId;
  expect(letter?.cause).toEqual({ kind: 'projected', exchangeId, offset: 0 });
  const [back] = await queue.acquire({ waitMs: 1000 });
  expect(back).toMatchObject({ value: 'a', offset: 1, attempt: 1 });
  await back?.release({ failed: true });
  expect(await figures(store, queue)).toEqual([1, 1]);
});

test('what dies waits when its exchange is gone', async () => {
  const { store, queue } = await routed();
  await queue.send('a');
  await failAll(queue);
  await store.exchangeCatalog.delete('dlx');
  await queue.send('b');
  await failAll(queue);
  expect(await queue.stats()).toMatchObject({ condemnedCount: 1, settled: { failures: 1 } });
  const elsewhere = queue.redrive({ to: SOURCE });
  await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
});
