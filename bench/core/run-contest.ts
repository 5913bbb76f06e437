/** Runs a contest: a worker process per side, one warm-up round, then all sides in turn, round by round. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROUNDS, type Contest, type Side } from './contest.ts';
import { evaluateGoal, unmeasuredGoal } from './goals.ts';
import { UnavailableError, type Sample } from './job.ts';
import { figureOf, type Measurement } from './measurement.ts';
import type { CellResult, GoalResult } from './report.ts';
import { median } from './statistics.ts';
import { WorkerProcess } from './worker-process.ts';

export interface ContestResult {
  readonly cells: readonly CellResult[];
  readonly goals: readonly GoalResult[];
  /** What broke, side by side; a side that lacks what it needs did not. */
  readonly failures: readonly string[];
}

/** A side while it runs. */
interface Runner extends Measurement {
  readonly samples: Sample[];
  worker: WorkerProcess | null;
  reason: string | null;
  isBroken: boolean;
}

/**
 * @param root    an existing directory on the disk that is measured
 * @param signal  ends the workers at once
 * @throws the signal's reason
 */
export async function runContest(
  contest: Contest,
  root: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<ContestResult> {
  signal.throwIfAborted();
  const base = mkdtempSync(join(root, 'contest-'));
  const runners: Runner[] = [];
  try {
    for (const side of contest.sides) {
      signal.throwIfAborted();
      runners.push(await start(side, base, signal));
    }
    await runRounds(runners, contest.rounds ?? ROUNDS, signal);
  } finally {
    for (const { worker } of runners) await worker?.close();
    rmSync(base, { recursive: true, force: true });
  }
  return {
    cells: runners.map((runner) => toCell(contest, runner)),
    goals: contest.goals.map((goal) => evaluateGoal(contest, goal, runners)),
    failures: runners
      .filter(({ isBroken }) => isBroken)
      .map(({ side, reason }) => `${contest.id}/${side.id}: ${reason}`),
  };
}

/** The result of a contest that was not run. */
export function leaveOutContest(contest: Contest, reason: string): ContestResult {
  return {
    cells: contest.sides.map((side) => toCell(contest, { side, samples: [], reason })),
    goals: contest.goals.map((goal) => unmeasuredGoal(contest, goal, reason)),
    failures: [],
  };
}

async function start(side: Side, base: string, signal: AbortSignal): Promise<Runner> {
  const directory = mkdtempSync(join(base, 'side-'));
  try {
    const worker = await WorkerProcess.start(side, { directory, signal });
    return { side, samples: [], facts: worker.facts, worker, reason: null, isBroken: false };
  } catch (error) {
    const isBroken = !(error instanceof UnavailableError);
    return { side, samples: [], worker: null, reason: messageOf(error), isBroken };
  }
}

async function runRounds(
  runners: readonly Runner[],
  rounds: number,
  signal: AbortSignal,
): Promise<void> {
  const warmedUp = runners.filter(({ side }) => side.skipsWarmUp !== true);
  await runRound(warmedUp, false, signal); // JIT, page cache, file system.
  for (const runner of runners) runner.samples.length = 0;
  for (let round = 0; round < rounds; round++) await runRound(runners, round % 2 === 1, signal);
}

/** Every side once; backwards in every other round, so that none always runs behind the same one. */
async function runRound(
  runners: readonly Runner[],
  isBackwards: boolean,
  signal: AbortSignal,
): Promise<void> {
  for (const runner of isBackwards ? runners.toReversed() : runners) {
    signal.throwIfAborted();
    await runOnce(runner);
  }
  signal.throwIfAborted();
}

async function runOnce(runner: Runner): Promise<void> {
  const { worker } = runner;
  if (worker === null) return;
  try {
    runner.samples.push(await worker.run());
  } catch (error) {
    runner.reason = messageOf(error);
    runner.isBroken = true;
    runner.worker = null;
    await worker.kill(); // What the job left open would keep it alive.
  }
}

function toCell(contest: Contest, measurement: Measurement): CellResult {
  const { side, samples, facts = {}, reason } = measurement;
  const runs = reason === null ? samples.map((sample) => figureOf(sample, side.metric)) : [];
  const isMeasured = runs.length > 0;
  return {
    id: `${contest.id}/${side.id}`,
    suite: contest.suite,
    contest: contest.id,
    contestTitle: contest.title,
    title: side.title,
    parameters: side.parameters,
    ...(Object.keys(facts).length === 0 ? {} : { facts }),
    unit: side.unit,
    isHigherBetter: side.isHigherBetter,
    runs,
    median: isMeasured ? median(runs) : null,
    min: isMeasured ? Math.min(...runs) : null,
    max: isMeasured ? Math.max(...runs) : null,
    extra: isMeasured ? extraMedians(samples) : {},
    ...(reason === null ? {} : { reason }),
  };
}

function extraMedians(samples: readonly Sample[]): Record<string, number> {
  const medians: Record<string, number> = {};
  for (const metric of ['bytes/s', 'records/s'] as const) {
    const value = median(samples.map((sample) => figureOf(sample, metric)));
    if (Number.isFinite(value) && value > 0) medians[metric] = value;
  }
  for (const name of Object.keys(samples[0]?.extra ?? {})) {
    medians[name] = median(samples.map((sample) => figureOf(sample, `extra:${name}`)));
  }
  return medians;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
