/** `varve queue`: looking at queues and changing them, where nobody has the store open. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf, FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import { emails } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';

function queue(verb: string, path: string, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['queue', verb, path, ...rest]);
}

async function jsonOf(verb: string, path: string, ...rest: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await queue(verb, path, ...rest, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return JSON.parse(stdout);
}

describe('looking', () => {
  test('ls lists queues and share groups with what waits in them, and changes nothing', async () => {
    const path = await emails(['a', 'b', 'c']);
    const before = await contentsOf(path);
    const { exitCode, stdout, stderr } = await queue('ls', path);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5))).toMatchObject([
      ['topic', 'group', 'ready', 'leased', 'delayed'],
      ['email', '3', '0', '0', '0'],
      ['orders', 'billing', '1', '0', '0'],
      [''],
    ]);
    const listed = await queue('ls', path, '--ndjson');
    expect(linesOf(listed.stdout)).toEqual([
      {
        topic: 'email',
        group: 'queue',
        isQueue: true,
        readyCount: 3,
        leasedCount: 0,
        delayedCount: 0,
        deadCount: 0,
        oldestReadyAgeMs: expect.any(Number),
        isPaused: false,
      },
      expect.objectContaining({ topic: 'orders', group: 'billing', isQueue: false, readyCount: 1 }),
    ]);
    expect(await contentsOf(path)).toEqual(before);
  });

  test('ls goes on past a queue whose log is damaged, and exits 4', async () => {
    const path = await emails(['a']);
    const { stdout: described } = await runCli(['topics', 'describe', path, 'email', '--json']);
    const { partitions } = JSON.parse(described) as { partitions: { path: string }[] };
    await flipByte(join(partitions[0]?.path ?? '', FIRST_SEGMENT), 20);
    const { exitCode, stdout, stderr } = await queue('ls', path, '--ndjson');
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(linesOf(stdout)).toMatchObject([
      { topic: 'email', readyCount: null, isPaused: null },
      { topic: 'orders', readyCount: 1, isPaused: false },
    ]);
    expect(stderr).toMatch(/^group queue of topic email: /);
    expect((await queue('ls', path)).stdout).toMatch(/\nemail +\? +\? +\? +\? +-\n/);
  });

  test('stats shows figures, settings, and how records ended', async () => {
    const path = await emails(['a', 'b'], { leaseMs: 5000 });
    expect(await jsonOf('stats', path, 'email')).toMatchObject({
      topic: 'email',
      group: 'queue',
      isQueue: true,
      consumerCount: null,
      settings: { leaseMs: 5000, failuresMax: 3, deadLetter: 'email.dead', retention: 'settled' },
      stats: { readyCount: 2, unsettledCount: 2, isPaused: false, settled: { acked: 0 } },
    });
    const { stdout } = await queue('stats', path, 'orders', '--group', 'billing');
    expect(stdout).toMatch(/^topic +orders\ngroup +billing\nready +1\n/);
    expect(stdout).toMatch(/\nended: acked +0\nleaseMs +30000\n/);
  });

  test('peek shows records without leasing them', async () => {
    const path = await emails(['a', 'b', 'c']);
    const before = await contentsOf(path);
    expect(await jsonOf('peek', path, 'email', '-n', '2')).toMatchObject({
      records: [
        {
          partition: 0,
          offset: 0,
          state: 'ready',
          attempts: 0,
          key: null,
          headers: {},
          value: 'a',
        },
        { partition: 0, offset: 1, state: 'ready', value: 'b', dueMs: null, reason: null },
      ],
    });
    const { stdout } = await queue('peek', path, 'email', '--state', 'ready', '-n', '1');
    expect(stdout).toMatch(/^partition +offset +state .*\n +0 +0 +ready +0 +0 +a\n$/);
    const none = await queue('peek', path, 'email', '--state', 'dead', '--state', 'leased');
    expect(none).toMatchObject({ exitCode: ExitCode.ok, stdout: '', stderr: 'no record\n' });
    expect(await contentsOf(path)).toEqual(before);
  });

  test('leases says that nothing is leased', async () => {
    const path = await emails(['a']);
    expect(await jsonOf('leases', path, 'email')).toMatchObject({ leasedCount: 0, leases: [] });
    expect(await queue('leases', path, 'email')).toMatchObject({ stderr: 'nothing is leased\n' });
  });

  test('what a record holds does no harm on a terminal', async () => {
    const path = await emails(['\u001b[2Jgone\nsecond']);
    await queue('send', path, 'email', 'x', '--key', '\u001b]0;t\u0007', '-H', 'h=\u0007');
    const { stdout } = await runCli(['queue', 'peek', path, 'email'], { isTTY: true });
    // oxlint-disable-next-line eslint/no-control-regex -- that there are none is what is tested
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(stdout).toContain(String.raw`\x1b[2Jgone\nsecond`);
    expect(stdout).toContain(String.raw`h=\x07`);
  });
});

describe('sending', () => {
  test('values, each a record, with a key and headers', async () => {
    const path = await emails([]);
    const sent = await queue(
      'send',
      path,
      'email',
      'a b',
      '',
      '--key',
      'k',
      '-H',
      'x=1',
      '-H',
      'y==',
    );
    expect(sent).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(sent.stderr).toBe('sent 2 records to partition 0 of email, at offsets 0 to 1\n');
    const common = { key: 'k', headers: { x: '1', y: '=' } };
    expect(await jsonOf('peek', path, 'email')).toMatchObject({
      records: [
        { value: 'a b', ...common },
        { value: '', ...common },
      ],
    });
  });

  test('the lines of stdin, as text, with keys, or as JSON', async () => {
    const path = await emails([]);
    const send = (input: string, ...rest: readonly string[]): Promise<CliResult> =>
      runCli(['queue', 'send', path, 'email', ...rest], { input });
    const { stdout } = await send('a\nb\n', '--json');
    expect(JSON.parse(stdout)).toEqual({
      path,
      topic: 'email',
      recordCount: 2,
      duplicateCount: 0,
      duplicates: [],
      partitions: [{ partition: 0, recordCount: 2, baseOffset: 0, nextOffset: 2 }],
    });
    await send('k:c\n', '-K', ':');
    await send('{"value":"d","headers":{"x":"own"}}\n', '--ndjson', '-H', 'x=1', '-H', 'y=2');
    expect(await jsonOf('peek', path, 'email')).toMatchObject({
      records: [
        { value: 'a', key: null },
        { value: 'b' },
        { value: 'c', key: 'k' },
        { value: 'd', headers: { x: 'own', y: '2' } },
      ],
    });
  });
});

describe('changing', () => {
  test('pause and resume act at once, and are kept', async () => {
    const path = await emails(['a']);
    expect(await queue('pause', path, 'email')).toMatchObject({ stdout: 'paused queue email\n' });
    expect(await jsonOf('stats', path, 'email')).toMatchObject({ stats: { isPaused: true } });
    const ran = await runCli(['queue', 'work', path, 'email', '--exec', 'true', '--once']);
    expect(ran.stderr).toMatch(/^queue email is paused: .*\n0 attempts/);
    expect(await jsonOf('resume', path, 'orders', '--group', 'billing')).toEqual({
      path,
      topic: 'orders',
      group: 'billing',
      isPaused: false,
    });
    expect((await queue('resume', path, 'email')).stdout).toBe('resumed queue email\n');
    expect(await jsonOf('stats', path, 'email')).toMatchObject({ stats: { isPaused: false } });
  });

  test('purge is a dry run unless --yes, and can be undone', async () => {
    const path = await emails(['a', 'b']);
    const before = await contentsOf(path);
    const purge = (...rest: readonly string[]): Promise<unknown> =>
      jsonOf('purge', path, 'email', ...rest);
    expect(await purge()).toMatchObject({ isDryRun: true, isUndo: false, recordCount: 2 });
    expect(await purge('--undo')).toMatchObject({ isDryRun: true, isUndo: true, recordCount: 0 });
    expect(await contentsOf(path)).toEqual(before);
    expect(await purge('--yes')).toMatchObject({ isDryRun: false, recordCount: 2 });
    expect(await jsonOf('stats', path, 'email')).toMatchObject({
      stats: { readyCount: 0, settled: { purged: 2 } },
    });
    expect(await purge('--undo')).toMatchObject({ isDryRun: true, recordCount: 2 });
    const undone = await queue('purge', path, 'email', '--undo', '--yes');
    expect(undone.stdout).toBe('brought back 2 records of queue email\n');
    expect(await jsonOf('stats', path, 'email')).toMatchObject({ stats: { readyCount: 2 } });
  });
});
