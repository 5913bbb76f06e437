/**
 * Compares two reports row by row: what became faster, what slower, and what cannot be told.
 *
 * The rule, for cells and goals alike:
 *
 * - `faster`, `slower`: the medians differ by at least 5 %, and the runs differ by more than chance:
 *   exact two-sided Mann-Whitney test, p <= 0.01. With 5 and 5 runs that is p = 2/252 = 0.008:
 *   every run of one lies above every run of the other, their ranges do not overlap.
 * - `same`: whatever the difference is, it is below 5 %: the 90 % interval of the shift between the
 *   runs (Hodges and Lehmann) lies within -5 % .. +5 %.
 * - `unclear`: neither was shown. The runs spread too far for a 5 % difference; more of them, or a
 *   quieter machine, would tell.
 *
 * 5 % because it is what a careful run on a shared machine repeats to. p <= 0.01, not 0.05: a report
 * has some hundred rows, and 5 % of them would be wrong news. "Same" needs evidence of its own (two
 * one-sided tests at 5 %: Schuirmann 1987): that no difference was seen is none.
 *
 * What the rule cannot know: all runs of one report share the machine's hour. A cell that became
 * slower may be the disk that did. So goals, ratios of what ran in turn, are the rows to trust, and
 * rows of the machine itself (references that no goal is about) that moved are reported as a warning.
 * The scale of a goal is at least its goal line: a value of 0.001 where 0.5 is allowed may double.
 */
import type { BenchReport, CellResult, GoalResult } from '../core/report.ts';
import { median } from '../core/statistics.ts';
import { rankTest, shiftInterval } from './rank-test.ts';

/** Smallest difference of the medians that counts. */
export const EFFECT_MIN = 0.05;
/** Largest p at which runs differ by more than chance. */
export const P_MAX = 0.01;
/** Confidence of the interval that must lie within the smallest effect: two tests at 5 %. */
const SAME_CONFIDENCE = 0.9;

export type Verdict = 'faster' | 'slower' | 'same' | 'unclear';
/** Goals may be about bytes or objects: nothing there is faster. */
export type GoalVerdict = 'better' | 'worse' | 'same' | 'unclear';
/** Why there is no verdict. */
export type Absence = 'only in a' | 'only in b' | 'not measured';

export interface CellRow {
  readonly id: string;
  readonly unit: string;
  readonly a: CellResult | null;
  readonly b: CellResult | null;
  /** (b - a) / a, of the medians; null when one is missing. */
  readonly change: number | null;
  readonly verdict: Verdict | Absence;
}

export interface GoalRow {
  readonly name: string;
  readonly a: GoalResult | null;
  readonly b: GoalResult | null;
  readonly change: number | null;
  readonly verdict: GoalVerdict | Absence;
}

export interface Comparison {
  /** When the reports were begun. */
  readonly startedAt: { readonly a: string; readonly b: string };
  readonly warnings: readonly string[];
  readonly cells: readonly CellRow[];
  readonly goals: readonly GoalRow[];
}

/** Facts that change from hour to hour, or name the code that is compared. */
const VOLATILE_FACT = /free|load|uptime|time|date|pid|commit|revision|available|temperature/i;

/** Compares `b` with `a`: `faster` means that b is. */
export function compareReports(a: BenchReport, b: BenchReport): Comparison {
  const cells = pairs(a.cells, b.cells, ({ id }) => id).map(compareCells);
  const goals = pairs(a.goals, b.goals, goalKey).map(compareGoals);
  return {
    startedAt: { a: a.startedAt, b: b.startedAt },
    warnings: [...hostWarnings(a, b), ...machineWarnings(b, cells)],
    cells,
    goals,
  };
}

/** A name alone may stand in several contests. */
function goalKey({ name, subject }: GoalResult): string {
  return JSON.stringify([name, subject]);
}

/** Rows of both sides by key, in the order of `a`, then what is only in `b`. */
function pairs<R>(
  a: readonly R[],
  b: readonly R[],
  keyOf: (row: R) => string,
): { readonly a: R | null; readonly b: R | null }[] {
  const ofB = new Map(b.map((row) => [keyOf(row), row]));
  const keysOfA = new Set(a.map(keyOf));
  return [
    ...a.map((row) => ({ a: row, b: ofB.get(keyOf(row)) ?? null })),
    ...b.filter((row) => !keysOfA.has(keyOf(row))).map((row) => ({ a: null, b: row })),
  ];
}

