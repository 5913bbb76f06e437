import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A log of the given input lines. */
async function logOf(input: string | Uint8Array, ...options: string[]): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  const { exitCode, stderr } = await runCli(['append', path, ...options], { input });
  expect(stderr).toMatch(/^appended [\d,]+ records?,? .*records\/s, durability sync\)\n$/);
  expect(exitCode).toBe(ExitCode.ok);
  return path;
}

const NDJSON = [
  { key: 'a', value: 'one', headers: { h: 'x' }, createTimeMs: 1000 },
  { key: { base64: '/w==' }, value: { base64: 'AAECgA==' }, createTimeMs: 2000 },
  { key: 'a', value: null, createTimeMs: 3000 },
  { value: '' },
]
  .map((record) => `${JSON.stringify(record)}\n`)
  .join('');

describe('append and cat', () => {
  test('give back the lines that went in, byte for byte', async () => {
    const input = Buffer.concat([
      Buffer.from('first\r\n\n\u00fc\n\t\n'),
      Buffer.from([0xff, 0x00, 0x0a]),
    ]);
    const path = await logOf(input);
    expect((await runCli(['cat', path])).stdoutBytes).toEqual(input);
  });

  test('count a last line without a line feed', async () => {
    const path = await logOf('a\nb');
    expect((await runCli(['cat', path])).stdout).toBe('a\nb\n');
  });

  test('continue a log', async () => {
    const path = await logOf('a\n');
    const { stdout } = await runCli(['append', path, '--json'], { input: 'b\nc\n' });
    expect(JSON.parse(stdout)).toMatchObject({
      path,
      recordCount: 2,
      baseOffset: 1,
      nextOffset: 3,
      valueBytes: 2,
      durability: 'sync',
    });
    expect(await runCli(['cat', path, '--format', '%o:%v '])).toMatchObject({
      stdout: '0:a 1:b 2:c ',
    });
  });

  test('take no input at all', async () => {
    const path = await logOf('');
    expect(await runCli(['cat', path])).toMatchObject({
      exitCode: ExitCode.ok,
      stdout: '',
      stderr: '',
    });
  });

  test('split keys at the first separator', async () => {
    const path = await logOf('k::v::w\nno key\n::empty\n', '--key-separator', '::');
    const { stdout } = await runCli(['cat', path, '--format', String.raw`[%k|%v]\n`]);
    expect(stdout).toBe('[k|v::w]\n[|no key]\n[|empty]\n');
  });
});

describe('--grep and --key', () => {
  test('show what matches, and --limit counts what is shown', async () => {
    const path = await logOf(NDJSON, '--ndjson');
    const offsets = async (...options: string[]) =>
      (await runCli(['cat', path, '--format', '%o ', ...options])).stdout.trim();
    expect(await offsets('--key', '^a$')).toBe('0 2');
    expect(await offsets('--grep', 'N', '-i')).toBe('0');
    expect(await offsets('--grep', 'N')).toBe('');
    expect(await offsets('--key', 'a', '--grep', '.')).toBe('0'); // Not the tombstone.
    expect(await offsets('--grep', '')).toBe('0 1 3');
    expect(await offsets('--grep', '', '--limit', '2')).toBe('0 1');
    expect(await offsets('--grep', '', '--limit', '0')).toBe('');
  });

  test('refuse what is no regular expression', async () => {
    const { exitCode, stderr } = await runCli(['cat', 'anywhere', '--grep', '(']);
    expect(exitCode).toBe(ExitCode.usage);
    expect(stderr).toContain('Unterminated group');
  });
});

describe('--quiet', () => {
  test('leaves stderr empty, also with more input than the pipe and the queue hold', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const input = `${'x'.repeat(1000)}\n`.repeat(30_000);
    const { exitCode, stdout, stderr } = await runCli(['append', path, '-q'], { input });
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: ExitCode.ok, stdout: '', stderr: '' });
    expect((await runCli(['cat', path])).stdout).toBe(input);
  });
});

