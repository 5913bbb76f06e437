/**
 * The unread records of one partition, in order: those of the next batch are in memory, one more batch
 * is read ahead, and nothing waits for the disk that is there.
 */
import { OffsetOutOfRangeError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import type { LogRecord, RecordBatch } from '../log/record.ts';
import type { UnreadRanges } from './unread-ranges.ts';

export interface ShareFeedOptions {
  readonly log: Log<Uint8Array>;
  /** Those of the state, which may be another object after each change. */
  readonly unread: () => UnreadRanges;
  /** Called when `take` may have more, or fails now. Must not throw. */
  readonly onArrival: () => void;
}

/** Offsets that hold no record. */
type AbsentRun = readonly [first: number, count: number];

/** Batches without an unread record that are read rather than begun behind, where nothing is known of them. */
const BATCHES_PASSED_MAX = 2;

type Batches = AsyncGenerator<RecordBatch<Uint8Array>, void, void>;

export class ShareFeed {
  readonly #options: ShareFeedOptions;
  /** Handed out, and given back because they could not be journaled; the next one last. */
  #given: LogRecord<Uint8Array>[] = [];
  #absent: AbsentRun[] = [];
  #current: Iterator<LogRecord<Uint8Array>> | null = null;
  #currentEnd = 0;
  #ahead: RecordBatch<Uint8Array> | null = null;
  #batches: Batches | null = null;
  /** Where they go on, and where they end. */
  #from = 0;
  #end = 0;
  /** How many offsets the last one had. */
  #batchLength = 0;
  #ending = new AbortController();
  #isLoading = false;
  #failure: { readonly error: unknown } | null = null;
  /** Offsets below were taken, or hold no record. */
  #position: number;
  /**
   * Opening the log may have left gaps below. A read ends here: it says nothing of a gap in front of
   * which it has no record, and a record behind one at the end would be waited for.
   */
  readonly #gapsEnd: number;

  constructor(options: ShareFeedOptions) {
    this.#options = options;
    this.#gapsEnd = options.log.endOffset;
    this.#position = options.unread().first;
  }

  /** Whether a record that is there is only on its way from the disk. */
  get isBehind(): boolean {
    const { log, unread } = this.#options;
    const from = this.#current === null ? this.#position : this.#currentEnd;
    return this.#isLoading && unread().next(from).from < log.visibleOffset;
  }

  /**
   * The next unread record; null when none is in memory: `onArrival` says when to ask again.
   *
   * @throws OffsetOutOfRangeError when retention took what comes next; CorruptLogError; IoError. The
   *   next call tries again
   */
  take(): LogRecord<Uint8Array> | null {
    const given = this.#given.pop();
    if (given !== undefined) return given;
    for (;;) {
      if (this.#failure !== null) this.#throwFailure(this.#failure);
      const record = this.#takeCurrent();
      if (record !== null) return record;
      const batch = this.#ahead;
      if (batch === null) {
        this.#load();
        return null;
      }
      this.#ahead = null;
      this.#current = batch[Symbol.iterator]();
      this.#currentEnd = batch.nextOffset;
      this.#load();
    }
  }

  /** Takes a record back: the one that was taken last, of those that are not back. */
  giveBack(record: LogRecord<Uint8Array>): void {
    this.#given.push(record);
  }

  get hasAbsent(): boolean {
    return this.#absent.length > 0;
  }

  /** Offsets between those that were taken that hold no record, each once. */
  takeAbsent(): readonly AbsentRun[] {
    const absent = this.#absent;
    if (absent.length > 0) this.#absent = [];
    return absent;
  }

  /** Takes back what `takeAbsent` gave. */
  giveBackAbsent(absent: readonly AbsentRun[]): void {
    for (const run of absent) this.#absent.push(run);
  }

  /** What is unread was changed by hand: begins anew. Nothing that was taken may be under way. */
  reset(): void {
    this.#stop();
    this.#given = [];
    this.#absent = []; // What was not journaled is met again.
    this.#position = this.#options.unread().first;
    this.#options.onArrival();
  }

  close(): void {
    this.#stop();
  }

  #stop(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#batches = null;
    this.#current = null;
    this.#ahead = null;
    this.#failure = null;
    this.#isLoading = false;
  }

  #takeCurrent(): LogRecord<Uint8Array> | null {
    const current = this.#current;
    if (current === null) return null;
    const unread = this.#options.unread();
    for (;;) {
      const { done, value } = current.next();
      if (done === true) break;
      const { offset } = value;
      this.#passTo(offset);
      this.#position = offset + 1;
      // One that was cancelled meanwhile is passed over.
      if (offset >= unread.frontier || unread.has(offset)) return value;
    }
    this.#passTo(this.#currentEnd);
    this.#current = null;
    return null;
  }

  /** Between the last record and the next one there is none: what is unread there is absent. */
  #passTo(offset: number): void {
    while (this.#position < offset) {
      const { from, to } = this.#options.unread().next(this.#position);
      this.#position = Math.min(to, offset);
      if (from < offset) this.#absent.push([from, this.#position - from]);
    }
    this.#position = offset;
  }

  #throwFailure({ error }: { readonly error: unknown }): never {
    this.#failure = null;
    this.#batches = null;
    throw error;
  }

  #load(): void {
    if (this.#isLoading || this.#ahead !== null) return;
    this.#isLoading = true;
    const batches = (this.#batches = this.#nearBatches() ?? this.#begin());
    void this.#fetch(batches);
  }

  /** Those that are being read; null when there are none, or they would read what nobody wants. */
  #nearBatches(): Batches | null {
    const batches = this.#batches;
    const gap = this.#options.unread().next(this.#from).from - this.#from;
    if (batches === null || gap <= this.#batchLength * BATCHES_PASSED_MAX) return batches;
    batches.return().catch(() => undefined);
    return null;
  }

  #begin(): Batches {
    const { log, unread } = this.#options;
    const ranges = unread();
    const { from, to } = ranges.next(this.#current === null ? this.#position : this.#currentEnd);
    const isLast = from >= ranges.frontier;
    this.#from = from;
    const end = isLast ? to : ranges.frontier; // Through what lies between, where that is little.
    this.#end = from < this.#gapsEnd ? Math.min(end, this.#gapsEnd) : end;
    this.#batchLength = 0;
    const { signal } = this.#ending;
    const read = { from, to: this.#end, follow: true, keepsAlive: false, signal };
    return log.batches(read, 'own'); // What a lease of hours keeps must be small.
  }

  /** The next call goes on behind it. What is left of it holds no record. */
  #endBatches(): void {
    this.#batches = null;
    if (this.#end > this.#options.log.visibleOffset) return; // The log was closed.
    if (this.#current === null) this.#passTo(this.#end);
    else this.#currentEnd = this.#end;
  }

  async #fetch(batches: Batches): Promise<void> {
    try {
      const { value } = await batches.next();
      if (this.#batches !== batches) return; // It was stopped meanwhile.
      this.#isLoading = false;
      if (value instanceof Object) this.#fetched(value);
      else this.#endBatches();
    } catch (error) {
      if (this.#batches !== batches) return;
      this.#isLoading = false;
      const isWanted = this.#options.unread().has(this.#from);
      if (isWanted) this.#failure = { error };
      else this.#batches = null; // Damage in what is settled: the next call begins behind it.
    }
    this.#options.onArrival();
  }

  #fetched(batch: RecordBatch<Uint8Array>): void {
    this.#ahead = batch;
    this.#batchLength = batch.nextOffset - this.#from;
    this.#from = batch.nextOffset;
  }
}

/** Whether retention took what was to be read. */
export function isTrimmed(error: unknown): error is OffsetOutOfRangeError {
  return error instanceof OffsetOutOfRangeError;
}
