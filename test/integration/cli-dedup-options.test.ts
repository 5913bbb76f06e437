/** `varve topics create|alter`, `varve queue create|alter` and `varve exchanges create`: what is stored once. */
import { describe, expect, test } from 'vitest';

import { openStore } from '../../src/index.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { outputOf, topicOptionsOf } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const GIVEN = ['--dedup-window', '2h', '--dedup-by', 'content', '--dedup-scope', 'key'];
const STORED = { dedupWindowMs: 7_200_000, dedupBy: 'content', dedupScope: 'key' };
const DEFAULTS = { dedupWindowMs: 300_000, dedupBy: 'id', dedupScope: 'topic' };

/** A store with topic `orders` and queue `email`. */
async function stored(): Promise<string> {
  const path = `${await temporaryDirectory()}/store`;
  await outputOf('topics', 'create', path, 'orders', '--yes');
  await outputOf('queue', 'create', path, 'email', '--yes');
  return path;
}

describe('varve topics', () => {
  test('create keeps what is given, and describe shows it', async () => {
    const path = await stored();
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: DEFAULTS });
    const made = await outputOf('topics', 'create', path, 'other', ...GIVEN, '--yes', '--json');
    expect(JSON.parse(made)).toMatchObject({ options: STORED });
    expect(await topicOptionsOf(path, 'other')).toMatchObject({ options: STORED });
    const text = await outputOf('topics', 'describe', path, 'other');
    expect(text).toMatch(/^dedupWindowMs +7200000\ndedupBy +content\ndedupScope +key$/m);
    const entries = await outputOf('journal', 'dump', path);
    expect(entries).toContain('"dedupWindowMs":7200000,"dedupBy":"content","dedupScope":"key"');
  });

  test('alter says what would change, and with --yes changes that', async () => {
    const path = await stored();
    const args = ['topics', 'alter', path, 'orders', '--dedup-window', '10m', '--dedup-by', 'id'];
    expect(await outputOf(...args)).toBe(
      'option         from    to\n' +
        'dedupWindowMs  300000  600000\n' +
        'topic orders would be altered; nothing was changed, --yes alters it\n',
    );
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: DEFAULTS });
    await outputOf(...args, '--yes');
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({
      options: { dedupWindowMs: 600_000 },
    });
    await outputOf('topics', 'alter', path, 'email', '--dedup-window', 'settled', '--yes');
    expect(await topicOptionsOf(path, 'email')).toMatchObject({
      options: { dedupWindowMs: 'settled' },
    });
  });
});

describe('varve exchanges', () => {
  test('create keeps what is given for the source, and no window until records are settled', async () => {
    const path = await stored();
    const create = ['exchanges', 'create', path, 'flights', '-t', 'topic'];
    await outputOf(...create, ...GIVEN, '--yes');
    expect(await topicOptionsOf(path, 'exchange:flights')).toMatchObject({ options: STORED });
    await outputOf('topics', 'alter', path, 'exchange:flights', '--dedup-by', 'id', '--yes');
    const altered = { ...STORED, dedupBy: 'id' };
    expect(await topicOptionsOf(path, 'exchange:flights')).toMatchObject({ options: altered });
    const settled = [
      'exchanges',
      'create',
      path,
      'other',
      '-t',
      'topic',
      '--dedup-window',
      'settled',
    ];
    for (const how of [[], ['--yes']]) {
      const { exitCode, stderr } = await runCli([...settled, ...how]);
      expect(exitCode).toBe(ExitCode.usage);
      expect(stderr).toContain('records are settled in queues alone');
    }
  });
});

describe('varve queue', () => {
  test('create keeps what is given, also a window until records are settled', async () => {
    const path = await stored();
    const given = [...GIVEN.slice(2), '--dedup-window', 'settled'];
    const made = await outputOf('queue', 'create', path, 'jobs', ...given, '--yes', '--json');
    const dedup = { ...STORED, dedupWindowMs: 'settled' };
    expect(JSON.parse(made)).toMatchObject({ dedup });
    expect(await topicOptionsOf(path, 'jobs')).toMatchObject({ options: dedup });
  });

  test('alter changes it beside the settings of the group, or alone', async () => {
    const path = await stored();
    const both = ['queue', 'alter', path, 'email', '--lease-ms', '60000', ...GIVEN];
    const changes = [
      { setting: 'leaseMs', from: 30_000, to: 60_000 },
      { setting: 'dedupWindowMs', from: 300_000, to: 7_200_000 },
      { setting: 'dedupBy', from: 'id', to: 'content' },
      { setting: 'dedupScope', from: 'topic', to: 'key' },
    ];
    expect(JSON.parse(await outputOf(...both, '--json'))).toMatchObject({
      isDryRun: true,
      changes,
    });
    expect(await topicOptionsOf(path, 'email')).toMatchObject({ options: DEFAULTS });
    expect(JSON.parse(await outputOf(...both, '--yes', '--json'))).toMatchObject({ changes });
    expect(await topicOptionsOf(path, 'email')).toMatchObject({ options: STORED });
    expect(await outputOf(...both)).toBe('queue email is like that already; nothing was changed\n');
    await outputOf('queue', 'alter', path, 'email', '--dedup-window', 'settled', '--yes');
    const options = { ...STORED, dedupWindowMs: 'settled' };
    expect(await topicOptionsOf(path, 'email')).toMatchObject({ options });
  });
});

const SETTLED = ['--dedup-window', 'settled'];

test.each([
  [['topics', 'create'], ['new', ...SETTLED], 'records are settled in queues alone'],
  [['topics', 'alter'], ['orders', ...SETTLED], 'records are settled in queues alone'],
  [['topics', 'alter'], ['orders', ...SETTLED, '--yes'], 'records are settled in queues alone'],
  [['topics', 'create'], ['new', '--dedup-window', '2y'], 'such as 15m or 7d, or settled.'],
  [['topics', 'create'], ['new', '--dedup-window', '366d'], 'Expected `dedupWindowMs`'],
  [['topics', 'create'], ['new', '--dedup-by', 'key'], 'Allowed choices are id, content'],
  [['queue', 'create'], ['new', '--dedup-window', '0s'], 'Expected `dedupWindowMs`'],
  [['queue', 'create'], ['new', '--dedup-scope', 'x'], 'Allowed choices are topic, key'],
  [['queue', 'alter'], ['email', '--dedup-window', '0s', '--yes'], 'Expected `dedupWindowMs`'],
])('varve %j %j is refused, and changes nothing', async (verb, args, message) => {
  const path = await stored();
  const before = await outputOf('journal', 'dump', path);
  const refused = await runCli([...verb, path, ...args]);
  expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
  expect(refused.stderr).toContain(message);
  expect(await outputOf('journal', 'dump', path)).toBe(before);
});

test('what is stored once is not of a share group of a topic', async () => {
  const path = await stored();
  const store = await openStore(path);
  await (await store.topic('orders')).shareGroup('billing');
  await store.close();
  const args = ['queue', 'alter', path, 'orders', '--group', 'billing', ...GIVEN, '--yes'];
  const refused = await runCli(args);
  expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
  expect(refused.stderr).toContain('varve topics alter changes those of a topic');
  expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: DEFAULTS });
});
