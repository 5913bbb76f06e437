/** `varve queue create` and `varve queue alter`. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { emails, QueueOwner } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function queue(verb: string, path: string, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['queue', verb, path, ...rest]);
}

async function settingsOf(path: string, ...name: readonly string[]): Promise<unknown> {
  const { stdout } = await queue('stats', path, ...name, '--json');
  return (JSON.parse(stdout) as { settings: unknown }).settings;
}

const DEFAULTS = {
  leaseMs: 30_000,
  failuresMax: 5,
  expiriesMax: 20,
  leasedMax: 2000,
  deadLetter: null,
  deadLetterRoutingKey: null,
  retention: 'settled',
};

describe('queue create', () => {
  test('only says what it would do, unless --yes', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'store');
    expect(await queue('create', path, 'email')).toMatchObject({
      exitCode: ExitCode.ok,
      stdout: `would create queue email with 1 partition in a new store at ${path}; nothing was changed, --yes creates it\n`,
      stderr: '',
    });
    expect(await contentsOf(directory)).toEqual({});
  });

  test('makes a queue, and the store, with what store.queue would have for it', async () => {
    const path = join(await temporaryDirectory(), 'store');
    expect(await queue('create', path, 'email', '--yes')).toMatchObject({
      exitCode: ExitCode.ok,
      stdout: `created queue email with 1 partition in a new store at ${path}\n`,
    });
    expect(await settingsOf(path, 'email')).toEqual(DEFAULTS);
    expect((await queue('send', path, 'email', 'a')).exitCode).toBe(ExitCode.ok);
    const { stdout } = await queue('ls', path, '--ndjson');
    expect(JSON.parse(stdout)).toMatchObject({ topic: 'email', isQueue: true, readyCount: 1 });
  });

  test('takes every setting, and says them as JSON', async () => {
    const path = await emails([]);
    const given = ['--lease-ms', '600000', '--failures-max', 'none', '--expiries-max', '3'];
    const more = ['--leased-max', '10', '--dead-letter', 'exchange:dlx', '--retention', 'keep'];
    const where = [
      '--dead-letter-routing-key',
      'jobs.dead',
      '-p',
      '2',
      '--durability',
      'os',
      '--yes',
      '--json',
    ];
    const settings = {
      leaseMs: 600_000,
      failuresMax: null,
      expiriesMax: 3,
      leasedMax: 10,
      deadLetter: 'exchange:dlx',
      deadLetterRoutingKey: 'jobs.dead',
      retention: 'keep',
    };
    const { stdout } = await queue('create', path, 'jobs', ...given, ...more, ...where);
    expect(JSON.parse(stdout)).toEqual({
      path,
      name: 'jobs',
      isDryRun: false,
      isNewStore: false,
      partitionCount: 2,
      durability: 'os',
      settings,
      dedup: { dedupWindowMs: 300_000, dedupBy: 'id', dedupScope: 'topic' },
    });
    expect(await settingsOf(path, 'jobs')).toEqual(settings);
    const { stdout: topic } = await runCli(['topics', 'describe', path, 'jobs', '--json']);
    expect(JSON.parse(topic)).toMatchObject({ options: { durability: 'os' } });
  });

  test.each([
    [['email'], ExitCode.failure, 'there is a queue or topic email in'],
    [['orders', '--yes'], ExitCode.failure, 'there is a queue or topic orders in'],
    [['new', '--lease-ms', '1'], ExitCode.usage, 'leaseMs'],
    [['new', '--failures-max', 'many'], ExitCode.usage, 'Expected a whole number, or none.'],
    [['new', '--dead-letter', 'new', '--yes'], ExitCode.usage, 'its own queue of dead letters'],
    [['new', '--retention', '7d'], ExitCode.usage, 'Allowed choices are keep, settled'],
  ])('%j is refused, and changes nothing', async (args, exitCode, message) => {
    const path = await emails(['a']);
    const before = await contentsOf(path);
    const refused = await queue('create', path, ...args);
    expect({ exitCode: refused.exitCode, stdout: refused.stdout }).toEqual({
      exitCode,
      stdout: '',
    });
    expect(refused.stderr).toContain(message);
    if (exitCode === ExitCode.usage) expect(await contentsOf(path)).toEqual(before);
  });
});

describe('queue alter', () => {
  test('says what would change, and with --yes changes that alone', async () => {
    const path = await emails(['a']);
    const before = (await settingsOf(path, 'email')) as object;
    const given = ['--lease-ms', '60000', '--dead-letter', 'none', '--failures-max', '3'];
    const dry = await queue('alter', path, 'email', ...given);
    expect(dry).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dry.stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['setting', 'from', 'to'],
      ['leaseMs', '30000', '60000'],
      ['deadLetter', 'email.dead', 'none'],
      ['queue email would be altered; nothing was changed, --yes alters it'],
      [''],
    ]);
    expect(await settingsOf(path, 'email')).toEqual(before);
    const done = await queue('alter', path, 'email', ...given, '--yes', '--json');
    expect(JSON.parse(done.stdout)).toEqual({
      path,
      topic: 'email',
      group: 'queue',
      isDryRun: false,
      changes: [
        { setting: 'leaseMs', from: 30_000, to: 60_000 },
        { setting: 'deadLetter', from: 'email.dead', to: null },
      ],
    });
    expect(await settingsOf(path, 'email')).toEqual({
      ...before,
      leaseMs: 60_000,
      deadLetter: null,
    });
    expect((await queue('alter', path, 'email', ...given)).stdout).toBe(
      'queue email is like that already; nothing was changed\n',
    );
    const keyed = await queue('alter', path, 'email', '--dead-letter-routing-key', 'a.b', '--json');
    expect(JSON.parse(keyed.stdout)).toMatchObject({
      changes: [{ setting: 'deadLetterRoutingKey', from: null, to: 'a.b' }],
    });
    const none = await queue('alter', path, 'email', '--dead-letter-routing-key', 'none');
    expect(none.stdout).toBe('queue email is like that already; nothing was changed\n');
  });

  test('of a share group of a topic', async () => {
    const path = await emails(['a']);
    const given = ['orders', '--group', 'billing', '--expiries-max', 'none', '--yes'];
    expect((await queue('alter', path, ...given)).stdout).toContain(
      'group billing of topic orders is altered\n',
    );
    expect(await settingsOf(path, 'orders', '--group', 'billing')).toMatchObject({
      expiriesMax: null,
    });
  });

  test('reaches the process that has the store open', async () => {
    const owner = await QueueOwner.start();
    const { stdout } = await queue('alter', owner.path, 'email', '--leased-max', '7', '--yes');
    expect(stdout).toContain('queue email is altered');
    expect(await settingsOf(owner.path, 'email')).toMatchObject({ leasedMax: 7 });
    expect((await queue('create', owner.path, 'other', '--yes')).exitCode).toBe(ExitCode.ok);
    expect(await settingsOf(owner.path, 'other')).toEqual(DEFAULTS);
  });

  test.each([
    [['email'], ExitCode.usage, 'no setting to change was given'],
    [['none', '--lease-ms', '1000'], ExitCode.notFound, 'there is no queue none'],
    [['email', '--leased-max', '0'], ExitCode.usage, 'leasedMax'],
    [['email', '--dead-letter', 'email'], ExitCode.usage, 'its own queue of dead letters'],
  ])('%j is refused', async (args, exitCode, message) => {
    const path = await emails(['a']);
    const refused = await queue('alter', path, ...args);
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toContain(message);
  });
});