interface Pair<R> {
  readonly a: R | null;
  readonly b: R | null;
}

function compareCells({ a, b }: Pair<CellResult>): CellRow {
  const either = a ?? b;
  const head = { id: either?.id ?? '', unit: either?.unit ?? '', a, b };
  const absence = absenceOf(a, b);
  if (a === null || b === null || absence !== null) {
    return { ...head, change: null, verdict: absence ?? 'not measured' };
  }
  const moved = compareRuns(a.runs, b.runs, 0);
  const words = b.isHigherBetter ? ['faster', 'slower'] : ['slower', 'faster'];
  return { ...head, change: changeOf(a.runs, b.runs), verdict: wordFor(moved, words as Verdict[]) };
}

function compareGoals({ a, b }: Pair<GoalResult>): GoalRow {
  const head = { name: (a ?? b)?.name ?? '', a, b };
  const absence = absenceOf(a, b);
  if (a === null || b === null || absence !== null) {
    return { ...head, change: null, verdict: absence ?? 'not measured' };
  }
  const moved = compareRuns(a.runs, b.runs, Math.abs(b.goal));
  const words = b.bound === 'min' ? ['better', 'worse'] : ['worse', 'better'];
  const verdict = wordFor(moved, words as GoalVerdict[]);
  return { ...head, change: changeOf(a.runs, b.runs), verdict };
}

function absenceOf(
  a: { readonly runs: readonly number[] } | null,
  b: { readonly runs: readonly number[] } | null,
): Absence | null {
  if (b === null) return 'only in a';
  if (a === null) return 'only in b';
  return isMeasured(a.runs) && isMeasured(b.runs) ? null : 'not measured';
}

/** JSON writes NaN as null. */
function isMeasured(runs: readonly (number | null)[]): boolean {
  return runs.length > 0 && runs.every((run) => Number.isFinite(run));
}

type Movement = 'up' | 'down' | 'same' | 'unclear';

/** @param scaleMin  what a difference is a share of, at least; else of the median of `a` */
function compareRuns(a: readonly number[], b: readonly number[], scaleMin: number): Movement {
  const shift = median(b) - median(a);
  const scale = Math.max(Math.abs(median(a)), scaleMin) || Math.abs(median(b));
  const limit = EFFECT_MIN * scale;
  if (Math.abs(shift) >= limit && shift !== 0 && rankTest(a, b) <= P_MAX) {
    return shift > 0 ? 'up' : 'down';
  }
  const { low, high } = shiftInterval(a, b, SAME_CONFIDENCE);
  return low >= -limit && high <= limit ? 'same' : 'unclear';
}

function wordFor<W extends string>(moved: Movement, [up, down]: readonly W[]): W {
  return (moved === 'up' ? up : moved === 'down' ? down : moved) as W;
}

function changeOf(a: readonly number[], b: readonly number[]): number | null {
  const from = median(a);
  return from === 0 ? null : (median(b) - from) / Math.abs(from);
}

function hostWarnings(a: BenchReport, b: BenchReport): string[] {
  const names = new Set([...Object.keys(a.host), ...Object.keys(b.host)]);
  const warnings = [...names]
    .filter((name) => !VOLATILE_FACT.test(name) && a.host[name] !== b.host[name])
    .map((name) => `the hosts differ: ${name}: ${fact(a, name)} in a, ${fact(b, name)} in b`);
  if (a.isQuick !== b.isQuick) {
    warnings.push(`${a.isQuick ? 'a' : 'b'} was a --quick run: some rows are in one report only`);
  }
  return warnings;
}

function fact({ host }: BenchReport, name: string): string {
  return String(host[name] ?? 'unknown');
}

/** The machine's own rows that moved: what is slower beside them may not be the log's doing. */
function machineWarnings({ goals }: BenchReport, cells: readonly CellRow[]): string[] {
  const subjects = new Set(goals.map(({ subject }) => subject));
  const references = new Set(goals.flatMap((goal) => goal.references));
  const moved = cells.filter(
    ({ id, verdict }) =>
      references.has(id) && !subjects.has(id) && (verdict === 'faster' || verdict === 'slower'),
  );
  return moved.map(
    ({ id, verdict }) =>
      `the reference ${id} itself became ${verdict}: judge by the goals, not by the cells beside it`,
  );
}
