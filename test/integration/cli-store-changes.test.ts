/** The verbs that change a store: dry runs that say what would change, and then the change. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { openOrders, orders, partitionOf, traceOf, varve } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';

describe('topics alter', () => {
  test('prints old and new values; a dry run works beside the owner, and changes nothing', async () => {
    const { path, store } = await openOrders();
    const args = ['topics', 'alter', path, 'orders', '--retention', '7d', '--compression', 'gzip'];
    const before = await traceOf(path);
    const dry = await varve(...args);
    expect(dry).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dry.stdout).toBe(
      'option            from  to\n' +
        'retentionMs       none  604800000\n' +
        'compression       none  gzip\n' +
        'compressionLevel  none  1\n' +
        'topic orders would be altered; nothing was changed, --yes alters it\n',
    );
    expect(await traceOf(path)).toEqual(before);
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
    expect(described.stdout).toContain('keys moved        4 partitions since ');
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
