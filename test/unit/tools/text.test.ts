import { describe, expect, test } from 'vitest';
import type { ToldCompaction } from '../../../src/store/compaction-verbs.ts';
import {
  compactionSummary,
  compactionTable,
  progressLine,
  type CompactedPartition,
} from '../../../tools/compaction-text.ts';
import { escapeText } from '../../../tools/escape-text.ts';
import { EXIT_CODES, ExitCode } from '../../../tools/exit-codes.ts';
import { chooseStyle } from '../../../tools/style.ts';
import { displayWidth, formatPairs, formatTable, shorten } from '../../../tools/table.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPlural,
  formatTime,
  parseBytes,
  parseDuration,
} from '../../../tools/units.ts';

describe('escapeText', () => {
  test.each([
    ['plain text, ünïcode and 漢字', 'plain text, ünïcode and 漢字'],
    ['a\nb\tc\rd', String.raw`a\nb\tc\rd`],
    ['\u001B[31mred\u0007', String.raw`\x1b[31mred\x07`],
    ['\u009B2J\u007F', String.raw`\x9b2J\x7f`],
    ['user\u202Egnp.exe\u2066', String.raw`user\u{202e}gnp.exe\u{2066}`],
    ['a\uD800b', String.raw`a\u{d800}b`],
    ['\u{1F600}', '\u{1F600}'],
  ])('%j becomes %j', (text, expected) => {
    expect(escapeText(text)).toBe(expected);
  });
});

describe('shorten', () => {
  test.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['漢字漢字', 5, '漢字…'],
    ['漢字漢字', 8, '漢字漢字'],
    ['a\nb\nc', 5, String.raw`a\nb…`],
    ['x'.repeat(5000), 40, `${'x'.repeat(39)}…`],
    ['', 5, ''],
  ])('%j in %i columns', (text, columnsMax, expected) => {
    expect(shorten(text, columnsMax)).toBe(expected);
    expect(displayWidth(expected)).toBeLessThanOrEqual(columnsMax);
  });
});

describe('units', () => {
  test('counts and plurals', () => {
    expect(formatCount(20_000)).toBe('20,000');
    expect(formatPlural(1, 'record')).toBe('1 record');
    expect(formatPlural(0, 'record')).toBe('0 records');
    expect(formatPlural(2, 'batch')).toBe('2 batches');
    expect(formatPlural(2, 'entry')).toBe('2 entries');
    expect(formatPlural(2, 'day')).toBe('2 days');
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [64 * 1024 * 1024, '64 MiB'],
    [2 ** 40, '1 TiB'],
  ])('%d bytes are %s', (bytes, expected) => {
    expect(formatBytes(bytes)).toBe(expected);
  });

  test.each([
    [0.42, '420 µs'],
    [35.4, '35 ms'],
    [1250, '1.25 s'],
    [200_000, '3 min 20 s'],
  ])('%d ms are %s', (durationMs, expected) => {
    expect(formatDuration(durationMs)).toBe(expected);
  });

  test('times, also those that are none', () => {
    expect(formatTime(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(formatTime(2 ** 62)).toBe(`${2 ** 62} ms`);
  });

  test.each([
    ['500ms', 500],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
  ])('%s is a duration', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each(['', '15', 'm', '15 m', '-15m', '15x', '1h-2m'])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});

describe('tables', () => {
  test('align columns, escape cells and leave no trailing spaces', () => {
    const columns = [
      { title: 'file' },
      { title: 'bytes', align: 'right' },
      { title: 'note' },
    ] as const;
    const rows = [
      ['a', '1', ''],
      ['漢\u001B', '1,000', 'x'],
    ];
    expect(formatTable(columns, rows)).toBe(
      String.raw`file    bytes  note
a           1
漢\x1b  1,000  x
`,
    );
  });

  test('pairs', () => {
    expect(
      formatPairs([
        ['a', '1'],
        ['long', 'x\ny'],
      ]),
    ).toBe('a     1\nlong  x\\ny\n');
    expect(formatPairs([])).toBe('');
  });

  test('width of wide and combining characters', () => {
    expect(displayWidth('ab')).toBe(2);
    expect(displayWidth('漢字')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('\u{1F600}')).toBe(2);
  });
});

describe('chooseStyle', () => {
  const terminal = { isTTY: true };
  const pipe = {};
  test.each([
    ['a terminal', { stream: terminal, env: {} }, true],
    ['a pipe', { stream: pipe, env: {} }, false],
    ['NO_COLOR', { stream: terminal, env: { NO_COLOR: '1' } }, false],
    ['an empty NO_COLOR', { stream: terminal, env: { NO_COLOR: '' } }, true],
    ['FORCE_COLOR', { stream: pipe, env: { FORCE_COLOR: '1' } }, true],
    ['FORCE_COLOR=0', { stream: terminal, env: { FORCE_COLOR: '0' } }, false],
    ['both', { stream: terminal, env: { NO_COLOR: '1', FORCE_COLOR: '1' } }, false],
    ['a dumb terminal', { stream: terminal, env: { TERM: 'dumb' } }, false],
    ['always', { choice: 'always', stream: pipe, env: { NO_COLOR: '1' } }, true],
    ['never', { choice: 'never', stream: terminal, env: { FORCE_COLOR: '1' } }, false],
  ] as const)('%s', (_name, options, isColored) => {
    const text = chooseStyle({ choice: 'auto', ...options })('red', 'x');
    expect(text).toBe(isColored ? '\u001B[31mx\u001B[39m' : 'x');
  });
});

test('every exit code has one sentence', () => {
  expect(Object.keys(EXIT_CODES).map(Number)).toEqual(Object.values(ExitCode));
  for (const sentence of Object.values(EXIT_CODES)) expect(sentence).toMatch(/^[A-Z].*\.$/);
});

describe('parseBytes', () => {
  test.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['64KiB', 65_536],
    ['1.5 MiB', 1_572_864],
    ['2gib', 2_147_483_648],
    ['7B', 7],
    ['64MB', null],
    ['64 k', null],
    ['-1', null],
    ['', null],
  ])('%j is %j', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });
});

