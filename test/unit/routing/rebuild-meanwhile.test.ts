/** What goes on while a destination is rebuilt, and what was before. */
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { nextTurn } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { LogReplacement } from '../../../src/log/log-replacement.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Store } from '../../../src/store/store.ts';
import { contentOf, damage, logPath, loseLog } from '../../support/rebuilds.ts';
import { StoreBench } from '../../support/store-fixture.ts';

interface Scene {
  readonly store: Store;
  readonly events: Exchange<string>;
  readonly path: string;
}

async function open(bench: StoreBench): Promise<Scene> {
  const store = await bench.open();
  for (const name of ['t', 'u']) await store.topic(name, { codec: utf8, segmentBytesMax: 4096 });
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  return { store, events, path: logPath(store, 't', 0) };
}

/** Two topics with twelve records each, some seconds between any two. */
async function begin(bench: StoreBench): Promise<Scene> {
  const scene = await open(bench);
  for (const name of ['t', 'u']) await scene.events.bind(name);
  for (let at = 0; at < 12; at++) {
    bench.clock.advance(5000);
    await scene.events.publish(`${at}`.repeat(700), { confirm: 'routed' });
  }
  return scene;
}

async function appendTimes(store: Store, name: string): Promise<readonly number[]> {
  const times: number[] = [];
  const topic = await store.topic(name, { codec: utf8 });
  for await (const { appendTimeMs } of topic.batches()) times.push(appendTimeMs);
  return times;
}

