/**
 * Every call of a faulty file system passes here: it is numbered, recorded, failed, delayed, or
 * made the last one.
 */
import type { Random } from '../../src/core/random.ts';
import { randomBelow } from '../../src/core/random.ts';
import { assert } from '../../src/core/assert.ts';
import { IoError } from '../../src/core/errors.ts';
import { ioError } from '../../src/io/io-error.ts';
import type { DiskImage } from './disk-image.ts';
import { CHANGING_OPERATIONS } from './fault-plan.ts';
import type { Call, Fault, FaultPlan, Operation } from './fault-plan.ts';

/** `inside`: the call is in flight, and the crash image or kill image decides what it did. */
export interface CrashPoint {
  readonly call: number;
  readonly when: 'before' | 'inside' | 'after';
}

/** Told of a point at which the machine may stop; the state is then as a crash there would leave it. */
export type OnPoint = (point: CrashPoint, call: Call) => void;

/** A `Sync` call met the crash: it cannot hang, as the others do, but must not return either. */
export class CrashError extends Error {
  constructor() {
    super('the simulated machine is gone; this error is no part of its story');
    this.name = 'CrashError';
  }
}

/** What a call does, apart from being a call. */
export interface Effect<T> {
  readonly run: () => T;
  /** The caller is about to be told. */
  readonly settle?: (value: T) => void;
  /** What an injected fault does; default: nothing but the error. */
  readonly fail?: (fault: Fault) => T;
  /** Does the same to a copy of the disk, taking at most so many bytes of a write. */
  readonly replay?: (disk: DiskImage, bytesMax: number) => void;
}

/** A call that changes something and had not taken effect when the machine stopped. */
export interface InFlight {
  readonly number: number;
  readonly call: Call;
  readonly replay: (disk: DiskImage, bytesMax: number) => void;
}

/** Completions in an order of their own. */
export interface Schedule {
  readonly random: Random;
  /** Operations that are taken only when nothing else waits, or one time in 16. */
  readonly slow?: readonly Operation[];
}

export interface GateOptions {
  readonly plan: FaultPlan;
  readonly crashAt: CrashPoint | null;
  readonly schedule: Schedule | null;
  readonly trace: ((number: number, call: Call) => void) | null;
  /** Not told of the inside of a call that changes nothing: it is as before. */
  readonly onPoint: OnPoint | null;
}

interface Waiting {
  readonly operation: Operation;
  readonly run: () => void;
}

const SLOW_ODDS = 1 / 16;

export class CallGate {
  readonly plan: FaultPlan;
  readonly crashed: Promise<void>;
  crashAt: CrashPoint | null;
  #callCount = 0;
  #isCrashed = false;
  #tellCrashed: () => void = () => {};
  #waiting: Waiting[] = [];
  readonly #inFlight = new Set<InFlight>();
  readonly #schedule: Schedule | null;
  readonly #trace: GateOptions['trace'];
  readonly #onPoint: OnPoint | null;

  constructor(options: GateOptions) {
    this.plan = options.plan;
    this.crashAt = options.crashAt;
    this.#schedule = options.schedule;
    this.#trace = options.trace;
    this.#onPoint = options.onPoint;
    this.crashed = new Promise((resolve) => {
      this.#tellCrashed = resolve;
    });
  }

  get callCount(): number {
    return this.#callCount;
  }

