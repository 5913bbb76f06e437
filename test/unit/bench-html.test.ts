import { describe, expect, test } from 'vitest';
import type { BenchReport } from '../../bench/core/report.ts';
import { digits, formatChange, formatFigure, formatRange } from '../../bench/report/figures.ts';
import { renderHtml } from '../../bench/report/html.ts';
import { element } from '../../bench/report/markup.ts';
import { cell, goal, report, steadyRuns } from '../support/bench/report-fixture.ts';

const LATENCY = {
  p50Us: 171,
  p90Us: 210,
  p99Us: 289,
  p999Us: 1200,
  p9999Us: 7800,
  maxUs: 7800,
};

function fullReport(): BenchReport {
  return report({
    isQuick: true,
    cells: [
      cell('append/os/W', steadyRuns(5.1e9)),
      cell('append/os/varve', steadyRuns(2.2e9), { parameters: { durability: 'os', calls: 16 } }),
      cell('append/os/peer', [], { reason: 'the peer <lmdb> & its "addon" are missing' }),
      cell('append/os/zero', [0, 0, 0, 0, 0]),
      cell('append/os/rate', steadyRuns(1.2e7), { unit: 'records/s', facts: { sqlite: '3.2.1' } }),
      cell('latency/sync/steady', steadyRuns(171), {
        unit: 'us',
        isHigherBetter: false,
        extra: LATENCY,
      }),
      cell('latency/sync/part', steadyRuns(90), { unit: 'us', extra: { p50Us: 90, p99Us: 0 } }),
      cell('latency/sync/nan', [Number.NaN], { extra: { p50Us: Number.NaN } }),
    ],
    goals: [
      goal('share of W', steadyRuns(0.43)),
      goal('far above', steadyRuns(40)),
      goal('missed', steadyRuns(0.1)),
      goal('bytes per record', steadyRuns(-0.01), { bound: 'max', goal: 0, met: true }),
      goal('noisy', steadyRuns(0.3), { met: null, reason: 'noisy' }),
      goal('not run', [], { met: null, reason: 'left out by --quick' }),
    ],
  });
}

