/** Appends of whole batches whose records are encoded already, as routing copies them from log to log. */
import type { EncodedRecords } from '../format/batch-encoder.ts';
import type { Appender } from './appender.ts';
import type { BatchBuilder } from './batch-builder.ts';
import type { LogMarks, VisibleCap } from './marks.ts';
import type { SyncLoop } from './sync-loop.ts';

/** Where they are in their log. */
export interface AppendedRange {
  readonly baseOffset: number;
  readonly nextOffset: number;
}

/** What becomes of a batch. Must not throw. */
export interface EncodedAnswer {
  /** It is synced. */
  complete(range: AppendedRange): void;
  /** It is not in the log; or, when the writer failed, only recovery can tell. */
  fail(error: Error): void;
}

export interface EncodedAppendsParts {
  readonly builder: BatchBuilder;
  readonly marks: LogMarks;
  readonly appender: Appender;
  readonly syncLoop: SyncLoop;
  /** Called when readers see more, without a write or a sync. */
  readonly onVisible: () => void;
}

export class EncodedAppends {
  readonly #parts: EncodedAppendsParts;
  /** Batches that are not synced, in order; those before `#head` are. */
  #unsynced: AppendedRange[] = [];
  #head = 0;
  /** At the oldest of them: nobody sees it, or what is behind it. */
  #cap: VisibleCap | null = null;

  constructor(parts: EncodedAppendsParts) {
    this.#parts = parts;
  }

  /** Whether batches were appended that are not synced. */
  get areOnTheirWay(): boolean {
    return this.#cap !== null;
  }

  /**
   * Appends records as one batch. Their bytes may change when it returns.
   *
   * `complete` is called when it is synced, whatever the level of the log; until then no reader sees it,
   * or what is appended behind it. Its sync does not go in front of those that callers wait for. `fail`
   * is called in the very step in which it is taken back, before anything can take its place. It may
   * wait for more of them to be written together: the last one is followed by `write`.
   *
   * @returns why nothing was appended, as `Log.append` rejects, and nobody is called; null = it was
   */
  append(records: EncodedRecords, answer: EncodedAnswer): Error | null {
    const { builder, marks, appender } = this.#parts;
    const refusal = appender.refusal(undefined);
    if (refusal !== null) return refusal;
    const baseOffset = appender.nextOffset;
    builder.addEncoded(records);
    const range = { baseOffset, nextOffset: appender.nextOffset };
    this.#unsynced.push(range);
    this.#cap ??= marks.cap(baseOffset);
    appender.submitLater({
      ...range,
      asked: 'sync',
      rank: 'background',
      complete: () => answer.complete(range),
      fail: (error) => {
        this.#takeBack(range);
        answer.fail(error);
      },
    });
    return null;
  }

  /** Has everything that was appended so far written. */
  write(): void {
    this.#parts.appender.writeNow();
  }

  /** Has everything that was appended so far synced, without anybody who waits. */
  syncSoon(): void {
    const { syncLoop, appender } = this.#parts;
    syncLoop.requestInBackground(appender.nextOffset);
  }

  /** Ends the open batch: the next record begins another. */
  closeBatch(): void {
    this.#parts.builder.closeBatch();
  }

  /** Called after each finished sync, before anybody is answered. */
  onSynced(): void {
    const { marks, appender } = this.#parts;
    if (this.#cap === null || appender.failure !== null) return;
    while ((this.#oldest?.nextOffset ?? Infinity) <= marks.syncedOffset) this.#head++;
    if (this.#head > this.#unsynced.length / 2) {
      this.#unsynced = this.#unsynced.slice(this.#head);
      this.#head = 0;
    }
    this.#moveCap();
  }

  get #oldest(): AppendedRange | undefined {
    return this.#unsynced[this.#head];
  }

  /** It and all behind it were refused. What a writer that failed has left stays out of sight. */
  #takeBack({ baseOffset }: AppendedRange): void {
    if (this.#parts.appender.failure !== null) return;
    const isLater = (range: AppendedRange | undefined) => (range?.baseOffset ?? -1) >= baseOffset;
    while (isLater(this.#unsynced.at(-1))) this.#unsynced.pop();
    this.#head = Math.min(this.#head, this.#unsynced.length);
    this.#moveCap();
  }

  /** One cap for all of them. */
  #moveCap(): void {
    const { marks, onVisible } = this.#parts;
    const oldest = this.#oldest;
    const cap = this.#cap;
    if (cap === null || cap.offset === oldest?.baseOffset) return;
    const { visibleOffset } = marks;
    this.#cap = oldest === undefined ? null : marks.cap(oldest.baseOffset);
    marks.uncap(cap);
    if (marks.visibleOffset > visibleOffset) onVisible();
  }
}
