/** What is wrong now, kept up to date by whoever notices: to be read at any time, without I/O. */
import type { Clock } from './clock.ts';

/** What may be wrong with a store. Stable names. */
export const PROBLEM_CODES = [
  'lock-lost',
  'journal-failed',
  'journal-damaged',
  'entries-ignored',
  'partition-failed',
  'partition-damaged',
  'partition-read-only',
  'quarantine-large',
  'snapshot-failed',
  'bytes-max-reached',
  'disk-full',
  'commit-pending',
  'burials-failed',
  'leases-failed',
  'worker-stopped',
  'projection-behind',
  'projection-failed',
  'source-held',
  'dedup-holds-records',
  'compaction-failed',
  'control-unavailable',
  'dedup-over-memory',
  'retention-waits',
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** `failed`: a store changes nothing any more; `degraded`: a part of it does not work. */
export const SEVERITIES = ['degraded', 'failed'] as const;
export const HEALTH_STATUSES = ['ok', ...SEVERITIES] as const;

export interface HealthProblem {
  readonly code: ProblemCode;
  readonly severity: (typeof SEVERITIES)[number];
  /** The topic that it concerns; null = none of them. */
  readonly topic: string | null;
  readonly partition: number | null;
  /** When it was noticed, ms since the Unix epoch. */
  readonly sinceMs: number;
  /** One sentence: what is wrong. */
  readonly message: string;
  /** One sentence: what to do about it. */
  readonly remedy: string;
}

export interface Health {
  readonly status: (typeof HEALTH_STATUSES)[number];
  /** The worst first, then the oldest. */
  readonly problems: readonly HealthProblem[];
}

/** A problem as it is noticed. */
export interface ProblemReport extends Pick<HealthProblem, 'code' | 'message'> {
  readonly topic?: string;
  /** Of the topic: problems of several are told apart by it. */
  readonly group?: string;
  readonly partition?: number;
  /** Default: now. */
  readonly sinceMs?: number;
  /** It is told when it has lasted for so long: before, it may be nothing. Default: at once. */
  readonly tellAfterMs?: number;
}

interface Noticed {
  readonly problem: HealthProblem;
  /** Of the monotonic clock. */
  readonly tellAtMs: number;
}

/** What it is about. */
interface Place {
  readonly code: ProblemCode;
  readonly topic?: string | null | undefined;
  readonly group?: string | undefined;
  readonly partition?: number | undefined;
}

const REMEDIES: Readonly<Record<ProblemCode, string>> = {
  'lock-lost': 'close the store; see who has its lock now (varve info) before it is opened again',
  'journal-failed': 'close the store, look after the disk, and open the store again',
  'journal-damaged': 'close the store and run varve repair <store> --journal: dry run first',
  'entries-ignored':
    'report it: Varve wrote them by mistake; what they were to change is as it was',
  'partition-failed': 'look after the disk, then close the store and open it again',
  'partition-damaged': 'close the store and run varve repair on its log: dry run first',
  'partition-read-only': 'make room on the disk, then close the store and open it again',
  'quarantine-large': 'look at what was cut off, then varve repair --prune-quarantine',
  'snapshot-failed':
    'make room on the disk: the next run tries again, until then the journal grows',
  'bytes-max-reached': 'raise storeBytesMax, delete records or topics, or set retention',
  'disk-full': 'make room on the disk: appends go on by themselves then',
  'commit-pending': 'make room on the disk: what is committed is applied then',
  'burials-failed':
    'see why: room on the disk, or the topic of dead letters; it is tried again by itself',
  'leases-failed': 'make room on the disk: it is tried again by itself',
  'worker-stopped': 'look after what it names, then start the worker again',
  'projection-behind':
    'see why: room on the disk, or the destination; it is tried again by itself, or detach it',
  'projection-failed': 'look after the disk, or repair the source log of the exchange',
  'source-held': 'see why the destination does not take them, or detach it',
  'dedup-holds-records':
    'make dedupWindowMs shorter, or the retention larger: what a window covers must be kept',
  'compaction-failed':
    'see why: room on the disk, or damage, which varve verify names; it is tried again by itself',
  'control-unavailable': 'stop the process to change the store from the command line',
  'dedup-over-memory':
    'raise dedupBytesMax, or make windows shorter: until then appends with ids are slower',
  'retention-waits':
    'see why the group does not go on, or delete it; unfinished: skip or archive lets records go',
};

const FATAL: ReadonlySet<ProblemCode> = new Set(['lock-lost', 'journal-failed', 'journal-damaged']);

export class HealthBoard {
  readonly #clock: Clock;
  readonly #noticed = new Map<string, Noticed>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something is wrong. What is known of already stays as it was noticed first. */
  raise({ code, message, topic, group, partition, sinceMs, tellAfterMs = 0 }: ProblemReport): void {
    const key = keyOf({ code, topic, group, partition });
    const known = this.#noticed.get(key);
    const tellAtMs = this.#clock.monotonic() + tellAfterMs;
    if (known !== undefined && known.tellAtMs <= tellAtMs) return;
    const problem: HealthProblem = {
      code,
      severity: FATAL.has(code) ? 'failed' : 'degraded',
      topic: topic ?? null,
      partition: partition ?? null,
      sinceMs: sinceMs ?? known?.problem.sinceMs ?? this.#clock.now(),
      message,
      remedy: REMEDIES[code],
    };
    this.#noticed.set(key, { problem, tellAtMs });
  }

  /** It is not any more. */
  clear(place: Place): void {
    this.#noticed.delete(keyOf(place));
  }

  /** A look at all of it. */
  read(): Health {
    const nowMs = this.#clock.monotonic();
    const told = [...this.#noticed.values()].filter(({ tellAtMs }) => tellAtMs <= nowMs);
    const problems = told
      .map(({ problem }) => problem)
      .toSorted(
        (one, two) =>
          Number(two.severity === 'failed') - Number(one.severity === 'failed') ||
          one.sinceMs - two.sinceMs,
      );
    return { status: problems[0]?.severity ?? 'ok', problems };
  }
}

function keyOf({ code, topic = null, group = '', partition = -1 }: Place): string {
  return JSON.stringify([code, partition, topic, group]);
}
