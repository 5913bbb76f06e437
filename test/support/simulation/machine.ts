/** The machine on which a seed runs: a disk that fails and loses power, a clock, and random numbers. */
import { ManualClock } from '../../../src/core/clock.ts';
import { FailedError, IoError } from '../../../src/core/errors.ts';
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import type { Outcome } from '../drive.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { TraceHash } from '../trace-hash.ts';
import { describeError } from './describe-error.ts';
import { FaultInjector } from './fault-injector.ts';
import { chance, pick, type SimulationPlan } from './plan.ts';
import type { Tally } from './tally.ts';

/** Openings are tried so often; the last one without a fault. */
export const OPEN_ATTEMPTS_MAX = 5;
/** The others leave the machine running. */
const POWER_CUT_ODDS = 0.65;
/** Of a disk that is not limited. */
const MUCH_ROOM = 2 ** 40;

export type MachineTallyKey = 'seeds' | 'faults' | 'kills' | 'powerCuts' | 'recoveryCrashes';

/** How time moves when nothing else does. */
export interface IdleTime {
  readonly stepMs: number;
  /** After so many steps the program is taken to hang. */
  readonly stepsMax: number;
  /**
   * Of those, how many are left when a disk that was full has room again: who waits for what waits for
   * room would wait for ever. Null = it stays full.
   */
  readonly stepsWithoutRoom: number | null;
}

export interface SeedParts<K extends string> {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly tally: Tally<K | MachineTallyKey>;
  /** Told what happens, for a person. */
  readonly narrate: (what: string) => void;
}

export interface SeedResult {
  readonly violations: readonly string[];
  /** The same for two runs of one seed. */
  readonly digest: string;
}

/** @typeParam K  what is counted beside what machines do */
export class Machine<K extends string> {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly tally: Tally<K | MachineTallyKey>;
  readonly narrate: (what: string) => void;
  readonly violations: string[] = [];
  /** A new one for each life: monotonic time begins anew, and a dead program's timers are gone. */
  clock = new ManualClock();
  fileSystem: FaultyFileSystem;
  readonly injector: FaultInjector;
  readonly trace = new TraceHash();
  /** Decides what the program does; the disk, the faults and the engine have their own. */
  readonly random: Random;
  /** Called at each call of the file system, in the middle of whatever the engine does. */
  onCall: (() => void) | null = null;
  protected readonly engineRandom: Random;
  readonly #idle: IdleTime;
  #nextId = 0;

  constructor({ seed, plan, tally, narrate }: SeedParts<K>, idle: IdleTime) {
    this.seed = seed;
    this.plan = plan;
    this.tally = tally;
    this.narrate = narrate;
    this.#idle = idle;
    this.random = new SeededRandom(seed ^ 0x0bad);
    this.engineRandom = new SeededRandom(seed ^ 0xe41e);
    this.injector = new FaultInjector(new SeededRandom(seed ^ 0xfa17), plan.faults);
    const schedule = {
      random: new SeededRandom(seed ^ 0x5ced),
      ...(plan.hasSlowSyncs ? { slow: ['datasync' as const] } : {}),
    };
    this.fileSystem = new FaultyFileSystem({
      ...plan.disk,
      random: new SeededRandom(seed ^ 0xd15c),
      schedule: plan.isScheduled ? schedule : null,
      trace: (number, call) => {
        this.trace.record(number, call);
        this.onCall?.();
        const errno = this.injector.onCall(this.fileSystem, number, call);
        if (errno !== null) narrate(`fault: ${errno} for ${call.operation} of ${call.path}`);
      },
    });
  }

  readonly fault = (promise: string, what: string): void => {
    this.violations.push(`${promise}: ${what}`);
  };

  /** Everything that was found wrong. */
  complaints(): readonly string[] {
    return [...this.violations, ...this.fileSystem.violations];
  }

