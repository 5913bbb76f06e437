/** One contest on the page: bars, a percentile chart where there are percentiles, all raw figures. */
import type { CellResult, GoalResult } from '../core/report.ts';
import {
  barChart,
  formatLatency,
  lineLetter,
  percentileChart,
  type LatencyLine,
} from './charts.ts';
import { digits, formatFigure } from './figures.ts';
import { element, type Child, type Markup } from './markup.ts';

/** `Sample.extra` of latency jobs, in the order of the axis. */
const PERCENTILES = [
  ['p50', 'p50Us'],
  ['p90', 'p90Us'],
  ['p99', 'p99Us'],
  ['p99.9', 'p999Us'],
  ['p99.99', 'p9999Us'],
  ['max', 'maxUs'],
] as const;
/** A cell with at least these has a line. */
const LATENCY_MIN = ['p50Us', 'p99Us'];

/** @param cells  of one contest, at least one */
export function contestPanel(cells: readonly CellResult[], goals: readonly GoalResult[]): Markup {
  const units = [...new Set(cells.map(({ unit }) => unit))];
  const latency = cells.filter(({ extra }) => LATENCY_MIN.every((name) => isKnown(extra[name])));
  return element(
    'div',
    { class: 'panel' },
    element('h3', {}, cells[0]?.contestTitle ?? ''),
    units.map((unit) =>
      barTable(
        cells.filter((cell) => cell.unit === unit),
        goals,
      ),
    ),
    latency.length === 0 ? [] : latencyFigure(latency),
    rawFigures(cells),
  );
}

function barTable(cells: readonly CellResult[], goals: readonly GoalResult[]): Markup {
  const { unit = '', isHigherBetter = true } = cells[0] ?? {};
  const full = Math.max(0, ...cells.map(({ max }) => max ?? 0));
  return element(
    'table',
    { class: 'rows' },
    element('caption', {}, `${unit}, ${isHigherBetter ? 'more' : 'less'} is better`),
    head(['side', 'median, with the range of the runs', 'median', 'range'], 2),
    element(
      'tbody',
      {},
      cells.map((cell) => barRow(cell, full, isReference(cell, goals) ? 'reference' : 'own')),
    ),
  );
}

/** The machine itself, a C program, a peer: what goals are measured by and none is about. */
function isReference({ id }: CellResult, goals: readonly GoalResult[]): boolean {
  return (
    goals.some(({ references }) => references.includes(id)) &&
    !goals.some(({ subject }) => subject === id)
  );
}

function barRow(cell: CellResult, full: number, className: string): Markup {
  const { title, unit, median, min, max } = cell;
  const name = element('th', { class: 'name', scope: 'row' }, title);
  if (!isKnown(median) || !isKnown(min) || !isKnown(max)) {
    const reason = `not measured: ${cell.reason ?? 'no reason given'}`;
    return element('tr', {}, name, element('td', { class: 'wrap unknown', colspan: 3 }, reason));
  }
  const range = `${formatFigure(min, unit)} to ${formatFigure(max, unit)}`;
  const label = `${title}: ${formatFigure(median, unit)}, ${range}`;
  return element(
    'tr',
    {},
    name,
    element(
      'td',
      { class: 'chart' },
      barChart({ label, value: median, min, max, full, className }),
    ),
    element('td', { class: 'number' }, formatFigure(median, unit)),
    element('td', { class: 'number soft' }, range),
  );
}

function latencyFigure(cells: readonly CellResult[]): Child {
  const lines = cells.map(({ title, extra }, index): LatencyLine => {
    const valuesUs = PERCENTILES.map(([, name]) => finite(extra[name]));
    return { name: title, index, valuesUs };
  });
  const names = PERCENTILES.map(([name]) => name);
  const label = `Latency by percentile, logarithmic axis: ${lines.map(({ name }) => name).join('; ')}`;
  return [
    element(
      'p',
      { class: 'soft' },
      'Latency by percentile; each step upwards is ten times as long.',
    ),
    percentileChart(label, names, lines),
    element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        {},
        head(['side', ...names], 1),
        element('tbody', {}, lines.map(latencyRow)),
      ),
    ),
  ];
}

function latencyRow({ name, index, valuesUs }: LatencyLine): Markup {
  const key = element('span', { class: `key l${index % 6}` }, lineLetter(index));
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, key, name),
    valuesUs.map((valueUs) =>
      element('td', { class: 'number' }, valueUs === null ? '-' : formatLatency(valueUs)),
    ),
  );
}

function rawFigures(cells: readonly CellResult[]): Markup {
  return element(
    'details',
    {},
    element('summary', {}, 'Every run, parameters and further figures'),
    element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        {},
        head(['cell', 'runs', 'parameters', 'further medians']),
        element('tbody', {}, cells.map(rawRow)),
      ),
    ),
  );
}

function rawRow({ id, unit, runs, parameters, facts, extra }: CellResult): Markup {
  const code = (text: string) => element('td', { class: 'wrap' }, element('code', {}, text));
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, element('code', {}, id)),
    code(runs.map((run) => formatFigure(run, unit)).join(', ')),
    code(pairsOf({ ...parameters, ...facts }, String)),
    code(pairsOf(extra, (value) => (isKnown(value) ? digits(value) : '-'))),
  );
}

function pairsOf<V>(values: Readonly<Record<string, V>>, format: (value: V) => string): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${format(value)}`)
    .join(' ');
}

/** @param numbersFrom  the first column of numbers, which stand to the right */
function head(titles: readonly string[], numbersFrom = Infinity): Markup {
  return element(
    'thead',
    {},
    element(
      'tr',
      {},
      titles.map((title, at) =>
        element('th', { scope: 'col', ...(at >= numbersFrom ? NUMBER : {}) }, title),
      ),
    ),
  );
}

const NUMBER = { class: 'number' };

function isKnown(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function finite(value: number | undefined): number | null {
  return isKnown(value) ? value : null;
}
