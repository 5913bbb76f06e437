/** What the terminal shows: a table per contest, the goals, and what the figures depend on. */
import { formatPairs, formatTable, type Column } from '../../tools/table.ts';
import { formatBytes } from '../../tools/units.ts';
import type { Contest } from '../core/contest.ts';
import type { CellResult, GoalResult, HostFacts } from '../core/report.ts';
import type { ContestResult } from '../core/run-contest.ts';
import { digits, formatFigure, formatRange } from './figures.ts';

/** A row per side: median, range, and the ratio of the medians to the first side. */
export function formatContest(contest: Contest, { cells, goals }: ContestResult): string {
  const rows = cells.map((cell, at) => rowOf(cell, referenceFor(contest, cells, at)));
  const columns: readonly (Column & { readonly cell: (row: Row) => string })[] = [
    { title: '', cell: ({ title }) => title },
    { title: 'median', align: 'right', cell: ({ median }) => median },
    { title: 'min .. max', align: 'right', cell: ({ range }) => range },
    { title: `of ${contest.sides[0]?.id}`, align: 'right', cell: ({ ratio }) => ratio },
    { title: 'records/s', align: 'right', cell: ({ records }) => records },
  ];
  const shown = columns.filter(({ cell }) => rows.some((row) => cell(row) !== ''));
  const table = formatTable(
    shown,
    rows.map((row) => shown.map(({ cell }) => cell(row))),
  );
  return `${contest.id}: ${contest.title}\n${table}${goalLines(goals)}`;
}

interface Row {
  readonly title: string;
  readonly median: string;
  readonly range: string;
  readonly ratio: string;
  readonly records: string;
}

/** The first side, where the side at `at` is compared by the same metric. */
function referenceFor(
  { sides }: Contest,
  cells: readonly CellResult[],
  at: number,
): CellResult | null {
  const isComparable = at > 0 && sides[at]?.metric === sides[0]?.metric;
  return isComparable ? (cells[0] ?? null) : null;
}

function rowOf(cell: CellResult, reference: CellResult | null): Row {
  const { title, median, min, max, unit, reason, extra } = cell;
  if (median === null) {
    const why = firstLine(reason ?? 'not measured');
    return { title, median: '-', range: why, ratio: '', records: '' };
  }
  const records = unit === 'bytes/s' ? extra['records/s'] : undefined;
  return {
    title,
    median: formatFigure(median, unit),
    range: formatRange(min, max, unit),
    ratio: reference === null || reference.median === null ? '' : digits(median / reference.median),
    records: records === undefined ? '' : formatFigure(records, '/s'),
  };
}

/** All goals, one line each, and how many of them are met. */
export function formatGoals(goals: readonly GoalResult[]): string {
  if (goals.length === 0) return '';
  const count = (wanted: boolean | null) => goals.filter(({ met }) => met === wanted).length;
  return `goals: ${count(true)} met, ${count(false)} missed, ${count(null)} unknown\n${goalLines(goals)}`;
}

/** `  missed   0.212 (0.2 .. 0.23)   >= 0.25  appendBatch(1000) at os, 100 B: share of W` */
function goalLines(goals: readonly GoalResult[]): string {
  return goals
    .map((goal) => {
      const { name, bound, reason } = goal;
      const wanted = `${bound === 'min' ? '>=' : '<='} ${digits(goal.goal)}`;
      const head = `${verdictOf(goal).padEnd(8)} ${reachedBy(goal).padEnd(26)} ${wanted.padEnd(8)}`;
      const why = reason === undefined ? '' : `${' '.repeat(11)}${firstLine(reason)}\n`;
      return `  ${head} ${name}\n${why}`;
    })
    .join('');
}

function verdictOf({ met }: GoalResult): string {
  return met === null ? 'unknown' : met ? 'met' : 'missed';
}

function reachedBy({ value, runs }: GoalResult): string {
  if (value === null) return '-';
  return `${digits(value)} (${digits(Math.min(...runs))} .. ${digits(Math.max(...runs))})`;
}

export function formatHost(facts: HostFacts): string {
  return formatPairs(
    Object.entries(facts).map(([name, value]) => [name, formatFact(name, value)] as const),
  );
}

function formatFact(name: string, value: HostFacts[string]): string {
  if (value === null || value === undefined) return '?';
  return typeof value === 'number' && name.endsWith('Bytes') ? formatBytes(value) : String(value);
}

/** What would run, and what `--quick` leaves out. */
export function formatList(contests: readonly Contest[]): string {
  return formatTable(
    [{ title: 'contest' }, { title: 'sides', align: 'right' }, { title: 'quick' }, { title: '' }],
    contests.map(({ id, sides, notQuick, title }) => [
      id,
      String(sides.length),
      notQuick === undefined ? 'yes' : 'no',
      title,
    ]),
  );
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