  get isCrashed(): boolean {
    return this.#isCrashed;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get inFlight(): readonly InFlight[] {
    return [...this.#inFlight];
  }

  crash(): void {
    this.#isCrashed = true;
    this.#tellCrashed();
  }

  /** Stops the machine in the state of another one, with these calls in flight. */
  crashWith(inFlight: readonly InFlight[]): void {
    for (const each of inFlight) this.#inFlight.add(each);
    this.crash();
  }

  /**
   * After the crash the promise never settles: the process that waits for it is no more. An
   * effect is done at once, or when the schedule takes it; the promise settles later than that.
   */
  call<T>(call: Call, effect: Effect<T>): Promise<T> {
    const entered = this.#enter(call, effect);
    if (entered === null) return never();
    if (this.#schedule !== null) return this.#scheduled(entered, effect);
    if (!entered.isLast) return this.#atOnce(entered, effect);
    this.#performLast(entered, effect);
    return never();
  }

  /** @throws CrashError at and after the crash */
  callSync<T>(call: Call, effect: Effect<T>): T {
    const entered = this.#enter({ ...call, isSync: true }, effect);
    if (entered === null) throw new CrashError();
    if (entered.isLast) {
      this.#performLast(entered, effect);
      throw new CrashError();
    }
    const value = this.#perform(entered, effect);
    effect.settle?.(value);
    return value;
  }

  /** Lets one waiting call take effect and settle; false when none waits. */
  completeOne(): boolean {
    if (this.#schedule === null || this.#isCrashed || this.#waiting.length === 0) return false;
    const index = this.#choose(this.#schedule);
    const [chosen] = this.#waiting.splice(index, 1);
    chosen?.run();
    return true;
  }

  #enter<T>(call: Call, effect: Effect<T>): Entered | null {
    if (this.#isCrashed) return null;
    this.#callCount += 1;
    const number = this.#callCount;
    this.#trace?.(number, call);
    this.#onPoint?.({ call: number, when: 'before' }, call);
    const when = this.crashAt?.call === number ? this.crashAt.when : null;
    const { replay } = effect;
    const isChanging = CHANGING_OPERATIONS.has(call.operation);
    assert(isChanging === (replay !== undefined), 'only what changes a disk is replayed');
    const inFlight = replay === undefined ? null : { number, call, replay };
    if (inFlight !== null && when !== 'before') {
      this.#inFlight.add(inFlight);
      this.#onPoint?.({ call: number, when: 'inside' }, call);
    }
    if (when === 'before' || when === 'inside') {
      this.crash();
      return null;
    }
    const fault = this.plan.match(number, call);
    return { number, call, fault, inFlight, isLast: when === 'after' };
  }

  #perform<T>(entered: Entered, effect: Effect<T>): T {
    const { number, call, fault, inFlight } = entered;
    if (inFlight !== null) this.#inFlight.delete(inFlight);
    try {
      if (fault === null) return effect.run();
      if (effect.fail !== undefined) return effect.fail(fault);
      throw ioError(fault.errno, call);
    } finally {
      this.#onPoint?.({ call: number, when: 'after' }, call);
    }
  }

  /** What the call returned or threw is known to nobody. */
  #performLast<T>(entered: Entered, effect: Effect<T>): void {
    try {
      this.#perform(entered, effect);
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
    } finally {
      this.crash();
    }
  }

  async #atOnce<T>(entered: Entered, effect: Effect<T>): Promise<T> {
    const value = this.#perform(entered, effect);
    await Promise.resolve();
    if (this.#isCrashed) return never();
    effect.settle?.(value);
    return value;
  }

  #scheduled<T>(entered: Entered, effect: Effect<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = (): void => {
        if (entered.isLast) {
          this.#performLast(entered, effect);
          return;
        }
        try {
          const value = this.#perform(entered, effect);
          effect.settle?.(value);
          resolve(value);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ operation: entered.call.operation, run });
    });
  }

  #choose({ random, slow = [] }: Schedule): number {
    const isSlow = (index: number): boolean =>
      slow.includes(this.#waiting[index]?.operation ?? 'close');
    const index = randomBelow(random, this.#waiting.length);
    if (slow.length === 0 || !isSlow(index) || random.next() < SLOW_ODDS) return index;
    const quick = [...this.#waiting.keys()].filter((other) => !isSlow(other));
    return quick[randomBelow(random, quick.length)] ?? index;
  }
}

interface Entered {
  readonly number: number;
  readonly call: Call;
  readonly fault: Fault | null;
  readonly inFlight: InFlight | null;
  /** The machine stops when this call has taken effect. */
  readonly isLast: boolean;
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
