/** Everyone who waits for a log's writer: for a write, or for a sync. */
import { IoError, ioErrorOf } from '../core/errors.ts';
import { AckQueue, type Waiter } from './ack-queue.ts';
import type { LogMarks } from './marks.ts';
import type { SyncLoop } from './sync-loop.ts';

export class Waiters {
  readonly written = new AckQueue();
  readonly synced = new AckQueue();

  /** Whether nobody waits for a write, but somebody for a sync that cannot come before one. */
  areForSync({ writtenOffset }: LogMarks): boolean {
    return this.written.isEmpty && this.synced.awaitedOffset > writtenOffset;
  }

  /** Has synced what is written and waited for, each part at its rank. */
  requestSync(syncLoop: SyncLoop, { writtenOffset, syncedOffset }: LogMarks): void {
    const { isEmpty, lastOffset, awaitedOffset } = this.synced;
    if (isEmpty) return;
    if (awaitedOffset > syncedOffset) syncLoop.request(awaitedOffset);
    syncLoop.requestInBackground(Math.min(lastOffset, writtenOffset));
  }

  /** The writer failed: nobody's records are known to be on disk, nor known not to be. */
  failAll(error: Error): void {
    this.written.failAbove(-1, () => error);
    this.synced.failAbove(-1, () => error);
  }

  /** Everything from `offset` on was refused and undone. */
  refuseFrom(offset: number, cause: Error): void {
    const errorFor = ({ baseOffset }: Waiter) => refusalOf(cause, offset - baseOffset);
    this.written.failAbove(offset, errorFor);
    this.synced.failAbove(offset, errorFor);
  }
}

/** The refusal for a call of which `appendedCount` records (or none, when negative) were written. */
function refusalOf(cause: Error, appendedCount: number): Error {
  if (appendedCount <= 0 || !(cause instanceof IoError)) return cause;
  return ioErrorOf({ ...cause.details, appendedCount }, { cause });
}
