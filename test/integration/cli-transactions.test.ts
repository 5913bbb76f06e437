/** `varve transactions ls` and `varve producers ls`: what the owner tells, and what the disk does. */
import { EventEmitter, once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf, flipByte, FIRST_SEGMENT, linesOf } from '../support/cli-logs.ts';
import { traceOf } from '../support/cli-stores.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface OpenStore {
  readonly path: string;
  readonly store: Store;
}

/** On a clock that stands still, so that nothing is synced but what somebody waits for. */
async function openStill(): Promise<OpenStore> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path, { clock: new ManualClock(1e12) });
  onTestFinished(() => store.close());
  return { path, store };
}

/** What a kill would leave of it now. */
async function killed({ path }: OpenStore): Promise<string> {
  const copy = join(await temporaryDirectory(), 'store');
  // A socket is nothing to copy.
  await cp(path, copy, { recursive: true, filter: (file) => !file.endsWith('.sock') });
  return copy;
}

async function jsonOf(...args: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await runCli([...args, '--json']);
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return JSON.parse(stdout);
}

describe('stats', () => {
  test('count the transactions of the process that has the store open', async () => {
    const { path, store } = await openStill();
    const before = await runCli(['stats', path]);
    expect(before.stdout).not.toContain('transactions');
    const topic = await store.topic('t', { codec: utf8 });
    for (const value of ['a', 'b']) await store.transaction((tx) => tx.append(topic, { value }));
    await store.transaction((tx) => tx.abort()).catch(() => undefined);
    const { stdout } = await runCli(['stats', path]);
    expect(stdout).toMatch(/\ntransactions +2 committed, 1 aborted\n/);
    const counts = {
      openCount: 0,
      committedCount: 2,
      abortedCount: 1,
      timedOutCount: 0,
      failedCount: 0,
    };
    expect(await jsonOf('stats', path)).toMatchObject({ transactions: counts });
    await store.close();
    expect(await jsonOf('stats', path)).toMatchObject({ transactions: null });
  });
});

describe('transactions ls', () => {
  const listed = (path: string): Promise<CliResult> => runCli(['transactions', 'ls', path]);

  test('tells of one that is open, in the process that has it', async () => {
    const { path, store } = await openStill();
    const topic = await store.topic('t', { codec: utf8 });
    const queue = await store.queue('jobs', { codec: utf8 });
    await queue.send('job');
    const [job] = await queue.acquire();
    const end = new EventEmitter();
    const running = store.transaction(
      async (tx) => {
        if (job !== undefined) tx.ack(job);
        tx.append(topic, [{ value: 'a' }, { value: 'b' }]);
        await once(end, 'now');
      },
      { name: 'nightly' },
    );
    const before = await traceOf(path);
    const { stdout, stderr, exitCode } = await listed(path);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: ExitCode.ok });
    const [header, line, ...rest] = stdout.split('\n');
    expect(header).toMatch(/^id +name +state +age +bytes +appends +acks +positions$/);
    expect(line).toMatch(/^ 1 +nightly +collecting +\S+ \w+.* +\d+ B +2 +1 +0$/);
    expect(rest).toEqual(['']);
    expect(await jsonOf('transactions', 'ls', path)).toEqual({
      path,
      open: [
        {
          id: 1,
          name: 'nightly',
          state: 'collecting',
          startedMs: 1e12,
          sizeBytes: expect.any(Number),
          appendCount: 2,
          ackCount: 1,
          positionCount: 0,
          ageMs: expect.any(Number),
        },
      ],
      unsynced: [],
    });
    expect(await traceOf(path)).toEqual(before);
    end.emit('now');
    await running;
  });

  test('tells of commits that a log has not synced, also when their process is gone', async () => {
    const opened = await openStill();
    const { path, store } = opened;
    const topic = await store.topic('t', { codec: utf8, partitions: 2 });
    await topic.append({ value: 'plain' }, { partition: 1 });
    await store.transaction((tx) => {
      tx.append(topic, { value: 'a' }, { partition: 1 });
    });
    const commit = { journalOffset: expect.any(Number), topic: 't', partition: 1, nextOffset: 2 };
    const unsynced = [{ ...commit, isPending: false }];
    expect(await jsonOf('transactions', 'ls', path)).toEqual({ path, open: [], unsynced });
    const { stdout } = await listed(path);
    expect(stdout).toMatch(/^commit +topic +partition +up to +in sight\n +\d+ +t +1 +2 +yes\n$/);

    const left = await killed(opened);
    const before = await contentsOf(left);
    expect(await jsonOf('transactions', 'ls', left)).toEqual({ path: left, open: null, unsynced });
    expect((await listed(left)).stderr).toBe(
      'no process that has the store open was asked: only what is on disk\n',
    );
    expect(await contentsOf(left)).toEqual(before);

    await topic.sync();
    expect(await jsonOf('transactions', 'ls', path)).toEqual({ path, open: [], unsynced: [] });
    expect((await listed(path)).stderr).toBe(`no transaction in ${path}\n`);
    const again = await openStore(left);
    await (await again.topic('t', { codec: utf8 })).append({ value: 'b' }, { partition: 1 });
    await again.close();
    const after = { path: left, open: null, unsynced: [] };
    expect(await jsonOf('transactions', 'ls', left), 'the journal still has it').toEqual(after);
  });
});

