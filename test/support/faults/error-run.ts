/** Fails calls of a workload, one by one, and holds the log to what it may do then. */
import { FailedError, IoError, StoreError } from '../../../src/core/errors.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Call, FaultRule } from '../fault-plan.ts';
import { nameOf, runOn, type Examiner, type Run } from './crash-run.ts';
import { LOG_PATH, openOn, readAll } from './life.ts';
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

const REOPENED_LIFE = 45;

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
  /** The handle that was open; null while none was. */
  readonly handle: number | null;
  readonly submittedCount: number;
  /** The lock could not be released: only the end of the process would. */
  isLockStuck: boolean;
}

export function describeCase({ workload, calls, at, kind, isSticky, seed }: ErrorCase): string {
  const what = `${kind.name} ${isSticky ? 'for good' : 'once'}`;
  return `${workload.name}: SEED=${seed} ${what} at call ${at} (${nameOf(calls[at - 1])})`;
}

/** A directory above the log that may not be read cannot be synced, and is none of ours. */
export function isForgiven({ operation, path }: Call, { rule }: FaultKind): boolean {
  return operation === 'syncDirectory' && rule.errno === 'EACCES' && !path.startsWith(LOG_PATH);
}

/** Runs one case. @throws Error that says what the log did wrong */
export async function failCall(error: ErrorCase, tally: Tally, examiner: Examiner): Promise<void> {
  const { workload, prepared, seed, at, kind, isSticky } = error;
  const strikes: Strike[] = [];
  const run = await runOn(workload, prepared, {
    seed,
    plan: [{ ...kind.rule, fromCall: at, times: isSticky ? Number.POSITIVE_INFINITY : 1 }],
    onCall(number, call, life) {
      const isLockStuck = call.operation === 'releaseLock';
      if (number === at) {
        const { submittedCount } = life.oracle;
        const handle = life.isOpen ? life.openCount : null;
        strikes.push({ call, handle, submittedCount, isLockStuck });
      }
      if (isSticky && isLockStuck && strikes[0] !== undefined) strikes[0].isLockStuck = true;
    },
  });
  const [strike] = strikes;
  if (strike === undefined) throw new Error('the call did not happen');
  checkOutcome(run);
  tally.count(run.life.errors.length === 0 ? 'faults without effect' : 'faults reported');
  await examineDisks(run, { tally, examiner, error, when: 'at once' });
  run.fileSystem.clearFaults();
  const probed = await run.fileSystem.drive(probe(run, strike, error));
  if (probed.status === 'failed') throw probed.error;
  checkErrors(run, strike, seed);
  await examineDisks(run, { tally, examiner, error, when: 'after a close' });
  if (!strike.isLockStuck) await checkReopens(run, workload);
}

function checkOutcome({ outcome, fileSystem }: Run): void {
  if (outcome.status === 'failed') throw outcome.error;
  if (outcome.status === 'crashed') throw new Error('it crashed');
  if (fileSystem.violations.length > 0) throw new Error(fileSystem.violations.join('; '));
}

/** A handle that is open goes on by itself; one that failed says so for ever, and still reads. */
async function probe(run: Run, strike: Strike, error: ErrorCase): Promise<void> {
  const { life, oracle, fileSystem } = run;
  if (life.isOpen) {
    const { log } = life;
    const { state, lastError } = log.stats();
    checkState(state, strike, error, life.openCount);
    const problems = oracle.problems(await readAll(log), 'power cut');
    if (state !== 'readonly' && problems.length > 0) throw new Error(problems.join('; '));
    if (state === 'open') await expectWorks(life.append(64, 'sync'), life.errors);
    if (state === 'failed') {
      if (!(lastError instanceof FailedError)) throw new Error('failed, and does not say why');
      await expectRefused(life.append(64), life.errors);
    }
    const isClosed = await life.close();
    if (isClosed === (state === 'failed')) throw new Error(`${state}, and close says otherwise`);
  }
  if (fileSystem.openFileCount !== 0)
    throw new Error(`${fileSystem.openFileCount} files left open`);
}

