/** `varve append` and `varve import` to a topic: of a closed store, and through who has it open. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { MIB } from '../../src/core/limits.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { openOrders, orders, partitionOf, traceOf } from '../support/cli-stores.ts';
import { distPath, runCli, runProgram, startProgram, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');
const [A, B] = ['s4', 's5']; // Keys of partition 0 and 1, of two.

/** In a process of its own. */
function varve(args: readonly string[], input: string | Uint8Array = ''): Promise<CliResult> {
  return runProgram(cliPath, args, input);
}

async function openNew(
  partitions = 1,
  options: object = {},
): Promise<{ path: string; store: Store }> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path);
  onTestFinished(() => store.close());
  await store.topic('t', { partitions, ...options });
  return { path, store };
}

async function held(path: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await runCli(['cat', path, '--topic', ...args]);
  return stdout;
}

/** Until the topic holds so many records. */
async function untilStored(store: Store, count: number): Promise<void> {
  const topic = await store.topic('t', { codec: utf8 });
  let seen = 0;
  for await (const batch of topic.batches({ follow: true })) {
    seen += batch.recordCount;
    if (seen >= count) return;
  }
}

interface Running {
  readonly child: ChildProcess;
  readonly write: (data: string | Uint8Array) => void;
  readonly end: () => void;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly stderr: string }>;
}

function start(...args: readonly string[]): Running {
  const child = startProgram(cliPath, args);
  const { stdin, stderr } = child;
  if (stdin === null || stderr === null) throw new Error('expected pipes');
  onTestFinished(() => void child.kill('SIGKILL'));
  stdin.on('error', () => {}); // The pipe breaks when it stops.
  const closed = once(child, 'close');
  const said = text(stderr);
  const ended = (async () => {
    await closed;
    return { exitCode: child.exitCode, stderr: await said };
  })();
  return { child, write: (data) => stdin.write(data), end: () => stdin.end(), ended };
}

/** An export of so many records, line by line, the trailer last. */
async function exported(count: number): Promise<readonly string[]> {
  const source = join(await temporaryDirectory(), 'source');
  const input = Array.from({ length: count }, (_, n) => `value ${n}\n`).join('');
  await runCli(['append', source], { input });
  const { stdout } = await runCli(['export', source]);
  return stdout.split(/(?<=\n)/);
}

