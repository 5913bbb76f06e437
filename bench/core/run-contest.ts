/** Runs a contest: a worker process per side, one warm-up round, then all sides in turn, round by round. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROUNDS, type Contest, type Side } from './contest.ts';
import { evaluateGoal } from './goals.ts';
import type { Sample } from './job.ts';
import { figureOf, type Measurement } from './measurement.ts';
import type { CellResult, GoalResult } from './report.ts';
import { median } from './statistics.ts';
import { WorkerProcess } from './worker-process.ts';

export interface ContestResult {
  readonly cells: readonly CellResult[];
  readonly goals: readonly GoalResult[];
}

/** A side while it runs. */
interface Runner extends Measurement {
  readonly samples: Sample[];
  worker: WorkerProcess | null;
  reason: string | null;
}

/** @param root  an existing directory on the disk that is measured */
export async function runContest(contest: Contest, root: string): Promise<ContestResult> {
  const base = mkdtempSync(join(root, 'contest-'));
  const runners: Runner[] = [];
  try {
    for (const side of contest.sides) runners.push(await start(side, base));
    await runRound(runners, false); // Warm-up: JIT, page cache, file system.
    for (const runner of runners) runner.samples.length = 0;
    const rounds = contest.rounds ?? ROUNDS;
    for (let round = 0; round < rounds; round++) await runRound(runners, round % 2 === 1);
  } finally {
    for (const { worker } of runners) await worker?.close();
    rmSync(base, { recursive: true, force: true });
  }
  return {
    cells: runners.map((runner) => toCell(contest, runner)),
    goals: contest.goals.map((goal) => evaluateGoal(contest, goal, runners)),
  };
}

async function start(side: Side, base: string): Promise<Runner> {
  const directory = mkdtempSync(join(base, 'side-'));
  try {
    const worker = await WorkerProcess.start(side, directory);
    return { side, samples: [], worker, reason: null };
  } catch (error) {
    return { side, samples: [], worker: null, reason: messageOf(error) };
  }
}

/** Every side once; backwards in every other round, so that none always runs behind the same one. */
async function runRound(runners: readonly Runner[], isBackwards: boolean): Promise<void> {
  for (const runner of isBackwards ? runners.toReversed() : runners) {
    if (runner.worker === null) continue;
    try {
      runner.samples.push(await runner.worker.run());
    } catch (error) {
      runner.reason = messageOf(error);
      runner.worker = null;
    }
  }
}

function toCell(contest: Contest, { side, samples, reason }: Measurement): CellResult {
  const runs = reason === null ? samples.map((sample) => figureOf(sample, side.metric)) : [];
  const isMeasured = runs.length > 0;
  return {
    id: `${contest.id}/${side.id}`,
    suite: contest.suite,
    contest: contest.id,
    contestTitle: contest.title,
    title: side.title,
    parameters: side.parameters,
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
