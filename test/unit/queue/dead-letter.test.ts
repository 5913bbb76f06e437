/** Where dead records go, what is said of them, and what somebody may have said of them before. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import {
  historyOf,
  isCycle,
  withDeath,
  type Death,
  type DeathHop,
} from '../../../src/queue/dead-letter.ts';
import { DEATH_HEADERS, HISTORY_HEADER } from '../../../src/format/header-names.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { flipBit } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { turns } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const DEATH: Death = {
  topic: 'q',
  group: 'queue',
  partition: 1,
  offset: 7,
  reason: 'failures',
  attempts: 3,
  failures: 2,
  expiries: 0,
  crashes: 0,
  trouble: null,
  timeMs: 100,
};

function historyIn(text: string): readonly DeathHop[] {
  return historyOf(new Map([[HISTORY_HEADER, Buffer.from(text)]]));
}

/** Rejects or fails the next record. */
async function kill(queue: Queue<string>, how: 'reject' | 'fail'): Promise<void> {
  const [delivery] = await queue.acquire();
  const dying = present(delivery, 'a record');
  if (how === 'reject') await dying.reject('no use');
  else await dying.release({ failed: true, error: 'broke' });
}

function textsOf(headers: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(
    [...headers].map(([name, text]) => [name, Buffer.from(text).toString()]),
  );
}

async function pair(back: { deadLetter?: string } = {}) {
  const store = await new StoreBench().open();
  const queue = await store.queue('q', { codec: utf8, failuresMax: 1, deadLetter: 'd' });
  const dead = await store.queue('d', { codec: utf8, failuresMax: 1, ...back });
  return { store, queue, dead };
}

