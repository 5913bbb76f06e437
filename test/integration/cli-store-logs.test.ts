/** The verbs for logs, on the logs of a store: reading works beside its owner, writing is refused. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf, FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import {
  appendToJournal,
  openOrders,
  orders,
  partitionOf,
  traceOf,
  varve,
} from '../support/cli-stores.ts';
import { distPath, runCli, startProgram } from '../support/run-cli.ts';

describe('a partition, while a process has the store open', () => {
  test('is read up to what was acknowledged', async () => {
    const { path, store } = await openOrders();
    const partition = await partitionOf(path, 0);
    const topic = await store.topic('orders');
    const unsynced = { value: Buffer.from('unsynced') };
    await topic.append(unsynced, { partition: 0, durability: 'os' });
    const before = await traceOf(path);
    expect((await varve('cat', partition)).stdout).toBe('a\nb\nc\nd\n');
    expect((await runCli(['tail', partition, '-n', '1'])).stdout).toBe('d\n');
    const exported = await runCli(['export', partition]);
    expect(linesOf(exported.stdout)).toHaveLength(5); // And the trailer.
    expect((await runCli(['verify', partition])).exitCode).toBe(ExitCode.ok);
    const info = await runCli(['info', partition, '--json']);
    expect(JSON.parse(info.stdout)).toMatchObject({ endOffset: 4, lock: { state: 'held' } });
    const dumped = await runCli(['dump', join(partition, FIRST_SEGMENT), '--ndjson']);
    expect(linesOf(dumped.stdout)[0]).toMatchObject({ type: 'segment-header', baseOffset: 0 });
    expect(await traceOf(path)).toEqual(before);
  });

  test.each([
    ['append', ExitCode.failure, /stored owned by the store at .*\nhint: only the store that owns/],
    ['import', ExitCode.failure, /stored owned by the store at .*\nhint: only the store that owns/],
    ['repair', ExitCode.locked, /is locked by process \d+/],
  ])('varve %s is refused, and leaves no trace', async (verb, exitCode, message) => {
    const { path } = await openOrders();
    const partition = await partitionOf(path, 0);
    const { stdout: input } = await runCli(['export', partition]);
    const before = await traceOf(path);
    const refused = await runCli([verb, partition], { input });
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toMatch(message);
    const yes = await runCli(['repair', partition, '--yes', '--prune-quarantine']);
    expect(yes.exitCode).toBe(ExitCode.locked);
    expect(await traceOf(path)).toEqual(before);
  });
});

describe('a store that nobody has open', () => {
  test.each([0, 1])('appends to partition %i are refused all the same', async (number) => {
    const path = await orders();
    const before = await traceOf(path);
    const refused = await varve('append', await partitionOf(path, number));
    expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(refused.stderr).toContain('requested to be opened as a bare log');
    expect(await traceOf(path)).toEqual(before);
  });

  test('ls lists its journal and partitions, whatever the depth', async () => {
    const path = await orders();
    for (const args of [[path], [path, '--depth', '0'], [join(path, '..')]]) {
      const { stdout } = await runCli(['ls', ...args, '--ndjson']);
      expect(linesOf(stdout)).toMatchObject([
        { path: join(path, 'journal'), endOffset: 2, lock: 'free' },
        { path: await partitionOf(path, 0), endOffset: 4 },
        { path: await partitionOf(path, 1), endOffset: 2 },
      ]);
    }
  });

  test('a damaged partition is found, and repaired in its place', async () => {
    const path = await orders();
    const partition = await partitionOf(path, 0);
    await flipByte(join(partition, FIRST_SEGMENT), 150); // In the first batch.
    expect((await runCli(['verify', partition])).exitCode).toBe(ExitCode.corrupt);
    expect((await runCli(['repair', partition])).exitCode).toBe(ExitCode.corrupt);
    const repaired = await varve('repair', partition, '--yes');
    expect(repaired).toMatchObject({ exitCode: ExitCode.ok });
    expect((await runCli(['cat', partition])).stdout).toBe('b\nc\nd\n');
    const described = await runCli(['topics', 'describe', path, 'orders']);
    expect(described.exitCode).toBe(ExitCode.ok);
    const names = Object.keys(await contentsOf(partition));
    expect(names.filter((name) => name === 'LOCK' || name === 'reserve')).toEqual([]);
  });

  test('verify checks all of its logs, and names the place of what is damaged', async () => {
    const path = await orders();
    const sound = await varve('verify', path);
    expect(sound).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(sound.stdout).toMatch(/^sound: 3 segments, \d+ batches, 8 records, /);
    const partition = await partitionOf(path, 1);
    await flipByte(join(partition, FIRST_SEGMENT), 150);
    const text = await runCli(['verify', path]);
    expect(text.exitCode).toBe(ExitCode.corrupt);
    const place = /damaged topics\/orders-[0-9a-f]+\/1\/00000000000000000000\.log byte 128: /;
    expect(text.stdout).toMatch(place);
    const json = await runCli(['verify', path, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      path,
      isSound: false,
      damage: [{ file: join(partition, FIRST_SEGMENT), position: 128 }, { kind: 'length' }],
    });
  });

  test('verify tells of entries that contradict each other, which is no damage', async () => {
    const path = await orders();
    await appendToJournal(path, Uint8Array.of(14, 1, 5)); // The end of a topic that never was.
    const { exitCode, stdout } = await runCli(['verify', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toContain(
      'note journal/: 1 entry did not fit the state and changed nothing, the first at offset 2: ' +
        'topic-deleted: topic 5 is not there',
    );
  });

  test('a gap in its journal would be a change that nobody misses: only a copy is repaired', async () => {
    const path = await orders();
    const journal = join(path, 'journal');
    await flipByte(join(journal, FIRST_SEGMENT), 150);
    expect((await runCli(['repair', journal])).exitCode).toBe(ExitCode.corrupt);
    const before = await traceOf(path);
    const refused = await varve('repair', journal, '--yes');
    expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(refused.stderr).toMatch(
      /is the journal of a store.*\nhint: varve repair <store> --journal/,
    );
    expect(await traceOf(path)).toEqual(before);
    const copy = join(path, '..', 'copy');
    expect((await runCli(['repair', journal, '--to', copy, '--yes'])).exitCode).toBe(ExitCode.ok);
  });
});

describe('--topic', () => {
  test('cat prints partition by partition', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const cat = ['cat', path, '--topic', 'orders'];
    expect(await varve(...cat)).toMatchObject({
      exitCode: ExitCode.ok,
      stdout: 'a\nb\nc\nd\nx\ny\n',
      stderr: '',
    });
    const placed = await runCli([...cat, '--format', String.raw`%p:%o %v\n`, '--from', '-1']);
    expect(placed.stdout).toBe('0:3 d\n1:1 y\n');
    const one = await runCli([...cat, '--partition', '1', '--from', '1', '--json']);
    expect(linesOf(one.stdout)).toMatchObject([{ partition: 1, offset: 1, value: 'y' }]);
    const some = await runCli([...cat, '--limit', '5']);
    expect(some.stdout).toBe('a\nb\nc\nd\nx\n');
    expect(await traceOf(path)).toEqual(before);
  });

  test('tail counts in each partition; export is of one', async () => {
    const path = await orders();
    const tail = await runCli(['tail', path, '--topic', 'orders', '-n', '1']);
    expect(tail.stdout).toBe('d\ny\n');
    const args = ['export', path, '--topic', 'orders'];
    const exported = await runCli([...args, '--partition', '1']);
    expect(linesOf(exported.stdout)).toHaveLength(3); // And the trailer.
    expect(exported.stdout).toBe((await runCli(['export', await partitionOf(path, 1)])).stdout);
    const both = await runCli(args);
    expect(both).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(both.stderr).toContain('choose one with --partition');
  });

  test('tail --follow prints what comes, of all partitions', async () => {
    const { path, store } = await openOrders();
    const topic = await store.topic('orders', { codec: utf8 });
    const args = ['tail', path, '--topic', 'orders', '-f', '-n', '1', '--format', '%p %v '];
    const following = startProgram(distPath('tools', 'cli.js'), args);
    let output = '';
    const reads = new Promise<void>((resolve) => {
      following.stdout?.on('data', (data: Buffer) => {
        output += data.toString();
        if (output.includes('0 d ') && output.includes('1 y ') && !output.includes('new')) {
          void topic.append({ value: 'new' }, { partition: 1 });
          void topic.append({ value: 'new' }, { partition: 0 });
        }
        if (output.includes('0 new ') && output.includes('1 new ')) resolve();
      });
    });
    await reads;
    following.kill('SIGINT');
    expect(await once(following, 'exit')).toEqual([ExitCode.interrupted, null]);
  });

  test.each([
    [['--topic', 'none'], ExitCode.notFound, 'there is no topic none in'],
    [['--topic', 'orders', '--partition', '2'], ExitCode.usage, 'partitions 0 to 1, not 2'],
    [['--partition', '1'], ExitCode.usage, '--partition needs --topic'],
    [['--topic', 'orders', '--from', '1'], ExitCode.usage, 'an offset needs --partition'],
    [['--topic', 'orders', '--to', '1'], ExitCode.usage, 'an offset needs --partition'],
  ])('cat %j is refused', async (args, exitCode, message) => {
    const refused = await runCli(['cat', await orders(), ...args]);
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toContain(message);
  });
});

test.each(['cat', 'tail', 'export', 'dump', 'append', 'import'])(
  'varve %s of the store itself: exit 2, and where its logs are',
  async (verb) => {
    const path = await orders();
    const before = await traceOf(path);
    const { exitCode, stdout, stderr } = await runCli([verb, path], { input: 'x\n' });
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.usage, stdout: '' });
    expect(stderr).toContain('is a store, not a log\nhint: varve ls lists the logs in it');
    expect(stderr).toContain(
      'cat, tail, export, append, import, info, dump, verify and repair take --topic\n',
    );
    expect(await traceOf(path)).toEqual(before);
  },
);

test('a log in a directory that only looks like a store is a log like any other', async () => {
  const path = await orders();
  const journal = join(path, '..', 'other', 'journal');
  expect((await runCli(['append', journal], { input: 'x\n' })).exitCode).toBe(ExitCode.ok);
  await writeFile(join(path, '..', 'other', 'notes.txt'), 'mine');
  expect((await runCli(['append', journal], { input: 'y\n' })).exitCode).toBe(ExitCode.ok);
  expect((await runCli(['cat', journal])).stdout).toBe('x\ny\n');
});
