/** A queue in memory, as a worker sees it: leases on a manual clock, refusals on demand. */
import { onAbort } from '../../src/core/abort.ts';
import { Bell } from '../../src/core/bell.ts';
import { ManualClock, type Timer } from '../../src/core/clock.ts';
import { LeaseLostError, type LeaseEnd } from '../../src/core/ownership-errors.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { DeliverySource, WorkerDelivery } from '../../src/queue/delivery-source.ts';
import type { ReleaseOptions } from '../../src/queue/delivery.ts';
import type { AcquireOptions } from '../../src/queue/share-calls.ts';

export type FakeState = 'ready' | 'leased' | 'delayed' | 'acked' | 'rejected';

export interface FakeRecord {
  readonly offset: number;
  readonly value: string;
  state: FakeState;
  attempts: number;
  failures: number;
  expiries: number;
  delayMs: number;
  error: unknown;
}

export type FakeCall = 'acquire' | 'ackAll' | 'ack' | 'release' | 'reject' | 'giveBack' | 'renew';

export interface FakeQueueOptions {
  readonly leaseMs?: number;
  readonly clock?: ManualClock;
}

export class FakeQueue implements DeliverySource<FakeDelivery> {
  readonly clock: ManualClock;
  readonly random = new SeededRandom(7);
  leaseMs: number;
  readonly records: FakeRecord[] = [];
  readonly deliveries: FakeDelivery[] = [];
  readonly acquires: AcquireOptions[] = [];
  /** Every call that took effect, with the offset. */
  readonly calls: string[] = [];
  acquiringMax = 0;
  leasedMax = 0;
  /** Acks wait for it. */
  gate: Promise<void> | null = null;
  readonly #refusals: { readonly call: FakeCall; readonly error: unknown }[] = [];
  readonly #bell = new Bell();
  #acquiring = 0;

  constructor({ leaseMs = 30_000, clock = new ManualClock() }: FakeQueueOptions = {}) {
    this.leaseMs = leaseMs;
    this.clock = clock;
  }

  send(...values: string[]): void {
    for (const value of values) {
      const counts = { attempts: 0, failures: 0, expiries: 0, delayMs: 0, error: null };
      this.records.push({ offset: this.records.length, value, state: 'ready', ...counts });
    }
    this.#bell.ring();
  }

  sendMany(count: number): void {
    this.send(...Array.from({ length: count }, (_, at) => `v${at}`));
  }

  /** The next `count` such calls fail. */
  refuse(call: FakeCall, error: unknown, count = 1): void {
    for (let at = 0; at < count; at++) this.#refusals.push({ call, error });
  }

  check(call: FakeCall): void {
    const at = this.#refusals.findIndex((refusal) => refusal.call === call);
    if (at !== -1) throw this.#refusals.splice(at, 1)[0]?.error;
  }

  states(): FakeState[] {
    return this.records.map(({ state }) => state);
  }

  wake(): void {
    this.#bell.ring();
  }