describe('a history of deaths', () => {
  test('has one entry for each place and reason, the newest death first', () => {
    let history = withDeath([], DEATH);
    history = withDeath(history, { ...DEATH, topic: 'd', timeMs: 200 });
    history = withDeath(history, { ...DEATH, partition: 0, offset: 9, timeMs: 300 });
    history = withDeath(history, { ...DEATH, reason: 'rejected', timeMs: 400 });
    expect(history.map(({ topic, reason, count }) => [topic, reason, count])).toEqual([
      ['q', 'rejected', 1],
      ['q', 'failures', 2],
      ['d', 'failures', 1],
    ]);
    expect(history[1]).toMatchObject({ partition: 1, offset: 7, firstMs: 100, lastMs: 300 });
  });

  test('is bounded', () => {
    let history: readonly DeathHop[] = [];
    for (let at = 0; at < 100; at++) history = withDeath(history, { ...DEATH, topic: `t${at}` });
    expect(history).toHaveLength(32);
    expect(history[0]?.topic).toBe('t99');
  });

  test.each([
    ['no JSON', '{'],
    ['no list', '{"topic":"q"}'],
    ['null', 'null'],
    ['no text at all', ''],
    ['entries of another kind', '[1,null,"x",[],{"topic":"q"}]'],
    ['counts that are no numbers', '[{"topic":"q","group":"g","reason":"failures","count":"1"}]'],
  ])('is none in a header of somebody else: %s', (_name, text) => {
    expect(historyIn(text)).toEqual([]);
  });

  test('goes round where nobody rejected it on the way', () => {
    const there = withDeath([], DEATH);
    const back = withDeath(there, { ...DEATH, topic: 'd' });
    expect([isCycle(back, 'q'), isCycle(back, 'd'), isCycle(back, 'e')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(isCycle(withDeath(there, { ...DEATH, topic: 'd', reason: 'rejected' }), 'q')).toBe(
      false,
    );
    // Of long ago, and it came round since.
    const old = withDeath(withDeath([], { ...DEATH, topic: 'e', reason: 'rejected' }), DEATH);
    expect(isCycle(old, 'q')).toBe(true);
  });
});

describe('a dead letter', () => {
  test('keeps what the record was, and tells of each hop', async () => {
    const { store, queue, dead } = await pair({ deadLetter: 'end' });
    await queue.send('a', { key: 'k', headers: { own: 'mine' }, createTimeMs: 5 });
    await kill(queue, 'fail');
    await kill(dead, 'reject');
    const end = await store.queue('end', { codec: utf8 });
    const [letter] = await end.acquire();
    expect(letter).toMatchObject({ value: 'a', key: 'k', createTimeMs: 5 });
    const texts = textsOf(present(letter, 'a letter').headers);
    expect(texts).toMatchObject({
      own: 'mine',
      [DEATH_HEADERS.topic]: 'd',
      [DEATH_HEADERS.reason]: 'rejected',
      [DEATH_HEADERS.lastError]: 'no use',
    });
    const history = historyIn(present(texts[HISTORY_HEADER], 'a history'));
    expect(history.map(({ topic, reason }) => [topic, reason])).toEqual([
      ['d', 'rejected'],
      ['q', 'failures'],
    ]);
    await store.close();
  });

  test('says where and why, what was tried, and when', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const limits = { failuresMax: 2, expiriesMax: 9, leaseMs: 1000, deadLetter: 'd' };
    const queue = await store.queue('q', { codec: utf8, partitions: 3, ...limits });
    await queue.send('first', { partition: 2 });
    await queue.send('dies', { partition: 2 });
    const startMs = bench.clock.now();
    const next = async (): Promise<Delivery<string>> => {
      const acquired = await queue.acquire({ max: 2, waitMs: 1 });
      return present(
        acquired.find(({ offset }) => offset === 1),
        'it is ready',
      );
    };
    const lease = await next();
    bench.clock.advance(1100); // It runs out.
    expect(lease.signal.aborted).toBe(true);
    await (await next()).release({ failed: true, error: new Error('one') });
    bench.clock.advance(400);
    await (await next()).release({ error: 'two' }); // No failure, and an error all the same.
    bench.clock.advance(500);
    await (await next()).release({ failed: true, error: new TypeError('three') });
    const dead = await store.queue('d', { codec: utf8 });
    const [letter] = await dead.acquire();
    const texts = textsOf(present(letter, 'a letter').headers);
    const history = historyIn(present(texts[HISTORY_HEADER], 'a history'));
    expect(texts).toEqual({
      'varve-death-reason': 'failures',
      'varve-death-topic': 'q',
      'varve-death-group': 'queue',
      'varve-death-partition': '2',
      'varve-death-offset': '1',
      'varve-death-attempts': '4',
      'varve-death-failures': '2',
      'varve-death-expiries': '1',
      'varve-death-crashes': '0',
      'varve-death-first-error': 'Error: one',
      'varve-death-first-error-ms': String(startMs + 1100),
      'varve-death-last-error': 'TypeError: three',
      'varve-death-last-error-ms': String(startMs + 2000),
      'varve-death-ms': String(startMs + 2000),
      [HISTORY_HEADER]: texts[HISTORY_HEADER],
    });
    const once = { topic: 'q', group: 'queue', reason: 'failures', count: 1 };
    const timeMs = startMs + 2000;
    expect(history).toEqual([
      { ...once, partition: 2, offset: 1, firstMs: timeMs, lastMs: timeMs },
    ]);
    await store.close();
  });

  test('that would go round stays where it died', async () => {
    const { store, queue, dead } = await pair({ deadLetter: 'q' });
    await queue.send('a');
    await kill(queue, 'fail');
    await kill(dead, 'fail');
    expect(await dead.stats()).toMatchObject({ deadCount: 1, settled: { failures: 1 } });
    expect(await queue.acquire()).toEqual([]);
    await store.close();
  });

  test('goes back when it was rejected', async () => {
    const { store, queue, dead } = await pair({ deadLetter: 'q' });
    await queue.send('a');
    await kill(queue, 'fail');
    await kill(dead, 'reject');
    expect(await dead.stats()).toMatchObject({ deadCount: 0 });
    expect(await queue.acquire()).toMatchObject([{ value: 'a', offset: 1, attempt: 1 }]);
    await store.close();
  });

  test('says nothing of what its sender forged', async () => {
    const { store, queue, dead } = await pair();
    const headers = {
      [DEATH_HEADERS.reason]: 'crash',
      [DEATH_HEADERS.firstError]: 'forged',
      [HISTORY_HEADER]: '[{"topic":"q"}]',
      'varve-other': 'forged',
    };
    await queue.send('a', { headers });
    await kill(queue, 'reject');
    const [letter] = await dead.acquire();
    const texts = textsOf(present(letter, 'a letter').headers);
    expect(texts[DEATH_HEADERS.reason]).toBe('rejected');
    expect(texts[DEATH_HEADERS.firstError]).toBe('no use');
    expect(texts).not.toHaveProperty('varve-other');
    const history = historyIn(present(texts[HISTORY_HEADER], 'a history'));
    expect(history.map(({ topic, count }) => [topic, count])).toEqual([['q', 1]]);
    await store.close();
  });

  test('that has no room for its headers stays where it died, and so does nothing else', async () => {
    const { store, queue, dead } = await pair();
    await queue.send('full', { headers: { own: 'x'.repeat(65_400) } });
    await queue.send('next');
    const [full, next] = await queue.acquire({ max: 2 });
    await Promise.all([full?.reject('no use'), next?.reject('no use')]);
    expect(await queue.stats()).toMatchObject({ deadCount: 1, settled: { rejected: 2 } });
    expect(await dead.acquire({ max: 2 })).toMatchObject([{ value: 'next' }]);
    await store.close();
  });
});

test('a dead record that is damaged on the disk stays, and keeps no other from its dead letter', async () => {
  const bench = new StoreBench();
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  let store = await bench.open({ fileSystem });
  const queue = await store.queue('q', { codec: utf8, segmentBytesMax: 4096, deadLetter: 'd' });
  await queue.send('damaged');
  await queue.send('x'.repeat(5000)); // Fills the first segment.
  await queue.send('whole');
  const deliveries = await queue.acquire({ max: 3 });
  for (const delivery of deliveries) {
    if (delivery.offset === 1) await delivery.ack();
    else await delivery.release({ failed: true });
  }
  const topic = await store.topic('q', { codec: utf8 });
  await queue.close();
  await topic.alterShareGroup('queue', { failuresMax: 1 });
  await store.close();
  const [name = ''] = (await fileSystem.list(`${STORE_PATH}/topics`)).filter((one) =>
    one.startsWith('q'),
  );
  const path = `${STORE_PATH}/topics/${name}/0/${'0'.repeat(20)}.log`;
  flipBit(fileSystem, path, { position: 250 });
  store = await bench.open({ fileSystem });
  const again = await store.queue('q', { codec: utf8 });
  expect(await again.acquire()).toEqual([]);
  await turns(300);
  expect(await again.stats()).toMatchObject({ readyCount: 0, deadCount: 1, leasedCount: 0 });
  const dead = await store.queue('d', { codec: utf8 });
  expect(await dead.acquire({ max: 3 })).toMatchObject([{ value: 'whole' }]);
  await store.close();
});
