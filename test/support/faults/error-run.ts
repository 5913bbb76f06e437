/** Fails calls of a workload, one by one, and holds the log to what it may do then. */
import { FailedError, IoError, StoreError } from '../../../src/core/errors.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import type { Call, FaultRule } from '../fault-plan.ts';
import { disksAfterCrash, type Examiner, nameOf, runOn, type Run } from './crash-run.ts';
import { openOn, readAll } from './life.ts';
import type { Tally } from './tally.ts';
import type { Prepared, Workload } from './workloads.ts';

/** A way for a call to fail. */
export interface FaultKind {
  readonly name: string;
  readonly rule: FaultRule;
  readonly appliesTo: (call: Call) => boolean;
}

const always = (): boolean => true;
const isWrite = ({ operation }: Call): boolean => operation === 'write';
const isDatasync = ({ operation }: Call): boolean => operation === 'datasync';

export const FAULT_KINDS: readonly FaultKind[] = [
  ...['EIO', 'ENOSPC', 'EMFILE', 'EROFS', 'EACCES'].map((errno) => ({
    name: errno,
    rule: { errno },
    appliesTo: always,
  })),
  { name: 'half a write', rule: { errno: 'ENOSPC', shortBytes: 'half' }, appliesTo: isWrite },
  { name: 'a byte less', rule: { errno: 'ENOSPC', shortBytes: 1e9 }, appliesTo: isWrite },
  { name: 'EIO, partly lost', rule: { errno: 'EIO', lost: 'random' }, appliesTo: isDatasync },
];

/** Errors that a caller may get where the disk fails: RELIABILITY part 2. */
const DOCUMENTED: ReadonlySet<ErrorCode> = new Set([
  'ERR_VARVE_IO',
  'ERR_VARVE_DISK_FULL',
  'ERR_VARVE_FAILED',
  'ERR_VARVE_READ_ONLY', // A full disk at open: no room to quarantine a torn tail.
]);

export interface ErrorCase {
  readonly workload: Workload;
  readonly prepared: Prepared;
  readonly calls: readonly Call[];
  /** Number of the call that fails, from 1. */
  readonly at: number;
  readonly kind: FaultKind;
  /** Whether everything fails from then on. */
  readonly isSticky: boolean;
  readonly seed: number;
}

/** What was known when the fault struck. */
interface Strike {
  readonly call: Call;
  /** A log was open, or being read for the first time. */
  readonly isOpen: boolean;
  readonly submittedCount: number;
}

export function describeCase({ workload, calls, at, kind, isSticky, seed }: ErrorCase): string {
  const often = isSticky ? 'for good' : 'once';
  return `${workload.name}: SEED=${seed} ${kind.name} ${often} at call ${at} (${nameOf(calls[at - 1])})`;
}

/** Runs one case. @throws Error that says what the log did wrong */
export async function failCall(error: ErrorCase, tally: Tally, examiner: Examiner): Promise<void> {
  const { workload, prepared, seed, at, kind, isSticky } = error;
  let strike: Strike | null = null;
  const plan = [{ ...kind.rule, fromCall: at, times: isSticky ? Number.POSITIVE_INFINITY : 1 }];
  const run = await runOn(workload, prepared, {
    seed,
    plan,
    onStart({ fileSystem, life, oracle }) {
      fileSystem.onCall = (number, call) => {
        if (number !== at) return;
        const { isOpen } = life;
        strike = { call, isOpen, submittedCount: oracle.submittedCount };
      };
    },
  });
  if (run.outcome.status === 'failed') throw run.outcome.error;
  if (run.outcome.status === 'crashed') throw new Error('it crashed');
  if (strike === null) throw new Error('the call did not happen');
  tally.count(run.life.errors.length === 0 ? 'went unnoticed' : 'were reported');
  checkErrors(run, error);
  await probe(run, { ...error, strike });
}