describe('compactionSummary', () => {
  const result = {
    cleanOffset: 0,
    limitOffset: 10,
    limitedBy: 'active-segment',
    segmentCount: 2,
    bytesBefore: 4096,
    bytesAfter: 1024,
    keyCount: 3,
    keylessCount: 0,
    supersededCount: 7,
    tombstoneCount: 1,
    droppedTombstoneCount: 1,
    passCount: 1,
    neededFreeBytes: 2048,
    rewrittenSegmentCount: undefined,
    durationMs: undefined,
  } as const;
  const of = (more: Partial<ToldCompaction>): CompactedPartition => ({
    topic: 'orders',
    partition: 0,
    result: { ...result, ...more },
    error: null,
  });

  const PLANNED = { isDryRun: true, isStopped: false };
  const DONE = { isDryRun: false, isStopped: false };

  test('sums up partitions, with the room for the largest of them and the most passes', () => {
    const plans = [of({}), of({ passCount: 3, neededFreeBytes: 3072, keylessCount: 5 })];
    expect(compactionSummary(plans, PLANNED)).toBe(
      '5 records without a key: they all stay\n' +
        'would free 6 KiB in 3 passes, needs 3 KiB free; nothing was changed, --yes compacts\n',
    );
    const ended = of({ rewrittenSegmentCount: 1, durationMs: 20 });
    const done = [ended, ended];
    expect(compactionSummary(done, DONE)).toBe(
      'compacted 2 segments in 40 ms: 8 KiB -> 2 KiB, 14 records superseded, 2 tombstones dropped\n',
    );
  });

  test('leaves out what failed, and knows when nothing is to be done', () => {
    const failed = { ...of({}), result: null, error: { code: null, message: 'no' } };
    const nothing = of({ passCount: 0 });
    const unchanged = 'nothing to compact; nothing was changed\n';
    expect(compactionSummary([failed, nothing], PLANNED)).toBe(unchanged);
    expect(compactionSummary([nothing], DONE)).toBe(unchanged);
    // What failed, or was stopped, may have changed something.
    const others = 'nothing to compact in these\n';
    expect(compactionSummary([failed, nothing], DONE)).toBe(others);
    expect(compactionSummary([nothing], { ...DONE, isStopped: true })).toBe(others);
    expect(compactionTable([failed], true)).toBe('');
  });
});

describe('progressLine', () => {
  const progress = {
    phase: 'keys',
    pass: 1,
    bytesDone: 512,
    bytesTotal: 1024,
    freedBytes: 0,
  } as const;
  const place = { name: 'orders/0', isPlan: false, isTerminal: false };

  test('in a file: what, where, how far', () => {
    expect(progressLine(progress, place)).toBe('orders/0: reading keys 512 B of 1 KiB (50 %)');
    const second = { ...progress, phase: 'rewriting', pass: 2, freedBytes: 256 } as const;
    expect(progressLine(second, place)).toBe(
      'orders/0: pass 2, rewriting 512 B of 1 KiB (50 %), freed 256 B',
    );
    const plan = { name: null, isPlan: true, isTerminal: false };
    expect(progressLine(second, plan)).toBe('pass 2, comparing 512 B of 1 KiB (50 %)');
  });

  test('on a terminal: a bar, which is full when there was nothing to do', () => {
    const line = progressLine({ ...progress, bytesTotal: 0 }, { ...place, isTerminal: true });
    expect(line).toBe(`orders/0: reading keys [${'#'.repeat(24)}] 512 B of 0 B`);
  });
});
