/** Attempts survive the process: they are journaled before a record is handed out. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import { headerTexts, QueueBench } from '../../support/queue-bench.ts';

const FAILURES_MAX = 5;
const LETTERS = 'abcdefghij'.split('');

async function filled(bench: QueueBench, values: readonly string[], leasedMax = 2000) {
  const open = await bench.open({ deadLetter: 'dead', failuresMax: FAILURES_MAX, leasedMax });
  await open.queue.sendBatch(values.map((value) => ({ value })));
  return open;
}

describe('a process that is killed', () => {
  test('was counted for each record that was handed out, and for no other', async () => {
    const bench = new QueueBench();
    const { queue } = await filled(bench, ['a', 'b', 'c']);
    expect(await queue.acquire({ max: 2 })).toHaveLength(2);
    const next = await bench.next();
    const again = await next.queue.acquire({ max: 3 });
    expect(
      again.map(({ value, attempt, crashes, failures }) => [value, attempt, crashes, failures]),
    ).toEqual([
      ['a', 2, 1, 0],
      ['b', 2, 1, 0],
      ['c', 1, 0, 0],
    ]);
  });

  test('is not counted when the store was closed: what was leased came back', async () => {
    const bench = new QueueBench();
    const { store, queue } = await filled(bench, ['a']);
    await queue.acquire();
    await store.close();
    const { queue: next } = await bench.open();
    expect(await next.acquire()).toMatchObject([{ attempt: 2, crashes: 0, failures: 0 }]);
  });

  test('never gives a token out that an earlier one gave out, also when the power went', async () => {
    const bench = new QueueBench();
    const tokens: string[] = [];
    for (let life = 0; life < 6; life++) {
      const { queue } = life === 0 ? await filled(bench, ['a', 'b']) : await bench.open();
      const deliveries = await queue.acquire({ max: 2 });
      expect(deliveries.length).toBeGreaterThan(0);
      tokens.push(...deliveries.map(({ token }) => token));
      if (life % 2 === 0) bench.kill();
      else bench.cutPower();
    }
    expect(new Set(tokens).size).toBe(tokens.length);
    const epochs = tokens.map((token) => Number(token.split('-')[0]));
    expect(epochs).toEqual(epochs.toSorted((one, two) => one - two));
  });

  test('refuses a delivery of an earlier one: its lease is over', async () => {
    const bench = new QueueBench();
    const { queue } = await filled(bench, ['a']);
    const [stale] = await queue.acquire();
    const { queue: next } = await bench.next();
    const [fresh] = await next.acquire();
    await expect(next.ackAll([present(stale, 'one')])).rejects.toThrow('of this group');
    await fresh?.ack();
    expect(await next.stats()).toMatchObject({ readyCount: 0, settled: { acked: 1 } });
  });
});

/** Works like a batch worker whose process one payload kills. @returns whether it was killed */
async function workUntilKilled(
  deliveries: readonly Delivery<string>[],
  poison: string,
): Promise<boolean> {
  for (const delivery of deliveries) {
    expect(delivery.failures, `failures of ${delivery.value}`).toBe(
      delivery.value === poison ? Math.max(0, delivery.crashes - 3) : 0,
    );
    if (delivery.value === poison) return true;
    await delivery.ack();
  }
  return false;
}