/** A store that is open here, or one that nobody has. */
describe.each(['open', 'closed'])('of a store that is %s', (state) => {
  async function some(): Promise<string> {
    return state === 'closed' ? orders() : (await openOrders()).path;
  }

  test('append puts records where their keys belong', async () => {
    const path = await some();
    const input = `${A}:1\n${B}:2\n${A}:3\n`;
    const args = ['append', path, '--topic', 'orders', '-K', ':', '--json'];
    const appended = await varve(args, input);
    expect(appended).toMatchObject({ exitCode: ExitCode.ok });
    expect(appended.stderr).toMatch(/^appended 3 records to 2 partitions of orders, 3 B in /);
    expect(JSON.parse(appended.stdout)).toMatchObject({
      path,
      topic: 'orders',
      recordCount: 3,
      partitions: [
        { partition: 0, recordCount: 2, baseOffset: 4, nextOffset: 6 },
        { partition: 1, recordCount: 1, baseOffset: 2, nextOffset: 3 },
      ],
      valueBytes: 3,
      durability: 'sync',
    });
    const format = String.raw`%p:%o %k %v\n`;
    const stored = await held(path, 'orders', '--format', format, '--from', '-2');
    expect(stored).toBe(`0:4 ${A} 1\n0:5 ${A} 3\n1:1  y\n1:2 ${B} 2\n`);
  });

  test('append puts all into the partition that is named, with all that a record has', async () => {
    const path = await some();
    const record = {
      key: { base64: '/w==' },
      value: null,
      headers: { h: 'x', i: { base64: 'gA==' } },
      createTimeMs: 77,
    };
    const args = ['append', path, '--topic', 'orders', '--partition', '1', '--ndjson'];
    const appended = await varve(args, `${JSON.stringify(record)}\n`);
    expect(appended).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(appended.stderr).toContain('1 record to partition 1 of orders, at offsets 2 to 2, ');
    const last = await held(path, 'orders', '--partition', '1', '--from', '-1', '--json');
    expect(JSON.parse(last)).toMatchObject({ ...record, partition: 1, offset: 2 });
  });

  test('append takes many records, and nothing at all', async () => {
    const path = await some();
    const args = ['append', path, '--topic', 'orders', '--partition', '0'];
    const input = Array.from({ length: 100_000 }, (_, n) => `${n}\n`).join('');
    expect(await varve(args, input)).toMatchObject({ exitCode: ExitCode.ok });
    const stored = await held(path, 'orders', '--partition', '0', '--from', '4');
    expect(stored === input).toBe(true); // Else a megabyte is printed.
    const none = await varve(args);
    expect(none.stderr).toMatch(/^appended 0 records, 0 B in /);
  });

  test('append stores what stands before a line that is refused, and names that line', async () => {
    const path = await some();
    const args = ['append', path, '--topic', 'orders', '--partition', '1'];
    const tooLarge = await varve(args, `1\n2\n${'x'.repeat(MIB)}\n4\n`);
    expect(tooLarge).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(tooLarge.stderr).toMatch(/^stopped at line 3 of the input; 2 records stored\nerror: /);
    const noJson = await varve([...args, '--ndjson'], '{"value":"3"}\nx\n');
    expect(noJson.exitCode).toBe(ExitCode.usage);
    expect(noJson.stderr).toContain('stopped at line 2 of the input; 1 record stored');
    expect(await held(path, 'orders', '--partition', '1')).toBe('x\ny\n1\n2\n3\n');
  });

  test('import of what was cut off stores each whole line, and --resume the rest', async () => {
    const path = await some();
    const lines = await exported(12_000);
    const into = ['import', path, '--topic', 'orders', '--partition', '1'];
    const cut = await varve(
      into,
      `${lines.slice(0, 11_000).join('')}${lines[11_000]?.slice(0, 9)}`,
    );
    expect(cut).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    expect(cut.stderr).toContain('the log is not empty: records are appended from offset 2 on');
    expect(cut.stderr).toContain('11,000 records stored at offsets 2 to 11001');
    const rest = await varve([...into, '--resume', '--at', '2', '--json'], lines.join(''));
    expect(JSON.parse(rest.stdout)).toMatchObject({
      topic: 'orders',
      partition: 1,
      recordCount: 1000,
      alreadyThere: 11_000,
      baseOffset: 2,
      nextOffset: 12_002,
    });
    const other = await varve([...into, '--resume', '--at', '1'], lines.join(''));
    expect(other.exitCode).toBe(ExitCode.failure);
    expect(other.stderr).toContain('offset 1 of the log holds another record than the input');
    const values = Array.from({ length: 12_000 }, (_, n) => `value ${n}\n`).join('');
    expect(await held(path, 'orders', '--partition', '1', '--from', '2')).toBe(values);
  });

  test.each([
    [
      'append',
      ['--topic', 'none'],
      ExitCode.notFound,
      /no topic none in .*\nhint: varve topics create/,
    ],
    [
      'import',
      ['--topic', 'none'],
      ExitCode.notFound,
      /no topic none in .*\nhint: varve topics create/,
    ],
    [
      'append',
      ['--topic', 'orders', '--partition', '2'],
      ExitCode.usage,
      /partitions 0 to 1, not 2/,
    ],
    [
      'import',
      ['--topic', 'orders', '--partition', '2'],
      ExitCode.usage,
      /partitions 0 to 1, not 2/,
    ],
    ['append', ['--partition', '0'], ExitCode.usage, /--partition needs --topic/],
    ['import', ['--partition', '0'], ExitCode.usage, /--partition needs --topic/],
    [
      'append',
      ['--topic', 'orders', '--compression', 'gzip'],
      ExitCode.usage,
      /hint: varve topics alter/,
    ],
    [
      'import',
      ['--topic', 'orders'],
      ExitCode.usage,
      /has 2 partitions: choose one with --partition/,
    ],
    [
      'import',
      ['--topic', 'orders', '--partition', '0', '--at', '4'],
      ExitCode.usage,
      /for --resume/,
    ],
  ])('%s %j is refused, and changes nothing', async (verb, args, exitCode, message) => {
    const path = await some();
    const before = await traceOf(path);
    const refused = await varve([verb, path, ...args], 'x\n');
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toMatch(message);
    expect(await held(path, 'orders')).toBe('a\nb\nc\nd\nx\ny\n');
    if (state === 'open') expect(await traceOf(path)).toEqual(before);
  });
});

