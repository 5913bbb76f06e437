/** The head of the page: every goal, its value, and how far from its line it stands. */
import type { BenchReport, GoalResult } from '../core/report.ts';
import { goalChart } from './charts.ts';
import { digits } from './figures.ts';
import { element, type Markup } from './markup.ts';

type State = 'met' | 'missed' | 'unknown';

/** What needs attention comes first. */
const ORDER: readonly State[] = ['missed', 'unknown', 'met'];

const COLUMNS = [
  ['goal', 'name'],
  ['share of the goal', 'chart'],
  ['value', 'number'],
  ['line', 'number'],
  ['state', 'state'],
] as const;

export function goalTable({ goals }: BenchReport): Markup {
  const sorted = ORDER.flatMap((state) => goals.filter((goal) => stateOf(goal) === state));
  if (sorted.length === 0) return element('p', {}, 'This run had no goals.');
  return element(
    'div',
    { class: 'panel' },
    element(
      'table',
      { class: 'rows' },
      element(
        'caption',
        {},
        'The upright line is the goal. A bar must reach it where the line says "at least", and must not pass it where it says "at most"; bars end at twice the goal.',
      ),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          COLUMNS.map(([title, name]) => element('th', { scope: 'col', class: name }, title)),
        ),
      ),
      element('tbody', {}, sorted.map(goalRow)),
    ),
  );
}

function goalRow(goal: GoalResult): Markup {
  const state = stateOf(goal);
  const { name, value } = goal;
  const known = typeof value === 'number' && Number.isFinite(value) ? value : null;
  const line = `${goal.bound === 'min' ? 'at least' : 'at most'} ${digits(goal.goal)}`;
  const shown = known === null ? 'no value' : digits(known);
  const label = `${name}: ${shown}, ${line}: ${state}`;
  const reached = known === null ? null : shareOf(known, goal.goal);
  return element(
    'tr',
    {},
    element('th', { class: 'name', scope: 'row' }, name),
    element('td', { class: 'chart' }, goalChart({ label, reached, className: state })),
    element('td', { class: 'number' }, known === null ? '-' : digits(known)),
    element('td', { class: 'number soft' }, line),
    element('td', { class: `state ${state}` }, state, reasonOf(goal)),
  );
}

function shareOf(value: number, goal: number): number {
  if (goal !== 0) return value / goal;
  return value > 0 ? Infinity : 0;
}

function reasonOf({ reason }: GoalResult): Markup[] {
  return reason === undefined ? [] : [element('div', { class: 'reason soft' }, reason)];
}

function stateOf({ met }: GoalResult): State {
  return met === null ? 'unknown' : met ? 'met' : 'missed';
}
