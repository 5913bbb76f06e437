/** What the terminal shows: a table per contest, the goals, and what the figures depend on. */
import { formatPairs, formatTable } from '../../tools/table.ts';
import { formatBytes } from '../../tools/units.ts';
import type { Contest } from '../core/contest.ts';
import type { CellResult, GoalResult, HostFacts } from '../core/report.ts';
import type { ContestResult } from '../core/run-contest.ts';
import { formatFigure, formatRatio, formatScaled } from './figures.ts';

/** A row per side: median, range, and the ratio of the medians to the first side. */
export function formatContest(contest: Contest, { cells, goals }: ContestResult): string {
  const [first] = contest.sides;
  const [reference] = cells;
  const table = formatTable(
    [
      { title: '' },
      { title: 'median', align: 'right' },
      { title: 'min .. max', align: 'right' },
      { title: `of ${first?.id ?? ''}`, align: 'right' },
      { title: 'records/s', align: 'right' },
    ],
    cells.map((cell, at) => {
      const isComparable = contest.sides[at]?.metric === first?.metric;
      return [cell.title, ...figureCells(cell, isComparable ? (reference ?? null) : null)];
    }),
  );
  const lines = goals.map((goal) => `${goalLine(goal)}\n`).join('');
  return `${contest.id}: ${contest.title}\n${table}${lines}`;
}

function figureCells(cell: CellResult, reference: CellResult | null): string[] {
  const { median, min, max, unit, reason } = cell;
  if (median === null || min === null || max === null) return [firstLine(reason ?? 'not measured')];
  const records = cell.extra['records/s'];
  return [
    formatFigure(median, unit),
    `${formatFigure(min, unit)} .. ${formatFigure(max, unit)}`,
    reference === null || reference === cell || reference.median === null
      ? ''
      : formatRatio(median / reference.median),
    unit !== 'bytes/s' || records === undefined ? '' : formatScaled(records),
  ];
}

/** All goals, one line each, and how many of them are met. */
export function formatGoals(goals: readonly GoalResult[]): string {
  if (goals.length === 0) return '';
  const count = (wanted: boolean | null) => goals.filter(({ met }) => met === wanted).length;
  const lines = goals.map((goal) => `${goalLine(goal)}\n`).join('');
  return `goals: ${count(true)} met, ${count(false)} missed, ${count(null)} unknown\n${lines}`;
}

/** `missed   0.212 (0.2 .. 0.23), at least 0.25   appendBatch(1000) at os, 100 B: share of W` */
function goalLine({ name, value, goal, bound, met, reason, runs }: GoalResult): string {
  const verdict = met === null ? 'unknown' : met ? 'met' : 'missed';
  const figures =
    value === null
      ? '-'
      : `${formatRatio(value)} (${formatRatio(Math.min(...runs))} .. ${formatRatio(Math.max(...runs))})`;
  const wanted = `${bound === 'min' ? 'at least' : 'at most'} ${formatRatio(goal)}`;
  const why = reason === undefined ? '' : `: ${firstLine(reason)}`;
  return `  ${verdict.padEnd(8)} ${figures.padEnd(24)} ${wanted.padEnd(14)} ${name}${why}`;
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
