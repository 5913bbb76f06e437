import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { CorruptLogError } from '../../../src/core/errors.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import type { Store } from '../../../src/store/store.ts';
import { contentOf, damage, damageBatches, logPath, loseLog } from '../../support/rebuilds.ts';
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
    const bcc = at % 5 === 0 ? ['hidden'] : []; // Copies do not have it.
    const key = `k${at % 7}`;
    await events.publish(value, { routingKey, key, headers, bcc, confirm: 'routed' });
  }
  return store;
}

describe('a rebuild', () => {
  test('ends what health says of the damage', async () => {
    const bench = new StoreBench();
    let store = await fed(bench, 2);
    const path = logPath(store, 't', 1);
    await store.close();
    const names = await bench.fileSystem.list(path);
    const last = names.filter((name) => name.endsWith('.log')).length - 1; // An opening looks there.
    await damage(bench.fileSystem, path, last, 300);
    store = await bench.open();
    const topic = await store.topic('t');
    await expect(topic.read({ partition: 1, offset: 0 })).rejects.toThrow(CorruptLogError);
    const codes = () => store.health().problems.map(({ code, partition }) => [code, partition]);
    expect(codes()).toEqual([['partition-damaged', 1]]);
    const events = await store.exchange('events');
    await events.rebuild('t');
    expect(codes()).toEqual([['partition-damaged', 1]]);
    await events.rebuild('t', { dryRun: false });
    expect(codes()).toEqual([]);
    await store.close();
  });

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

const PLACES: readonly (readonly [
  what: string,
  harm: (fileSystem: FileSystem, path: string) => Promise<void>,
])[] = [
  ['the first segment', (fileSystem, path) => damage(fileSystem, path, 0, 500)],
  ['the header of a segment', (fileSystem, path) => damage(fileSystem, path, 1, 30)],
  ['two batches', (fileSystem, path) => damageBatches(fileSystem, path, [1, 3])],
  ['the checkpoint', (fileSystem, path) => fileSystem.unlink(`${path}/checkpoint`)],
  ['the first segment file', (fileSystem, path) => loseSegment(fileSystem, path, 0)],
  ['a segment file in the middle', (fileSystem, path) => loseSegment(fileSystem, path, 1)],
  ['the last segment file', (fileSystem, path) => loseSegment(fileSystem, path, -1)],
  [
    'all segments, with the checkpoint left',
    async (fileSystem, path) => {
      const names = await fileSystem.list(path);
      for (const name of names)
        if (name.endsWith('.log')) await fileSystem.unlink(join(path, name));
    },
  ],
  ['everything', loseLog],
];

describe('a rebuild brings back', () => {
  test.each(PLACES)('%s, and positions and leases stay what they are', async (_what, harm) => {
    const bench = new StoreBench();
    let store = await fed(bench);
    const before = await contentOf(store, 't');
    const topic = await store.topic('t', { codec: utf8 });
    const member = await topic.consumerGroup('g');
    for await (const batch of member.batches()) {
      await member.commit(batch);
      if (batch.nextOffset >= 10) break;
    }
    await member.close();
    const queue = await store.queue('t', { codec: utf8 });
    for (const delivery of await queue.acquire({ max: 4 })) await delivery.ack();
    const path = logPath(store, 't', 0);
    const { topicId } = store.describeTopic('t');
    await store.close();

    await harm(bench.fileSystem, path);
    store = await bench.open();
    const events = await store.exchange('events', { codec: utf8 });
    const report = await events.rebuild('t', { dryRun: false });
    expect(report.partitions).toMatchObject([{ endOffset: before.length }]);
    expect(await contentOf(store, 't')).toEqual(before);
    expect(store.describeTopic('t').topicId).toBe(topicId);
    expect((await bench.fileSystem.list(join(path, '..'))).toSorted()).toEqual(['0']);

    const again = await (await store.topic('t', { codec: utf8 })).consumerGroup('g');
    for await (const batch of again.batches()) {
      const [first] = batch;
      expect(first?.offset).toBe(10);
      await again.commit(batch);
      break;
    }
    await again.close();
    const [next] = await (await store.queue('t', { codec: utf8 })).acquire();
    expect(next?.offset).toBe(4);
    store = await bench.reopen(store);
    expect(await contentOf(store, 't')).toEqual(before);
    for await (const event of verifyLog(path, { fileSystem: bench.fileSystem })) {
      expect(event.type).toBe('segment');
    }
    await store.close();
  });
});

async function loseSegment(fileSystem: FileSystem, path: string, at: number): Promise<void> {
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).toSorted();
  await fileSystem.unlink(join(path, names.at(at) ?? ''));
}
