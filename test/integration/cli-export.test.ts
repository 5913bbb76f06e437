import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openLog, type RecordInput } from '../../src/index.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf, logOfSegments } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Every kind of record, with bytes that JSON has no words for. */
const RECORDS: readonly RecordInput<Uint8Array>[] = [
  { value: Buffer.from('text'), key: 'a', createTimeMs: 1000 },
  { value: null, key: 'tombstone', createTimeMs: 0 },
  { value: Buffer.alloc(0), createTimeMs: 2 ** 48 - 1 },
  { value: Uint8Array.of(0, 0xff, 0x80), key: Uint8Array.of(0xc0, 0), createTimeMs: 7 },
  {
    value: Buffer.from('\u0001 "quoted" \\ \u2028 Grüße 🌍'),
    key: '',
    headers: { trace: 'abc', '': '', bin: Uint8Array.of(255), ['__proto__']: 'own', 1: 'one' },
    createTimeMs: 8,
  },
];

async function logOf(records: readonly RecordInput<Uint8Array>[]): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  const log = await openLog(path);
  await log.appendBatch(records);
  await log.close();
  return path;
}

async function newPath(name = 'target'): Promise<string> {
  return join(await temporaryDirectory(), name);
}

interface Summary {
  readonly recordCount: number;
  readonly alreadyThere: number;
  readonly firstOffset: number | null;
  readonly baseOffset: number;
  readonly nextOffset: number;
}

