/** What a review found in commits: logs that fail or fill up in the middle of one. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { offsetsCommitted } from '../../../src/group/group-state.ts';
import { change } from '../../../src/journal/journal.ts';
import { commit, CommitBench, contents } from '../../support/commit-bench.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a commit that is on its way into the journal', () => {
  test('stands, though one of its logs fails meanwhile: its next opening has it', async () => {
    const bench = new CommitBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/');
    const { store, topic } = await bench.open();
    for (const partition of [0, 1]) await topic.append({ value: 'before' }, { partition });
    held.hold();
    const committed = commit({ store, topic }, [['a'], ['b'], []]);
    await settle();
    expect(held.waiting).toHaveLength(1);
    bench.fileSystem.addFault({
      operations: ['datasync'],
      path: /topics.*\/0\/checkpoint$/,
      errno: 'EIO',
    });
    const deleted = topic.deleteBefore({ partition: 0, offset: 1 });
    await expect(deleted).rejects.toThrow(FailedError);
    held.release();
    expect(await committed).toEqual({ baseOffsets: [1, 1] });
    expect((await contents(topic))[1]).toEqual(['before', 'b']);
    await store.close().catch(() => undefined);
    const again = await bench.open();
    expect((await contents(again.topic)).slice(0, 2)).toEqual([['a'], ['before', 'b']]);
  });
});

const SMALL = { codec: utf8, segmentBytesMax: 4096, batchBytesMax: 1024 } as const;
const FULL = { operations: ['write'], path: /small.*\/0\/.*log$/, errno: 'ENOSPC' } as const;
const TEXTS = Array.from({ length: 100 }, (_, at) => `${at}`.padStart(100, '.'));

async function valuesOf(topic: { records(): AsyncIterable<{ value: string | null }> }) {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

test('a commit that cannot be encoded for one log takes back no append to another', async () => {
  const bench = new CommitBench();
  const writes = new HeldWrites(bench.fileSystem);
  const { store, topic } = await bench.open();
  const appends = [
    ...(await topic.forCommit([{ value: 'a' }], { partition: 0 })),
    ...(await topic.forCommit([{ value: 'b' }], { partition: 1 })),
  ];
  const { commits } = present(appends[1], 'for each partition').appender;
  commits.hold = () => {
    throw new RangeError('no memory for it');
  };
  writes.hold();
  const value = 'x'.repeat(100_000);
  const appended = topic.append({ value }, { partition: 0 });
  await settle();
  const outcomes = Promise.allSettled([appended, store.committer.commit({ appends })]);
  await settle();
  writes.release();
  expect(await outcomes).toMatchObject([
    { status: 'fulfilled', value: { offset: 0 } },
    { status: 'rejected', reason: { message: 'no memory for it' } },
  ]);
  expect(await topic.append({ value: 'next' }, { partition: 0 })).toMatchObject({ offset: 1 });
  expect((await contents(topic))[0]).toEqual([value, 'next']);
});

test('a commit that is durable and cannot be applied gives its offsets to nobody', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open();
  const appends = await topic.forCommit([{ value: 'a' }], { partition: 0 });
  let readCount = 0;
  const broken = {
    timeMs: 0,
    get groups() {
      if (++readCount > 1) throw new Error('a mistake in a rule'); // Encoded once, then applied.
      return [];
    },
  };
  const outcomes = await Promise.allSettled([
    store.committer.commit({ changes: [change(offsetsCommitted, broken)] }),
    store.committer.commit({ appends }), // In the same write of the journal, behind it.
  ]);
  const indeterminate = { status: 'rejected', reason: { details: { indeterminate: true } } };
  expect(outcomes).toMatchObject([indeterminate, indeterminate]);
  await expect(topic.append({ value: 'other' }, { partition: 0 })).rejects.toThrow(FailedError);
  await store.close().catch(() => undefined);
  expect((await contents((await bench.open()).topic))[0]).toEqual(['a']);
});

test('a commit that comes while its store is closed is written, or refused', async () => {
  const outcomes = new Set<boolean>();
  for (let delay = 0; delay < 80; delay++) {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    const failures: Error[] = [];
    store.on('writer-failed', ({ error }) => failures.push(error));
    const appends = [
      ...(await topic.forCommit([{ value: 'a' }], { partition: 0 })),
      ...(await topic.forCommit([{ value: 'b' }], { partition: 1 })),
    ];
    const closing = store.close();
    for (let turn = 0; turn < delay; turn++) await Promise.resolve();
    const [{ status }] = await Promise.allSettled([store.committer.commit({ appends }), closing]);
    await settle();
    expect(failures).toEqual([]);
    const isThere = status === 'fulfilled';
    outcomes.add(isThere);
    const { topic: again } = await bench.open();
    expect(await contents(again)).toEqual(isThere ? [['a'], ['b'], []] : [[], [], []]);
    const { notes } = (await again.partitions.at(0).log()).recovery;
    expect(notes).toEqual([]); // Nothing had to be written again.
  }
  expect([...outcomes]).toEqual([true, false]);
});

describe('a commit that finds room bit by bit', () => {
  test('keeps others out until all of it is written', async () => {
    const bench = new CommitBench();
    const syncs = new HeldSyncs(bench.fileSystem, '/journal/');
    const writes = new HeldWrites(bench.fileSystem);
    const { store } = await bench.open();
    const topic = await store.topic('small', SMALL);
    const log = await topic.partitions.at(0).log();
    const prepare = (texts: readonly string[]) =>
      topic.forCommit(texts.map((value) => ({ value })));
    bench.fileSystem.addFault(FULL);
    await store.committer.commit({ appends: await prepare(TEXTS) });
    const late = await prepare(['late']);
    writes.hold(); // The first part is written, and the end of its segment waits.
    bench.clock.advance(1000);
    await settle();
    expect(log.stats().pendingApplyBytes).toBeGreaterThan(0);
    syncs.hold();
    onTestFinished(() => syncs.release());
    onTestFinished(() => writes.release());
    const next = store.committer.commit({ appends: late });
    await Promise.all([
      expect(next).rejects.toThrow(DiskFullError),
      expect(topic.append({ value: 'plain' })).rejects.toThrow(DiskFullError),
    ]);
    writes.release();
    await settle();
    expect(log.stats().pendingApplyBytes).toBe(0);
    await topic.append({ value: 'after' });
    expect(await valuesOf(topic)).toEqual([...TEXTS, 'after']);
  });

  test('says that it waits also while it is tried again', async () => {
    const bench = new CommitBench();
    const writes = new HeldWrites(bench.fileSystem);
    const { store } = await bench.open();
    const topic = await store.topic('small', SMALL);
    const log = await topic.partitions.at(0).log();
    bench.fileSystem.addFault(FULL);
    const appends = await topic.forCommit([{ value: 'x'.repeat(300_000) }]);
    await store.committer.commit({ appends });
    const { pendingApplyBytes } = log.stats();
    expect(pendingApplyBytes).toBeGreaterThan(300_000);
    writes.hold();
    onTestFinished(() => writes.release());
    bench.clock.advance(1000);
    await settle();
    expect(log.stats()).toMatchObject({ pendingApplyBytes, visibleOffset: 0 });
    expect(store.health().problems.map(({ code }) => code)).toEqual(['commit-pending']);
    writes.release();
    await settle();
    expect(log.stats()).toMatchObject({ pendingApplyBytes: 0, visibleOffset: 1 });
    expect(store.health().problems).toEqual([]);
  });

  test('goes on in a segment that was begun before the disk was full', async () => {
    const bench = new CommitBench();
    const { store } = await bench.open();
    const topic = await store.topic('small', SMALL);
    const log = await topic.partitions.at(0).log();
    // The header of the next segment is written, then a half of what goes there.
    bench.fileSystem.addFault({ ...FULL, skip: 3, shortBytes: 'half' });
    const appends = await topic.forCommit(TEXTS.map((value) => ({ value })));
    await store.committer.commit({ appends });
    expect(log.stats().pendingApplyBytes).toBeGreaterThan(0);
    for (let tries = 0; tries < 2; tries++) {
      bench.clock.advance(1000);
      await settle();
    }
    expect(log.stats()).toMatchObject({ pendingApplyBytes: 0, state: 'open' });
    await topic.append({ value: 'after' });
    expect(await valuesOf(topic)).toEqual([...TEXTS, 'after']);
  });
});

test('a change that cannot be encoded refuses its own commit, and none that it shares an entry with', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open();
  const prepare = (value: string) => topic.forCommit([{ value }], { partition: 0 });
  const position = { partition: 0, logId: 1, offset: -1, epoch: 0, metadata: '' };
  const groups = [{ topicId: 1, group: 'g', positions: [position] }];
  const bad = change(offsetsCommitted, { groups, timeMs: 0 });
  const [first, second, third] = [await prepare('a'), await prepare('b'), await prepare('c')];
  const committed = [
    store.committer.commit({ appends: first }),
    store.committer.commit({ appends: second, changes: [bad] }),
    store.committer.commit({ appends: third }),
  ];
  expect(await Promise.allSettled(committed)).toMatchObject([
    { status: 'fulfilled', value: { baseOffsets: [0] } },
    { status: 'rejected', reason: { name: 'AssertionError' } },
    { status: 'fulfilled', value: { baseOffsets: [1] } },
  ]);
  expect((await contents(topic))[0]).toEqual(['a', 'c']);
});

test('a log that was closed to make room needs nothing of the journal when it is used again', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open();
  for (const text of ['a', 'b', 'c']) await commit({ store, topic }, [[text], [text], []]);
  const partition = topic.partitions.at(0);
  await partition.closeIdle();
  expect(partition.opened).toBeNull();
  bench.fileSystem.addFault({ operations: ['read'], path: /journal/, errno: 'EIO' });
  expect((await contents(topic))[0]).toEqual(['a', 'b', 'c']);
});

test('a log whose writer fails before it has what it lost is refused, not waited for', async () => {
  const bench = new CommitBench();
  const { store, topic } = await bench.open('os');
  await topic.partitions.at(0).log();
  await commit({ store, topic }, [['a'], [], []]);
  bench.cutPower();
  const { fileSystem } = bench;
  let lose: () => void = () => undefined;
  const lockDirectory = fileSystem.lockDirectory.bind(fileSystem);
  fileSystem.lockDirectory = async (path) => {
    const lock = await lockDirectory(path);
    return { ...lock, onLost: (callback) => (lose = callback) };
  };
  const again = await bench.open('os');
  lose();
  let failure: unknown = 'none';
  again.topic.partitions
    .at(0)
    .log()
    .catch((error: unknown) => (failure = error));
  await settle();
  expect(failure).toBeInstanceOf(FailedError);
});

test('commits are refused while 64 MiB of them wait, and taken again when they are done', async () => {
  const bench = new CommitBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  const { store, topic } = await bench.open('os');
  const value = 'x'.repeat(1_000_000);
  const prepare = () =>
    topic.forCommit(
      Array.from({ length: 8 }, () => ({ value })),
      { partition: 0 },
    );
  held.hold();
  onTestFinished(() => held.release());
  const taken = [];
  for (let count = 0; count < 9; count++) {
    taken.push(store.committer.commit({ appends: await prepare() })); // 72 MB.
  }
  await expect(store.committer.commit({ appends: await prepare() })).rejects.toMatchObject({
    code: 'ERR_VARVE_BACKPRESSURE',
    details: { queuedBytesMax: 64 * 1024 * 1024 },
  });
  held.release();
  const results = await Promise.all(taken);
  expect(results.map(({ baseOffsets }) => baseOffsets[0])).toEqual([
    0, 8, 16, 24, 32, 40, 48, 56, 64,
  ]);
  const last = await store.committer.commit({ appends: await prepare() });
  expect(last).toEqual({ baseOffsets: [72] });
});
