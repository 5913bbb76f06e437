/** Chooses contests, runs them one after another, and makes the report of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROUNDS, type Contest } from './core/contest.ts';
import { REPORT_FORMAT, type BenchReport, type GoalResult } from './core/report.ts';
import { leaveOutContest, runContest, type ContestResult } from './core/run-contest.ts';
import { hostFacts } from './host.ts';
import type { Suite } from './suites/index.ts';

/** The choice names no suite, or no contest: said to whoever made it. */
export class ChoiceError extends Error {}

export interface Choice {
  /** Names; null = all. */
  readonly suites: readonly string[] | null;
  /** A part of a contest's id; null = all. */
  readonly only: string | null;
}

export interface ChosenContests {
  readonly contests: readonly Contest[];
  /** Suites that could not be loaded, and why. */
  readonly failures: readonly string[];
}

/** @throws ChoiceError for an unknown suite, or when no contest is left */
export async function chooseContests(
  available: readonly Suite[],
  { suites, only }: Choice,
): Promise<ChosenContests> {
  const names = available.map(({ name }) => name);
  const unknown = suites?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new ChoiceError(`there is no suite ${unknown}: ${names.join(', ')}`);
  }
  const chosen = available.filter(({ name }) => suites === null || suites.includes(name));
  const contests: Contest[] = [];
  const failures: string[] = [];
  for (const suite of chosen) {
    try {
      contests.push(...(await suite.load()));
    } catch (error) {
      failures.push(`suite ${suite.name}: ${messageOf(error)}`);
    }
  }
  const wanted = contests.filter(({ id }) => only === null || id.includes(only));
  if (wanted.length === 0 && failures.length === 0) {
    throw new ChoiceError(`no contest has ${JSON.stringify(only)} in its name; see --list`);
  }
  return { contests: wanted, failures };
}

export interface RunOptions {
  /** Existing; everything is written to a directory below it, which is removed at the end. */
  readonly directory: string;
  readonly isQuick: boolean;
  /** Counted rounds of every contest; null = what each asks for. */
  readonly rounds: number | null;
  readonly signal: AbortSignal;
  readonly onStart: (contest: Contest) => void;
  readonly onResult: (contest: Contest, result: ContestResult) => void | Promise<void>;
}

export interface RunOutcome {
  readonly report: BenchReport;
  /** What broke: the report says so as reasons of cells and goals. */
  readonly failures: readonly string[];
}

/** @throws the signal's reason, with everything removed and every worker ended */
export async function runContests(
  contests: readonly Contest[],
  options: RunOptions,
): Promise<RunOutcome> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  const host = hostFacts(options.directory);
  const results: ContestResult[] = [];
  const root = mkdtempSync(join(options.directory, 'bench-'));
  try {
    for (const contest of contests) {
      options.onStart(contest);
      const result = await runOne(contest, root, options);
      await options.onResult(contest, result);
      results.push(result);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const report: BenchReport = {
    format: REPORT_FORMAT,
    startedAt,
    durationMs: Math.round(performance.now() - startMs),
    isQuick: options.isQuick,
    host,
    cells: results.flatMap(({ cells }) => cells),
    goals: results.flatMap(({ goals }) => goals),
  };
  return { report, failures: results.flatMap(({ failures }) => failures) };
}

async function runOne(
  contest: Contest,
  root: string,
  { isQuick, rounds, signal }: RunOptions,
): Promise<ContestResult> {
  if (isQuick && contest.notQuick !== undefined) return leaveOutContest(contest, contest.notQuick);
  const counted = rounds ?? contest.rounds ?? ROUNDS;
  try {
    const result = await runContest({ ...contest, rounds: counted }, root, signal);
    return counted < ROUNDS ? { ...result, goals: result.goals.map(undecided) } : result;
  } catch (error) {
    signal.throwIfAborted();
    const message = messageOf(error);
    return { ...leaveOutContest(contest, message), failures: [`${contest.id}: ${message}`] };
  }
}

/** Too few rounds to tell. */
function undecided(goal: GoalResult): GoalResult {
  return goal.met === null ? goal : { ...goal, met: null, reason: `fewer than ${ROUNDS} rounds` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
