/**
 * One open handle and the program that uses it, with many calls in flight, each answer compared
 * with what the oracle knows. The operations themselves are in `appends.ts`, `reads.ts`, `program.ts`.
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
import { Life } from './life.ts';
import type { SentRecord } from './records.ts';
import type { World } from './world.ts';

export class Session extends Life<World> {
  readonly log: Log<Uint8Array>;
  /** Sent by `appendNoWait`, and not yet asked about. */
  unanswered: { readonly record: SentRecord; readonly offset: number }[] = [];
  /** The writer was seen to have failed: nothing that is sent from now on may be acknowledged. */
  hasFailed = false;
  /** Highest offset that the program asked to delete up to. */
  deletedMax = 0;
  /** Aborted when the program ends. */
  readonly ending = new AbortController();
  readonly followers: { readonly nextOffset: number; readonly isDone: boolean }[] = [];
  readonly background: Promise<void>[] = [];
  #visibleOffset = 0;

  constructor(world: World, log: Log<Uint8Array>) {
    super(world);
    this.log = log;
  }

  /** Looks at the handle between two operations. */
  observe(): void {
    if (!this.isOver) this.#observe();
  }

  /** The last look, after a crash too: what the handle stated before it must be true. */
  observeAtEnd(): void {
    this.#observe();
  }

  override isExplained(error: unknown): boolean {
    if (error instanceof DiskFullError) this.world.tally.add('diskFull');
    if (error instanceof BackpressureError) return true;
    if (error instanceof ClosedError) return this.log.stats().state === 'closed';
    return (error instanceof IoError || error instanceof FailedError) && this.hasMishap;
  }

  /** Whether retention, or a trim, passed a reader that wants `offset`. */
  isPassed(error: unknown, offset: number): boolean {
    return error instanceof OffsetOutOfRangeError && this.log.startOffset > offset;
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
      // Compaction may have made it smaller since.
      const isLarge = plan.compacts || log.stats().sizeBytes >= (retentionBytes ?? 0);
      const isTooMuch = retentionBytes !== null && isLarge;
      if (!isOld && !isTooMuch) oracle.fault('A1', `offset ${offset} went without a reason`);
    }
  }
}
