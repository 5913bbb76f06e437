/** `varve append`, `queue send` and `publish` of records that may be stored already. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { openStore } from '../../src/store/open-store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { distPath, runCli, runProgram, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');
const DEFAULT_EXCHANGE = '';

/** In a process of its own: this one may have the store open. */
function varve(args: readonly string[], input = ''): Promise<CliResult> {
  return runProgram(cliPath, args, input);
}

async function jsonOf(args: readonly string[], input = ''): Promise<unknown> {
  const { exitCode, stdout } = await varve([...args, '--json'], input);
  expect(exitCode).toBe(ExitCode.ok);
  return JSON.parse(stdout);
}

function linesOf(...lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Topic `orders`, topic `seen` that compares content, queue `email`, and exchange `events` to all three. */
async function shop(state: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path);
  await store.topic('orders', { partitions: 2 });
  await store.topic('seen', { dedupBy: 'content' });
  await (await store.queue('email', { partitions: 1 })).close();
  const exchange = await store.exchange('events', { type: 'topic' });
  await exchange.bind('email', { pattern: 'mail.#' });
  await exchange.bind('orders', { pattern: '#' });
  if (state === 'closed') await store.close();
  else onTestFinished(() => store.close());
  return path;
}

/** What a topic holds on disk. */
async function held(path: string, topic: string): Promise<readonly string[]> {
  const { stdout } = await runCli(['cat', path, '--topic', topic, '--format', String.raw`%v\n`]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe.each(['open', 'closed'])('of a store that is %s', (state) => {
  test('append: a record of one id is stored once, and each answer says where', async () => {
    const path = await shop(state);
    const args = ['append', path, '--topic', 'orders', '--partition', '1', '--dedup-id', 'o-1'];
    await varve(['append', path, '--topic', 'orders', '--partition', '1'], 'before\n');
    expect(await jsonOf(args, 'one\n')).toMatchObject({
      recordCount: 1,
      duplicateCount: 0,
      duplicate: false,
      duplicates: [],
      partitions: [{ partition: 1, recordCount: 1, baseOffset: 1, nextOffset: 2 }],
      valueBytes: 3,
    });
    expect(await jsonOf(args, 'one\n')).toMatchObject({
      recordCount: 0,
      duplicateCount: 1,
      duplicate: true,
      duplicates: [{ index: 0, topic: 'orders', partition: 1, offset: 1 }],
      partitions: [],
      valueBytes: 0,
    });
    const { exitCode, stderr } = await varve(args, 'another\n');
    expect(exitCode).toBe(ExitCode.ok);
    expect(stderr).toMatch(/^appended 0 records, 0 B in /);
    expect(stderr).toMatch(
      /\n1 duplicate, not stored again: it is at offset 1 of partition 1 of orders\n$/,
    );
    expect(await held(path, 'orders')).toEqual(['before', 'one']);
    const { stdout } = await runCli(['cat', path, '--topic', 'orders', '--json', '--from', '-1']);
    expect(JSON.parse(stdout)).toMatchObject({ headers: { 'varve-dedup-id': 'o-1' } });
  });

  test('append: each line of JSON has an id of its own, or none', async () => {
    const path = await shop(state);
    const args = ['append', path, '--topic', 'orders', '--partition', '0', '--ndjson'];
    const input = linesOf(
      { value: 'a', dedupId: 'one' },
      { value: 'bb' },
      { value: 'c', dedupId: 'one' },
      { value: 'bb', dedupId: null },
      { value: 'd', dedupId: 'two' },
    );
    expect(await jsonOf(args, input)).toMatchObject({
      recordCount: 4,
      valueBytes: 6,
      duplicateCount: 1,
      duplicates: [{ index: 2, topic: 'orders', partition: 0, offset: 0 }],
      partitions: [{ partition: 0, recordCount: 4, baseOffset: 0, nextOffset: 4 }],
    });
    const again = await varve(args, input);
    expect(again.stderr).toMatch(/^appended 2 records to partition 0 of orders, at offsets 4 to 5/);
    expect(again.stderr).toMatch(
      /\n3 duplicates, not stored again: the first is at offset 0 of partition 0 of orders\n$/,
    );
    expect(await held(path, 'orders')).toEqual(['a', 'bb', 'bb', 'd', 'bb', 'bb']);
  });

  test('append: a topic that compares content tells its duplicates, too', async () => {
    const path = await shop(state);
    const args = ['append', path, '--topic', 'seen'];
    expect(await jsonOf(args, 'x\ny\nx\n')).toMatchObject({
      recordCount: 2,
      duplicateCount: 1,
      duplicates: [{ index: 2, topic: 'seen', partition: 0, offset: 0 }],
    });
    // Who has an id is known by that alone.
    expect(await jsonOf([...args, '--dedup-id', 'x-2'], 'x\n')).toMatchObject({ duplicate: false });
    expect(await held(path, 'seen')).toEqual(['x', 'y', 'x']);
  });

  test('queue send: a value, and lines of JSON', async () => {
    const path = await shop(state);
    const one = ['queue', 'send', path, 'email', '--dedup-id', 'm-1', 'hello'];
    expect(await jsonOf(one)).toMatchObject({ recordCount: 1, duplicate: false });
    expect(await jsonOf(one)).toEqual({
      path,
      topic: 'email',
      recordCount: 0,
      duplicateCount: 1,
      duplicate: true,
      duplicates: [{ index: 0, topic: 'email', partition: 0, offset: 0 }],
      partitions: [],
    });
    const input = linesOf({ value: 'a', dedupId: 'm-1' }, { value: 'b', dedupId: 'm-2' });
    const { stderr } = await varve(['queue', 'send', path, 'email', '--ndjson'], input);
    expect(stderr).toBe(
      'sent 1 record to partition 0 of email, at offsets 1 to 1\n' +
        '1 duplicate, not stored again: it is at offset 0 of partition 0 of email\n',
    );
    expect(await held(path, 'email')).toEqual(['hello', 'b']);
  });

  test('publish: what was published goes nowhere again', async () => {
    const path = await shop(state);
    const one = ['publish', path, 'events', '-r', 'mail.a', '--confirm', 'routed'];
    const args = [...one, '--dedup-id', 'e-1', 'hello'];
    expect(await jsonOf(args)).toMatchObject({ recordCount: 1, baseOffset: 0, duplicate: false });
    expect(await jsonOf(args)).toEqual({
      path,
      exchange: 'events',
      recordCount: 0,
      duplicateCount: 1,
      duplicate: true,
      duplicates: [{ index: 0, topic: 'exchange:events', partition: 0, offset: 0 }],
      baseOffset: null,
      nextOffset: null,
      unroutedCount: 0,
      destinations: [],
    });
    const input = linesOf(
      { value: 'a', dedupId: 'e-1' },
      { value: 'b', dedupId: 'e-2' },
      { value: 'c', dedupId: 'e-2', routingKey: 'other' },
      { value: 'd', routingKey: 'other' },
    );
    const { stderr } = await varve([...one, '--ndjson'], input);
    expect(stderr).toBe(
      'published 2 records at offsets 1 to 2: 1 to email, 2 to orders\n' +
        '2 duplicates, not stored again: the first is at offset 0 of partition 0 of exchange:events\n',
    );
    expect(await held(path, 'email')).toEqual(['hello', 'b']);
    expect((await held(path, 'orders')).toSorted()).toEqual(['b', 'd', 'hello']);
  });

  test('publish to the default exchange: counted as published is what was', async () => {
    const path = await shop(state);
    const args = ['publish', path, DEFAULT_EXCHANGE];
    expect(await jsonOf([...args, '-r', 'email', '--dedup-id', 'e-1', 'hello'])).toMatchObject({
      recordCount: 1,
      duplicate: false,
    });
    const lines = [
      { value: 'a', routingKey: 'seen' },
      { value: 'b', routingKey: 'nothing', dedupId: 'e-1' },
      { value: 'c', routingKey: 'email', dedupId: 'e-1' },
      { value: 'd', routingKey: 'email', dedupId: 'e-2' },
      { value: 'a', routingKey: 'seen' },
    ];
    expect(await jsonOf([...args, '--ndjson'], linesOf(...lines))).toEqual({
      path,
      exchange: '',
      recordCount: 3,
      duplicateCount: 2,
      duplicates: [
        { index: 2, topic: 'email', partition: 0, offset: 0 },
        { index: 4, topic: 'seen', partition: 0, offset: 0 },
      ],
      baseOffset: null,
      nextOffset: null,
      unroutedCount: 1,
      destinations: [
        { name: 'email', recordCount: 1 },
        { name: 'seen', recordCount: 1 },
      ],
    });
    const again = await varve([...args, '-r', 'email', '--dedup-id', 'e-2', 'd']);
    expect(again.stderr).toBe(
      'published 0 records\n' +
        '1 duplicate, not stored again: it is at offset 1 of partition 0 of email\n',
    );
    expect(await held(path, 'email')).toEqual(['hello', 'd']);
  });

  test('a line that is refused: what stands before it is told with its duplicates', async () => {
    const path = await shop(state);
    const args = ['publish', path, DEFAULT_EXCHANGE, '--ndjson', '--mandatory'];
    const first = { value: 'a', routingKey: 'email', dedupId: 'e-1' };
    const input = linesOf(first, first, first, { value: 'b', routingKey: 'emails' });
    const { exitCode, stderr } = await varve(args, input);
    expect(exitCode).toBe(ExitCode.failure);
    // Whoever goes on there leaves out nothing, and sends nothing again.
    expect(stderr).toContain('stopped at line 4 of the input; 3 records stored');
    expect(stderr).toContain('2 duplicates, not stored again: the first is at offset 0');
    expect(stderr).toContain(
      'nothing is called "emails", the routing key of record 4 of the input',
    );
  });
});

test('many requests: each duplicate has its number in the input, and the first thousand are told', async () => {
  const path = await shop('closed');
  const args = ['append', path, '--topic', 'orders', '--ndjson'];
  await varve(args, linesOf(...numbered(20_000, 0)));
  const many = duplicatesIn(await jsonOf(args, linesOf(...numbered(20_000, 5000))));
  expect(many).toMatchObject({ recordCount: 5000, duplicateCount: 15_000 });
  expect(many.indexes).toEqual([...Array(1000).keys()]);
  const input = linesOf(...numbered(9, 0), ...numbered(19_000, 60_000), ...numbered(10, 100));
  const late = duplicatesIn(await jsonOf(args, input));
  expect(late).toMatchObject({ recordCount: 19_000, duplicateCount: 19 });
  const last = Array.from({ length: 10 }, (_, at) => 19_009 + at);
  expect(late.indexes).toEqual([...Array(9).keys(), ...last]);
});

function numbered(count: number, from: number): readonly object[] {
  const value = 'x'.repeat(100);
  return Array.from({ length: count }, (_, at) => ({ value, dedupId: String(from + at) }));
}

function duplicatesIn(answer: unknown) {
  const told = answer as { duplicates: { index: number }[] };
  return { ...told, indexes: told.duplicates.map(({ index }) => index) };
}

describe('mistakes', () => {
  const LONG = 'é'.repeat(128);

  test('an id that is none, on the command line: nothing is done', async () => {
    const path = await shop('closed');
    for (const verb of [
      ['append', path, '--topic', 'orders'],
      ['queue', 'send', path, 'email'],
      ['publish', path, 'events'],
    ]) {
      for (const id of ['', LONG]) {
        const { exitCode, stderr } = await runCli([...verb, '--dedup-id', id], { input: 'x\n' });
        expect(exitCode, verb.join(' ')).toBe(ExitCode.usage);
        expect(stderr).toContain('Expected text of 1 to 255 bytes.');
      }
      const both = await runCli([...verb, '--dedup-id', 'x', '--ndjson'], { input: '{}\n' });
      expect(both.exitCode).toBe(ExitCode.usage);
      expect(both.stderr).toContain("cannot be used with option '--ndjson'");
    }
    expect(await held(path, 'orders')).toEqual([]);
  });

  test.each([
    ['an empty id', { dedupId: '' }, 'expected "dedupId" to be text of 1 to 255 bytes'],
    ['a long one', { dedupId: LONG }, 'expected "dedupId" to be text of 1 to 255 bytes'],
    ['a number', { dedupId: 7 }, 'expected "dedupId" to be text of 1 to 255 bytes'],
    ['half a character', { dedupId: '\ud800' }, 'expected "dedupId" to be text of 1 to 255 bytes'],
    ['a misspelt field', { 'dedup-id': 'a' }, 'expected "dedup-id" to be spelt `dedupId`'],
    ['another one', { dedupID: 'a' }, 'expected "dedupID" to be spelt `dedupId`'],
  ])('%s in a line: it is named, and those before it are stored', async (_what, field, message) => {
    const path = await shop('closed');
    const input = linesOf({ value: 'a' }, { value: 'secret', ...field }, { value: 'c' });
    for (const verb of [
      ['append', path, '--topic', 'orders'],
      ['queue', 'send', path, 'email'],
      ['publish', path, DEFAULT_EXCHANGE, '-r', 'orders'],
    ]) {
      const { exitCode, stderr } = await runCli([...verb, '--ndjson'], { input });
      expect(exitCode).toBe(ExitCode.usage);
      expect(stderr).toContain(`line 2 of the input: ${message}`);
      expect(stderr).not.toContain('secret');
    }
    expect(await held(path, 'orders')).toEqual(['a', 'a']);
    expect(await held(path, 'email')).toEqual(['a']);
  });

  test('one id for two records', async () => {
    const path = await shop('closed');
    const many = await runCli(['queue', 'send', path, 'email', '--dedup-id', 'x', 'a', 'b']);
    expect(many.exitCode).toBe(ExitCode.usage);
    expect(many.stderr).toContain('--dedup-id is of one record, and there are more\nhint: ');
    expect(await held(path, 'email')).toEqual([]);
    const args = ['append', path, '--topic', 'orders', '--dedup-id', 'x'];
    const lines = await runCli(args, { input: 'a\nb\n' });
    expect(lines.exitCode).toBe(ExitCode.usage);
    expect(lines.stderr).toContain('stopped at line 2 of the input; 1 record stored');
    expect(lines.stderr).toContain('--dedup-id is of one record, and there are more');
    expect(await held(path, 'orders')).toEqual(['a']);
  });

  test('a log of its own has no ids', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const option = await runCli(['append', path, '--dedup-id', 'x'], { input: 'a\n' });
    expect(option.exitCode).toBe(ExitCode.usage);
    expect(option.stderr).toContain('--dedup-id is for a topic of a store');
    const input = linesOf({ value: 'a' }, { value: 'b', dedupId: 'x' });
    const line = await runCli(['append', path, '--ndjson'], { input });
    expect(line.exitCode).toBe(ExitCode.usage);
    expect(line.stderr).toContain('stopped at line 2 of the input; 1 record stored');
    expect(line.stderr).toContain('line 2 of the input has a "dedupId", which is for a topic');
    const { stdout } = await runCli(['cat', path]);
    expect(stdout).toBe('a\n');
  });

  test('a record that fits its topic only without its id: its line is named', async () => {
    const path = await shop('closed');
    const store = await openStore(path);
    await store.topic('small', { recordBytesMax: 1024, codec: utf8 });
    await store.close();
    const value = 'v'.repeat(900);
    const input = linesOf({ value, dedupId: 'short' }, { value, dedupId: 'i'.repeat(200) });
    const args = ['append', path, '--topic', 'small', '--ndjson'];
    const { stderr } = await runCli(args, { input });
    expect(stderr).toContain('stopped at line 2 of the input; 1 record stored');
  });
});
