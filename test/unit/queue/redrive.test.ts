/** Redrive: what is dead comes back, each record exactly once. */
import { describe, expect, test } from 'vitest';

import { json, utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { BrowsedRecord } from '../../../src/queue/browse.ts';
import type { RedriveProgress, RedriveReport } from '../../../src/queue/redrive-options.ts';
import { DEAD, failAll, KEPT, textsOf, withDead } from '../../support/dead-queue.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const NO_SKIPS = {
  filtered: 0,
  'not-dead': 0,
  leased: 0,
  settled: 0,
  missing: 0,
  'origin-gone': 0,
  'origin-is-here': 0,
  'too-large': 0,
};

describe('a redrive of a dead-letter queue', () => {
  test('takes each record back to where it came from', async () => {
    const { store, dead, queue } = await withDead('abc');
    const report = await dead.redrive({ dryRun: false });
    expect(report).toEqual({
      examinedCount: 3,
      movedCount: 3,
      skippedCount: 0,
      skips: NO_SKIPS,
      destinations: [{ topic: 'q', count: 3 }],
      isDryRun: false,
      wasAborted: false,
      next: null,
    });
    expect(await textsOf(store, 'dead')).toEqual([]);
    const again = await queue.acquire({ max: 10 });
    expect(again.map(({ value, key, attempt }) => [value, key, attempt])).toEqual([
      ['a', 'key a', 1],
      ['b', 'key b', 1],
      ['c', 'key c', 1],
    ]);
    expect(await dead.stats()).toMatchObject({ readyCount: 0, settled: { redriven: 3 } });
    await store.close();
  });

  test('keeps the history, and drops what was said of the last death', async () => {
    const { store, dead, queue } = await withDead('a');
    const namesOf = (headers: ReadonlyMap<string, Uint8Array> | undefined) => [
      ...(headers?.keys() ?? []),
    ];
    const [letter] = await dead.peek();
    expect(namesOf(letter?.record.headers)).toContain('varve-death-reason');
    await dead.redrive({ dryRun: false });
    const [back] = await queue.peek();
    expect(namesOf(back?.record.headers)).toEqual(['varve-deaths', 'varve-cause']);
    expect(back?.record.cause).toEqual({
      kind: 'redriven',
      topic: 'dead',
      partition: 0,
      offset: 0,
    });
    await failAll(queue);
    const [twice] = await dead.peek();
    const history = Buffer.from(present(twice?.record.headers.get('varve-deaths'), 'it died'));
    expect(JSON.parse(history.toString())).toMatchObject([
      { topic: 'q', reason: 'failures', count: 2 },
    ]);
    await store.close();
  });

  test('brings back what is no text, and no value at all, byte for byte', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', DEAD);
    const key = Uint8Array.of(0xff, 0, 1);
    const header = Uint8Array.of(0xfe);
    for (const value of [null, new Uint8Array(0), Uint8Array.of(0xff, 0xfe)]) {
      await queue.topic.append({ value, key, headers: { header } });
    }
    for (const delivery of await queue.acquire({ max: 3 })) await delivery.reject();
    const dead = await store.queue('dead');
    expect(await dead.redrive({ dryRun: false })).toMatchObject({ movedCount: 3 });
    const back = await queue.acquire({ max: 3 });
    expect(back.map(({ value }) => value)).toEqual([
      null,
      new Uint8Array(0),
      Uint8Array.of(0xff, 0xfe),
    ]);
    for (const { record, headers } of back) {
      expect([record.keyView(), headers.get('header')]).toEqual([key, header]);
    }
    await store.close();
  });

  test('only looks unless dryRun is false, and says the same', async () => {
    const { store, dead } = await withDead('abc');
    const before = store.stateHash();
    const dry = await dead.redrive({ limit: 2 });
    expect(dry).toMatchObject({ movedCount: 2, isDryRun: true });
    expect(store.stateHash()).toBe(before);
    expect(await textsOf(store, 'q')).toEqual([]);
    expect(await dead.redrive({ limit: 2, dryRun: false })).toEqual({ ...dry, isDryRun: false });
    await store.close();
  });

  test('goes elsewhere, by key, changed on the way', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: json<{ n: number }>(), ...DEAD });
    await queue.sendBatch([1, 2, 3].map((n) => ({ value: { n }, headers: { mine: `${n}` } })));
    const deliveries = await queue.acquire({ max: 3 });
    await Promise.all(deliveries.map((delivery) => delivery.reject('no')));
    const dead = await store.queue('dead', { codec: json<{ n: number }>() });
    const other = await store.queue('other', { codec: json<{ n: number }>(), partitions: 3 });
    const report = await dead.redrive({
      to: 'other',
      dryRun: false,
      filter: async ({ record }) => record.value?.n !== 2,
      edit: ({ record }) =>
        record.value?.n === 1
          ? { value: { n: 100 }, key: 'k', headers: { now: 'yes' } }
          : { createTimeMs: 5 },
    });
    expect(report).toMatchObject({
      examinedCount: 3,
      movedCount: 2,
      skippedCount: 1,
      skips: { filtered: 1 },
      destinations: [{ topic: 'other', count: 2 }],
    });
    const moved = (await other.acquire({ max: 10 })).toSorted(
      (one, two) => present(two.value, 'json').n - present(one.value, 'json').n,
    );
    expect(moved.map(({ value, key, headers }) => [value, key, [...headers.keys()]])).toEqual([
      [{ n: 100 }, 'k', ['now', 'varve-deaths', 'varve-cause']],
      [{ n: 3 }, null, ['mine', 'varve-deaths', 'varve-cause']],
    ]);
    expect(moved[1]?.createTimeMs).toBe(5);
    const { partition } = await other.send({ n: 0 }, { key: 'k' });
    expect(moved[0]?.partition).toBe(partition);
    expect((await dead.peek(10)).map(({ record }) => record.value)).toEqual([{ n: 2 }]);
    await store.close();
  });

  test('takes what it is told to take, one by one', async () => {
    const { store, dead } = await withDead('abcd');
    const refs = [{ offset: 2 }, { partition: 0, offset: 0 }, { offset: 2 }, { offset: 77 }];
    const report = await dead.redrive({ refs, dryRun: false });
    expect(report).toMatchObject({ examinedCount: 3, movedCount: 2, skips: { missing: 1 } });
    const again = await dead.redrive({ refs, dryRun: false });
    expect(again).toMatchObject({ movedCount: 0, skips: { missing: 1, settled: 2 } });
    expect(await textsOf(store, 'q')).toEqual(['a', 'c']);
    expect(await textsOf(store, 'dead')).toEqual(['b', 'd']);
    await store.close();
  });

  test('skips what a consumer has, and what is no dead letter', async () => {
    const { store, dead } = await withDead('abc');
    const [held] = await dead.acquire();
    await dead.send('stranger');
    const report = await dead.redrive({ dryRun: false });
    expect(report).toMatchObject({
      examinedCount: 4,
      movedCount: 2,
      skippedCount: 2,
      skips: { ...NO_SKIPS, leased: 1, 'not-dead': 1 },
    });
    await held?.release({ delayMs: 60_000 });
    expect(await dead.redrive({ dryRun: false })).toMatchObject({ movedCount: 1 });
    expect(await textsOf(store, 'q')).toEqual(['b', 'c', 'a']);
    await dead.redrive({ to: 'q', dryRun: false });
    expect(await textsOf(store, 'dead')).toEqual(['stranger']);
    await dead.redrive({ to: 'q', refs: [{ offset: 3 }], dryRun: false });
    expect(await textsOf(store, 'dead')).toEqual([]);
    await store.close();
  });

  test('goes on where it was ended, and moves nothing twice', async () => {
    const { store, dead, queue } = await withDead('abcdefghij');
    const ending = new AbortController();
    const reason = new Error('no more');
    const filter = ({ record }: BrowsedRecord<string>) => {
      if (record.value === 'd') throw reason;
      return true;
    };
    await expect(dead.redrive({ dryRun: false, filter })).rejects.toBe(reason);
    const progress: RedriveProgress[] = [];
    const onProgress = (step: RedriveProgress) => {
      progress.push(step);
      ending.abort();
    };
    const options = { dryRun: false, limit: 2, signal: ending.signal, onProgress };
    const ended = await dead.redrive(options);
    expect(ended).toMatchObject({ wasAborted: true, movedCount: 2, examinedCount: 2 });
    expect(progress[0]).toEqual({ examinedCount: 2, movedCount: 2, skippedCount: 0 });
    expect(await dead.redrive({ dryRun: false, signal: AbortSignal.abort() })).toMatchObject({
      wasAborted: true,
      examinedCount: 0,
    });
    await dead.redrive({ dryRun: false });
    expect((await queue.acquire({ max: 100 })).map(({ value }) => value)).toEqual(
      'abcdefghij'.split(''),
    );
    await store.close();
  });

  test('goes on where another one ended, and looks at nothing twice', async () => {
    const { store, dead, queue } = await withDead('abcdefghijkl');
    const filter = ({ record }: BrowsedRecord<string>) => 'cfhk'.includes(record.value ?? '');
    let from: RedriveReport['next'] = null;
    const reports: RedriveReport[] = [];
    do {
      const where = from === null ? {} : { from };
      const report: RedriveReport = await dead.redrive({
        dryRun: false,
        limit: 2,
        filter,
        ...where,
      });
      reports.push(report);
      from = report.next;
    } while (from !== null);
    expect(reports).toMatchObject([
      { examinedCount: 6, movedCount: 2, next: { partition: 0, offset: 6 } },
      { examinedCount: 5, movedCount: 2, next: { partition: 0, offset: 11 } },
      { examinedCount: 1, movedCount: 0, next: null },
    ]);
    const again = await queue.acquire({ max: 10 });
    expect(again.map(({ value }) => value)).toEqual(['c', 'f', 'h', 'k']);
    const rest = await dead.redrive({ from: { offset: 9 } });
    expect(rest).toMatchObject({ examinedCount: 2, movedCount: 2 }); // j and l
    await store.close();
  });

  test('begins in the partition that it is told, with those behind it', async () => {
    const { store, dead } = await withDead('abcdefghijklmnop', { ...KEPT, partitions: 3 });
    await dead.close();
    const queue = await store.queue('q', { codec: utf8 });
    const places: string[] = [];
    for await (const { partition, offset } of queue.browse()) places.push(`${partition}/${offset}`);
    expect(new Set(places.map((place) => place.slice(0, 1))).size).toBe(3);
    for (const [at, place] of places.entries()) {
      const [partition = 0, offset = 0] = place.split('/').map(Number);
      const { movedCount, next } = await queue.redrive({ from: { partition, offset } });
      expect({ movedCount, next }).toEqual({ movedCount: places.length - at, next: null });
    }
    await expect(queue.redrive({ from: { partition: 3, offset: 0 } })).rejects.toThrow(RangeError);
    await expect(queue.redrive({ from: { offset: 0 }, refs: [{ offset: 0 }] })).rejects.toThrow(
      TypeError,
    );
    await store.close();
  });

  test('takes no more in a second than it may', async () => {
    const { store, dead, bench } = await withDead('abcdefghij');
    const movedAt: number[] = [];
    let movedCount = 0;
    const startMs = bench.clock.monotonic();
    const onProgress = (step: RedriveProgress) => {
      for (; movedCount < step.movedCount; movedCount++) {
        movedAt.push(bench.clock.monotonic() - startMs);
      }
    };
    const redriven = dead.redrive({ dryRun: false, ratePerSecond: 2, onProgress });
    const done = new AbortController();
    void redriven.then(() => done.abort());
    for (let step = 0; !done.signal.aborted && step < 1000; step++) {
      await turns(3);
      bench.clock.advance(10);
    }
    expect(await redriven).toMatchObject({ movedCount: 10 });
    for (const [at, ms] of movedAt.entries()) expect(ms).toBeGreaterThanOrEqual(at * 500);
    expect(movedAt.at(-1)).toBeLessThan(5500);
    await store.close();
  });

  test('more than a group of them, of several partitions and origins', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.queue('dead', { codec: utf8, partitions: 2 });
    const count = 250;
    for (const name of ['one', 'two']) {
      const queue = await store.queue(name, { codec: utf8, ...DEAD, partitions: 2 });
      await queue.sendBatch(
        Array.from({ length: count }, (_, n) => ({ value: `${name} ${n}`, key: `${n}` })),
      );
      await failAll(queue);
    }
    const dead = await store.queue('dead', { codec: utf8 });
    const report = await dead.redrive({ dryRun: false });
    expect(report).toMatchObject({ movedCount: 2 * count, skippedCount: 0 });
    expect(report.destinations.toSorted((a, b) => (a.topic < b.topic ? -1 : 1))).toEqual([
      { topic: 'one', count },
      { topic: 'two', count },
    ]);
    for (const name of ['one', 'two']) {
      const texts = await textsOf(store, name);
      expect(new Set(texts)).toEqual(
        new Set(Array.from({ length: count }, (_, n) => `${name} ${n}`)),
      );
      expect(texts).toHaveLength(count);
    }
    expect(await dead.stats()).toMatchObject({ readyCount: 0, settled: { redriven: 2 * count } });
    await store.close();
  });

  test('while consumers take from it, each record is in one place', async () => {
    const { store, dead, queue } = await withDead('x'.repeat(60).concat('y'.repeat(60)));
    const taken: number[] = [];
    const done = new AbortController();
    const consume = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const deliveries = await dead.acquire({ max: 3 });
        if (deliveries.length > 0) taken.push(...deliveries.map(({ offset }) => offset));
        await dead.ackAll(deliveries);
        await turns(1);
      }
    };
    const consuming = consume();
    const report = await dead.redrive({ dryRun: false });
    done.abort();
    await consuming;
    expect(report.movedCount + new Set(taken).size).toBe(120);
    expect(await queue.acquire({ max: 200 })).toHaveLength(report.movedCount);
    expect(taken).toHaveLength(new Set(taken).size);
    await store.close();
  });
});