  chance(odds: number): boolean {
    return chance(this.random, odds);
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** Runs to the end or the crash; time moves when nothing else does. */
  drive<T>(work: Promise<T>): Promise<Outcome<T>> {
    const { clock, fileSystem } = this;
    const { stepMs, stepsMax, stepsWithoutRoom } = this.#idle;
    let stepsLeft = stepsMax;
    return fileSystem.drive(work, {
      onIdle: () => {
        if (clock.pendingTimerCount === 0 || stepsLeft-- <= 0) return false;
        if (stepsLeft === stepsWithoutRoom) this.limitDisk(null);
        clock.advance(stepMs);
        return true;
      },
    });
  }

  /** @param freeBytes  null = there is room */
  limitDisk(freeBytes: number | null): void {
    const { fileSystem } = this;
    const { usedBytes } = fileSystem.disk.tree;
    fileSystem.capacityBytes = freeBytes === null ? MUCH_ROOM : usedBytes + freeBytes;
  }

  /** One of at most `OPEN_ATTEMPTS_MAX`: it fails or crashes now and then, but for the last. */
  async tryToOpen<T>(
    { attempt, callsMax }: { readonly attempt: number; readonly callsMax: number },
    open: () => Promise<T>,
  ): Promise<Outcome<T>> {
    const { injector, plan, fileSystem } = this;
    const isLast = attempt === OPEN_ATTEMPTS_MAX - 1;
    injector.reset();
    fileSystem.clearFaults(); // A short write may have left one for the next.
    injector.isOn = !isLast;
    if (!isLast && this.chance(plan.recoveryCrashOdds)) this.planCrash(callsMax);
    const outcome = await this.drive(open());
    injector.isOn = false;
    fileSystem.crashAt = null;
    if (outcome.status === 'failed') this.narrate(`open failed: ${String(outcome.error)}`);
    if (outcome.status === 'crashed') this.tally.add('recoveryCrashes');
    return outcome;
  }

  /** Whether an opening may have failed like that, with what failed under it. */
  isOpenFailure(error: unknown): boolean {
    const isFailure = error instanceof IoError || error instanceof FailedError;
    return isFailure && this.injector.firedCount > 0;
  }

  /** It crashes at one of its next calls. */
  planCrash(callsMax: number): void {
    const { fileSystem, random } = this;
    fileSystem.crashAt = {
      call: fileSystem.callCount + 1 + randomBelow(random, callsMax),
      when: pick(random, ['before', 'inside', 'after']),
    };
  }

  /** It, or its process alone, begins anew. @returns whether its power was cut */
  restart(powerCutOdds = POWER_CUT_ODDS): boolean {
    const { clock, fileSystem } = this;
    const isPowerCut = this.chance(powerCutOdds);
    this.tally.add(isPowerCut ? 'powerCuts' : 'kills');
    this.narrate(isPowerCut ? 'power cut' : 'kill');
    this.clock = new ManualClock(clock.now());
    this.fileSystem = isPowerCut ? fileSystem.crashImage() : fileSystem.killImage();
    this.limitDisk(null);
    return isPowerCut;
  }

  /** What was closed is gone. */
  checkLeaks(resource: 'log' | 'store'): void {
    const { fileSystem, clock } = this;
    if (fileSystem.openFileCount > 0) this.fault('leak', `a closed ${resource} leaves files open`);
    if (clock.pendingTimerCount > 0) this.fault('leak', `a closed ${resource} leaves timers`);
  }
}

/** Runs a seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function runSeed<K extends string>(
  machine: Machine<K>,
  run: () => Promise<void>,
): Promise<SeedResult> {
  machine.narrate(JSON.stringify(machine.plan));
  try {
    await run();
  } catch (error) {
    machine.fault('crash', describeError(error));
  }
  machine.tally.add('seeds');
  machine.tally.add('faults', machine.injector.totalCount);
  return { violations: machine.complaints(), digest: machine.trace.digest };
}