describe('a record that kills the process', () => {
  test.each([
    ['the first', 'a'],
    ['in the middle', 'e'],
    ['the last', 'j'],
  ])('is dead after failuresMax + 3 crashes, and no neighbour is: %s', async (_name, poison) => {
    const bench = new QueueBench();
    let { store, queue } = await filled(bench, LETTERS);
    let crashes = 0;
    for (;;) {
      const deliveries = await queue.acquire({ max: LETTERS.length });
      if (deliveries.length === 0) break;
      if (!(await workUntilKilled(deliveries, poison))) continue;
      crashes++;
      ({ store, queue } = await bench.next());
    }
    expect(crashes).toBe(FAILURES_MAX + 3);
    const dead = await store.queue('dead');
    const [letter] = await dead.acquire({ waitMs: Number.POSITIVE_INFINITY });
    const stats = await queue.stats();
    expect(stats).toMatchObject({ readyCount: 0, leasedCount: 0, deadCount: 0 });
    expect(stats.settled).toMatchObject({ acked: LETTERS.length - 1, crash: 1, failures: 0 });
    expect(await dead.acquire()).toEqual([]);
    const headers = headerTexts(present(letter, 'a letter').headers);
    expect(headers).toMatchObject({
      'varve-death-reason': 'crash',
      'varve-death-failures': String(FAILURES_MAX),
      'varve-death-crashes': String(FAILURES_MAX + 3),
    });
  });

  test('is not blamed for what another one did, in whatever partitions they are', async () => {
    const bench = new QueueBench();
    const poisons = ['b', 'h'];
    const settings = { deadLetter: 'dead', failuresMax: FAILURES_MAX, partitions: 2 };
    let { store, queue } = await bench.open(settings);
    for (const [at, value] of LETTERS.entries())
      await queue.send(value, { partition: (at >> 2) & 1 });
    let crashes = 0;
    for (;;) {
      const deliveries = await queue.acquire({ max: LETTERS.length });
      if (deliveries.length === 0) break;
      const suspects = deliveries.filter((delivery) => delivery.crashes >= 3);
      expect(suspects.length).toBeLessThanOrEqual(1);
      const [poison = ''] = deliveries.flatMap(({ value }) =>
        poisons.includes(value ?? '') ? [value ?? ''] : [],
      );
      if (!(await workUntilKilled(deliveries, poison))) continue;
      crashes++;
      ({ store, queue } = await bench.next());
    }
    // Both are caught in the first three, then each by itself.
    expect(crashes).toBe(3 + 2 * FAILURES_MAX);
    const dead = await store.queue('dead');
    const letters = await dead.acquire({ max: 9, waitMs: 1000 });
    expect(letters.map(({ headers }) => headerTexts(headers)['varve-death-reason'])).toEqual([
      'crash',
      'crash',
    ]);
    const stats = await queue.stats();
    expect(stats).toMatchObject({ unsettledCount: 0, deadCount: 0 });
    expect(stats.settled).toMatchObject({ acked: LETTERS.length - 2, crash: 2, failures: 0 });
  });

  test('is tried alone once it is suspected, beside all that are not', async () => {
    const bench = new QueueBench();
    let { queue } = await filled(bench, LETTERS, 100);
    for (let crash = 0; crash < 3; crash++) {
      const deliveries = await queue.acquire({ max: 3 });
      expect(deliveries.map(({ value }) => value)).toEqual(['a', 'b', 'c']);
      ({ queue } = await bench.next());
    }
    const deliveries = await queue.acquire({ max: 10 });
    expect(deliveries.map(({ value, crashes }) => [value, crashes])).toEqual([
      ['a', 3],
      ...LETTERS.slice(3).map((value) => [value, 0]),
    ]);
    expect(await queue.acquire({ max: 10 })).toEqual([]);
    await deliveries[0]?.ack();
    expect(await queue.acquire({ max: 10 })).toMatchObject([{ value: 'b', crashes: 3 }]);
  });

  test('may be one of sqrt(leasedMax) at a time after two crashes', async () => {
    const bench = new QueueBench();
    let { queue } = await filled(bench, LETTERS, 10);
    for (let crash = 0; crash < 2; crash++) {
      expect(await queue.acquire({ max: 10 })).toHaveLength(10);
      ({ queue } = await bench.next());
    }
    expect(await queue.acquire({ max: 10 })).toHaveLength(4); // ceil(sqrt(10))
  });
});

describe('segments of settled records', () => {
  test('go when what settled them is durable: a power cut brings no record back without its bytes', async () => {
    const bench = new QueueBench();
    const { store, queue } = await bench.open({
      durability: 'os',
      segmentBytesMax: 4096,
      leaseMs: 60_000,
    });
    await queue.sendBatch(Array.from({ length: 20 }, () => ({ value: 'x'.repeat(1000) })));
    const deliveries = await queue.acquire({ max: 20 });
    expect(deliveries).toHaveLength(20);
    bench.clock.advance(29_999);
    const deleted = new Promise((resolve) => store.on('segments-deleted', resolve));
    await queue.ackAll(deliveries); // Written, and not synced.
    bench.clock.advance(1);
    await deleted;
    bench.cutPower();
    const { queue: next } = await bench.open();
    const { settled, unsettledCount } = await next.stats();
    expect(settled).toMatchObject({ acked: 20, trimmed: 0, missing: 0 });
    expect(unsettledCount).toBe(0);
  });
});
