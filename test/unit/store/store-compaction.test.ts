/** What a store compacts by itself: when, in which order, how fast, and what is told when it fails. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ClosedError } from '../../../src/core/errors.ts';
import { CHECKPOINT_FILE } from '../../../src/format/file-names.ts';
import { COMPACTION_LOOK_MS } from '../../../src/core/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import {
  compactable,
  fill,
  foldOf,
  numbered,
  offsetsOf,
  openSmall,
  until,
} from '../../support/compacted-topic.ts';
import { look, passSeconds, quiet, states } from '../../support/compacting-store.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const KIB = 1024;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** As slow as it may be: what reads and writes more than 6.4 KiB waits for the clock. */
const SLOW = { compactionBytesPerSecondMax: 64 * KIB };

async function setup(options: StoreOptions = {}) {
  const bench = new StoreBench();
  const store = await bench.open(options);
  onTestFinished(() => store.close().catch(() => undefined));
  /** Names of the topics, in the order in which they were compacted. */
  const compacted: string[] = [];
  store.on('compacted', ({ topic, why }) => compacted.push(`${topic} ${why}`));
  return { bench, store, compacted };
}

/** Superseded records that are left below the active segment, of five keys. */
async function filled(store: Store, name: string, count = 200): Promise<StoreTopic<string>> {
  const topic = await openSmall(store, name);
  await fill(topic, count);
  return topic;
}

async function temporaries({ fileSystem }: StoreBench, path: string): Promise<string[]> {
  return (await fileSystem.list(path)).filter((name) => name.endsWith('.tmp'));
}