/** An export of `count` short records, in lines. */
async function exportOf(count: number): Promise<string[]> {
  const values = Array.from({ length: count }, (_, n) => ({ value: Buffer.from(`v${n}`) }));
  const { stdout } = await runCli(['export', await logOf(values)]);
  return stdout.trimEnd().split('\n');
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

describe('export', () => {
  test('a line for each record, then a trailer with counts, offsets and the hash', async () => {
    const { exitCode, stdout, stderr } = await runCli(['export', await logOf(RECORDS)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    const lines = linesOf(stdout);
    expect(lines).toHaveLength(RECORDS.length + 1);
    expect(lines[0]).toEqual({
      offset: 0,
      createTimeMs: 1000,
      key: 'a',
      headers: {},
      value: 'text',
    });
    expect(lines[1]).toMatchObject({ key: 'tombstone', value: null });
    expect(lines[2]).toMatchObject({ key: null, value: '' });
    expect(lines[3]).toMatchObject({ key: { base64: 'wAA=' }, value: { base64: 'AP+A' } });
    expect(lines.at(-1)).toEqual({
      trailer: {
        formatVersion: 1,
        recordCount: RECORDS.length,
        firstOffset: 0,
        lastOffset: RECORDS.length - 1,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      },
    });
  });

  test('of an empty log is a trailer alone, and imports as nothing', async () => {
    const { stdout } = await runCli(['export', await logOf([])]);
    expect(linesOf(stdout)).toMatchObject([{ trailer: { recordCount: 0, firstOffset: null } }]);
    const target = await newPath();
    expect(await runCli(['import', target], { input: stdout })).toMatchObject({ exitCode: 0 });
    expect((await runCli(['export', target])).stdout).toBe(stdout);
  });

  test('--output writes the same bytes to a file, and leaves nothing beside it', async () => {
    const path = await logOf(RECORDS);
    const directory = await temporaryDirectory();
    const file = join(directory, 'out.ndjson');
    await writeFile(file, 'what was there before');
    const { exitCode, stdout } = await runCli(['export', path, '-o', file]);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.ok, stdout: '' });
    expect(await readFile(file, 'utf8')).toBe((await runCli(['export', path])).stdout);
    expect(await readdir(directory)).toEqual(['out.ndjson']);
  });

  test('--output where no file can be: exit 2 naming the path that was given', async () => {
    const directory = await temporaryDirectory();
    for (const file of [directory, join(directory, 'missing', 'out.ndjson')]) {
      const { exitCode, stderr } = await runCli(['export', await logOf(RECORDS), '-o', file]);
      expect(exitCode).toBe(ExitCode.usage);
      expect(stderr).toContain(`cannot write ${file}: `);
      expect(stderr).not.toContain('.tmp-');
    }
  });

  test('--output of a log that is damaged keeps the file that was there', async () => {
    const path = await logOfSegments();
    await flipByte(join(path, FIRST_SEGMENT), SEGMENT_HEADER_BYTES + 200);
    const directory = await temporaryDirectory();
    const file = join(directory, 'out.ndjson');
    await writeFile(file, 'what was there before');
    const { exitCode } = await runCli(['export', path, '-o', file]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(await readFile(file, 'utf8')).toBe('what was there before');
    expect(await readdir(directory)).toEqual(['out.ndjson']);
  });

  test('past damage: what is readable, gaps on stderr, exit 4, and importable', async () => {
    const path = await logOfSegments();
    await flipByte(join(path, FIRST_SEGMENT), SEGMENT_HEADER_BYTES + 200);
    const { exitCode, stdout, stderr } = await runCli(['export', path, '--on-corruption', 'skip']);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stderr).toMatch(/^skipped offsets 0 to \d+: damaged at byte 128 of /);
    const target = await newPath();
    const imported = await runCli(['import', target, '--json'], { input: stdout });
    expect(imported.exitCode).toBe(ExitCode.ok);
    const { firstOffset, recordCount } = JSON.parse(imported.stdout) as Summary;
    expect(recordCount).toBe(200 - (firstOffset ?? 0));
    expect(imported.stderr).toContain(`offset ${firstOffset} of the export is offset 0 here`);
  });

  test('a range: --from and --to', async () => {
    const { stdout } = await runCli(['export', await logOf(RECORDS), '--from', '1', '--to', '3']);
    expect(linesOf(stdout).map(({ offset }) => offset)).toEqual([1, 2, undefined]);
  });
});

describe('import', () => {
  test('an export of what was imported is byte for byte the same, through a pipe or a file', async () => {
    const { stdout } = await runCli(['export', await logOf(RECORDS)]);
    const file = join(await temporaryDirectory(), 'in.ndjson');
    await writeFile(file, stdout);
    const [piped, filed] = [await newPath(), await newPath()];
    expect((await runCli(['import', piped], { input: stdout })).exitCode).toBe(ExitCode.ok);
    expect((await runCli(['import', filed, file])).exitCode).toBe(ExitCode.ok);
    expect((await runCli(['export', piped])).stdout).toBe(stdout);
    expect((await runCli(['export', filed])).stdout).toBe(stdout);
  });

  test('records go to the end of the log, and the summary maps the first offset', async () => {
    const target = await logOf([{ value: Buffer.from('before') }]);
    const input = textOf(await exportOf(3));
    const { stdout, stderr } = await runCli(['import', target, '--json'], { input });
    expect(JSON.parse(stdout)).toMatchObject({
      recordCount: 3,
      alreadyThere: 0,
      firstOffset: 0,
      baseOffset: 1,
      nextOffset: 4,
    });
    expect(stderr).toContain('the log is not empty: records are appended from offset 1 on');
    expect(stderr).toContain('offset 0 of the export is offset 1 here');
    expect((await runCli(['cat', target])).stdout).toBe('before\nv0\nv1\nv2\n');
  });

  test('a missing file: exit 3, and no log is made', async () => {
    const target = await newPath();
    const { exitCode } = await runCli(['import', target, '/nonexistent/file']);
    expect(exitCode).toBe(ExitCode.notFound);
    expect((await runCli(['info', target])).exitCode).toBe(ExitCode.notFound);
  });
});

describe('an export that is not whole', () => {
  type Change = (lines: readonly string[]) => string;
  const cases: readonly [string, Change][] = [
    ['without its trailer', (lines) => textOf(lines.slice(0, -1))],
    ['cut off within a line', (lines) => textOf(lines).slice(0, -(lines.at(-1)?.length ?? 0) - 10)],
    ['cut off within its trailer', (lines) => textOf(lines).slice(0, -20)],
    ['without a line in its middle', (lines) => textOf(lines.filter((_line, at) => at !== 4))],
    ['with a changed value', (lines) => textOf(lines).replace('"v4"', '"v5"')],
    ['with a space more', (lines) => textOf(lines).replace('"v4"', ' "v4"')],
    [
      'of a newer version',
      (lines) => textOf(lines).replace('"formatVersion":1', '"formatVersion":2'),
    ],
    ['with nothing in it', () => ''],
  ];

  test.each(cases)('%s: of a file nothing is stored, exit 4', async (_name, change) => {
    const file = join(await temporaryDirectory(), 'in.ndjson');
    await writeFile(file, change(await exportOf(10)));
    const target = await newPath();
    const { exitCode, stderr } = await runCli(['import', target, file]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stderr).toMatch(
      /^error: the input is not a whole export: .*; nothing was stored\nhint: /,
    );
    expect((await runCli(['info', target])).exitCode).toBe(ExitCode.notFound);
  });

  test.each(cases)('%s: of a pipe it says what was stored, exit 4', async (_name, change) => {
    const target = await newPath();
    const { exitCode, stderr } = await runCli(['import', target], {
      input: change(await exportOf(10)),
    });
    expect(exitCode).toBe(ExitCode.corrupt);
    const stored = (await runCli(['cat', target])).stdout.split('\n').length - 1;
    const said = /(?:(\d+) records? stored at offsets 0 to \d+|nothing was stored)\n/.exec(stderr);
    expect(said, stderr).not.toBeNull();
    expect(Number(said?.[1] ?? 0)).toBe(stored);
  });

  test.each([
    ['at the end of a line', 0, 3],
    ['before a line feed', -1, 3],
    ['within a line', -2, 2],
  ])('cut off %s: a pipe gives every record whose line is whole', async (_name, end, count) => {
    const target = await newPath();
    const three = textOf((await exportOf(10)).slice(0, 3));
    const input = end === 0 ? three : three.slice(0, end);
    const { exitCode, stderr } = await runCli(['import', target], { input });
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stderr).toContain(`it has no trailer: it was cut off after ${count} records; `);
    expect((await runCli(['cat', target])).stdout).toBe('v0\nv1\nv2\n'.slice(0, count * 3));
  });

  test('an empty input, from a pipe or a file: exit 4, and no log is made', async () => {
    for (const args of [[], ['/dev/null']]) {
      const target = await newPath();
      const { exitCode, stdout, stderr } = await runCli(['import', target, ...args]);
      expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.corrupt, stdout: '' });
      expect(stderr).toContain('is not a whole export: it is empty; nothing was stored');
      expect((await runCli(['info', target])).exitCode).toBe(ExitCode.notFound);
    }
  });

  test('a named pipe as the file is read once, as a pipe is', async () => {
    const target = await newPath();
    const fifo = await newPath('in.fifo');
    execFileSync('mkfifo', [fifo]);
    const [{ exitCode }] = await Promise.all([
      runCli(['import', target, fifo]),
      writeFile(fifo, textOf(await exportOf(3))),
    ]);
    expect(exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', target])).stdout).toBe('v0\nv1\nv2\n');
  });
});

