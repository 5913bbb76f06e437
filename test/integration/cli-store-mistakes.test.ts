/** What the verbs for stores say to mistakes, and that they leave no trace then. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { orders, varve } from '../support/cli-stores.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('mistakes', () => {
  const verbs = [
    ['topics', 'ls'],
    ['topics', 'describe', 'orders'],
    ['topics', 'alter', 'orders', '--retention', '7d', '--yes'],
    ['topics', 'add-partitions', 'orders', '4', '--yes'],
    ['topics', 'delete', 'orders'],
    ['topics', 'delete', 'orders', '--yes'],
    ['groups', 'ls'],
    ['groups', 'describe', 'billing'],
    ['groups', 'reset', 'billing', '--to-latest'],
    ['groups', 'reset', 'billing', '--to-latest', '--yes'],
    ['groups', 'delete', 'billing', '--yes'],
    ['journal', 'dump'],
    ['transactions', 'ls'],
    ['producers', 'ls'],
    ['stats'],
  ].map(([group = '', own = '', ...rest]) => {
    const words = group === 'stats' ? [group] : [group, own];
    return [[...words, ...rest].join(' '), words, rest] as const;
  });

  test.each(verbs)(
    '%s: no store is exit 3, a bare log or a file exit 2',
    async (_all, words, rest) => {
      const directory = await temporaryDirectory();
      const at = (name: string): Promise<CliResult> =>
        runCli([...words, join(directory, name), ...rest]);
      await runCli(['append', join(directory, 'log')], { input: 'x\n' });
      await writeFile(join(directory, 'notes.txt'), 'mine');
      const before = await contentsOf(directory);
      const missing = await at('none');
      expect(missing).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
      expect(missing.stderr).toMatch(/^error: there is no store at .*none\nhint: /);
      expect((await at('.')).exitCode).toBe(ExitCode.notFound);
      const log = await at('log');
      expect(log).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
      expect(log.stderr).toContain('is a log, not a store\nhint: varve info');
      expect((await at('notes.txt')).exitCode).toBe(ExitCode.usage);
      expect(await contentsOf(directory)).toEqual(before);
    },
  );

  test.each([
    [['topics', 'describe'], ['none'], 'there is no topic none in'],
    [['topics', 'alter'], ['none', '--retention', '7d', '--yes'], 'there is no topic none in'],
    [['topics', 'add-partitions'], ['none', '4', '--yes'], 'there is no topic none in'],
    [['topics', 'delete'], ['none', '--yes'], 'there is no topic none in'],
    [['groups', 'ls'], ['--topic', 'none'], 'there is no topic none in'],
    [['producers', 'ls'], ['--topic', 'none'], 'there is no topic none in'],
    [['groups', 'describe'], ['none'], 'there is no consumer group none in'],
    [['groups', 'reset'], ['none', '--to-latest', '--yes'], 'there is no consumer group none in'],
    [['groups', 'delete'], ['billing', '--topic', 'none'], 'there is no topic none in'],
    [['groups', 'delete'], ['none', '--topic', 'orders'], 'none in topic orders'],
  ])('%j %j: exit 3', async (words, rest, message) => {
    const { exitCode, stdout, stderr } = await runCli([...words, await orders(), ...rest]);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.notFound, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/\nhint: varve (?:topics|groups) ls <store>/);
  });

  test.each([
    [['groups', 'reset'], ['billing'], 'where to is missing'],
    [['groups', 'reset'], ['billing', '--to-latest', '--shift-by', '1'], 'more than one place'],
    [['groups', 'reset'], ['billing', '--shift-by', 'x'], 'Expected a whole number, such as -10.'],
    [['groups', 'reset'], ['billing', '--to-datetime', '15m'], 'Expected a time such as'],
    [['groups', 'reset'], ['billing', '--by-duration', 'P'], 'Expected a duration such as'],
    [['groups', 'reset'], ['billing', '--partitions', '1-3'], 'Expected numbers of partitions'],
    [
      ['groups', 'reset'],
      ['billing', '--to-latest', '--partitions', '2'],
      'partitions 0 to 1, not 2',
    ],
    [['groups', 'reset'], ['billing', '--to-lates'], '(Did you mean --to-latest?)'],
    [['groups', 'reset'], [], "missing required argument 'group'"],
    [['topics', 'create'], ['t', '-p', '0'], 'Expected `partitions` to be an integer from 1'],
    [['topics', 'create'], ['a\u0001b', '--yes'], 'text without control characters'],
    [['topics', 'create'], ['t', '--retention', 'soon'], 'Expected a duration'],
    [['topics', 'create'], ['t', '--segment-bytes', '1'], 'Expected `segmentBytesMax`'],
    [['topics', 'alter'], ['orders', '--yes'], 'no option to change was given'],
    [['topics', 'alter'], ['orders', '--retention', 'soon'], 'such as 15m or 7d, or none.'],
    [['topics', 'alter'], ['orders', '--segment-bytes', '1', '--yes'], '`segmentBytesMax`'],
    [['topics', 'alter'], ['orders', '--compression-level', '3', '--yes'], '`compressionLevel`'],
    [['topics', 'add-partitions'], ['orders', '2', '--yes'], '<total> is from 3 to 4096, not 2'],
    [['topics', 'add-partitions'], ['orders', 'x'], '<total> is a number, not x'],
    [['topics', 'add-partitions'], ['orders'], "missing required argument 'total'"],
    [['topics', 'ls'], ['orders'], 'too many arguments'],
    [['topics'], [], 'hint: a verb comes first: varve topics ls'],
    [['topics', 'lss'], [], '(Did you mean ls?)'],
    [['help', 'topics', 'lss'], [], '(Did you mean ls?)'],
    [['journal'], [], 'hint: a verb comes first: varve journal dump'],
  ])('%j %j: exit 2', async (words, rest, message) => {
    const path = await orders();
    const before = await contentsOf(path);
    const { exitCode, stdout, stderr } = await runCli([...words, path, ...rest]);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.usage, stdout: '' });
    expect(await contentsOf(path)).toEqual(before);
  });

  test('topics create among files of somebody else is refused', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'notes.txt'), 'mine');
    const { exitCode, stderr } = await varve('topics', 'create', directory, 't', '--yes');
    expect(exitCode).toBe(ExitCode.usage);
    expect(stderr).toContain('is not a store, and it is not empty');
    expect(Object.keys(await contentsOf(directory))).toEqual(['notes.txt']);
  });

  test('topics create goes on where a process died that made the store', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'LOCK'), '');
    expect(await varve('topics', 'create', directory, 't', '--yes')).toMatchObject({
      exitCode: ExitCode.ok,
    });
    const { exitCode, stderr } = await varve('topics', 'create', directory, 't', '--yes');
    expect(exitCode).toBe(ExitCode.failure);
    expect(stderr).toContain('there is a topic t in');
  });
});