describe('by itself a store compacts', () => {
  test('what has become dirty when a segment is sealed', async () => {
    const { store, compacted } = await setup();
    const topic = await openSmall(store, 't', { compaction: 'key' });
    await fill(topic, 200);
    await until(() => compacted.length > 1);
    expect(new Set(compacted)).toEqual(new Set(['t share']));
    expect((await offsetsOf(topic)).length).toBeLessThan(80);
  });

  test('what is open, at the next look, and nothing before', async () => {
    const { bench, store, compacted } = await setup();
    await compactable(store, await filled(store, 't'));
    await quiet();
    expect(compacted).toEqual([]);
    await look(bench);
    expect(compacted).toEqual(['t share']);
    expect(states(store)).toEqual(['t share done']);
    await look(bench);
    expect(states(store)).toEqual(['t share done']); // What came to nothing is not listed.
  });

  test('nothing where it is off, and nothing while its share is too small', async () => {
    const { bench, store, compacted } = await setup();
    await filled(store, 'off');
    const topic = await filled(store, 't', 400);
    await compactable(store, topic, { compactionShareMin: 1 });
    await topic.compact();
    await store.alterTopic('t', { compaction: 'off' });
    await fill(topic, 60);
    await compactable(store, topic, { compactionShareMin: 1 });
    await look(bench);
    expect(compacted).toEqual(['t asked']);
  });

  test('the largest share first, and before it what has waited too long', async () => {
    const { bench, store, compacted } = await setup();
    const shares = { half: 40, most: 140, late: 40 };
    for (const [name, count] of Object.entries(shares)) {
      const topic = await filled(store, name);
      await compactable(store, topic);
      await topic.compact();
      await store.alterTopic(name, { compaction: 'off' });
      await fill(topic, count, { from: 200 });
    }
    compacted.length = 0;
    const config = { compaction: 'key', compactionShareMin: 0.01 } as const;
    for (const name of Object.keys(shares)) await store.alterTopic(name, config);
    await store.alterTopic('late', { compactionLagMsMax: 1000, compactionShareMin: 1 });
    await look(bench);
    expect(compacted).toEqual(['late lag', 'most share', 'half share']);
  });

  test('a partition that nobody has open: once when it has grown, then once an hour', async () => {
    const { bench, store, compacted } = await setup();
    const topic = await filled(store, 't');
    const partition = topic.partitions.at(0);
    await compactable(store, topic, { compactionLagMsMin: 10 * MINUTE_MS });
    let openings = 0;
    const open = bench.fileSystem.open.bind(bench.fileSystem);
    bench.fileSystem.open = (path, mode) => {
      if (path === `${partition.path}/${CHECKPOINT_FILE}` && mode === 'write') openings++;
      return open(path, mode);
    };
    const looks = async (minutes: number) => {
      openings = 0;
      for (let minute = 0; minute < minutes; minute++) {
        await partition.closeIdle();
        await look(bench);
      }
      return openings;
    };
    expect(await looks(59)).toBe(1);
    expect(compacted).toEqual([]); // It was too young then.
    expect(await looks(3)).toBe(1);
    expect(compacted).toEqual(['t share']);
    expect(await looks(60)).toBe(1);
    expect(compacted).toEqual(['t share']);
  });

  test('sooner than in an hour, of what nobody has open, where it may not wait so long', async () => {
    const { bench, store, compacted } = await setup();
    const topic = await filled(store, 't');
    const wait = { compactionLagMsMin: 10 * MINUTE_MS, compactionLagMsMax: 20 * MINUTE_MS };
    await compactable(store, topic, { ...wait, compactionShareMin: 1 });
    for (let minute = 0; minute < 25; minute++) {
      await topic.partitions.at(0).closeIdle();
      await look(bench);
    }
    expect(compacted).toHaveLength(1);
  });

  test('no more bytes per second than the store may', async () => {
    const { bench, store, compacted } = await setup(SLOW);
    const topic = await filled(store, 't');
    await compactable(store, topic);
    const { sizeBytes: readBytes } = store.stats();
    await look(bench);
    expect(states(store)).toEqual(['t share running']);
    let seconds = 0;
    for (; compacted.length === 0 && seconds < 100; seconds++) {
      bench.clock.advance(1000);
      await quiet();
    }
    // Read twice, and the rest of it written and read back.
    expect(seconds).toBeGreaterThanOrEqual(Math.floor((1.5 * readBytes) / (64 * KIB)));
    expect(seconds).toBeLessThan(10);
  });

  test('as fast as it goes without such a bound, and with as much memory as the store may', async () => {
    const small = { compactionBytesPerSecondMax: null, compactionMapBytesMax: 1024 * KIB };
    const { bench, store, compacted } = await setup(small);
    const topic = await openSmall(store, 't', { segmentBytesMax: 1024 * KIB });
    const keyCount = 100_000; // The map has room for 78,643.
    const records = Array.from({ length: keyCount }, (_, n) => ({ key: String(n), value: '' }));
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < keyCount; at += 10_000) {
        await topic.appendBatch(records.slice(at, at + 10_000));
      }
    }
    await compactable(store, topic, { compactionShareMin: 0.01 });
    bench.clock.advance(COMPACTION_LOOK_MS);
    await until(() => states(store)[0] === 't share done');
    expect(compacted.length).toBeGreaterThan(1);
    expect(store.compactions()[0]?.result?.passCount).toBeGreaterThan(1);
  });
});

