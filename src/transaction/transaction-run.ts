/** One transaction, from its first call to its end: what it has collected, and how that is committed. */
import { toError } from '../core/abort.ts';
import { argumentError } from '../core/assert.ts';
import { type ClosedError, TooLargeError } from '../core/errors.ts';
import { TransactionEndedError, type TransactionEnd } from '../core/transaction-errors.ts';
import { settleAll } from '../core/settle-all.ts';
import { COMMIT_BYTES_MAX, type Commit, type CommitResult } from '../journal/committer.ts';
import type { Change, Journal } from '../journal/journal.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { CommitPart, PartCollector, Share, StoreOwned } from './commit-part.ts';

/** Acks and positions of one transaction. */
export const TRANSACTION_PARTS_MAX = 10_000;

/** How far one is that is not over. */
export type OpenState =
  /** Its action runs. */
  | 'collecting'
  /** Logs are being opened, or another commit must end first. */
  | 'waiting'
  /** Nothing keeps it from being journaled any more but the disk. */
  | 'committing';

/** What runs ask of their store. */
export interface RunHome {
  readonly journal: Journal;
  readonly committer: { commit(commit: Commit): Promise<CommitResult> };
  readonly clock: { now(): number };
  /** It is over for its caller. Called again when it has ended. */
  readonly over: (run: TransactionRun) => void;
  /** One more, or one less, that the store must not be closed under: it holds logs, leases, partitions. */
  readonly busy: (by: 1 | -1) => void;
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

export class TransactionRun implements PartCollector {
  readonly label: RunLabel;
  state: OpenState = 'collecting';
  sizeBytes = 0;
  recordCount = 0;
  ackCount = 0;
  positionCount = 0;
  readonly #home: RunHome;
  readonly #parts: CommitPart[] = [];
  /** How many logs each part appends to. */
  readonly #appendCounts: number[] = [];
  #end: TransactionEnd | null = null;
  #stop: Stop | null = null;
  #ending: AbortController | null = null;
  #rejectCaller: (error: Error) => void = () => undefined;

  constructor(home: RunHome, label: RunLabel) {
    this.#home = home;
    this.label = label;
  }

  /** Aborted when it is stopped, and when what a part relies on is lost. */
  get signal(): AbortSignal {
    if (this.#ending === null) {
      this.#ending = new AbortController();
      if (this.#stop !== null) this.#ending.abort(this.#stop.reason);
      else if (this.#end === null) for (const part of this.#parts) this.#watch(part);
    }
    return this.#ending.signal;
  }

  /** Throws unless more can be added. */
  checkCollecting(): void {
    if (this.#stop !== null) throw this.#stop.lateError;
    if (this.#end !== null) throw this.#ended(this.#end);
    if (this.state !== 'collecting') throw this.#ended('committing');
  }

  part<P extends CommitPart>(Kind: new () => P): P {
    for (const known of this.#parts) if (known instanceof Kind) return known;
    const made = new Kind();
    this.#parts.push(made);
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
   * Runs `action`, which collects, then commits.
   *
   * @returns what it returned. Rejects as soon as it is stopped, whatever `action` does then
   */
  run<R>(action: () => R | Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#rejectCaller = reject;
      this.#run(action).then(resolve, reject);
    });
  }

  /** Once it is committed: as `CommitPart.arrived`, of all of it. */
  async arrived(signal: AbortSignal | undefined): Promise<void> {
    await Promise.all(this.#parts.flatMap((part) => part.arrived?.(signal) ?? []));
  }

  /** Aborts it, for its caller's reason. Does nothing once it is being committed. @returns the reason */
  abort(reason: unknown = this.#ended('aborted')): unknown {
    this.#stopWith({ lateError: this.#ended('aborted'), reason });
    return reason;
  }

  timeOut(): void {
    const error = this.#ended('timed-out');
    this.#stopWith({ lateError: error, reason: error });
  }

  /** The store is being closed. */
  close(error: ClosedError): void {
    this.#stopWith({ lateError: error, reason: error });
  }

  #stopWith(stop: Stop): void {
    if (this.#stop !== null || this.#end !== null || this.state === 'committing') return;
    this.#stop = stop;
    this.#rejectCaller(toError(stop.reason));
    this.#ending?.abort(stop.reason);
    this.#home.over(this);
  }

  async #run<R>(action: () => R | Promise<R>): Promise<R> {
    let committed: CommitResult | null = null;
    let failure: unknown = null;
    try {
      const result = await action();
      this.#checkGoing();
      committed = await this.#commit();
      return result;
    } catch (error) {
      failure = error;
      throw this.#stop === null ? error : this.#stop.reason;
    } finally {
      this.#endParts(committed, failure);
    }
  }

  async #commit(): Promise<CommitResult> {
    this.#home.busy(1);
    this.state = 'waiting';
    const pending = this.#parts.flatMap((part) => preparing(part) ?? []);
    if (pending.length > 0) await settleAll(pending);
    for (;;) {
      this.#checkGoing();
      const obstacle = this.#obstacle();
      if (obstacle === null) break;
      await obstacle;
    }
    // In one step with these last looks: from here on it cannot be stopped, and nothing gets in its way.
    this.state = 'committing';
    return this.#secure();
  }

  #secure(): Promise<CommitResult> {
    const parts = this.#parts;
    for (const part of parts) part.secure();
    const nowMs = this.#home.clock.now();
    const changes: Change[] = [];
    const appends: PreparedAppend[] = [];
    for (const part of parts) {
      changes.push(...part.changes(nowMs));
      const own = part.appends();
      appends.push(...own);
      this.#appendCounts.push(own.length);
    }
    if (changes.length === 0 && appends.length === 0) return Promise.resolve({ baseOffsets: [] });
    const check = (): void => {
      for (const part of parts) part.check?.();
    };
    // What was deleted meanwhile gets nothing; a rejection would say that nobody did.
    return this.#home.committer.commit({ changes, appends, check, leavesOutMisfits: true });
  }

  #obstacle(): Promise<void> | null {
    for (const part of this.#parts) {
      const obstacle = part.obstacle?.() ?? null;
      if (obstacle !== null) return obstacle;
    }
    return null;
  }

  /** @param failure  why it is not committed */
  #endParts(committed: CommitResult | null, failure: unknown): void {
    let at = 0;
    for (const [index, part] of this.#parts.entries()) {
      if (committed === null) part.end({ kind: 'failed', error: failure });
      else {
        const next = at + (this.#appendCounts[index] ?? 0);
        part.end({ kind: 'committed', baseOffsets: committed.baseOffsets.slice(at, next) });
        at = next;
      }
    }
    this.#end = committed === null ? 'aborted' : 'committed';
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

  #ended(state: TransactionEnd): TransactionEndedError {
    return new TransactionEndedError({ name: this.label.name, state });
  }
}

/** Rejects also where `prepare` throws: those that have begun must be waited for. */
function preparing(part: CommitPart): Promise<void> | null {
  try {
    return part.prepare();
  } catch (error) {
    return Promise.reject(toError(error));
  }
}
