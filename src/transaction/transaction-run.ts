/** One transaction, from its first call to its end: what it has collected, and how that is committed. */
import { toError } from '../core/abort.ts';
import { argumentError, present } from '../core/assert.ts';
import { type ClosedError, TooLargeError } from '../core/errors.ts';
import { TransactionEndedError, type TransactionEnd } from '../core/transaction-errors.ts';
import { settleAll } from '../core/settle-all.ts';
import { COMMIT_BYTES_MAX, type CommitOwner, type Committer } from '../journal/committer.ts';
import type { JointChange } from '../journal/joint-change.ts';
import type { Change, Journal } from '../journal/journal.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { isThenable } from '../core/thenable.ts';
import type { TransactionOutcome } from './transaction-counts.ts';
import type { CommitOutcome, CommitPart, PartCollector, Share, StoreOwned } from './commit-part.ts';

/** Acks and positions of one transaction. */
export const TRANSACTION_PARTS_MAX = 10_000;

/** How far one is that is not over. */
export const OPEN_STATES = [
  /** Its action runs. */
  'collecting',
  /** Logs are being opened, or another commit must end first. */
  'waiting',
  /** Nothing keeps it from being journaled any more but the disk. */
  'committing',
] as const;

export type OpenState = (typeof OPEN_STATES)[number];

/** What runs ask of their store. */
export interface RunHome {
  readonly journal: Journal;
  readonly committer: Pick<Committer, 'submit'>;
  readonly clock: { now(): number };
  /** It is over for its caller. Called again when it has ended. */
  over(run: TransactionRun): void;
  /** Once, in the step that decides it. */
  decided(run: TransactionRun, outcome: TransactionOutcome): void;
  /** One more, or one less, that the store must not be closed under: it holds logs, leases, partitions. */
  busy(by: 1 | -1): void;
}

/** What a run is called, and how long it may take. */
export interface RunLabel {
  readonly id: number;
  readonly name: string;
  /** Wall time. */
  readonly startedMs: number;
  /** Monotonic; infinite = there is no bound. */
  readonly deadlineMs: number;
}

/** Why it is over before it was committed. */
interface Stop {
  /** What later calls are told. */
  readonly lateError: Error;
  /** What its caller is told. */
  readonly reason: unknown;
}

/** A part, and how many logs it appends to. */
interface Member {
  readonly part: CommitPart;
  appendCount: number;
}

/** Whom the run is for. Methods, for their parameters are then compared both ways: a run has one caller. */
interface Caller<R> {
  resolve(result: R): void;
  reject(error: Error): void;
}

const NO_OFFSETS: readonly number[] = [];
const NO_JOINT: readonly JointChange[] = [];

/**
 * Goes from step to step in the turn of the call, as long as there is nothing to wait for: a promise for
 * each step would cost as much as all that it does.
 */
export class TransactionRun<R = unknown> implements PartCollector, CommitOwner {
  readonly label: RunLabel;
  state: OpenState = 'collecting';
  sizeBytes = 0;
  recordCount = 0;
  ackCount = 0;
  positionCount = 0;
  readonly #home: RunHome;
  /** Few: there are not many kinds. */
  #members: readonly Member[] = [];
  #caller: Caller<R> | null = null;
  /** What its action returned, while it is being committed. */
  #collected: { readonly result: R } | null = null;
  #end: TransactionEnd | null = null;
  #stop: Stop | null = null;
  #ending: AbortController | null = null;

  constructor(home: RunHome, label: RunLabel) {
    this.#home = home;
    this.label = label;
  }