describe('one compaction at a time', () => {
  test('has others wait, in the order in which they were asked for', async () => {
    const { bench, store } = await setup();
    const topics = [];
    for (const name of ['a', 'b', 'c']) topics.push(await filled(store, name));
    for (const topic of topics) await compactable(store, topic);
    const slow = { bytesPerSecondMax: 64 * KIB };
    const work = Promise.all(topics.map((topic) => topic.compact(slow)));
    await quiet();
    expect(states(store)).toEqual(['a asked running', 'b asked waiting', 'c asked waiting']);
    while (states(store)[0] === 'a asked running') await passSeconds(bench, 1);
    expect(states(store)).toEqual(['a asked done', 'b asked running', 'c asked waiting']);
    await passSeconds(bench, 20);
    expect(await work).toHaveLength(3);
    const ends = store.compactions().map(({ endedTimeMs }) => endedTimeMs ?? 0);
    expect(ends).toEqual(ends.toSorted((one, two) => one - two));
  });

  test('gives way to one that is asked for, when it began by itself, and goes on then', async () => {
    const { bench, store, compacted } = await setup(SLOW);
    const slow = await filled(store, 'slow');
    const asked = await filled(store, 'asked');
    await compactable(store, slow);
    await look(bench);
    expect(states(store)).toEqual(['slow share running']);
    await compactable(store, asked);
    await asked.compact();
    await quiet();
    expect(states(store)).toEqual(['asked asked done', 'slow share running']);
    expect(await temporaries(bench, slow.partitions.at(0).path)).toEqual([]);
    await passSeconds(bench, 10);
    expect(compacted).toEqual(['asked asked', 'slow share']);
    expect(store.health().problems).toEqual([]);
  });

  test('is stopped by its signal, whether it waits or goes on', async () => {
    const { bench, store } = await setup();
    const topic = await filled(store, 't');
    await compactable(store, topic);
    const [going, waiting] = [new AbortController(), new AbortController()];
    const slow = { bytesPerSecondMax: 64 * KIB };
    const first = rejectionOf(topic.compact({ ...slow, signal: going.signal }));
    const second = rejectionOf(topic.compact({ signal: waiting.signal }));
    await quiet();
    waiting.abort('not now');
    expect(await second).toBe('not now');
    going.abort('enough');
    expect(await first).toBe('enough');
    const early = topic.compact({ signal: AbortSignal.abort('too late') });
    expect(await rejectionOf(early)).toBe('too late');
    expect(store.compactions()).toMatchObject([
      { state: 'stopped', error: 'enough' },
      { state: 'stopped', error: 'not now', startedTimeMs: null },
      { state: 'stopped', error: 'too late', startedTimeMs: null },
    ]);
    expect(await temporaries(bench, topic.partitions.at(0).path)).toEqual([]);
    expect(await topic.compact()).toMatchObject([{ supersededCount: 175 }]);
  });

  test('keeps the last hundred that ended', async () => {
    const { store } = await setup();
    const topic = await openSmall(store, 't', { compaction: 'key' });
    for (let n = 0; n < 103; n++) await topic.compact();
    expect(store.compactions().map(({ id }) => id)).toEqual(
      Array.from({ length: 100 }, (_, at) => at + 4),
    );
  });
});

describe('a store that is closed', () => {
  test('ends the compaction that goes on, by itself or not, and leaves nothing of it behind', async () => {
    for (const isAsked of [false, true]) {
      const { bench, store } = await setup(SLOW);
      const topic = await filled(store, 't');
      const { path } = topic.partitions.at(0);
      await compactable(store, topic);
      const asked = isAsked ? rejectionOf(topic.compact({ bytesPerSecondMax: 64 * KIB })) : null;
      if (asked === null) await look(bench);
      for (let tenth = 0; (await temporaries(bench, path)).length === 0; tenth++) {
        expect(tenth).toBeLessThan(1000);
        bench.clock.advance(100);
        await quiet();
      }
      const waiting = rejectionOf(topic.compact({ bytesPerSecondMax: 64 * KIB }));
      await quiet();
      await store.close();
      if (asked !== null) expect(await asked).toBeInstanceOf(ClosedError);
      expect(await waiting).toBeInstanceOf(ClosedError);
      expect(await temporaries(bench, path)).toEqual([]);
      expect(bench.fileSystem.openFileCount).toBe(0);
      const again = await bench.open();
      const reopened = await openSmall(again, 't');
      expect([...(await foldOf(reopened)).values()]).toEqual(
        Array.from({ length: 5 }, (_, at) => numbered(195 + at)),
      );
      await again.close();
    }
  });
});