describe('a redrive of dead records that were kept', () => {
  test('makes them ready again, in their places', async () => {
    const { store, queue } = await withDead('abc', KEPT);
    expect(await queue.stats()).toMatchObject({ deadCount: 3, readyCount: 0 });
    const report = await queue.redrive({ dryRun: false, filter: ({ offset }) => offset !== 1 });
    expect(report).toMatchObject({ movedCount: 2, destinations: [{ topic: 'q', count: 2 }] });
    const again = await queue.acquire({ max: 10 });
    expect(again.map(({ value, offset, attempt, failures }) => [value, offset, attempt, failures]))
      // As if they were new.
      .toEqual([
        ['a', 0, 1, 0],
        ['c', 2, 1, 0],
      ]);
    expect(await queue.stats()).toMatchObject({ deadCount: 1, settled: { revived: 2 } });
    await store.close();
  });

  test('moves them elsewhere, and their history tells of it', async () => {
    const { store, queue, dead } = await withDead('ab', KEPT);
    await queue.send('c');
    const report = await queue.redrive({ to: 'dead', dryRun: false });
    expect(report).toMatchObject({ movedCount: 2, skips: { 'not-dead': 1 } });
    const [first] = await dead.acquire({ max: 2 });
    const history = Buffer.from(present(first?.headers.get('varve-deaths'), 'it died'));
    expect(JSON.parse(history.toString())).toMatchObject([
      { topic: 'q', group: 'queue', offset: 0, reason: 'failures', count: 1 },
    ]);
    expect(await textsOf(store, 'q')).toEqual(['c']);
    await store.close();
  });

  test('one that is changed is a new record of the same queue', async () => {
    const { store, queue } = await withDead('ab', KEPT);
    const edit = ({ offset }: BrowsedRecord<string>) => (offset === 0 ? { value: 'better' } : {});
    await queue.redrive({ edit, dryRun: false });
    const again = await queue.acquire({ max: 10 });
    expect(again.map(({ value, offset }) => [value, offset])).toEqual([
      ['b', 1],
      ['better', 2],
    ]);
    await store.close();
  });
});