/** Elements that are open at the end, or closed in the wrong order. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  const withoutStyle = html.replace(/<style>[^<]*<\/style>/, '').replace('<!DOCTYPE html>', '');
  for (const [, end, name = '', rest = ''] of withoutStyle.matchAll(/<(\/?)([\w-]+)([^<>]*)>/g)) {
    if (rest.endsWith('/')) continue;
    if (end === '') open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  const stray = withoutStyle.replaceAll(/<\/?[\w-]+(?:\s[\w-]+="[^"<>]*")*\s*\/?>/g, '');
  return [...wrong, ...open, ...(stray.match(/[<>]/g) ?? [])];
}

describe('the page', () => {
  const html = renderHtml(fullReport());

  test('is well-formed and whole', () => {
    expect(unbalanced(html)).toEqual([]);
    expect(unbalanced('<p><b></p>')).not.toEqual([]); // The check sees what it is for.
    expect(html).not.toMatch(/undefined|NaN|Infinity|\[object/);
    expect(html).toMatch(/^<!DOCTYPE html>\n<html lang="en">/);
  });

  test('needs nothing from elsewhere, and no script', () => {
    expect(html).not.toMatch(/<(?:script|link|img|iframe)|url\(|@import|https?:/);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).toContain('name="viewport"');
    expect(html).toContain('@media print');
  });

  test('has every cell and every goal, with figures as text', () => {
    for (const { id } of fullReport().cells) expect(html).toContain(`<code>${id}</code>`);
    for (const { name } of fullReport().goals) expect(html).toContain(name);
    expect(html).toContain('2.2 GB/s');
    expect(html).toContain('12 M records/s');
    expect(html).toContain('durability=os calls=16');
    expect(html).toContain('sqlite=3.2.1');
    expect(html).toContain('v20.20.2');
  });

  test('counts the goals and puts what needs attention first', () => {
    expect(html).toContain('<b>3</b>goals met');
    expect(html).toContain('<b>1</b>goals missed');
    expect(html).toContain('<b>2</b>goals unknown');
    expect(html.indexOf('>missed</th>')).toBeLessThan(html.indexOf('>noisy</th>'));
    expect(html.indexOf('>noisy</th>')).toBeLessThan(html.indexOf('>share of W</th>'));
    expect(html).toContain('left out by --quick');
  });

  test('draws every bar with a text for who does not see it', () => {
    const pictures = html.match(/<svg [^>]*>/g) ?? [];
    // 6 goals, 6 measured cells, one percentile chart.
    expect(pictures).toHaveLength(13);
    expect(pictures.every((picture) => picture.includes('role="img"'))).toBe(true);
    expect(html.match(/<svg [^>]*><title>/g)).toHaveLength(13);
    expect(html).toContain('share of W: 0.43, at least 0.25: met');
  });

  test('draws references apart from what is measured', () => {
    expect(html.match(/class="fill reference"/g)).toHaveLength(1);
  });

  test('puts the goal line in the middle and cuts bars at twice the goal', () => {
    expect(html).toMatch(/<rect class="fill missed" x="0" y="12%" width="20%"/);
    expect(html).toMatch(/<rect class="fill met" x="0" y="12%" width="100%"/);
    expect(html).toMatch(/<rect class="fill met" x="0" y="12%" width="0%"/);
  });

  test('draws percentiles on a logarithmic axis', () => {
    const chart = /<svg [^>]*class="percentiles"[^>]*>.*?<\/svg>/.exec(html)?.[0] ?? '';
    for (const label of ['10 µs', '100 µs', '1 ms', '10 ms', 'p50', 'p99.99', 'max']) {
      expect(chart).toContain(`>${label}</text>`);
    }
    expect(chart.match(/<circle class="l0"/g)).toHaveLength(6);
    expect(chart.match(/<circle class="l1"/g)).toHaveLength(1); // 0 has no logarithm.
    expect(html).toContain('289 µs');
    expect(html).toContain('7.8 ms');
  });

  test('escapes what came from elsewhere', () => {
    expect(html).toContain('the peer &lt;lmdb&gt; &amp; its &quot;addon&quot; are missing');
    const hostile = renderHtml(
      report({ host: { cpu: '<script>alert(1)</script>\u001b' }, startedAt: '"><b>' }),
    );
    expect(unbalanced(hostile)).toEqual([]);
    expect(hostile).not.toContain('<script');
  });

  test('is a page without any cell or goal, too', () => {
    const empty = renderHtml(report());
    expect(unbalanced(empty)).toEqual([]);
    expect(empty).toContain('This run had no goals.');
  });
});

describe('markup', () => {
  test('escapes attributes and text, and replaces what a page must not hold', () => {
    expect(element('a', { href: '"<&' }, 'a < b\u0000\uD800').text).toBe(
      '<a href="&quot;&lt;&amp;">a &lt; b\uFFFD\uFFFD</a>',
    );
  });
});

describe('figures', () => {
  test.each([
    [1.84e9, 'bytes/s', '1.84 GB/s'],
    [64_000_000, 'bytes', '64 MB'],
    [12_345_678, 'records/s', '12.3 M records/s'],
    [5123, '/s', '5.12k/s'],
    [171.234, 'us', '171 us'],
    [12_345, 'ms', '12,345 ms'],
    [0, 'bytes/s', '0 B/s'],
    [500, 'records/s', '500 records/s'],
    [-0.25, 'bytes', '-0.25 B'],
    [null, 'ms', '-'],
    [Number.NaN, 'ms', '-'],
  ])('%s %s reads %s', (value, unit, text) => {
    expect(formatFigure(value, unit)).toBe(text);
  });

  test.each([
    [845e6, 1.2e9, 'bytes/s', '845 MB/s .. 1.2 GB/s'],
    [1.1e9, 1.2e9, 'bytes/s', '1.1 .. 1.2 GB/s'],
    [941e3, 1.36e6, 'records/s', '941 k .. 1.36 M records/s'],
    [4.86, 52, 'ms', '4.86 .. 52 ms'],
    [null, null, 'ms', '-'],
  ])('%s to %s %s reads %s', (min, max, unit, text) => {
    expect(formatRange(min, max, unit)).toBe(text);
  });

  test('changes have a sign, digits no exponent', () => {
    expect([0.123, -0.034, 0, -0.0001, 1.5, null].map(formatChange)).toEqual([
      '+12 %',
      '-3.4 %',
      '0 %',
      '0 %',
      '+150 %',
      '',
    ]);
    expect([0.000123, 1234.5, 0, 12.345].map(digits)).toEqual(['0.000123', '1,235', '0', '12.3']);
  });
});