describe('a compaction that fails', () => {
  test('is told, and tried again after a minute, then after two, at most after an hour', async () => {
    const { bench, store, compacted } = await setup();
    const topic = await filled(store, 't');
    const tries: number[] = [];
    const open = bench.fileSystem.open.bind(bench.fileSystem);
    let isBroken = true;
    bench.fileSystem.open = (path, mode) => {
      if (!isBroken || !path.endsWith('.tmp')) return open(path, mode);
      tries.push(bench.clock.monotonic());
      return Promise.reject(new Error('no such luck'));
    };
    await compactable(store, topic);
    while (tries.length < 9) await look(bench);
    const minutes = tries.slice(1).map((ms, at) => (ms - (tries[at] ?? 0)) / MINUTE_MS);
    expect(minutes).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(store.health().problems).toMatchObject([
      {
        code: 'compaction-failed',
        severity: 'degraded',
        topic: 't',
        partition: 0,
        sinceMs: bench.clock.now() - (tries.at(-1) ?? 0) + (tries[0] ?? 0),
        message: 't/0 could not be compacted: no such luck',
      },
    ]);
    expect(topic.partitions.at(0).opened?.stats().lastError).toMatchObject({
      message: 'no such luck',
    });
    expect(states(store).slice(-1)).toEqual(['t share failed']);
    isBroken = false;
    bench.clock.advance(HOUR_MS);
    await quiet();
    expect(compacted).toEqual(['t share']);
    expect(store.health().problems).toEqual([]);
  });

  test('is forgotten when somebody compacts the topic, or it is deleted', async () => {
    const { bench, store } = await setup();
    for (const name of ['a', 'b']) await compactable(store, await filled(store, name));
    const open = bench.fileSystem.open.bind(bench.fileSystem);
    let isBroken = true;
    bench.fileSystem.open = (path, mode) =>
      isBroken && path.endsWith('.tmp') ? Promise.reject(new Error('no')) : open(path, mode);
    await look(bench);
    const failing = () => store.health().problems.map(({ topic }) => topic);
    expect(failing()).toEqual(['a', 'b']);
    isBroken = false;
    await store.deleteTopic('a');
    await (await openSmall(store, 'b')).compact();
    expect(failing()).toEqual([]);
  });

  test('is forgotten when compaction is switched off: nobody tries it again', async () => {
    const { bench, store } = await setup();
    const topic = await filled(store, 't');
    await compactable(store, topic);
    const open = bench.fileSystem.open.bind(bench.fileSystem);
    bench.fileSystem.open = (path, mode) =>
      path.endsWith('.tmp') ? Promise.reject(new Error('no')) : open(path, mode);
    await look(bench);
    expect(store.health().problems).toMatchObject([{ code: 'compaction-failed', topic: 't' }]);
    await store.alterTopic('t', { compaction: 'off' });
    await look(bench);
    expect(store.health()).toEqual({ status: 'ok', problems: [] });
  });

  test('is told where a segment is damaged, in front of which it ends', async () => {
    const { bench, store, compacted } = await setup();
    const topic = await filled(store, 't');
    const file = `${topic.partitions.at(0).path}/${'100'.padStart(20, '0')}.log`;
    const handle = await bench.fileSystem.open(file, 'write');
    await handle.write(Uint8Array.of(0xff, 0xff, 0xff), 1000);
    await handle.close();
    await compactable(store, topic);
    await look(bench);
    expect(store.health().problems).toMatchObject([{ code: 'compaction-failed', topic: 't' }]);
    expect(store.health().problems[0]?.message).toContain(file);
    expect(compacted).toEqual(['t share']); // What lies in front of it.
    await expect(topic.compact()).rejects.toThrow(file);
    expect(store.compactions().at(-1)?.state).toBe('failed');
  });

  test('is none when its topic is deleted meanwhile', async () => {
    const { bench, store } = await setup(SLOW);
    const topic = await filled(store, 't');
    await compactable(store, topic);
    await look(bench);
    expect(states(store)).toEqual(['t share running']);
    const { path } = topic.partitions.at(0);
    await store.deleteTopic('t');
    await quiet();
    expect(store.health().problems).toEqual([]);
    expect(states(store)).toEqual([]);
    await expect(bench.fileSystem.list(path)).rejects.toThrow('ENOENT');
    expect(bench.fileSystem.openFileCount).toBeLessThan(5);
    await look(bench);
    expect(STORE_PATH).toBe(store.path);
  });
});