describe('JSON lines', () => {
  test('carry keys, headers, times, tombstones and binary data', async () => {
    const path = await logOf(NDJSON, '--ndjson');
    const { stdout } = await runCli(['cat', path, '--json']);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records[0]).toEqual({
      offset: 0,
      createTimeMs: 1000,
      appendTimeMs: expect.any(Number) as number,
      key: 'a',
      headers: { h: 'x' },
      value: 'one',
    });
    expect(records[1]).toMatchObject({ key: { base64: '/w==' }, value: { base64: 'AAECgA==' } });
    expect(records[2]).toMatchObject({ key: 'a', value: null, headers: {} });
    expect(records[3]).toMatchObject({ key: null, value: '' });
  });

  test('copy a log: cat --json | append --ndjson', async () => {
    const path = await logOf(NDJSON, '--ndjson');
    const { stdout } = await runCli(['cat', path, '--json']);
    const copy = await logOf(stdout, '--ndjson');
    const format = String.raw`%o %t %k{hex} %v{hex} %h\n`;
    const original = await runCli(['cat', path, '--format', format]);
    expect(await runCli(['cat', copy, '--format', format])).toMatchObject({
      stdout: original.stdout,
    });
  });

  test('with a bad line: exit 2 with its number, what came before is stored', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const input = `{"value":"1"}\n{"value":"2"}\n{"secret": 3}\n{"value":"4"}\n`;
    const { exitCode, stderr } = await runCli(['append', path, '--ndjson'], { input });
    expect(exitCode).toBe(ExitCode.usage);
    expect(stderr).toContain('line 3 of the input: expected "value" to be there');
    expect(stderr).toContain('stopped at line 3 of the input; 2 records stored');
    expect(stderr).not.toContain('secret');
    expect((await runCli(['cat', path])).stdout).toBe('1\n2\n');
  });
});

test('append refuses a record above 1 MiB, with its line', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const input = `ok\n${'x'.repeat(1_100_000)}\n`;
  const { exitCode, stderr } = await runCli(['append', path], { input });
  expect(exitCode).toBe(ExitCode.usage);
  expect(stderr).toContain('stopped at line 2 of the input; 1 record stored');
  expect(stderr).toContain('above the limit of 1048576');
});

describe('ranges', () => {
  const cases: [string, string[], string][] = [
    ['all', [], '0 1 2 3 4 5 6 7 8 9 '],
    ['--from', ['--from', '7'], '7 8 9 '],
    ['--from -N', ['--from', '-2'], '8 9 '],
    ['--from -N beyond the start', ['--from', '-99', '--limit', '1'], '0 '],
    ['--from earliest', ['--from', 'earliest', '--limit', '2'], '0 1 '],
    ['--from latest', ['--from', 'latest'], ''],
    ['--from the end', ['--from', '10'], ''],
    ['--to', ['--to', '2'], '0 1 '],
    ['--from --to', ['--from', '3', '--to', '5'], '3 4 '],
    ['--limit 0', ['--limit', '0'], ''],
    ['--since a time', ['--since', '1970-01-01T00:00:08Z'], '8 9 '],
    ['--since a duration', ['--since', '1h'], ''],
    ['--since long ago', ['--since', '9999w', '-n', '1'], '0 '],
  ];

  test('of offsets and times', async () => {
    const lines = Array.from({ length: 10 }, (_, second) =>
      JSON.stringify({ value: String(second), createTimeMs: second * 1000 }),
    );
    const path = await logOf(`${lines.join('\n')}\n`, '--ndjson');
    for (const [name, args, expected] of cases) {
      const { stdout, exitCode } = await runCli(['cat', path, '--format', '%o ', ...args]);
      expect({ name, stdout, exitCode }).toEqual({ name, stdout: expected, exitCode: ExitCode.ok });
    }
  });

  test('beyond the end: exit 3', async () => {
    const path = await logOf('a\n');
    const { exitCode, stderr } = await runCli(['cat', path, '--from', '2']);
    expect(exitCode).toBe(ExitCode.notFound);
    expect(stderr).toContain('offset 2 is not within 0 to 1');
  });
});
