/** A log as its users hold it: append, read, trim, close. */
import { toError, withSignal } from '../core/abort.ts';
import { checkInteger, present } from '../core/assert.ts';
import { ClosedError, OffsetOutOfRangeError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import {
  checkAppendOptions,
  NO_OPTIONS,
  PendingAppend,
  type AppendBatchResult,
  type AppendOptions,
  type AppendResult,
  type CheckedAppendOptions,
} from './append-result.ts';
import { whenAppended } from './append-run.ts';
import type { CompactionPlan, CompactionResult, CompactOptions } from './compact-options.ts';
import { planToRead } from './compaction-look.ts';
import { LogLife, type HandleOrigin, type LogParts } from './log-life.ts';
import { LogReads } from './log-reads.ts';
import { describeLog, type LogStats } from './log-stats.ts';
import type { LogWriter } from './log-writer.ts';
import { readOnlyError, type ReadableLog } from './readable-log.ts';
import { PreparedRecords, type PreparedAppend } from './prepared-records.ts';
import { emptyEncodable, prepareRecord, type RecordInput } from './record-input.ts';
import type { RecoveryReport } from './recovery-report.ts';
import { retainedSegments } from './retained-segments.ts';
import { dueSegments, type DueSegment } from './retention.ts';

import type { RetentionResult } from './trimmer.ts';

/**
 * An append-only sequence of records on disk, open in this process. Made by `openLog`.
 *
 * Offsets are numbers from 0, never reused at level `sync`. One writer, any number of readers.
 */
export class Log<T, Input = T> extends LogReads<T, Input> implements AsyncDisposable {
  /** What opening found and did. */
  readonly recovery: RecoveryReport;
  readonly #settings: LogParts<T, Input>['settings'];
  readonly #origin: HandleOrigin<T, Input>;
  readonly #log: ReadableLog;
  readonly #writer: LogWriter | null;
  readonly #scratch: EncodableRecord = emptyEncodable();
  readonly #prepared: PreparedRecords<Input>;

  /** @internal */
  constructor(parts: LogParts<T, Input>, life = new LogLife(parts)) {
    const { settings, codec, partition } = parts;
    const origin = { codec, partition, limits: settings };
    super(parts, origin, life);
    this.#settings = settings;
    this.#origin = origin;
    this.#log = parts.log;
    this.#writer = parts.writer;
    this.recovery = parts.recovery;
    this.#prepared = new PreparedRecords(this.#origin);
  }

  /** @internal The same open log, as a partition of a topic; both are closed together. */
  as<U, UInput>(codec: Codec<U, UInput>, partition: number): Log<U, UInput> {
    const parts = { log: this.#log, writer: this.#writer, recovery: this.recovery };
    return new Log({ settings: this.#settings, ...parts, codec, partition }, this.life);
  }

  /** @internal Where the store appends: commits, and what is routed. @throws ReadOnlyError, ClosedError */
  forStore(): Pick<PreparedAppend, 'logId' | 'appender'> &
    Pick<LogWriter, 'encoded' | 'trimmer' | 'tables' | 'swap' | 'compactor' | 'settledRewriter'> &
    Pick<ReadableLog, 'marks' | 'segments'> {
    const { appender, encoded, trimmer, tables, swap, compactor, settledRewriter } =
      this.#writable('commit');
    const { logId, marks, segments } = this.#log;
    const own = { logId, marks, segments };
    return { ...own, appender, encoded, trimmer, tables, swap, compactor, settledRewriter };
  }

  /** @internal Its settings were changed in place: what depends on them beyond the next append. */
  reconfigured(): void {
    this.#writer?.trimmer.start();
  }

  /** @internal Random: tells this log from any other, for ever. */
  get logId(): number {
    return this.#log.logId;
  }

  /** The log's directory, absolute, without symbolic links. */
  get path(): string {
    return this.#log.path;
  }

  get readOnly(): boolean {
    return this.#writer === null;
  }

  /** Lowest readable offset. */
  get startOffset(): number {
    return this.#log.marks.startOffset;
  }

  /** Offset that the next appended record gets; falls back when a full disk refuses appends. */
  get endOffset(): number {
    return this.#writer?.appender.nextOffset ?? this.#log.marks.visibleOffset;
  }

  /**
   * Readers see offsets below this: synced ones at level `sync`, written ones otherwise.
   *
   * A read-only handle beside a writer in another process knows what that one's checkpoint stated
   * at the last look (see `refresh`); without a writer, every whole batch of the log.
   */
  get visibleOffset(): number {
    return this.#log.marks.visibleOffset;
  }

  /** Everything below survives a power cut, wherever it is held. */
  get durableOffset(): number {
    return this.#log.marks.durableOffset;
  }

  /** This log's own files were synced up to here. */
  get syncedOffset(): number {
    return this.#log.marks.syncedOffset;
  }

  /** Grows with each writer that opens the log: with an offset it names a record for ever. */
  get epoch(): number {
    return this.#log.marks.epochs.at(-1)?.epoch ?? 0;
  }

  /**
   * Appends one record.
   *
   * @param options.durability      when to resolve; default the log's level
   * @param options.expectedOffset  append only if the record gets this offset
   * @returns the offset, and the level that was reached
   * @throws TypeError, RangeError, TooLargeError, CodecError, InvalidValueError at once, before any
   *   effect. Rejects with WrongOffsetError, BackpressureError, ClosedError, ReadOnlyError,
   *   DiskFullError (nothing was appended, try again later) or FailedError (the writer stopped;
   *   with `indeterminate` only recovery can tell whether the record is there)
   *
   * Durability: see `LogOptions.durability`. Cost: one promise; calls in the same turn of the event
   * loop, or during a write or sync in flight, share the next one.
   */
  append(record: RecordInput<Input>, options: AppendOptions = NO_OPTIONS): Promise<AppendResult> {
    const { durability, expectedOffset, signal } = this.#checked(options);
    prepareRecord(record, this.#nowMs(), this.#origin, this.#scratch);
    const refusal = this.#refusal('append', expectedOffset, signal);
    if (refusal !== null) return Promise.reject(refusal);
    const { appender } = present(this.#writer, '#refusal checked it');
    const offset = appender.add(this.#scratch);
    return withSignal(signal, (resolve, reject) => {
      appender.submit(durability, new PendingAppend(offset, durability, resolve, reject));
    });
  }

  /**
   * Appends records with consecutive offsets.
   *
   * All are checked before the first is appended. After a crash a prefix of them may be there, and
   * after a full disk too, when they filled more than one write: the error's
   * `details.appendedCount` says how many. What must be all or nothing belongs into one record.
   *
   * @returns offset of the first, their number, the level reached; an empty array resolves at once
   * @throws as `append`. Cost: one promise for all
   */
  appendBatch(
    records: readonly RecordInput<Input>[],
    options: AppendOptions = NO_OPTIONS,
  ): Promise<AppendBatchResult> {
    const checked = this.#checked(options);
    const prepared = this.#prepared.prepare(records, this.#settings.clock.now());
    const refusal = this.#refusal('appendBatch', checked.expectedOffset, checked.signal);
    if (refusal !== null) return Promise.reject(refusal);
    const { appender } = present(this.#writer, '#refusal checked it');
    const baseOffset = appender.nextOffset;
    const recordCount = records.length;
    this.#prepared.addAll(prepared, recordCount, appender);
    return whenAppended(appender, { baseOffset, recordCount }, checked);
  }

  /**
   * Appends one record without a promise.
   *
   * @returns its offset, provisional until `flushed()` resolves; or -1 when a quarter of
   *   `queuedBytesMax`, or 4 MiB that are not written yet, waits: await `ready()` and try again
   * @throws as `append`, all at once
   */
  appendNoWait(record: RecordInput<Input>): number {
    prepareRecord(record, this.#nowMs(), this.#origin, this.#scratch);
    const writer = this.#writer;
    if (writer === null) throw readOnlyError(this.#log, 'appendNoWait');
    return writer.appender.addNoWait(this.#scratch);
  }

  /**
   * Resolves when `appendNoWait` takes a good many records again, or throws why it will not.
   *
   * @throws ReadOnlyError, ClosedError
   */
  async ready(): Promise<void> {
    await this.#writable('ready').appender.ready();
  }

  /**
   * Resolves when everything appended so far reached the log's level.
   *
   * @throws as `append`; DiskFullError when records of `appendNoWait` were refused since the last
   *   call: they are not in the log, and `appendNoWait` takes no more until it was said, here,
   *   by `sync` or by `close`
   */
  async flushed(): Promise<void> {
    await this.#writable('flushed').appender.reached(this.#settings.durability);
  }

  /** Resolves when everything appended so far is synced, whatever the level. @throws as `flushed` */
  async sync(): Promise<void> {
    await this.#writable('sync').appender.reached('sync');
  }

  /**
   * Deletes all records below `offset`, for good. Disk space is freed by whole segments.
   *
   * @param offset  from `startOffset` (no effect at or below it) to `visibleOffset`
   * @throws OffsetOutOfRangeError, ReadOnlyError, FailedError, IoError; ConflictError, and nothing is
   *   deleted, when something of it is still needed: in a store, what routing has not copied yet
   */
  async deleteBefore(offset: number): Promise<void> {
    checkInteger('offset', offset, { min: 0 });
    const { trimmer } = this.#writable('deleteBefore');
    const { startOffset, visibleOffset } = this.#log.marks;
    if (offset > visibleOffset) {
      const endOffset = visibleOffset;
      throw new OffsetOutOfRangeError({ requested: offset, startOffset, endOffset, epoch: null });
    }
    await trimmer.deleteBefore(offset);
  }

  /**
   * Runs retention now.
   *
   * @param settledOffset  @internal all below may go
   * @throws ReadOnlyError, FailedError, IoError
   */
  async retain(settledOffset?: number): Promise<RetentionResult> {
    const { trimmer } = this.#writable('retain');
    return settledOffset === undefined ? trimmer.retain() : trimmer.dropSettled(settledOffset);
  }

  /**
   * @internal What `retain` would delete now, were it not needed: of a read-only handle, too.
   *
   * @throws IoError, ClosedError
   */
  async dueSegments(settledOffset: number): Promise<readonly DueSegment[]> {
    this.checkOpen();
    const { clock } = this.#settings;
    const nowMs = (this.#writer?.trimmer.ageClock ?? clock).now();
    const segments = await retainedSegments(this.#log, this.#settings, nowMs);
    return dueSegments(segments, this.#settings, { nowMs, settledOffset });
  }

  /**
   * Compacts the log by key: of each key the last record stays, and tombstones go once they are old enough.
   * Offsets and times of what stays are as they were. The newest segment is left alone.
   *
   * Syncs the log first. Whatever the share of what is dirty, but `compactionLagMsMin` counts. A compaction
   * that is under way is waited for, unless it began by itself: then this one takes over.
   *
   * @param options.bytesPerSecondMax  read and written together, at least 64 KiB; default null = as fast
   *   as it goes
   * @param options.signal  ends it, with the signal's reason
   * @returns what was done; where there is nothing to do that is a result, too
   * @throws TypeError, RangeError; ReadOnlyError; ConflictError where `compaction` is `off`;
   *   CorruptLogError where a segment is damaged: what lies in front of it was compacted;
   *   CodecUnavailableError for a batch that this Node cannot decompress; DiskFullError, IoError,
   *   FailedError, ClosedError
   *
   * Durability: each segment that was rewritten stays so, also when this rejects or the process is killed;
   * the next compaction goes on from there. Cost: reads what was not compared yet twice, and the rest once;
   * memory for keys up to `compactionMapBytesMax`; steps of about 5 ms of the event loop.
   */
  async compact(options: CompactOptions = {}): Promise<CompactionResult> {
    return this.#writable('compact').compactor.compact(options);
  }

  /**
   * What `compact` would do now, and what would be left: all of it is read, and nothing is written. A
   * read-only handle plans, too, but cannot tell what of a store is still needed.
   *
   * @param options  `bytesPerSecondMax`, `signal` and `onProgress` as for `compact`
   * @throws as `compact`, but for a handle that is read-only, and for damage: then the plan ends in front of it (`limitedBy`)
   *
   * Cost: as `compact`, without the writing; with several passes a bit for each offset of what they rewrite.
   */
  async planCompaction(options: CompactOptions = {}): Promise<CompactionPlan> {
    this.checkOpen();
    const compactor = this.#writer?.compactor ?? null;
    return compactor === null
      ? planToRead(this.#log, this.#settings, options)
      : compactor.plan(options);
  }

  /**
   * Of a read-only handle: looks for what a writer in another process appended, deleted and synced
   * since. Reads do so by themselves, when they begin and while they follow. No effect in the
   * writer's own handle, nor in one that was opened in spite of damage.
   *
   * @throws ConflictError when the directory holds another log now; ClosedError, IoError
   */
  async refresh(): Promise<void> {
    this.checkOpen();
    await this.#log.follower?.refresh();
  }

  /** Counters and sizes, in memory: no I/O. */
  stats(): LogStats {
    return describeLog(this.#log, this.#writer, this.life.closing !== null);
  }

  /**
   * Waits for pending appends, syncs everything and lets go of the directory. Idempotent.
   *
   * @throws FailedError when the writer had failed, or the last sync did; DiskFullError when records
   *   of `appendNoWait` were refused and nobody was told
   */
  close(): Promise<void> {
    this.life.closing ??= this.#close();
    return this.life.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#log.marks.wake();
    try {
      await this.#writer?.close();
    } finally {
      this.closeReads();
      await this.#log.handles.close();
    }
  }

  #nowMs(): number {
    return this.#writer === null ? this.#settings.clock.now() : this.#writer.appender.nowMs();
  }

  #checked(options: AppendOptions): CheckedAppendOptions {
    if (options === NO_OPTIONS) return this.#settings;
    return checkAppendOptions(options, this.#settings.durability);
  }

  #refusal(operation: string, expectedOffset?: number, signal?: AbortSignal): Error | null {
    if (this.#writer === null) return readOnlyError(this.#log, operation);
    if (signal?.aborted === true) return toError(signal.reason);
    if (this.life.closing !== null) return new ClosedError({ resource: 'log', name: this.path });
    return this.#writer.appender.refusal(expectedOffset);
  }

  #writable(operation: string): LogWriter {
    if (this.#writer === null) throw readOnlyError(this.#log, operation);
    this.checkOpen();
    return this.#writer;
  }
}
