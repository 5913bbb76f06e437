/** What is wrong with a store: what was noticed, and what can be asked at any time. */
import type { Health, HealthBoard, ProblemReport } from '../core/health-board.ts';
import type { Journal } from '../journal/journal.ts';
import type { SnapshotRuns } from '../journal/snapshot-run.ts';
import type { ByteCap } from '../log/byte-cap.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { UnfinishedGuard } from './unfinished-guard.ts';

/** Asked whenever health is read: in memory, without I/O. */
export interface Probe {
  readonly code: ProblemReport['code'];
  /** Null = it is not. */
  look(): Omit<ProblemReport, 'code'> | null;
}

export interface StoreHealthParts {
  readonly board: HealthBoard;
  readonly journal: Journal;
  readonly topics: TopicCatalog;
  readonly runs: SnapshotRuns;
  readonly cap: ByteCap | null;
  /** Why other processes cannot ask this one; null when they can. */
  readonly control: { readonly problem: string | null };
  readonly unfinished: Pick<UnfinishedGuard, 'refresh'>;
}

export class StoreHealth {
  readonly #board: HealthBoard;
  readonly #unfinished: StoreHealthParts['unfinished'];
  readonly #probes: readonly Probe[];

  constructor({ board, journal, topics, runs, cap, control, unfinished }: StoreHealthParts) {
    this.#board = board;
    this.#unfinished = unfinished;
    this.#probes = [
      { code: 'snapshot-failed', look: () => snapshotProblem(runs) },
      { code: 'bytes-max-reached', look: () => capProblem(cap) },
      { code: 'journal-failed', look: () => journalProblem(journal) },
      { code: 'journal-damaged', look: () => damageProblem(journal) },
      { code: 'entries-ignored', look: () => misfitProblem(journal) },
      { code: 'commit-pending', look: () => pendingProblem(topics) },
      { code: 'control-unavailable', look: () => messageOf(control.problem) },
    ];
  }

  read(): Health {
    this.#unfinished.refresh();
    for (const probe of this.#probes) {
      const { code } = probe;
      const problem = probe.look();
      if (problem !== null) this.#board.raise({ code, ...problem });
      else this.#board.clear({ code });
    }
    return this.#board.read();
  }
}

function messageOf(problem: string | null): Omit<ProblemReport, 'code'> | null {
  return problem === null ? null : { message: problem };
}

function snapshotProblem({ lastError }: SnapshotRuns): Omit<ProblemReport, 'code'> | null {
  if (lastError === null) return null;
  return { message: `the last snapshot run of the journal failed: ${reasonOf(lastError)}` };
}

function capProblem(cap: ByteCap | null): Omit<ProblemReport, 'code'> | null {
  if (cap === null || cap.refusedSinceMs === null) return null;
  const message = `appends are refused: the store may have ${cap.bytesMax} bytes`;
  return { message, sinceMs: cap.refusedSinceMs };
}

function journalProblem(journal: Journal): Omit<ProblemReport, 'code'> | null {
  const { broken } = journal;
  if (broken !== null) return { message: `an entry could not be applied: ${broken.message}` };
  const { state, lastError } = journal.stats();
  return state === 'failed' ? { message: `the journal failed: ${reasonOf(lastError)}` } : null;
}

function damageProblem({ damage }: Journal): Omit<ProblemReport, 'code'> | null {
  if (damage === null) return null;
  const { message } = damage;
  return { message: `the journal is damaged, and the store read-only: ${message}` };
}

function misfitProblem({ misfits }: Journal): Omit<ProblemReport, 'code'> | null {
  const { count, first } = misfits;
  if (first === null) return null;
  const where = `${first.kind} at offset ${first.offset}: ${first.reason}`;
  return { message: `entries of the journal do not fit the state: ${count}, the first ${where}` };
}

function pendingProblem(topics: TopicCatalog): Omit<ProblemReport, 'code'> | null {
  const paths: string[] = [];
  for (const { opened, path } of topics.partitions()) {
    if ((opened?.stats().pendingApplyBytes ?? 0) > 0) paths.push(path);
  }
  const [first] = paths;
  if (first === undefined) return null;
  return { message: `committed records wait for room: in ${paths.length} logs, such as ${first}` };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