describe('hostile lines: exit 2 naming the line, and nothing of it stored', () => {
  const good = '{"offset":1,"createTimeMs":0,"key":null,"headers":{},"value":"x"}';
  const first = good.replace('"offset":1', '"offset":0');
  test.each([
    ['no JSON', 'x'],
    ['no object', '[1]'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['bad base64', good.replace('"x"', '{"base64":"A"}')],
    ['base64 with a stranger', good.replace('"x"', '{"base64":"AAEC","b":1}')],
    ['a number as a value', good.replace('"x"', '1')],
    ['a number as a key', good.replace('null', '5')],
    ['headers in an array', good.replace('{}', '[]')],
    ['a header that is a number', good.replace('{}', '{"__proto__":5}')],
    ['a lone surrogate', good.replace('"x"', String.raw`"\ud800"`)],
    ['an offset that is no integer', good.replace('"offset":1', '"offset":1.5')],
    ['an offset beyond every number', good.replace('"offset":1', '"offset":1e400')],
    ['an offset that is not exact', good.replace('"offset":1', '"offset":9007199254740993')],
    ['an offset that goes back', first],
    [
      'a time that is too large',
      good.replace('"createTimeMs":0', '"createTimeMs":281474976710656'),
    ],
    ['a negative time', good.replace('"createTimeMs":0', '"createTimeMs":-1')],
    ['no time', good.replace('"createTimeMs":0,', '')],
    ['a null time', good.replace('"createTimeMs":0', '"createTimeMs":null')],
    ['no value', good.replace(',"value":"x"', '')],
    ['a field too many', good.replace('{"offset"', '{"__proto__":{"value":"y"},"offset"')],
    ['a key that is too long', good.replace('null', JSON.stringify('k'.repeat(65_535)))],
    ['headers that are too long', good.replace('{}', JSON.stringify({ h: 'x'.repeat(70_000) }))],
    [
      'a record that is too long',
      good.replace('"x"', JSON.stringify('x'.repeat(15 * 1024 * 1024))),
    ],
    ['a trailer with more behind it', '{"trailer":{}}'],
  ])('%s', async (_name, line) => {
    const third = good.replace('"offset":1', '"offset":2');
    const input = Buffer.concat([
      Buffer.from(`${first}\n`),
      Buffer.from(line),
      Buffer.from(`\n${third}\n`),
    ]);
    const target = await newPath();
    const piped = await runCli(['import', target], { input });
    expect(piped.exitCode).toBe(ExitCode.usage);
    expect(piped.stderr).toContain('line 2 of the input');
    expect(piped.stderr).toContain('1 record stored at offsets 0 to 0');
    expect((await runCli(['cat', target])).stdout).toBe('x\n');

    const file = join(await temporaryDirectory(), 'in.ndjson');
    await writeFile(file, input);
    const untouched = await newPath();
    const filed = await runCli(['import', untouched, file]);
    expect(filed.exitCode).toBe(ExitCode.usage);
    expect((await runCli(['info', untouched])).exitCode).toBe(ExitCode.notFound);
  });

  test('payloads stay out of the messages', async () => {
    const secret = good.replace('"x"', '{"secret":"s3cret"}');
    const { stderr } = await runCli(['import', await newPath()], { input: `${secret}\n${good}\n` });
    expect(stderr).not.toContain('secret');
  });
});

describe('--resume', () => {
  test('appends only what is missing, however often it is run', async () => {
    const lines = await exportOf(10);
    const target = await newPath();
    const cut = await runCli(['import', target], { input: textOf(lines.slice(0, 5)) });
    expect(cut.exitCode).toBe(ExitCode.corrupt);
    const input = textOf(lines);
    const resumed = await runCli(['import', target, '--resume', '--json'], { input });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ recordCount: 5, alreadyThere: 5 });
    const again = await runCli(['import', target, '--resume', '--json'], { input });
    expect(JSON.parse(again.stdout)).toMatchObject({ recordCount: 0, alreadyThere: 10 });
    expect((await runCli(['export', target])).stdout).toBe(input);
  });

  test('into a log that had records before, with --at', async () => {
    const target = await logOf([{ value: Buffer.from('before') }]);
    const lines = await exportOf(10);
    await runCli(['import', target], { input: textOf(lines.slice(0, 5)) });
    const input = textOf(lines);
    const wrong = await runCli(['import', target, '--resume'], { input });
    expect(wrong.exitCode).toBe(ExitCode.failure);
    expect(wrong.stderr).toContain('offset 0 of the log holds another record than the input');
    const { exitCode } = await runCli(['import', target, '--resume', '--at', '1'], { input });
    expect(exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', target, '--from', '1'])).stdout).toBe(
      Array.from({ length: 10 }, (_, n) => `v${n}\n`).join(''),
    );
  });

  test('refuses an offset above the end, and --at without --resume', async () => {
    const target = await logOf([]);
    const input = textOf(await exportOf(2));
    const above = await runCli(['import', target, '--resume', '--at', '7'], { input });
    expect(above.exitCode).toBe(ExitCode.usage);
    expect(above.stderr).toContain('--at 7 is above the end of the log, offset 0');
    const alone = await runCli(['import', target, '--at', '0'], { input });
    expect(alone.exitCode).toBe(ExitCode.usage);
  });
});
