/** `varve exchanges alter` and `varve exchanges rebuild`. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { changedFiles, flights, jsonOf, valuesIn } from '../support/cli-exchanges.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { QueueOwner } from '../support/cli-queues.ts';
import { runCli } from '../support/run-cli.ts';

describe('alter', () => {
  test('changes the alternate, and takes it away: a dry run unless --yes', async () => {
    const path = await flights();
    const alter = (...rest: readonly string[]) => runCli(['exchanges', 'alter', path, ...rest]);
    const before = await contentsOf(path);
    expect(await alter('delays', '--alternate', 'flights')).toMatchObject({
      exitCode: ExitCode.ok,
      stdout:
        'would change the alternate of exchange delays to flights, from none; nothing was changed, --yes does it\n',
    });
    expect(await changedFiles(path, before)).toEqual([]);
    expect(
      await jsonOf('exchanges', 'alter', path, 'delays', '--alternate', 'flights', '--yes'),
    ).toEqual({
      path,
      exchange: 'delays',
      isDryRun: false,
      alternate: 'flights',
      alternateBefore: null,
    });
    expect(await jsonOf('exchanges', 'describe', path, 'delays')).toMatchObject({
      alternate: 'flights',
    });
    await runCli(['publish', path, 'delays', '-r', 'x', 'one']);
    expect(await valuesIn(path, 'audit')).toEqual(['one']);
    const same = await alter('delays', '--alternate', 'flights', '--yes');
    expect(same.stdout).toContain('is flights already; nothing was changed');
    await alter('delays', '--no-alternate', '--yes');
    expect((await runCli(['publish', path, 'delays', '-r', 'x', 'two'])).stderr).toContain(
      'no binding matches',
    );
  });

  test.each([
    [[], ExitCode.usage, 'give --alternate or --no-alternate'],
    [['--alternate', 'flight'], ExitCode.notFound, 'did you mean flights?'],
    [['--alternate', 'late'], ExitCode.notFound, 'late is a queue or a topic'],
  ])('mistakes are named: %j', async (options, exitCode, says) => {
    const path = await flights();
    const result = await runCli(['exchanges', 'alter', path, 'delays', ...options, '--yes']);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain(says);
  });

  test('the process that has the store open does it', async () => {
    const { path } = await QueueOwner.start();
    for (const name of ['events', 'lost']) {
      await jsonOf('exchanges', 'create', path, name, '-t', 'fanout', '--yes');
    }
    await jsonOf('exchanges', 'alter', path, 'events', '--alternate', 'lost', '--yes');
    expect(await jsonOf('exchanges', 'describe', path, 'events')).toMatchObject({
      alternate: 'lost',
    });
  });
});

/** Where topic `audit` has its only partition. */
async function auditIn(path: string): Promise<string> {
  const names = await readdir(join(path, 'topics'));
  return join(path, 'topics', names.find((name) => name.startsWith('audit')) ?? '', '0');
}

describe('rebuild', () => {
  test('of what is whole: nothing to do', async () => {
    const path = await flights();
    await runCli(['publish', path, 'flights', 'one', 'two']);
    const before = await contentsOf(path);
    const { exitCode, stdout } = await runCli(['exchanges', 'rebuild', path, 'flights', 'audit']);
    expect({ exitCode, end: stdout.split('\n').at(-2) }).toEqual({
      exitCode: ExitCode.ok,
      end: 'nothing of audit is damaged: 1 partition looked at, nothing changed',
    });
    expect(await changedFiles(path, before)).toEqual([]);
  });

  test('makes again what is gone: a dry run unless --yes', async () => {
    const path = await flights();
    await runCli(['publish', path, 'flights', 'one', 'two']);
    const directory = await auditIn(path);
    const [segment = ''] = (await readdir(directory)).filter((name) => name.endsWith('.log'));
    await writeFile(join(directory, segment), 'what is no log');
    const before = await contentsOf(path);
    const dry = await runCli(['exchanges', 'rebuild', path, 'flights', 'audit']);
    expect(dry).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dry.stdout).toContain('would make 1 partition of audit again from exchange flights');
    expect(await changedFiles(path, before)).toEqual([]);
    expect(await jsonOf('exchanges', 'rebuild', path, 'flights', 'audit', '--yes')).toEqual({
      path,
      exchange: 'flights',
      destination: 'audit',
      isDryRun: false,
      partitions: [
        {
          partition: 0,
          isDamaged: true,
          unreadableCount: 2,
          startOffset: 0,
          endOffset: 2,
          isReplaced: true,
        },
      ],
    });
    expect(await valuesIn(path, 'audit')).toEqual(['one', 'two']);
  });

  test('what somebody else wrote, too, is refused with the reason', async () => {
    const path = await flights();
    await runCli(['publish', path, 'flights', 'one']);
    await runCli(['append', path, '--topic', 'audit'], { input: 'own\n' });
    const before = await contentsOf(path);
    for (const rest of [[], ['--yes']]) {
      const result = await runCli(['exchanges', 'rebuild', path, 'flights', 'audit', ...rest]);
      expect(result).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
      expect(result.stderr).toContain(
        'error: audit cannot be rebuilt: records at offset 1 were not projected\nhint: nothing was changed',
      );
    }
    const changed = await changedFiles(path, before);
    expect(changed.filter((name) => name.endsWith('.log'))).toEqual([]);
  });

  test('the process that has the store open says so, too', async () => {
    const { path } = await QueueOwner.start();
    await jsonOf('exchanges', 'create', path, 'events', '-t', 'fanout', '--yes');
    await jsonOf('bindings', 'add', path, 'events', 'email', '--yes');
    await jsonOf('publish', path, 'events', 'a', '--confirm', 'routed');
    expect(await jsonOf('exchanges', 'rebuild', path, 'events', 'email')).toMatchObject({
      isDryRun: true,
      partitions: [{ isDamaged: false, endOffset: 1 }],
    });
    await jsonOf('queue', 'send', path, 'email', 'own');
    const { exitCode, stderr } = await runCli(['exchanges', 'rebuild', path, 'events', 'email']);
    expect(exitCode).toBe(ExitCode.failure);
    expect(stderr).toContain('cannot be rebuilt: records at offset 1 were not projected\nhint: ');
  });

  test('mistakes are named', async () => {
    const path = await flights();
    const { exitCode, stderr } = await runCli(['exchanges', 'rebuild', path, 'flights', 'audits']);
    expect(exitCode).toBe(ExitCode.notFound);
    expect(stderr).toContain('did you mean audit?');
  });
});
