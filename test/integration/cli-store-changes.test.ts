/** The verbs that change a store: dry runs that say what would change, and then the change. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { openLog, openStore } from '../../src/index.ts';
import { NodeFileSystem } from '../../src/io/node-file-system.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import { openOrders, orders, partitionOf, traceOf, varve } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What a verb prints that may be a change, beside the owner: it changes nothing. */
async function dryRunOf(path: string, args: readonly string[]): Promise<string> {
  const before = await traceOf(path);
  const { exitCode, stdout, stderr } = await varve(...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  expect(await traceOf(path)).toEqual(before);
  return stdout;
}

describe('topics alter', () => {
  test('prints old and new values; a dry run works beside the owner, and changes nothing', async () => {
    const { path, store } = await openOrders();
    const args = ['topics', 'alter', path, 'orders', '--retention', '7d', '--compression', 'gzip'];
    expect(await dryRunOf(path, args)).toBe(
      'option            from  to\n' +
        'retentionMs       none  604800000\n' +
        'compression       none  gzip\n' +
        'compressionLevel  none  1\n' +
        'topic orders would be altered; nothing was changed, --yes alters it\n',
    );
    await store.close();
    const done = await runCli([...args, '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({
      topic: 'orders',
      isDryRun: false,
      changes: [
        { option: 'retentionMs', from: null, to: 604_800_000 },
        { option: 'compression', from: 'none', to: 'gzip' },
        { option: 'compressionLevel', from: null, to: 1 },
      ],
    });
    const again = await runCli([...args, '--yes']);
    expect(again.stdout).toBe('topic orders is like that already; nothing was changed\n');
    const none = await runCli(['topics', 'alter', path, 'orders', '--retention', 'none', '--yes']);
    expect(none.stdout).toContain('retentionMs  604800000  none\ntopic orders is altered\n');
  });
});

describe('topics add-partitions', () => {
  test('a dry run, then the change', async () => {
    const path = await orders();
    const before = await traceOf(path);
    const dry = await runCli(['topics', 'add-partitions', path, 'orders', '4']);
    expect(dry.stdout).toBe(
      'topic orders would have 4 partitions, not 2; keys would move; ' +
        'nothing was changed, --yes adds them\n',
    );
    expect(await traceOf(path)).toEqual(before);
    const done = await varve('topics', 'add-partitions', path, 'orders', '4', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({ isDryRun: false, from: 2, to: 4 });
    const described = await runCli(['topics', 'describe', path, 'orders']);
    expect(described.stdout).toContain('keys moved            4 partitions since ');
  });
});

describe('topics delete', () => {
  test('says what would go, then it is gone; its name is free', async () => {
    const path = await orders();
    const before = await traceOf(path);
    const dry = await runCli(['topics', 'delete', path, 'orders']);
    expect(dry).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dry.stdout).toMatch(
      /^would delete topic orders: 2 partitions, 6 offsets, .* B, 1 group: billing; nothing was changed/,
    );
    expect(await traceOf(path)).toEqual(before);
    const done = await varve('topics', 'delete', path, 'orders', '--yes');
    expect(done.stdout).toMatch(/^deleted topic orders: 2 partitions, 6 offsets, /);
    expect(await readdir(join(path, 'topics'))).toEqual([]);
    expect((await runCli(['groups', 'ls', path])).stdout).toBe('');
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
    await runCli(['topics', 'create', path, 'orders', '--yes']);
    const described = await runCli(['topics', 'describe', path, 'orders', '--json']);
    expect(JSON.parse(described.stdout)).toMatchObject({
      groups: [],
      partitions: [{ endOffset: 0 }],
    });
  });

  test('names the groups of a queue and the exchanges that lead to it, before and after', async () => {
    const path = await orders();
    await runCli(['queue', 'create', path, 'late', '--yes']);
    for (const exchange of ['events', 'others']) {
      await runCli(['exchanges', 'create', path, exchange, '-t', 'topic', '--yes']);
    }
    for (const pattern of ['a.#', 'b.#']) {
      await runCli(['bindings', 'add', path, 'events', 'late', '-p', pattern, '--yes']);
    }
    const dry = await runCli(['topics', 'delete', path, 'late']);
    expect(dry.stdout).toContain('1 group: queue, bindings of 1 exchange: events; nothing was');
    const done = await varve('topics', 'delete', path, 'late', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({ groups: ['queue'], exchanges: ['events'] });
    expect((await runCli(['bindings', 'ls', path])).stdout).toBe('');
  });

  test('leaves alone what is not ours, and says so', async () => {
    const path = await orders();
    const notes = join(await partitionOf(path, 1), 'notes.txt');
    await writeFile(notes, 'mine');
    const args = ['topics', 'delete', path, 'orders', '--yes', '--json'];
    const { exitCode, stdout, stderr } = await varve(...args);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stderr).toBe(`left alone, not ours: ${notes}\n`);
    expect(JSON.parse(stdout)).toMatchObject({ groups: ['billing'], keptPaths: [notes] });
    expect(await readdir(join(notes, '..'))).toEqual(['notes.txt']);
  });
});

test('what is left of a deleted topic is no damage, and goes when the store is opened', async () => {
  class StuckFileSystem extends NodeFileSystem {
    override unlink(path: string): Promise<void> {
      return super.unlink(path.endsWith('checkpoint') ? dirname(path) : path); // EISDIR
    }
  }
  const path = await orders();
  const store = await openStore(path, { fileSystem: new StuckFileSystem() });
  await expect(store.deleteTopic('orders')).rejects.toMatchObject({ code: 'ERR_VARVE_IO' });
  await store.close();
  expect((await runCli(['topics', 'ls', path])).stdout).toBe('');
  const verified = await runCli(['verify', path]);
  expect(verified.exitCode).toBe(ExitCode.ok);
  expect(verified.stderr).toContain('files of deleted topics were left out');
  await (await openStore(path)).close();
  expect(await readdir(join(path, 'topics'))).toEqual([]);
  expect((await runCli(['verify', path])).stderr).toBe('');
});

describe('delete-records', () => {
  test('of partitions of a topic: what would go, then it is gone', async () => {
    const { path, store } = await openOrders();
    const args = ['delete-records', path, 'orders', '--before', '0:3,1:end'];
    expect(await dryRunOf(path, args)).toBe(
      'partition  start  new start  offsets  segments  bytes\n' +
        '        0      0          3        3         0    0 B\n' +
        '        1      0          2        2         0    0 B\n' +
        '5 offsets of orders would go; nothing was changed, --yes deletes them\n',
    );
    await store.close();
    const done = await runCli([...args, '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({
      topic: 'orders',
      isDryRun: false,
      partitions: [
        { partition: 0, from: 0, to: 3, offsetCount: 3 },
        { partition: 1, from: 0, to: 2, offsetCount: 2 },
      ],
    });
    expect((await runCli(['cat', await partitionOf(path, 0)])).stdout).toBe('d\n');
    expect((await runCli(['cat', await partitionOf(path, 1)])).stdout).toBe('');
    const again = await runCli([...args, '--yes']);
    expect(again.stdout).toContain('nothing lies below; nothing was changed\n');
  });

  test('of a log of its own, with the segments that go', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const log = await openLog(path, { segmentBytesMax: 4096 });
    for (let at = 0; at < 8; at++) await log.append({ value: new Uint8Array(2000) });
    await log.close();
    const { segmentCount } = log.stats();
    expect(segmentCount).toBeGreaterThan(2);
    const before = await traceOf(path);
    const dry = await runCli(['delete-records', path, '--before', '8', '--json']);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      topic: null,
      isDryRun: true,
      partitions: [{ from: 0, to: 8, offsetCount: 8, segmentCount: segmentCount - 1 }],
    });
    expect(await traceOf(path)).toEqual(before);
    const done = await varve('delete-records', path, '--before', '8', '--yes');
    expect(done.stdout).toContain(`deleted 8 offsets of ${path}\n`);
    const info = await runCli(['info', path, '--json']);
    expect(JSON.parse(info.stdout)).toMatchObject({ startOffset: 8, endOffset: 8 });
    const names = Object.keys(await traceOf(path));
    expect(names.filter((name) => name.endsWith('.log'))).toHaveLength(1);
  });

  test.each([
    [['orders'], ExitCode.usage, '--before is missing'],
    [['--before', '1'], ExitCode.usage, 'is a store: the topic is missing'],
    [['none', '--before', '1'], ExitCode.notFound, 'there is no topic none in'],
    [['orders', '--before', '1', '--yes'], ExitCode.usage, 'has 2 partitions: of which?'],
    [['orders', '--before', '0:1', '--partition', '0'], ExitCode.usage, 'names its partitions'],
    [['orders', '--before', '0:1,2:1'], ExitCode.usage, 'has partitions 0 to 1, not 2'],
    [['orders', '--before', '0:1,0:2'], ExitCode.usage, 'Expected an offset, or one per partition'],
    [
      ['orders', '--before', '5', '--partition', '0', '--yes'],
      ExitCode.notFound,
      'offset 5 is not',
    ],
  ])('%j: refused, without a trace', async (args, exitCode, message) => {
    const path = await orders();
    const before = await traceOf(path);
    const refused = await runCli(['delete-records', path, ...args]);
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toContain(message);
    expect(await traceOf(path)).toEqual(before);
  });
});

