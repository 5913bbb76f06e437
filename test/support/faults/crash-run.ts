/** Stops a workload at each of its calls and examines every state that the crash may leave. */
import { SeededRandom } from '../../../src/core/random.ts';
import type { CrashPoint, Schedule } from '../call-gate.ts';
import { crashStates } from '../crash-states.ts';
import type { Outcome } from '../drive.ts';
import { CHANGING_OPERATIONS, type Call } from '../fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../faulty-file-system.ts';
import { checkImage, type Checked } from './check-image.ts';
import { imageKey } from './image-key.ts';
import { Life } from './life.ts';
import type { Mishap, Oracle } from './oracle.ts';
import { Stops, type Stop } from './stops.ts';
import type { Tally } from './tally.ts';
import type { Prepared, Workload } from './workloads.ts';

export const WHENS = ['before', 'inside', 'after'] as const;

export interface CountedPoint extends CrashPoint {
  /** Crash points that are the same. */
  readonly pointCount: number;
}

/** The crash points of each call; inside one that changes nothing is the same as before it. */
export function* crashPointsOf(calls: readonly Call[], first = 1): Generator<CountedPoint> {
  for (let call = first; call <= calls.length; call++) {
    const isChanging = CHANGING_OPERATIONS.has(calls[call - 1]?.operation ?? 'close');
    for (const when of WHENS) {
      if (isChanging) yield { call, when, pointCount: 1 };
      else if (when !== 'inside') yield { call, when, pointCount: when === 'before' ? 2 : 1 };
    }
  }
}

/** A disk that a crash may leave, and how. */
export interface CrashedDisk {
  readonly name: string;
  readonly mishap: Mishap;
  readonly fileSystem: FaultyFileSystem;
}

export interface Run {
  readonly fileSystem: FaultyFileSystem;
  readonly oracle: Oracle;
  readonly life: Life;
  readonly outcome: Outcome<void>;
}

/** 0: calls take effect at once, in order. Others: completions in an order of their own. */
export function scheduleOf(seed: number): Schedule | null {
  if (seed === 0) return null;
  const slow = seed % 2 === 0 ? (['datasync', 'syncDirectory'] as const) : [];
  return { random: new SeededRandom(seed), slow };
}

export interface RunOptions extends NextOptions {
  readonly seed: number;
  /** Told of each call before it is made. */
  readonly onCall?: (number: number, call: Call, life: Life) => void;
  /** Gets every crash point, with what the oracle knows there. */
  readonly stops?: Stops<Oracle>;
}

/** Runs the workload on a copy of what was prepared. */
export async function runOn(workload: Workload, prepared: Prepared, how: RunOptions): Promise<Run> {
  const { seed, onCall, stops, ...next } = how;
  const random = new SeededRandom(seed);
  const trace = (number: number, call: Call) => onCall?.(number, call, life);
  const onPoint = (point: CrashPoint) => stops?.add(point, fileSystem, oracle.copy());
  const fileSystem: FaultyFileSystem = prepared.fileSystem.killImage(
    { inFlight: 'none' },
    { schedule: scheduleOf(seed), random, trace, ...(stops && { onPoint }), ...next },
  );
  const oracle = prepared.oracle.copy();
  const life: Life = new Life(fileSystem, oracle);
  const outcome = await fileSystem.drive(runWhole());
  return { fileSystem, oracle, life, outcome };

  /** The program, and what it left to the background. */
  async function runWhole(): Promise<void> {
    await workload.run(life, workload.options);
    await fileSystem.runUntilIdle();
  }
}

/** The calls of a workload that nothing stops. @throws Error when it does not run to its end */
export async function callsOf(
  workload: Workload,
  prepared: Prepared,
  seed: number,
): Promise<readonly Call[]> {
  const calls: Call[] = [];
  const onCall = (_number: number, call: Call) => void calls.push(call);
  const { outcome, life, fileSystem } = await runOn(workload, prepared, { seed, onCall });
  if (outcome.status === 'failed') throw outcome.error;
  const unexpected = life.errors.filter((error) => !isFullDisk(error));
  if (unexpected.length > 0) throw unexpected[0];
  if (fileSystem.violations.length > 0) throw new Error(fileSystem.violations.join('; '));
  return calls;
}

function isFullDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_VARVE_DISK_FULL';
}

