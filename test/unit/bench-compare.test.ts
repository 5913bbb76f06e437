import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compareReports, type Comparison } from '../../bench/report/compare.ts';
import { formatComparison } from '../../bench/report/format-comparison.ts';
import { rankTest, shiftInterval } from '../../bench/report/rank-test.ts';
import { parseReport, readReport, ReportError } from '../../bench/report/read-report.ts';
import { cell, goal, report, steadyRuns } from '../support/bench/report-fixture.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const NOISY = [100, 60, 140, 80, 120];

describe('the rank test', () => {
  test('counts the orders of 5 against 5 exactly', () => {
    expect(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(2 / 252, 12);
    expect(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(2 / 252, 12);
    expect(rankTest([1, 2, 3, 4, 6], [5, 7, 8, 9, 10])).toBeCloseTo(4 / 252, 12);
    expect(rankTest([1, 3, 5, 7, 9], [2, 4, 6, 8, 10])).toBeGreaterThan(0.5);
  });

  test('takes ties for no difference, and few runs for no proof', () => {
    expect(rankTest([1, 1, 1], [1, 1, 1])).toBe(1);
    expect(rankTest([1], [2])).toBe(1);
    expect(rankTest([1, 2], [3, 4])).toBeCloseTo(2 / 6, 12);
    expect(rankTest([], [1])).toBe(1);
  });

  test('drops the 4 smallest and the 4 largest of 25 differences at 90 %', () => {
    const a = [0, 0, 0, 0, 0];
    expect(shiftInterval(a, [1, 2, 3, 4, 5], 0.9)).toEqual({ low: 1, high: 5 });
    expect(shiftInterval([0, 10, 20, 30, 40], [0, 1, 2, 3, 4], 0.9)).toEqual({
      low: -36,
      high: 0,
    });
  });

  test('knows nothing of a single pair', () => {
    expect(shiftInterval([1], [2], 0.9)).toEqual({ low: -Infinity, high: Infinity });
  });
});

describe('a cell', () => {
  test.each([
    ['faster', steadyRuns(100), steadyRuns(120), true],
    ['slower', steadyRuns(100), steadyRuns(80), true],
    ['slower', steadyRuns(100), steadyRuns(120), false],
    ['faster', steadyRuns(100), steadyRuns(80), false],
    ['same', steadyRuns(100), steadyRuns(101), true],
    ['same', [100, 100, 100, 100, 100], [102, 102, 102, 102, 102], true],
    ['unclear', NOISY, steadyRuns(101), true],
    ['unclear', NOISY, steadyRuns(120), true],
    // Every run is higher, but a difference of 4 % to 6 % is neither shown nor excluded.
    ['unclear', [100, 101, 99, 100, 100.5], [104, 106, 103, 104.5, 106.5], true],
    ['same', [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], true],
    ['faster', [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], true],
  ] as const)(
    'is %s from %j to %j, higher is better: %s',
    (verdict, before, after, isHigherBetter) => {
      const more = { isHigherBetter };
      const comparison = compareReports(
        report({ cells: [cell('append/os/varve', before, more)] }),
        report({ cells: [cell('append/os/varve', after, more)] }),
      );
      expect(comparison.cells.map((row) => row.verdict)).toEqual([verdict]);
    },
  );

  test('that only one report has, or could not run, is named', () => {
    const nan = [Number.NaN, 1, 1, 1, 1];
    const { cells } = compareReports(
      report({ cells: [cell('a/x/gone', [1]), cell('a/x/broken', []), cell('a/x/nan', nan)] }),
      report({ cells: [cell('a/x/new', [1]), cell('a/x/broken', [1]), cell('a/x/nan', nan)] }),
    );
    expect(cells.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['a/x/gone', 'only in a'],
      ['a/x/broken', 'not measured'],
      ['a/x/nan', 'not measured'],
      ['a/x/new', 'only in b'],
    ]);
  });
});

describe('a goal', () => {
  test.each([
    ['better', steadyRuns(0.3), steadyRuns(0.4), { bound: 'min' }],
    ['worse', steadyRuns(0.3), steadyRuns(0.4), { bound: 'max' }],
    ['same', steadyRuns(0.3), steadyRuns(0.3), {}],
    ['unclear', NOISY, NOISY.toReversed(), {}],
    // Twice as much of nearly nothing, where 0.5 is allowed.
    ['same', steadyRuns(0.001), steadyRuns(0.002), { bound: 'max', goal: 0.5 }],
    ['same', steadyRuns(-0.001), steadyRuns(0.002), { bound: 'max', goal: 0.5 }],
    ['not measured', [], steadyRuns(1), { met: null, reason: 'not in a quick run' }],
  ] as const)('is %s from %j to %j with %j', (verdict, before, after, more) => {
    const { goals } = compareReports(
      report({ goals: [goal('a goal', before, more)] }),
      report({ goals: [goal('a goal', after, more)] }),
    );
    expect(goals.map((row) => row.verdict)).toEqual([verdict]);
  });

  test('is told from one of the same name in another contest', () => {
    const other = { subject: 'append/sync/varve' };
    const { goals } = compareReports(
      report({ goals: [goal('share', steadyRuns(1)), goal('share', steadyRuns(2), other)] }),
      report({ goals: [goal('share', steadyRuns(2), other)] }),
    );
    expect(goals.map(({ verdict }) => verdict)).toEqual(['only in a', 'same']);
  });
});

describe('warnings', () => {
  test('name the facts that differ, not those that always do', () => {
    const a = report();
    const host = { ...a.host, node: 'v22.1.0', kernel: null, freeBytes: 1, loadAverage: 3 };
    expect(compareReports(a, report({ host, isQuick: true })).warnings).toEqual([
      'the hosts differ: node: v20.20.2 in a, v22.1.0 in b',
      'the hosts differ: kernel: 6.1 in a, unknown in b',
      'b was a --quick run: some rows are in one report only',
    ]);
    expect(compareReports(a, a).warnings).toEqual([]);
  });

  test('tell when the machine itself moved', () => {
    const of = (machine: number) =>
      report({
        cells: [cell('append/os/W', steadyRuns(machine)), cell('append/os/varve', steadyRuns(5))],
        goals: [goal('share of W', steadyRuns(5 / machine))],
      });
    expect(compareReports(of(100), of(50)).warnings).toEqual([
      'the reference append/os/W itself became slower: judge by the goals, not by the cells beside it',
    ]);
  });
});

describe('the text', () => {
  const comparison: Comparison = compareReports(
    report({
      cells: [cell('append/os/varve', steadyRuns(1e9)), cell('append/os/old', steadyRuns(5))],
      goals: [
        goal('share of W', steadyRuns(0.3)),
        goal('noisy', NOISY, { met: null, reason: 'noisy' }),
      ],
    }),
    report({
      cells: [cell('append/os/varve', steadyRuns(1.2e9))],
      goals: [goal('share of W', steadyRuns(0.2)), goal('noisy', NOISY)],
    }),
  );

  test('has both tables, the counts and the rule', () => {
    const text = formatComparison(comparison);
    expect(text).toMatch(
      /append\/os\/varve +1 GB\/s +-1 %\.\.\+1 % +1\.2 GB\/s .*\+20 % +faster\n/,
    );
    expect(text).toMatch(/append\/os\/old .* only in a\n/);
    expect(text).toMatch(/share of W +>= 0\.25 +0\.3 +0\.2 +met +missed +-33 % +worse\n/);
    expect(text).toMatch(/noisy .*noisy +met +0 % +unclear\n/);
    expect(text).toContain('cells: 1 faster, 1 only in a\n');
    expect(text).toContain('Mann-Whitney');
  });

  test('is coloured only where asked for, and escapes what came from files', () => {
    const styled = formatComparison(comparison, (format, text) => `<${String(format)}>${text}</>`);
    expect(styled).toContain('<green>faster</>\n');
    expect(styled).toContain('<red>worse</>\n');
    const host = { cpu: '\u001b[2J' };
    const warned = compareReports(report(), report({ host, startedAt: '\u001b[2J' }));
    // oxlint-disable-next-line eslint/no-control-regex -- it must not be there
    expect(formatComparison(warned)).not.toMatch(/\u001b/);
  });
});

describe('reading a report', () => {
  test('gives back what was written', async () => {
    const path = join(await temporaryDirectory(), 'report.json');
    const written = report({ cells: [cell('a/b/c', [1, 2, 3])] });
    writeFileSync(path, JSON.stringify(written));
    expect(readReport(path)).toEqual(written);
  });

  test.each([
    ['{"format":', 'not JSON, or cut off'],
    ['[]', 'not an object'],
    ['{}', 'expected the format "varve-bench-1", found none'],
    ['{"format":"k6"}', 'found "k6"'],
    ['{"format":"varve-bench-1","cells":[],"goals":[]}', 'no host facts'],
    ['{"format":"varve-bench-1","host":{},"cells":[{}],"goals":[]}', 'cells without'],
    ['{"format":"varve-bench-1","host":{},"cells":[],"goals":[{"name":"x"}]}', 'goals without'],
  ])('refuses %s', (text, reason) => {
    const act = () => parseReport(text, 'old.json');
    expect(act).toThrow(ReportError);
    expect(act).toThrow(reason);
    expect(act).toThrow('old.json');
  });

  test('says which file is missing', () => {
    expect(() => readReport('no/such.json')).toThrow(/no\/such\.json: .*ENOENT/);
  });
});
