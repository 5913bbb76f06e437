/**
 * One open handle and the program that uses it, with many calls in flight, each answer compared
 * with what the oracle knows. The operations themselves are in `appends.ts`, `reads.ts`, `program.ts`.
 *
 * After the crash nothing counts any more: the program's last turns have not happened.
 */
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
  OffsetOutOfRangeError,
} from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { describeError } from './describe-error.ts';
import type { SentRecord } from './records.ts';
import type { World } from './world.ts';

export class Session {
  readonly world: World;
  readonly log: Log<Uint8Array>;
  /** Sent by `appendNoWait`, and not yet asked about. */
  unanswered: { readonly record: SentRecord; readonly offset: number }[] = [];
  /** The writer was seen to have failed: nothing that is sent from now on may be acknowledged. */
  hasFailed = false;
  isDiskLimited = false;
  /** Highest offset that the program asked to delete up to. */
  deletedMax = 0;
  /** Aborted when the program ends. */
  readonly ending = new AbortController();
  readonly followers: { readonly nextOffset: number; readonly isDone: boolean }[] = [];
  readonly background: Promise<void>[] = [];
  readonly #fileSystem: FaultyFileSystem;
  readonly #pending = new Set<Promise<void>>();
  #wasDiskLimited = false;
  #visibleOffset = 0;

  constructor(world: World, log: Log<Uint8Array>) {
    this.world = world;
    this.log = log;
    this.#fileSystem = world.fileSystem;
  }

  /** Whether the machine is gone: what the program still does has not happened. */
  get isOver(): boolean {
    return this.#fileSystem.isCrashed;
  }

  /** Has the program not wait for `work`, but note its end. */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Waits until every call was answered. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Looks at the handle between two operations. */
  observe(): void {
    if (!this.isOver) this.#observe();
  }

  /** The last look, after a crash too: what the handle stated before it must be true. */
  observeAtEnd(): void {
    this.#observe();
  }

  /** Follows a call to its answer, unless the machine is gone by then. */
  follow<T>(
    answer: Promise<T>,
    done: (value: T) => void,
    failed: (error: unknown) => void = (error) => this.explain(error),
  ): void {
    const run = async (): Promise<void> => {
      let value: T;
      try {
        value = await answer;
      } catch (error) {
        if (!this.isOver) failed(error);
        return;
      }
      if (!this.isOver) done(value);
    };
    this.track(run());
  }

  /** Complains about an error that the program had no reason to expect. */
  explain(error: unknown): void {
    if (this.isOver || this.isExplained(error)) return;
    this.world.oracle.fault('error', `unexpected ${describeError(error)}`);
  }

  /** Whether an error is one that the program had to expect. */
  isExplained(error: unknown): boolean {
    const { injector, tally } = this.world;
    if (error instanceof DiskFullError) tally.add('diskFull');
    if (error instanceof BackpressureError) return true;
    if (error instanceof ClosedError) return this.log.stats().state === 'closed';
    if (!(error instanceof IoError || error instanceof FailedError)) return false;
    return injector.firedCount > 0 || this.#wasDiskLimited;
  }

  /** Whether retention, or a trim, passed a reader that wants `offset`. */
  isPassed(error: unknown, offset: number): boolean {
    return error instanceof OffsetOutOfRangeError && this.log.startOffset > offset;
  }

  /** The disk is nearly full from now on, or has room again. */
  resizeDisk(freeBytes: number | null): void {
    const { fileSystem, narrate } = this.world;
    const { usedBytes } = fileSystem.disk.tree;
    this.isDiskLimited = freeBytes !== null;
    this.#wasDiskLimited ||= this.isDiskLimited;
    fileSystem.capacityBytes = freeBytes === null ? 2 ** 40 : usedBytes + freeBytes;
    narrate(`free bytes: ${freeBytes ?? 'plenty'}`);
  }

  #observe(): void {
    const { log, world } = this;
    const { oracle, plan } = world;
    const { startOffset, visibleOffset, syncedOffset, endOffset } = log;
    if (log.stats().state === 'failed' && !this.hasFailed) {
      this.hasFailed = true;
      world.tally.add('failedWriters');
    }
    oracle.durableUpTo(syncedOffset);
    if (plan.options.durability === 'sync' && visibleOffset > syncedOffset) {
      oracle.fault('visible', `visible up to ${visibleOffset}, synced up to ${syncedOffset}`);
    }
    if (visibleOffset > endOffset) {
      oracle.fault('visible', `visible up to ${visibleOffset}, the end is ${endOffset}`);
    }
    if (visibleOffset < this.#visibleOffset) {
      oracle.fault('visible', `the visible offset went back to ${visibleOffset}`);
    }
    this.#visibleOffset = visibleOffset;
    this.#checkRetention(oracle.startMax, startOffset);
    oracle.startMax = Math.max(oracle.startMax, startOffset);
  }

  /** What went without being deleted by the program was too old, or too much. */
  #checkRetention(from: number, startOffset: number): void {
    const { log, world } = this;
    const { oracle, plan } = world;
    const { retentionBytes, retentionMs } = plan.options;
    world.noteTime();
    for (let offset = Math.max(from, this.deletedMax); offset < startOffset; offset++) {
      const ageMs = world.wallMaxMs - (oracle.expected(offset)?.sentMs ?? 0);
      const isOld = retentionMs !== null && ageMs > retentionMs;
      const isTooMuch = retentionBytes !== null && log.stats().sizeBytes >= retentionBytes;
      if (!isOld && !isTooMuch) oracle.fault('A1', `offset ${offset} went without a reason`);
    }
  }
}