/** Every state that a crash now may leave: power cuts by `crashStates` and by chance, kills. */
export function* disksAfterCrash(
  fileSystem: FaultyFileSystem,
  options: { readonly seed: number; readonly randomCount: number },
): Generator<CrashedDisk> {
  const { seed, randomCount } = options;
  const next = { schedule: null, random: new SeededRandom(seed), trace: null };
  for (const { name, choice } of crashStates(fileSystem)) {
    yield { name, mishap: 'power cut', fileSystem: fileSystem.crashImage(choice, next) };
  }
  for (let number = 0; number < randomCount; number++) {
    const random = new SeededRandom(seed * 1000 + number);
    const image = fileSystem.crashImage({ random }, next);
    yield { name: `random power cut ${number}`, mishap: 'power cut', fileSystem: image };
  }
  for (const inFlight of ['none', 'all', 'random'] as const) {
    const random = new SeededRandom(seed);
    const image = fileSystem.killImage({ inFlight, random }, next);
    yield { name: `kill, ${inFlight} in flight`, mishap: 'kill', fileSystem: image };
  }
}

/** Examines disks, each different one once, and keeps count. */
export class Examiner {
  readonly #workload: Workload;
  readonly #tally: Tally;
  readonly #seen = new Set<string>();

  constructor(workload: Workload, tally: Tally) {
    this.#workload = workload;
    this.#tally = tally;
  }

  /** Whether no earlier crash left the same cache, disk and knowledge: after one call, before the next. */
  isNewCrash({ fileSystem, known: oracle }: Stop<Oracle>, before = ''): boolean {
    const inFlight = fileSystem.killImage({ inFlight: 'all' });
    const keys = [fileSystem, inFlight].map((disk) => imageKey(disk));
    const isNew = this.#isNew(`crash ${before} ${oracle.signature} ${keys.join(' ')}`);
    if (isNew) this.#tally.count('different crash points');
    return isNew;
  }

  /** Whether the disk is new, and if so, whether it is right; null when it is not new or wrong. */
  async examine(disk: CrashedDisk, oracle: Oracle, place: string): Promise<Checked | null> {
    const tally = this.#tally;
    tally.count('states');
    const key = `${disk.mishap} ${oracle.signature} ${imageKey(disk.fileSystem)}`;
    if (!this.#isNew(key)) return null;
    tally.count('different states');
    try {
      const { mishap } = disk;
      const { options } = this.#workload;
      const checked = await checkImage(disk.fileSystem, oracle, { mishap, options });
      tally.count(checked.report.outcome);
      tally.count('records read', checked.recordCount);
      if (checked.report.cutBytes > 0) tally.count('tails cut');
      return checked;
    } catch (error) {
      tally.fail(`${this.#workload.name}: ${place}: ${disk.name}`, error);
      return null;
    }
  }

  #isNew(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

export interface Enumeration {
  readonly seed: number;
  /** The disks to examine at a crash; `call` makes what is random differ between crash points. */
  readonly disksOf: (fileSystem: FaultyFileSystem, call: number) => Iterable<CrashedDisk>;
}

/** Crashes the workload before, inside and after each of its calls. */
export async function crashEverywhere(
  workload: Workload,
  tally: Tally,
  enumeration: Enumeration,
): Promise<void> {
  const { seed, disksOf } = enumeration;
  const prepared = await workload.prepare(workload.options);
  const calls = await callsOf(workload, prepared, seed);
  const stops = new Stops<Oracle>();
  await runOn(workload, prepared, { seed, stops });
  const examiner = new Examiner(workload, tally);
  for (const crashAt of crashPointsOf(calls)) {
    const { call, when, pointCount } = crashAt;
    const stop = stops.at(crashAt);
    const place = `SEED=${seed} crash ${when} call ${call} (${nameOf(calls[call - 1])})`;
    tally.count('crash points', pointCount);
    if (stop === null) {
      tally.fail(`${workload.name}: ${place}`, new Error('it does not come there'));
      continue;
    }
    if (!examiner.isNewCrash(stop)) continue;
    for (const disk of disksOf(stop.fileSystem, call)) {
      await examiner.examine(disk, stop.known, place);
    }
  }
}

export function nameOf(call: Call | undefined): string {
  if (call === undefined) return 'none';
  const at = call.position === undefined ? '' : ` at ${call.position}+${call.length ?? 0}`;
  return `${call.operation} ${call.path}${at}`;
}
