import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import { contentOf, damage, logPath, loseLog } from '../../support/rebuilds.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const VALUES = 40;

async function fed(bench: StoreBench, partitions = 1): Promise<Store> {
  const store = await bench.open();
  await store.topic('t', { codec: utf8, partitions, segmentBytesMax: 4096 });
  const events = await store.exchange('events', { type: 'topic', codec: utf8 });
  await events.bind('t', { pattern: 'a.#' });
  for (let at = 0; at < VALUES; at++) {
    const routingKey = at % 3 === 0 ? 'b' : `a.${at}`;
    const headers = { at: String(at) };
    const value = `${at} `.repeat(40);
    await events.publish(value, { routingKey, key: `k${at % 7}`, headers, confirm: 'routed' });
  }
  return store;
}

describe('a rebuild', () => {
  test('finds nothing to do where nothing is damaged', async () => {
    const bench = new StoreBench();
    const store = await fed(bench, 2);
    const events = await store.exchange('events');
    const before = await contentOf(store, 't');
    const report = await events.rebuild('t', { dryRun: false });
    expect(report).toMatchObject({ destination: 't', isDryRun: false });
    expect(report.partitions.map((one) => [one.isDamaged, one.isReplaced])).toEqual([
      [false, false],
      [false, false],
    ]);
    expect(await contentOf(store, 't')).toEqual(before);
    await store.close();
  });

  test.each(['damaged', 'lost'])('brings back a %s log', async (how) => {
    const bench = new StoreBench();
    let store = await fed(bench, 2);
    const before = await contentOf(store, 't');
    const path = logPath(store, 't', 1);
    await store.close();
    if (how === 'lost') await loseLog(bench.fileSystem, path);
    else await damage(bench.fileSystem, path, 0, 700);
    store = await bench.open();
    const events = await store.exchange('events', { codec: utf8 });
    const found = await events.rebuild('t');
    expect(found.isDryRun).toBe(true);
    expect(found.partitions.map((one) => one.isDamaged)).toEqual([false, true]);
    expect(found.partitions.map((one) => one.isReplaced)).toEqual([false, false]);
    const report = await events.rebuild('t', { dryRun: false });
    expect(report.partitions.map((one) => one.isReplaced)).toEqual([false, true]);
    expect(await contentOf(store, 't')).toEqual(before);
    await events.publish('more', { routingKey: 'a', confirm: 'routed' });
    expect(await contentOf(store, 't')).toHaveLength(before.length + 1);
    const again = await events.rebuild('t');
    expect(again.partitions.every((one) => !one.isDamaged)).toBe(true);
    await store.close();
  });
});