test.each(['append', 'import'])('%s --topic where no store is: exit 3 or 2', async (verb) => {
  const path = await temporaryDirectory();
  const missing = await varve([verb, join(path, 'none'), '--topic', 't'], 'x\n');
  expect(missing).toMatchObject({ exitCode: ExitCode.notFound });
  expect(missing.stderr).toContain('there is no store at');
  await runCli(['append', join(path, 'log')], { input: 'x\n' });
  const log = await varve([verb, join(path, 'log'), '--topic', 't'], 'x\n');
  expect(log).toMatchObject({ exitCode: ExitCode.usage });
  expect(log.stderr).toContain('is a log, not a store');
});

test('a partition that is exported from one topic is the same in another', async () => {
  const { path } = await openOrders();
  const source = await partitionOf(path, 0);
  const { stdout } = await runCli(['export', source]);
  const other = await openNew();
  const imported = await varve(['import', other.path, '--topic', 't'], stdout);
  expect(imported).toMatchObject({ exitCode: ExitCode.ok });
  const again = await runCli(['export', other.path, '--topic', 't']);
  expect(again.stdout).toBe(stdout);
});

test('a record larger than other requests goes through the owner, if the topic takes it', async () => {
  const { path } = await openNew(1, { recordBytesMax: 8 * MIB });
  const value = 'x'.repeat(8 * MIB - 100);
  const args = ['append', path, '--topic', 't'];
  expect(await varve(args, `${value}\n`)).toMatchObject({ exitCode: ExitCode.ok });
  expect(await held(path, 't')).toBe(`${value}\n`);
});

describe('while input comes', () => {
  test('what came is stored, also when the command is killed', async () => {
    const { path, store } = await openNew();
    const { child, write, ended } = start('append', path, '--topic', 't');
    write('a\nb\nhal');
    await untilStored(store, 2);
    child.kill('SIGKILL');
    await ended;
    await store.close();
    expect(await held(path, 't')).toBe('a\nb\n');
    expect(await varve(['append', path, '--topic', 't'], 'c\n')).toMatchObject({ exitCode: 0 });
    expect(await held(path, 't')).toBe('a\nb\nc\n');
  });

  test('Ctrl-C keeps what was read: exit 130', async () => {
    const { path, store } = await openNew();
    const { child, write, ended } = start('append', path, '--topic', 't');
    write('a\nb\n');
    await untilStored(store, 2);
    child.kill('SIGINT');
    const { exitCode, stderr } = await ended;
    expect(exitCode).toBe(ExitCode.interrupted);
    expect(stderr).toMatch(/^appended 2 records to partition 0 of t, at offsets 0 to 1, /);
  });

  test('the owner may close the store: the command opens it, and goes on', async () => {
    const { path, store } = await openNew();
    const { write, end, ended } = start('append', path, '--topic', 't');
    write('a\nb\n');
    await untilStored(store, 2);
    await store.close();
    write('c\n');
    end();
    const { exitCode, stderr } = await ended;
    expect(stderr).toContain('appended 3 records to partition 0 of t, at offsets 0 to 2');
    expect(exitCode).toBe(ExitCode.ok);
    expect(await held(path, 't')).toBe('a\nb\nc\n');
  });

  test('the topic may be deleted: the command says what it stored', async () => {
    const { path, store } = await openNew();
    const { write, end, ended } = start('append', path, '--topic', 't');
    write('a\nb\n');
    await untilStored(store, 2);
    await store.deleteTopic('t');
    write('c\n');
    end();
    const { exitCode, stderr } = await ended;
    expect(exitCode).toBe(ExitCode.notFound);
    expect(stderr).toContain('stopped at line 3 of the input; 2 records stored');
    expect(stderr).toContain('up to 1 record more may be stored');
    expect(stderr).toContain('error: there is no topic t');
  });

  test('an import notices what others append to its partition, and stops in front of it', async () => {
    const { path, store } = await openNew();
    const lines = await exported(12_000);
    const { write, end, ended } = start('import', path, '--topic', 't');
    write(lines.slice(0, 11_000).join(''));
    await untilStored(store, 10_000); // A group of the import.
    const topic = await store.topic('t', { codec: utf8 });
    const { offset } = await topic.append({ value: 'mine' });
    write(lines.slice(11_000).join(''));
    end();
    const { exitCode, stderr } = await ended;
    expect({ exitCode, offset }).toEqual({ exitCode: ExitCode.failure, offset: 10_000 });
    expect(stderr).toContain('10,000 records stored at offsets 0 to 9999');
    expect(stderr).toContain('something else was appended to partition 0 of topic t meanwhile');
    expect(await held(path, 't', '--from', '10000')).toBe('mine\n');
  });
});