async function expectWorks(appended: Promise<boolean>, errors: readonly unknown[]): Promise<void> {
  if (!(await appended))
    throw new Error('no append though the fault is gone', { cause: errors.at(-1) });
}

async function expectRefused(appended: Promise<boolean>, errors: unknown[]): Promise<void> {
  const isAppended = await appended;
  const refusal = errors.at(-1);
  if (isAppended || !(refusal instanceof FailedError) || refusal.details.indeterminate) {
    throw new Error('a failed log does not refuse as it should', { cause: refusal });
  }
}

/** What the fault must have done to the handle that was open. */
function checkState(
  state: string,
  { call, handle }: Strike,
  { kind, isSticky }: ErrorCase,
  openCount: number,
): void {
  if (handle === null || handle !== openCount || isSticky) return;
  const expected = expectedState(call, kind.rule.errno);
  if (expected !== null && expected !== state) {
    throw new Error(`${kind.name} at ${nameOf(call)}: the log is ${state}, expected ${expected}`);
  }
}

function expectedState({ operation, path }: Call, errno: string): 'open' | 'failed' | null {
  const isSegment = path.endsWith('.log');
  const isFull = errno === 'ENOSPC';
  if (operation === 'datasync' || operation === 'syncDirectory') return 'failed';
  if (operation === 'write' && isSegment && errno !== 'EMFILE') return isFull ? 'open' : 'failed';
  if (operation === 'create' && isSegment && (isFull || errno === 'EMFILE')) return 'open';
  if (operation === 'read' || operation === 'open' || operation === 'statFile') return 'open';
  return null;
}

/** Every error is a documented one; nothing appended after a failed sync is acknowledged. */
function checkErrors({ life }: Run, { call, handle, submittedCount }: Strike, seed: number): void {
  for (const error of life.errors) {
    if (!(error instanceof StoreError) || !DOCUMENTED.has(error.code)) throw error;
    if (error instanceof FailedError && !(rootOf(error) instanceof IoError)) throw rootOf(error);
  }
  // With completions in an order of their own the program learns of it only later.
  const isSync = seed === 0 && ['datasync', 'syncDirectory'].includes(call.operation);
  const late = life.acks.filter((ack) => ack.handle === handle && ack.submission > submittedCount);
  if (isSync && late.length > 0) throw new Error(`${late.length} acks after a failed sync`);
}

function rootOf(error: Error): unknown {
  return error.cause instanceof Error && !(error instanceof IoError) ? rootOf(error.cause) : error;
}

interface Examination {
  readonly tally: Tally;
  readonly examiner: Examiner;
  readonly error: ErrorCase;
  readonly when: string;
}

async function examineDisks(run: Run, examination: Examination): Promise<void> {
  const { examiner, error, when } = examination;
  const { fileSystem, oracle } = run;
  const next = { schedule: null, random: new SeededRandom(error.at), trace: null, plan: [] };
  const lost = fileSystem.crashImage({ data: 'none', names: 'none' }, next);
  const mixed = fileSystem.crashImage({}, next);
  const killed = fileSystem.killImage({ inFlight: 'none' }, next);
  for (const disk of [
    { name: 'power cut, nothing unsynced', mishap: 'power cut', fileSystem: lost },
    { name: 'power cut', mishap: 'power cut', fileSystem: mixed },
    { name: 'kill', mishap: 'kill', fileSystem: killed },
  ] as const) {
    await examiner.examine(disk, oracle, `${describeCase(error)}, ${when}`);
  }
}

/** The same process opens the log again: nothing holds it any more. */
async function checkReopens({ fileSystem }: Run, workload: Workload): Promise<void> {
  const opening = openOn(fileSystem, workload.options, { number: REOPENED_LIFE });
  const opened = await fileSystem.drive(opening.then((log) => log.close()));
  if (opened.status === 'failed') throw opened.error;
}