  /** Aborted when it is stopped, and when what a part relies on is lost. */
  get signal(): AbortSignal {
    if (this.#ending === null) {
      this.#ending = new AbortController();
      if (this.#stop !== null) this.#ending.abort(this.#stop.reason);
      else if (this.#end === null) for (const { part } of this.#members) this.#watch(part);
    }
    return this.#ending.signal;
  }

  get isOver(): boolean {
    return this.#stop !== null || this.#end !== null;
  }

  /** Throws unless more can be added. */
  checkCollecting(): void {
    if (this.#stop !== null) throw this.#stop.lateError;
    if (this.#end !== null) throw this.#endedError(this.#end);
    if (this.state !== 'collecting') throw this.#endedError('committing');
  }

  part<P extends CommitPart>(Kind: new () => P): P {
    for (const { part } of this.#members) if (part instanceof Kind) return part;
    const made = new Kind();
    this.#members = [...this.#members, { part: made, appendCount: 0 }];
    if (this.#ending !== null) this.#watch(made);
    return made;
  }

  checkStore(name: string, topic: StoreOwned): void {
    if (topic.isOf(this.#home.journal)) return;
    throw argumentError(TypeError, name, 'of the store of the transaction', topic);
  }

  reserve({ bytes, records = 0, acks = 0, positions = 0 }: Share): void {
    const sizeBytes = this.sizeBytes + bytes;
    if (sizeBytes > COMMIT_BYTES_MAX) {
      const bytesMax = COMMIT_BYTES_MAX;
      throw new TooLargeError({ what: 'transaction', bytes: sizeBytes, bytesMax });
    }
    const count = this.ackCount + this.positionCount + acks + positions;
    if (count > TRANSACTION_PARTS_MAX) {
      const [bytesMax, unit] = [TRANSACTION_PARTS_MAX, 'acks and positions'];
      throw new TooLargeError({ what: 'transaction', bytes: count, bytesMax, unit });
    }
    this.sizeBytes = sizeBytes;
    this.recordCount += records;
    this.ackCount += acks;
    this.positionCount += positions;
  }

  /**
   * Has `action` collect, with what it is given, then commits.
   *
   * @returns what it returned. Rejects as soon as it is stopped, whatever `action` does then
   */
  run<G>(action: (given: G) => R | Promise<R>, given: G): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#caller = { resolve, reject };
      try {
        const result = action(given);
        if (isPending(result)) this.#collectLater(result);
        else this.#commit(result);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** Once it is committed: as `CommitPart.arrived`, of all of it. */
  async arrived(signal: AbortSignal | undefined): Promise<void> {
    await Promise.all(this.#members.flatMap(({ part }) => part.arrived?.(signal) ?? []));
  }

  /** Aborts it, for its caller's reason. Does nothing once it is being committed. @returns the reason */
  abort(reason: unknown = this.#endedError('aborted')): unknown {
    this.#stopWith({ lateError: this.#endedError('aborted'), reason });
    return reason;
  }

  timeOut(): void {
    const error = this.#endedError('timed-out');
    this.#stopWith({ lateError: error, reason: error }, 'timed-out');
  }

  /** The store is being closed. */
  close(error: ClosedError): void {
    this.#stopWith({ lateError: error, reason: error });
  }

  #stopWith(stop: Stop, outcome: TransactionOutcome = 'aborted'): void {
    if (this.#stop !== null || this.#end !== null || this.state === 'committing') return;
    this.#stop = stop;
    this.#home.decided(this, outcome);
    this.#caller?.reject(toError(stop.reason));
    this.#ending?.abort(stop.reason);
    this.#home.over(this);
  }

  #collectLater(pending: PromiseLike<R>): void {
    const collected = new Promise<R>((resolve) => resolve(pending)); // Whatever kind of promise it is.
    collected.then(
      (result) => this.#commit(result),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Never throws. */
  #commit(result: R): void {
    try {
      this.#checkGoing();
      this.#collected = { result };
      this.state = 'waiting';
      this.#home.busy(1);
      const pending = this.#prepare();
      if (pending === null) this.#goOn();
      else this.#goOnAfter(settleAll(pending));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** All that is to be waited for; null = nothing. Those that have begun must be, also when others fail. */
  #prepare(): readonly Promise<void>[] | null {
    let pending: Promise<void>[] | null = null;
    for (const { part } of this.#members) {
      const preparing = preparingOf(part);
      if (preparing === null) continue;
      if (pending === null) pending = [preparing];
      else pending.push(preparing);
    }
    return pending;
  }

  /** Never throws. */
  #goOn(): void {
    try {
      this.#checkGoing();
      const obstacle = this.#obstacle();
      if (obstacle === null) this.#secure();
      else this.#goOnAfter(obstacle);
    } catch (error) {
      this.#fail(error);
    }
  }

  #goOnAfter(pending: Promise<unknown>): void {
    pending.then(
      () => this.#goOn(),
      (error: unknown) => this.#fail(error),
    );
  }

  /** In one step with the last looks: from here on it cannot be stopped, and nothing gets in its way. */
  #secure(): void {
    this.state = 'committing';
    const members = this.#members;
    for (const { part } of members) part.secure();
    const nowMs = this.#home.clock.now();
    let changes: readonly Change[] = [];
    let joint: readonly JointChange[] = [];
    let appends: readonly PreparedAppend[] = [];
    for (const member of members) {
      changes = joined(changes, member.part.changes(nowMs));
      joint = joined(joint, member.part.joint?.() ?? NO_JOINT);
      const own = member.part.appends();
      member.appendCount = own.length;
      appends = joined(appends, own);
    }
    if (changes.length + joint.length + appends.length === 0) {
      this.committed(NO_OFFSETS);
      return;
    }
    const isChecked = members.some(({ part }) => part.check !== undefined);
    const check = isChecked ? () => this.#check() : undefined;
    // What was deleted meanwhile gets nothing, and that is no misfit: a rejection would say that nobody did.
    this.#home.committer.submit({ changes, joint, appends, check }, this);
  }

  #check(): void {
    for (const { part } of this.#members) part.check?.();
  }

  #obstacle(): Promise<void> | null {
    for (const { part } of this.#members) {
      const obstacle = part.obstacle?.() ?? null;
      if (obstacle !== null) return obstacle;
    }
    return null;
  }

  committed(baseOffsets: readonly number[]): void {
    let at = 0;
    for (const { part, appendCount } of this.#members) {
      const isAll = appendCount === baseOffsets.length;
      const own = isAll ? baseOffsets : baseOffsets.slice(at, at + appendCount);
      part.end({ kind: 'committed', baseOffsets: own });
      at += appendCount;
    }
    this.#home.decided(this, 'committed');
    this.#ended('committed');
    this.#caller?.resolve(present(this.#collected, 'it was being committed').result);
  }

  failed(error: Error): void {
    this.#fail(error);
  }

  #fail(error: unknown): void {
    const outcome: CommitOutcome = { kind: 'failed', error };
    for (const { part } of this.#members) part.end(outcome);
    if (this.#stop === null) {
      this.#home.decided(this, this.state === 'collecting' ? 'aborted' : 'failed');
    }
    this.#ended('aborted');
    this.#caller?.reject(toError(this.#stop === null ? error : this.#stop.reason));
  }

  #ended(end: TransactionEnd): void {
    this.#end = end;
    this.#home.over(this);
    if (this.state !== 'collecting') this.#home.busy(-1);
  }

  #watch(part: CommitPart): void {
    part.watch?.((reason) => this.#ending?.abort(reason));
  }

  /** @throws why it was stopped */
  #checkGoing(): void {
    if (this.#stop !== null) throw toError(this.#stop.reason);
  }

  #endedError(state: TransactionEnd): TransactionEndedError {
    return new TransactionEndedError({ name: this.label.name, state });
  }
}

function isPending<R>(result: R | PromiseLike<R>): result is PromiseLike<R> {
  return isThenable(result);
}

/** Rejects also where `prepare` throws: those that have begun must be waited for. */
function preparingOf(part: CommitPart): Promise<void> | null {
  try {
    return part.prepare();
  } catch (error) {
    return Promise.reject(toError(error));
  }
}

/** Mostly only one part has any, and no list has to be made. */
function joined<V>(all: readonly V[], more: readonly V[]): readonly V[] {
  if (all.length === 0) return more;
  return more.length === 0 ? all : [...all, ...more];
}
