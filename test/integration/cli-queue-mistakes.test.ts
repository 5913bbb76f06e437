/** What the verbs of `varve queue` say to mistakes, and that they leave no trace then. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { emails } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const VERBS: readonly (readonly [verb: string, ...rest: string[]])[] = [
  ['stats'],
  ['peek'],
  ['leases'],
  ['send', 'value'],
  ['work', '--exec', 'true', '--once'],
  ['purge'],
  ['purge', '--yes'],
  ['redrive'],
  ['redrive', '--yes'],
  ['pause'],
  ['resume'],
];

describe('mistakes', () => {
  test.each(VERBS)('%s %s: no store is exit 3, a log or a file exit 2', async (verb, ...rest) => {
    const directory = await temporaryDirectory();
    const at = (name: string): Promise<CliResult> =>
      runCli(['queue', verb, join(directory, name), 'email', ...rest]);
    await runCli(['append', join(directory, 'log')], { input: 'x\n' });
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const before = await contentsOf(directory);
    const missing = await at('none');
    expect(missing).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
    expect(missing.stderr).toMatch(/^error: there is no store at .*none\nhint: /);
    expect((await at('log')).exitCode).toBe(ExitCode.usage);
    expect((await at('notes.txt')).exitCode).toBe(ExitCode.usage);
    expect(await contentsOf(directory)).toEqual(before);
  });

  test.each(VERBS)('%s %s: no such queue is exit 3', async (verb, ...rest) => {
    const path = await emails([]);
    const none = await runCli(['queue', verb, path, 'none', ...rest]);
    expect(none).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
    expect(none.stderr).toMatch(
      /^error: there is no queue none in .*\nhint: varve queue ls <store>/,
    );
    const topic = await runCli(['queue', verb, path, 'orders', ...rest]);
    expect(topic.exitCode).toBe(ExitCode.notFound);
    expect(topic.stderr).toContain('the share groups of topic orders are billing');
  });

  test('no such share group is exit 3, and so is a group of another topic', async () => {
    const path = await emails([]);
    const stats = (...rest: readonly string[]): Promise<CliResult> =>
      runCli(['queue', 'stats', path, ...rest]);
    const none = await stats('orders', '--group', 'shipping');
    expect(none.exitCode).toBe(ExitCode.notFound);
    expect(none.stderr).toContain('there is no share group shipping of topic orders');
    expect((await stats('email', '--group', 'billing')).exitCode).toBe(ExitCode.notFound);
    expect((await stats('a\u0001b')).stderr).toContain(String.raw`no queue a\x01b`);
  });

  test.each([
    [['stats'], [], "missing required argument 'queue'"],
    [['stats'], ['email', 'more'], 'too many arguments'],
    [
      ['peek'],
      ['email', '--state', 'gone'],
      'Expected one of ready, leased, delayed, condemned, dead.',
    ],
    [['peek'], ['email', '--partition', '1'], '`partition`'],
    [['peek'], ['email', '-n', 'x'], 'Expected a whole number.'],
    [['leases'], ['email', '-n', '10000000'], '`leasesMax`'],
    [['send'], ['email', 'x', '-H', 'novalue'], 'Expected name=value.'],
    [['send'], ['email', 'x', '--ndjson'], 'are for lines of stdin, not for values'],
    [['send'], ['email', 'x', '--partition', '1'], 'partition'],
    [['send'], ['email', 'x', '--durability', 'none'], 'Allowed choices are os, interval, sync.'],
    [['work'], ['email'], '--exec is missing'],
    [['work'], ['email', '--exec', 'true', '-c', '0'], 'Expected a number from 1 to 256.'],
    [['work'], ['email', '--exec', 'true', '--timeout-ms', '0'], 'Expected a number from 1'],
    [['work'], ['email', '--exec', 'true', '--lease-ms', '1', '--once'], '`leaseMs`'],
    [['work'], ['email', '--exec', 'true', '--once', '--idle-exit-ms', '1'], 'cannot be used with'],
    [['redrive'], ['email', '--record', 'x'], 'Expected an offset'],
    [['redrive'], ['email', '--rate', '0'], 'Expected a number from 1'],
    [['redrive'], ['email', '--reason', 'age'], 'Expected one of failures, '],
    [['redrive'], ['email', '--to', 'email'], 'is where the records are'],
    [['redrive'], ['email', '--to', 'none'], 'there is no topic none'],
    [[], [], 'hint: a verb comes first: varve queue ls'],
    [['stat'], [], '(Did you mean stats?)'],
  ])('%j %j', async (words, rest, message) => {
    const path = await emails(['a']);
    const { exitCode, stdout, stderr } = await runCli(['queue', ...words, path, ...rest]);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(exitCode).not.toBe(ExitCode.ok);
    const left = await runCli(['queue', 'stats', path, 'email', '--json']);
    expect(JSON.parse(left.stdout)).toMatchObject({ stats: { readyCount: 1, leasedCount: 0 } });
  });
});