  async acquire(options: AcquireOptions): Promise<readonly FakeDelivery[]> {
    this.acquires.push(options);
    this.#acquiring++;
    this.acquiringMax = Math.max(this.acquiringMax, this.#acquiring);
    try {
      return await this.#acquire(options);
    } finally {
      this.#acquiring--;
    }
  }

  async ackAll(deliveries: readonly FakeDelivery[]): Promise<void> {
    this.calls.push(`ackAll of ${deliveries.length}`);
    this.check('ackAll');
    const results = await Promise.allSettled(deliveries.map((delivery) => delivery.ack()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #acquire({
    max = 1,
    leaseMs,
    waitMs = 0,
    signal,
  }: AcquireOptions): Promise<FakeDelivery[]> {
    const endMs = this.clock.monotonic() + waitMs;
    for (;;) {
      await Promise.resolve();
      this.check('acquire');
      signal?.throwIfAborted();
      const ready = this.records.filter(({ state }) => state === 'ready').slice(0, max);
      if (ready.length > 0) return ready.map((record) => this.#lease(record, leaseMs));
      const delayMs = endMs - this.clock.monotonic();
      if (delayMs <= 0) return [];
      this.#bell.silence();
      await this.#bell.wait({ clock: this.clock, delayMs, signal, keepsAlive: false });
    }
  }

  #lease(record: FakeRecord, leaseMs = this.leaseMs): FakeDelivery {
    record.state = 'leased';
    record.attempts++;
    const delivery = new FakeDelivery(this, record, leaseMs);
    this.deliveries.push(delivery);
    const leased = this.records.filter(({ state }) => state === 'leased').length;
    this.leasedMax = Math.max(this.leasedMax, leased);
    return delivery;
  }
}

export class FakeDelivery implements WorkerDelivery<string> {
  readonly partition = 0;
  readonly key = null;
  readonly attempt: number;
  readonly failures: number;
  isSettled = false;
  /** Whether anybody has asked for the signal. */
  isSignalMade = false;
  readonly #queue: FakeQueue;
  readonly #record: FakeRecord;
  readonly #controller = new AbortController();
  #end: LeaseEnd | null = null;
  #endMs: number;
  #timer: Timer;

  constructor(queue: FakeQueue, record: FakeRecord, leaseMs: number) {
    this.#queue = queue;
    this.#record = record;
    this.attempt = record.attempts;
    this.failures = record.failures;
    this.#endMs = queue.clock.monotonic() + leaseMs;
    this.#timer = queue.clock.setTimer(() => this.expire(), leaseMs);
  }

  get offset(): number {
    return this.#record.offset;
  }

  get value(): string {
    return this.#record.value;
  }

  get signal(): AbortSignal {
    this.isSignalMade = true;
    return this.#controller.signal;
  }

  get leaseLeftMs(): number {
    return this.#end === null ? this.#endMs - this.#queue.clock.monotonic() : -1;
  }

  /** The lease ends without the holder's doing. */
  expire(): void {
    if (this.#end !== null || this.isSettled) return;
    this.#record.expiries++;
    this.#endLease('expired', 'ready');
    this.#controller.abort(this.#lost('expired'));
    this.#queue.wake();
  }

  ack(): Promise<void> {
    return this.#settle('ack', () => this.#endLease('settled', 'acked'));
  }

  release({ delayMs = 0, failed = false, error = null }: ReleaseOptions = {}): Promise<void> {
    return this.#settle('release', () => {
      const record = this.#record;
      Object.assign(record, { delayMs, error, failures: record.failures + (failed ? 1 : 0) });
      this.#endLease('settled', delayMs > 0 ? 'delayed' : 'ready');
      const { clock } = this.#queue;
      if (delayMs > 0) clock.setTimer(() => this.#back(), delayMs);
      else this.#queue.wake();
    });
  }

  reject(reason?: unknown): Promise<void> {
    return this.#settle('reject', () => {
      this.#record.error = reason;
      this.#endLease('settled', 'rejected');
    });
  }

  giveBack(): Promise<void> {
    return this.#settle('giveBack', () => {
      this.#record.attempts--;
      this.#endLease('settled', 'ready');
    });
  }

  renew(leaseMs = this.#queue.leaseMs): void {
    this.#queue.check('renew');
    if (this.#end !== null) throw this.#lost(this.#end);
    this.#queue.calls.push(`renew ${this.offset}`);
    const { clock } = this.#queue;
    this.#timer.cancel();
    this.#endMs = clock.monotonic() + leaseMs;
    this.#timer = clock.setTimer(() => this.expire(), leaseMs);
  }

  async #settle(call: FakeCall, apply: () => void): Promise<void> {
    if (this.#end === 'settled' && call === 'ack' && this.#record.state === 'acked') return;
    if (this.#end !== null || this.isSettled) throw this.#lost(this.#end ?? 'settled');
    this.isSettled = true;
    try {
      await this.#queue.gate;
      this.#queue.check(call);
    } catch (error) {
      this.isSettled = false;
      if (this.#endMs <= this.#queue.clock.monotonic()) this.expire();
      throw error;
    }
    this.#queue.calls.push(`${call} ${this.offset}`);
    apply();
  }

  #back(): void {
    if (this.#record.state === 'delayed') this.#record.state = 'ready';
    this.#queue.wake();
  }

  #endLease(end: LeaseEnd, state: FakeState): void {
    this.#timer.cancel();
    this.#end = end;
    this.#record.state = state;
  }

  #lost(reason: LeaseEnd): LeaseLostError {
    const { offset, partition } = this;
    return new LeaseLostError({ topic: 'q', group: 'q', partition, offset, reason });
  }
}

/** Resolves when everything that can go on without time passing has done so. */
export async function quiet(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves with the signal's reason once it aborts: a handler that gives up when told. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => onAbort(signal, () => resolve(signal.reason)));
}

/** Moves time on by small steps, so that timers fire when they are due. */
export async function pass(queue: FakeQueue, totalMs: number, stepMs = 1000): Promise<void> {
  for (let passedMs = 0; passedMs < totalMs; passedMs += stepMs) {
    queue.clock.advance(stepMs);
    await quiet();
  }
}

/** What a call throws; null = nothing. */
export function thrownBy(call: () => void): unknown {
  try {
    call();
    return null;
  } catch (error) {
    return error;
  }
}
