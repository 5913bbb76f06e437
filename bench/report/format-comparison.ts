/** A comparison of two reports as text for a terminal. */
import { escapeText } from '../../tools/escape-text.ts';
import { chooseStyle, type Style } from '../../tools/style.ts';
import { formatTable } from '../../tools/table.ts';
import { EFFECT_MIN, P_MAX, type CellRow, type Comparison, type GoalRow } from './compare.ts';
import { digits, formatChange, formatFigure } from './figures.ts';

const PLAIN = chooseStyle({ choice: 'never', stream: {}, env: {} });

const LEGEND = `faster, slower (goals: better, worse): the medians differ by ${EFFECT_MIN * 100} % or more, and the runs by
  more than chance (exact two-sided Mann-Whitney test, p <= ${P_MAX}; with 5 and 5 runs: no overlap).
same: the 90 % interval of the difference (Hodges-Lehmann) lies within ${EFFECT_MIN * 100} %.
unclear: the runs spread too far to tell a difference of ${EFFECT_MIN * 100} %.
Goals are ratios of what ran in turn, so they stand a change of machine or a noisy hour better than
the cells do: trust them first.
`;

/** Two tables, the warnings before them, the legend behind them. */
export function formatComparison(comparison: Comparison, style: Style = PLAIN): string {
  const { startedAt, warnings, cells, goals } = comparison;
  return [
    `a: ${escapeText(startedAt.a)}\nb: ${escapeText(startedAt.b)}\n`,
    warnings.map((warning) => `${style('yellow', 'warning:')} ${escapeText(warning)}\n`).join(''),
    section('Goals', goalTable(goals), style),
    section('Cells (median, min..max)', cellTable(cells), style),
    summary(comparison),
    LEGEND,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function section(title: string, table: string, style: Style): string {
  return `${style('bold', title)}\n${paintVerdicts(table, style)}`;
}

function goalTable(goals: readonly GoalRow[]): string {
  return formatTable(
    [
      { title: 'goal' },
      { title: 'line', align: 'right' },
      { title: 'a', align: 'right' },
      { title: 'b', align: 'right' },
      { title: 'a met' },
      { title: 'b met' },
      { title: 'change', align: 'right' },
      { title: 'verdict' },
    ],
    goals.map(({ name, a, b, change, verdict }) => [
      name,
      lineOf(b ?? a),
      valueOf(a),
      valueOf(b),
      metOf(a),
      metOf(b),
      formatChange(change),
      verdict,
    ]),
  );
}

function cellTable(cells: readonly CellRow[]): string {
  return formatTable(
    [
      { title: 'cell' },
      { title: 'a', align: 'right' },
      { title: 'a range', align: 'right' },
      { title: 'b', align: 'right' },
      { title: 'b range', align: 'right' },
      { title: 'change', align: 'right' },
      { title: 'verdict' },
    ],
    cells.map(({ id, unit, a, b, change, verdict }) => [
      id,
      formatFigure(a?.median, shortOf(unit)),
      rangeOf(a),
      formatFigure(b?.median, shortOf(unit)),
      rangeOf(b),
      formatChange(change),
      verdict,
    ]),
  );
}

/** What is counted stands in the cell's name: two of these fit a line. */
function shortOf(unit: string): string {
  return unit.startsWith('bytes') ? unit : unit.replace(/^\w+\/s/, '/s');
}

function lineOf(goal: GoalRow['a']): string {
  return goal === null ? '' : `${goal.bound === 'min' ? '>=' : '<='} ${digits(goal.goal)}`;
}

function valueOf(goal: GoalRow['a']): string {
  return typeof goal?.value === 'number' ? digits(goal.value) : '-';
}

function metOf(goal: GoalRow['a']): string {
  if (goal === null) return '';
  if (goal.met === null) return goal.reason === 'noisy' ? 'noisy' : 'unknown';
  return goal.met ? 'met' : 'missed';
}

/** As shares of the median: `-4 %..+9 %`. */
function rangeOf(cell: CellRow['a']): string {
  if (typeof cell?.median !== 'number' || cell.median === 0) return '';
  if (cell.min === null || cell.max === null) return '';
  const low = formatChange(cell.min / cell.median - 1);
  return `${low}..${formatChange(cell.max / cell.median - 1)}`;
}

function summary({ cells, goals }: Comparison): string {
  return `goals: ${countsOf(goals)}\ncells: ${countsOf(cells)}\n`;
}

function countsOf(rows: readonly { readonly verdict: string }[]): string {
  const counts = new Map<string, number>();
  for (const { verdict } of rows) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', ') || 'none';
}

/** The verdict stands last in its line; colour is added when the columns are aligned. */
function paintVerdicts(table: string, style: Style): string {
  return table
    .replaceAll(/(?:faster|better)$/gm, (word) => style('green', word))
    .replaceAll(/(?:slower|worse)$/gm, (word) => style('red', word));
}
