/** What producers and transactions are handed by mistake: each is told what was wrong, and nothing is stored. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { argumentError } from '../../../src/core/assert.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function opened() {
  const store = await new StoreBench().open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8 });
  const queue = await store.queue('q', { codec: utf8, partitions: 1 });
  const exchange = await store.exchange('e', { type: 'fanout', codec: utf8 });
  const byName = await store.exchange('', { codec: utf8 });
  const producer = await store.producer('p');
  return { store, topic, queue, exchange, byName, producer };
}

const OTHERS = ['nothing', 'null', 'a name', 'another handle', 'an exchange'] as const;

function otherThan(
  what: (typeof OTHERS)[number],
  handles: { readonly another: unknown; readonly exchange: unknown },
): never {
  const all = {
    nothing: undefined,
    null: null,
    'a name': 't',
    'another handle': handles.another,
    'an exchange': handles.exchange,
  };
  return all[what] as never;
}

describe.each(OTHERS)('%s', (what) => {
  test('in the place of a topic', async () => {
    const { topic, queue, exchange, producer } = await opened();
    const other = otherThan(what, { another: queue, exchange });
    const error = argumentError(TypeError, 'topic', 'a topic', other);
    await expect(producer.append(other, { value: 'x' })).rejects.toThrow(error);
    await expect(producer.appendBatch(other, [{ value: 'x' }])).rejects.toThrow(error);
    expect((await producer.append(topic, { value: 'x' })).sequence).toBe(0);
  });

  test('in the place of a queue', async () => {
    const { store, topic, queue, exchange, producer } = await opened();
    const other = otherThan(what, { another: topic, exchange });
    const message = /^Expected `queue` to be (?:a queue|an object), got /u;
    await expect(producer.send(other, 'x')).rejects.toThrow(message);
    const sent = store.transaction((tx) => tx.send(other, 'x'));
    await expect(sent).rejects.toThrow(message);
    expect((await queue.stats()).readyCount).toBe(0);
  });
});

test.each([undefined, null, 'topic'])('%j has no place of a producer', async (other) => {
  const { producer, byName } = await opened();
  const message = '`to` to be a topic, a queue, or an exchange that has a log';
  await expect(producer.last(other as never)).rejects.toThrow(message);
  await expect(producer.last(byName as never)).rejects.toThrow(message);
});

test('a dedupId beside a producer: a record has one reason to be stored once', async () => {
  const { topic, producer } = await opened();
  const record = { value: 'x', dedupId: 'id' };
  const message = 'Expected `dedupId` to be left out: there is a producer';
  await expect(producer.append(topic, record)).rejects.toThrow(message);
  await expect(producer.appendBatch(topic, [{ value: 'y' }, record])).rejects.toThrow(message);
  expect(await producer.append(topic, { value: 'z', dedupId: undefined } as never)).toMatchObject({
    sequence: 0,
    offset: 0,
  });
});

test('context.tx of a worker that is not transactional', async () => {
  const { store, queue } = await opened();
  await queue.send('x');
  const failure = new Promise((resolve) => {
    queue.work(async (_delivery, context) => void (context as { tx?: unknown }).tx, {
      onError: resolve,
    });
  });
  expect(await failure).toMatchObject({
    code: 'ERR_VARVE_INVALID_ARGUMENT',
    message: expect.stringContaining('Expected `transactional` to be true'),
  });
  expect(store.stats().transactions.committedCount).toBe(0);
});