/** `mirror` sent 7, 9 and 10 to `t`, and 0 to `u`; `idle` nothing. */
async function openProduced(): Promise<OpenStore> {
  const opened = await openStill();
  const { store } = opened;
  const t = await store.topic('t', { codec: utf8, partitions: 2 });
  const u = await store.topic('u', { codec: utf8 });
  await store.topic('empty', { codec: utf8 });
  const mirror = await store.producer('mirror', { gaps: 'allow' });
  await mirror.append(t, { value: 'a' }, { sequence: 7, partition: 1 });
  const records = [{ value: 'b' }, { value: 'c' }];
  await mirror.appendBatch(t, records, { sequence: 9, partition: 1 });
  await mirror.append(u, { value: 'd' });
  await (await store.producer('idle')).close();
  return opened;
}

const PLACES = [
  { topic: 't', sequence: 10, resumeFrom: 11, partition: 1, offset: 2 },
  { topic: 'u', sequence: 0, resumeFrom: 1, partition: 0, offset: 0 },
];

const times = { createdTimeMs: 1e12, openedTimeMs: 1e12 };

describe('producers ls', () => {
  test('tells how far each is in each topic, and the owner who is there', async () => {
    const { path } = await openProduced();
    const before = await traceOf(path);
    const { exitCode, stdout, stderr } = await runCli(['producers', 'ls', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    const [header, ...lines] = stdout.trimEnd().split('\n');
    expect(header).toMatch(
      /^producer +epoch +opened +topic +last +resume from +partition +offset$/,
    );
    const opened = '2001-09-09T01:46:40.000Z';
    expect(lines.map((line) => line.split(/ +/))).toEqual([
      ['idle', '1', opened, '-', '-', '-', '-', '-'],
      ['mirror', '1', opened, 't', '10', '11', '1', '2'],
      ['mirror', '1', opened, 'u', '0', '1', '0', '0'],
    ]);
    expect(await jsonOf('producers', 'ls', path)).toEqual({
      path,
      producers: [
        { name: 'idle', epoch: 1, ...times, isOpen: false, topics: [] },
        { name: 'mirror', epoch: 1, ...times, isOpen: true, topics: PLACES },
      ],
      damagedTopics: [],
    });
    expect(await traceOf(path)).toEqual(before);
  });

  test('finds it on the disk of one that was killed, and writes nothing', async () => {
    const opened = await openProduced();
    const left = await killed(opened);
    await opened.store.close();
    // Nobody noted that 8 was left out: it may have been lost in the other partition.
    for (const [path, resumeFrom] of [
      [left, 8],
      [opened.path, 11],
    ] as const) {
      const before = await contentsOf(path);
      const { stdout } = await runCli(['producers', 'ls', path, '--ndjson']);
      const topics = [{ ...PLACES[0], resumeFrom }, PLACES[1]];
      expect(linesOf(stdout)).toEqual([
        { name: 'idle', epoch: 1, ...times, isOpen: null, topics: [] },
        { name: 'mirror', epoch: 1, ...times, isOpen: null, topics },
      ]);
      expect(await contentsOf(path)).toEqual(before);
    }
  });

  test('--topic: those who produced to it', async () => {
    const { path } = await openProduced();
    expect(await jsonOf('producers', 'ls', path, '--topic', 'u')).toMatchObject({
      producers: [{ name: 'mirror', topics: [PLACES[1]] }],
    });
    const none = await runCli(['producers', 'ls', path, '--topic', 'empty']);
    expect(none).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(none.stderr).toBe(`no producer in ${path}\n`);
  });

  test('a topic that is damaged is named, and the others are told of: exit 4', async () => {
    const opened = await openProduced();
    const { path } = opened;
    await opened.store.close();
    const { stdout } = await runCli(['topics', 'describe', path, 't', '--json']);
    const { partitions } = JSON.parse(stdout) as { partitions: { path: string }[] };
    await flipByte(join(String(partitions[1]?.path), FIRST_SEGMENT), 200);
    const found = await runCli(['producers', 'ls', path, '--json']);
    expect(found.exitCode).toBe(ExitCode.corrupt);
    expect(found.stderr).toMatch(/^topic t: .*00000000000000000000\.log/);
    expect(JSON.parse(found.stdout)).toMatchObject({
      producers: [{ name: 'idle' }, { name: 'mirror', topics: [PLACES[1]] }],
      damagedTopics: ['t'],
    });
  });
});

test('journal dump names what producers and ids left there', async () => {
  const opened = await openProduced();
  const { path, store } = opened;
  const t = await store.topic('t', { codec: utf8 });
  await t.append({ value: 'e', dedupId: 'one' });
  await store.deleteProducer('idle');
  const { exitCode, stdout } = await runCli(['journal', 'dump', path]);
  expect(exitCode).toBe(ExitCode.ok);
  for (const shown of [
    /producer-opened .*"mirror"/,
    /producers-noted .*topicId=/,
    /producer-deleted /,
    /dedup-begun .*by="id" scope="topic"/,
  ]) {
    expect(stdout).toMatch(shown);
  }
});