describe('groups reset', () => {
  const POSITIONS = 'topic,partition,offset';

  test('one offset per partition', async () => {
    const path = await orders();
    const args = ['groups', 'reset', path, 'billing', '--to-offset', '0:1,1:end'];
    const done = await runCli([...args, '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({
      isDryRun: false,
      partitions: [
        { partition: 0, from: 3, to: 1 },
        { partition: 1, from: null, to: 2 },
      ],
    });
    const only = await runCli(['groups', 'reset', path, 'billing', '--to-offset', '1:0', '--json']);
    expect(JSON.parse(only.stdout)).toMatchObject({
      partitions: [{ partition: 1, from: 2, to: 0 }],
    });
  });

  test('exports positions, and takes them back', async () => {
    const { path, store } = await openOrders();
    const file = join(path, '..', 'positions.csv');
    const reset = ['groups', 'reset', path, 'billing'];
    await varve(...reset, '--to-current', '--export', file);
    expect(await readFile(file, 'utf8')).toBe('orders,0,3\norders,1,0\n');
    await store.close();
    await runCli([...reset, '--to-latest', '--yes']);
    await writeFile(file, '"orders",0,3\r\n\nreturns,5,1\n');
    const unclear = await runCli([...reset, '--from-file', file]);
    expect(unclear.exitCode).toBe(ExitCode.usage);
    expect(unclear.stderr).toContain('rows for topics orders, returns\nhint: choose one');
    const back = await varve(...reset, '--from-file', file, '--topic', 'orders', '--yes');
    expect(back).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const described = await runCli(['groups', 'describe', path, 'billing', '--json']);
    expect(JSON.parse(described.stdout)).toMatchObject({
      partitions: [{ committedOffset: 3 }, { committedOffset: 2 }],
    });
  });

  test.each([
    [POSITIONS, 'line 1 of'],
    ['', 'holds no position'],
    ['returns,0,1', 'has no row for topic orders'],
    ['orders,0,1\norders,0,2', 'two rows for one partition'],
    ['orders,2,1', 'partitions 0 to 1, not 2'],
  ])('rows %j are refused', async (rows, message) => {
    const path = await orders();
    const file = join(path, '..', 'positions.csv');
    await writeFile(file, rows);
    const options = ['--from-file', file, ...(rows === '' ? [] : ['--topic', 'orders'])];
    const refused = await runCli(['groups', 'reset', path, 'billing', ...options]);
    expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(refused.stderr).toContain(message);
  });

  test('a file that is not there: exit 3; two targets, or partitions twice: exit 2', async () => {
    const path = await orders();
    const reset = (...args: string[]) => runCli(['groups', 'reset', path, 'billing', ...args]);
    expect((await reset('--from-file', join(path, 'none'))).exitCode).toBe(ExitCode.notFound);
    const two = await reset('--from-file', 'x', '--to-latest');
    expect(two.stderr).toContain('more than one place to go to was given');
    const twice = await reset('--to-offset', '0:1', '--partitions', '0');
    expect(twice.exitCode).toBe(ExitCode.usage);
    expect(twice.stderr).toContain('leave --partitions out');
  });
});

test('groups ls: where a partition is damaged, it says so, and shows the other groups', async () => {
  const { path, store } = await openOrders();
  const other = await store.topic('returns');
  await other.resetGroup('audit', 'earliest', { dryRun: false });
  await store.close();
  await flipByte(join(await partitionOf(path, 0), FIRST_SEGMENT), 150);
  const { exitCode, stdout, stderr } = await runCli(['groups', 'ls', path, '--ndjson']);
  expect(exitCode).toBe(ExitCode.corrupt);
  expect(stderr).toContain('group billing of topic orders: damaged batch');
  expect(linesOf(stdout)).toMatchObject([
    { topic: 'orders', name: 'billing', lag: null },
    { topic: 'returns', name: 'audit', lag: 0 },
  ]);
});
