/** What a log is read by: batches, records, a cursor, single records. */
import { toError } from '../core/abort.ts';
import { checkInteger } from '../core/assert.ts';
import { ClosedError } from '../core/errors.ts';
import { NO_OPTIONS } from './append-result.ts';
import { LogCursor } from './log-cursor.ts';
import type { HandleOrigin, LogLife, LogParts } from './log-life.ts';
import { PointReader } from './point-reader.ts';
import { planRead, type ReadOptions, type SourceOptions } from './read-options.ts';
import type { ReadableLog } from './readable-log.ts';
import { RecordBatch, type LogRecord } from './record.ts';
import type { BatchMemory, RecordSource } from './record-source.ts';
import { RecordStream, type BatchStream } from './record-stream.ts';

/** The reading half of `Log`. */
export abstract class LogReads<T, Input = T> {
  /** @internal Shared by all handles of the open log. */
  readonly life: LogLife;
  readonly #origin: HandleOrigin<T, Input>;
  readonly #log: ReadableLog;
  readonly #points: PointReader<T>;

  /** @internal */
  constructor(parts: LogParts<T, Input>, origin: HandleOrigin<T, Input>, life: LogLife) {
    this.life = life;
    this.#origin = origin;
    this.#log = parts.log;
    const { codec, partition } = parts;
    this.#points = new PointReader(parts.log, { ...parts.settings, codec, partition });
  }

  /**
   * Reads batch by batch: one await per batch on disk, a plain loop inside.
   *
   * @param memory  @internal
   * @throws OffsetOutOfRangeError when `from` is not readable or retention passed the reader;
   *   CorruptLogError at damage; ClosedError; the signal's reason; with `follow` FailedError behind the
   *   last record when the writer stopped. A batch is decompressed when it is iterated: see there
   */
  async *batches(options: ReadOptions = {}, memory: BatchMemory = 'read'): BatchStream<T> {
    const plan = planRead(options);
    const source = this.life.read(plan, { memory });
    let { limit: left } = plan;
    try {
      while (left > 0 && (await source.next())) {
        const { from, to, kept } = source;
        const batch = new RecordBatch(kept, this.#origin, { from, to, recordsMax: left });
        if (Number.isFinite(left)) left -= batch.recordCount;
        yield batch;
      }
    } finally {
      source.close();
    }
  }

  /** Reads record by record: convenient, and several times slower than `batches`. */
  records(options: ReadOptions = {}): AsyncGenerator<LogRecord<T>, void, void> {
    return new RecordStream(this.batches(options));
  }

  /** Reads without an object per record: see `LogCursor`. */
  cursor(options: ReadOptions = {}): LogCursor {
    const plan = planRead(options);
    return new LogCursor(this.life.read(plan, { memory: 'reused' }), plan.limit);
  }

  /**
   * @internal Reads batch by batch as they are stored; close it.
   *
   * @param options.isDurable  only what survives a power cut; with `follow` it waits for that
   * @throws as `batches`; `limit` means nothing here
   */
  source(options: SourceOptions, memory: BatchMemory): RecordSource {
    const { isDurable = false, ...read } = options;
    return this.life.read(planRead(read), { memory, isDurable });
  }

  /**
   * Reads one record.
   *
   * @param options.epoch  the epoch that the offset was read in: refuses one that a power cut took back
   * @returns null when it holds no record: a gap
   * @throws OffsetOutOfRangeError, CorruptLogError, CodecUnavailableError, IoError
   */
  read(
    offset: number,
    options: { readonly epoch?: number } = NO_OPTIONS,
  ): Promise<LogRecord<T> | null> {
    try {
      checkInteger('offset', offset, { min: 0 });
      this.checkOpen();
      const { epoch = null } = options;
      this.life.readCount++;
      const { marks, follower } = this.#log;
      if (follower !== null && offset >= marks.visibleOffset) {
        return follower.refresh().then(() => this.#points.read(offset, epoch));
      }
      const record = this.#points.read(offset, epoch);
      return record instanceof Promise ? record : Promise.resolve(record);
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** Lets go of what is kept for reads, and ends those that are under way. */
  protected closeReads(): void {
    this.#points.clear();
    for (const source of this.life.reads) source.close();
  }

  /** @throws ClosedError */
  protected checkOpen(): void {
    const { path: name } = this.#log;
    if (this.life.closing !== null) throw new ClosedError({ resource: 'log', name });
  }
}