describe('a rebuild', () => {
  test('lets publishers go on, and other destinations', async () => {
    const bench = new StoreBench();
    const first = await begin(bench);
    await first.store.close();
    await damage(bench.fileSystem, first.path, 0, 300);
    const { store, events } = await open(bench);
    await events.publish('first', { confirm: 'routed' }); // So it is known how far both are.
    const { fileSystem } = bench;
    const makeDirectory = fileSystem.makeDirectory.bind(fileSystem);
    let count = 0;
    vi.spyOn(fileSystem, 'makeDirectory').mockImplementation(async (path) => {
      await makeDirectory(path);
      // The projection keeps away from the topic now.
      for (; path.endsWith('.rebuild/unfinished') && count < 20; count++) {
        await events.publish(`more ${count}`);
      }
    });
    const report = await events.rebuild('t', { dryRun: false });
    expect(report.partitions).toMatchObject([{ isReplaced: true, endOffset: 12 + 1 + 20 }]);
    expect(count).toBe(20);
    await events.publish('last', { confirm: 'routed' });
    const content = await contentOf(store, 't');
    expect(content).toHaveLength(12 + 1 + count + 1);
    expect(content).toEqual(await contentOf(store, 'u'));
    await store.close();
  });

  test.each([true, false])(
    'does not mind that its destination forgets its past meanwhile, with dryRun %s',
    async (dryRun) => {
      for (let lead = 0; lead < 40; lead++) {
        const bench = new StoreBench();
        const { store, events } = await begin(bench);
        const topic = await store.topic('t', { codec: utf8 });
        const rebuilding = events.rebuild('t', { dryRun });
        rebuilding.catch(() => undefined);
        for (let turn = 0; turn < lead; turn++) await nextTurn();
        await topic.deleteBefore({ partition: 0, offset: 7 });
        const { partitions } = await rebuilding;
        expect(partitions).toMatchObject([{ isDamaged: false, isReplaced: false, endOffset: 12 }]);
        expect((await contentOf(store, 't')).length).toBe(5);
        await store.close();
      }
    },
  );

  test('has openings of the partition wait, or leave what is being made alone', async () => {
    const bench = new StoreBench();
    const first = await begin(bench);
    const before = await contentOf(first.store, 't');
    await first.store.close();
    // A sealed segment is damaged: the log opens all the same.
    await damage(bench.fileSystem, first.path, 0, 300);
    const { store, events } = await open(bench);
    const topic = await store.topic('t', { codec: utf8 });
    const over = new AbortController();
    const rebuilding = events
      .rebuild('t', { dryRun: false })
      .catch((error: unknown) => error)
      .finally(() => over.abort());
    let reads = 0;
    const partition = topic.partitions.at(0);
    while (!over.signal.aborted) {
      for (let at = 0; at < 20; at++) {
        await partition.closeIdle();
        await partition.log();
        reads++;
      }
      await nextTurn();
    }
    const report = await rebuilding;
    expect(reads).toBeGreaterThan(3);
    // It was opened and closed all the time, so it may have been in use in the end.
    if (report instanceof Error) {
      expect(report).toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
      await events.rebuild('t', { dryRun: false });
    }
    expect(await contentOf(store, 't')).toEqual(before);
    await store.close();
  });

  test('is given up when the store is closed, or a signal says so; the log is what it was', async () => {
    const bench = new StoreBench();
    const first = await begin(bench);
    const before = await contentOf(first.store, 't');
    await first.store.close();
    await damage(bench.fileSystem, first.path, 0, 300);
    const second = await open(bench);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(second.events.rebuild('t', { dryRun: false, signal })).rejects.toBe(reason);
    const rebuilding = second.events.rebuild('t', { dryRun: false });
    const failure = rebuilding.catch((error: unknown) => error);
    await second.store.close();
    expect(await failure).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    const { store, events } = await open(bench);
    const { partitions } = await events.rebuild('t', { dryRun: false });
    expect(partitions).toMatchObject([{ isDamaged: true, isReplaced: true }]);
    expect(await contentOf(store, 't')).toEqual(before);
    expect((await bench.fileSystem.list(join(first.path, '..'))).toSorted()).toEqual(['0']);
    await store.close();
  });

  test('keeps the start of the log, the age of its records, and the files before', async () => {
    const bench = new StoreBench();
    const first = await begin(bench);
    const topic = await first.store.topic('t', { codec: utf8 });
    await topic.deleteBefore({ partition: 0, offset: 7 });
    const before = await contentOf(first.store, 't');
    expect(before).toHaveLength(5);
    const times = await appendTimes(first.store, 't');
    await first.store.close();
    await damage(bench.fileSystem, first.path, 0, 300);
    const { store, events, path } = await open(bench);
    const { partitions } = await events.rebuild('t', { dryRun: false });
    expect(partitions).toMatchObject([{ startOffset: 7, endOffset: 12, isReplaced: true }]);
    expect(await contentOf(store, 't')).toEqual(before);
    expect(new Set(times).size).toBe(5);
    expect(await appendTimes(store, 't')).toEqual(times);
    const kept = await bench.fileSystem.list(join(path, 'quarantine'));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.every((name) => /^\d{20}\.log-1$/.test(name))).toBe(true);
    await store.close();
  });

  test('knows what was sent to a destination that was unbound, and bound again', async () => {
    const bench = new StoreBench();
    const first = await begin(bench);
    await first.events.unbind('t');
    for (let look = 0; look < 4; look++) {
      await first.events.publish('not for it', { confirm: 'routed' });
      bench.clock.advance(2000);
      await nextTurn();
    }
    await first.events.bind('t');
    await first.events.publish('for it', { confirm: 'routed' });
    const before = await contentOf(first.store, 't');
    expect(before).toHaveLength(13);
    await first.store.close();
    await loseLog(bench.fileSystem, first.path);
    const { store, events } = await open(bench);
    await events.rebuild('t', { dryRun: false });
    expect(await contentOf(store, 't')).toEqual(before);
    await store.close();
  });
});

describe('what is left of a rebuild that was cut short', () => {
  async function cutShort(bench: StoreBench): Promise<string> {
    const { store, path } = await begin(bench);
    const { fileSystem, clock } = bench;
    const topic = await store.topic('t');
    const { logId } = await topic.partitions.at(0).log();
    await store.close();
    const replacement = new LogReplacement(fileSystem, path);
    await replacement.begin({ logId, ownerId: 8 }, { random: new SeededRandom(3), clock });
    return path;
  }

  test('goes with the next opening of the log', async () => {
    const bench = new StoreBench();
    const path = await cutShort(bench);
    const { store } = await open(bench);
    expect(await contentOf(store, 't')).toHaveLength(12);
    expect(await bench.fileSystem.list(join(path, '..'))).toEqual(['0']);
    await store.close();
  });

  test('goes with the topic', async () => {
    const bench = new StoreBench();
    const path = await cutShort(bench);
    const directory = join(path, '..');
    expect(await bench.fileSystem.list(directory)).toContain('0.rebuild');
    const store = await bench.open();
    const deletion = await store.deleteTopic('t');
    expect(deletion.keptPaths).toEqual([]);
    await expect(bench.fileSystem.list(directory)).rejects.toMatchObject({
      details: { errno: 'ENOENT' },
    });
    await store.close();
  });
});
