/**
 * A report as one page that needs nothing else: no script, no font, no picture from elsewhere.
 *
 * Every bar stands in a row of a table that has its figures too, so the page reads the same without
 * pictures, on paper and aloud.
 */
import type { BenchReport, CellResult, HostFacts } from '../core/report.ts';
import { contestPanel } from './contest-panel.ts';
import { goalTable } from './goal-table.ts';
import { element, styleSheet, type Child, type Markup } from './markup.ts';
import { PAGE_STYLE } from './page-style.ts';

const METHOD = [
  'Each row ran in a worker process of its own: one warm-up round, then at least five rounds in which all rows of a contest ran in turn, in reverse order every other round. Bars are medians; the whisker goes from the slowest to the fastest run.',
  'A goal is the median, over the rounds, of one row divided by another of the same round. What slowed down the machine slowed down both, so goals stand a noisy hour better than bars do. A goal whose reference varied more than twofold between its runs is unknown, not missed.',
  'Bytes are bytes as stored. Grey bars are references: what the machine, a C program or another engine does with as many bytes. Absolute figures hold for this machine and this hour only.',
];

/** The page, whole: write it to a file and open it in a browser. */
export function renderHtml(report: BenchReport): string {
  const suites = bySuite(report.cells);
  const page = element(
    'html',
    { lang: 'en' },
    element(
      'head',
      {},
      element('meta', { charset: 'utf-8' }),
      element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      element('title', {}, `Varve bench, ${report.startedAt}`),
      styleSheet(PAGE_STYLE),
    ),
    element(
      'body',
      {},
      header(report, [...suites.keys()]),
      element('main', {}, [
        section('goals', 'Goals', goalTable(report)),
        ...[...suites].map(([suite, cells]) => suiteSection(report, suite, cells)),
        section('host', 'Host', factTable(report.host)),
        section(
          'method',
          'Method',
          METHOD.map((paragraph) => element('p', {}, paragraph)),
        ),
      ]),
    ),
  );
  return `<!DOCTYPE html>\n${page.text}\n`;
}

function header(report: BenchReport, suites: readonly string[]): Markup {
  const { startedAt, durationMs, isQuick } = report;
  const minutes = Math.max(1, Math.round(durationMs / 60_000));
  const quick = isQuick ? ' A quick run: some contests were left out.' : '';
  const links = [['goals', 'Goals'], ...suites.map((suite) => [suiteId(suite), suite])];
  return element(
    'header',
    {},
    element('h1', {}, 'Varve bench'),
    element('p', { class: 'soft' }, `Begun ${startedAt}, ${minutes} min.${quick}`),
    element(
      'ul',
      { class: 'summary' },
      (['met', 'missed', 'unknown'] as const).map((state) => countItem(report, state)),
    ),
    element(
      'nav',
      { 'aria-label': 'Sections' },
      [...links, ['host', 'Host'], ['method', 'Method']].map(([id = '', title = '']) =>
        element('a', { href: `#${id}` }, title),
      ),
    ),
  );
}

function countItem({ goals }: BenchReport, state: 'met' | 'missed' | 'unknown'): Markup {
  const wanted = { met: true, missed: false, unknown: null }[state];
  const count = goals.filter(({ met }) => met === wanted).length;
  return element('li', { class: state }, element('b', {}, String(count)), `goals ${state}`);
}

function suiteSection(report: BenchReport, suite: string, cells: readonly CellResult[]): Markup {
  const contests = groupBy(cells, ({ contest }) => contest);
  return section(
    suiteId(suite),
    suite,
    [...contests.values()].map((own) => contestPanel(own, report.goals)),
  );
}

function section(id: string, title: string, content: Child): Markup {
  return element('section', { id }, element('h2', {}, title), content);
}

function factTable(host: HostFacts): Markup {
  const rows = Object.entries(host).map(([name, value]) =>
    element(
      'tr',
      {},
      element('th', { class: 'name', scope: 'row' }, name),
      element('td', { class: 'wrap' }, String(value ?? 'unknown')),
    ),
  );
  return element('div', { class: 'panel' }, element('table', {}, element('tbody', {}, rows)));
}

/** An anchor of letters, digits and hyphens that no other section has. */
function suiteId(suite: string): string {
  return `suite-${suite.replaceAll(/[^\w-]/g, '-')}`;
}

function bySuite(cells: readonly CellResult[]): Map<string, CellResult[]> {
  return groupBy(cells, ({ suite }) => suite);
}

function groupBy<R>(rows: readonly R[], keyOf: (row: R) => string): Map<string, R[]> {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}
