/**
 * Walks the visible batches of a log in offset order, across segments, while it grows and while
 * retention takes its beginning away, in this process or in another.
 *
 * What a batch is, and whether it is valid, is the scanner's; this file knows how segments follow
 * each other and what is damage.
 */
import { present } from '../core/assert.ts';
import {
  CorruptLogError,
  isIoError,
  OffsetOutOfRangeError,
  type CorruptLogDetails,
} from '../core/errors.ts';
import { DIRECT_SCAN_BYTES_MAX, READ_WINDOW_BYTES } from '../core/limits.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { BatchKind, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { File } from '../io/file-system.ts';
import { resumeBehind, type ResumePlace } from '../segment/candidates.ts';
import { checkLink, enterSegment } from '../segment/segment-entry.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';
import type { FileLease } from './handle-cache.ts';
import { growsTo, type ReadableLog } from './readable-log.ts';
import type { LogGap } from './recovery-report.ts';
import { acquireSegment } from './segment-access.ts';

export interface ReaderOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Each read gets its own buffer, so batches may be kept; default true. */
  readonly keepBuffers?: boolean;
  /** Bytes per read; default `READ_WINDOW_BYTES`. */
  readonly windowBytes?: number;
  readonly skipsDamage: boolean;
  readonly onGap: ((gap: LogGap) => void) | null;
}

export class LogReader {
  /** Next offset wanted: everything below was walked. */
  offset: number;

  readonly #log: ReadableLog;
  readonly #options: ReaderOptions;
  #segment: Segment | null = null;
  #lease: FileLease | null = null;
  #scanner: SegmentScanner | null = null;
  /** The scan began at a place that the index named, and no batch confirmed it yet. */
  #trustsIndex = false;
  /** End CRC of the last batch that was walked in this segment; null before the first. */
  #endCrc: number | null = null;
  /** Bytes were read when offsets below this were visible: what is above must be read again. */
  #freshTo = 0;
  /** Places where another look was taken at what seemed to be damage. */
  readonly #reread = new Set<string>();
  #isClosed = false;

  constructor(log: ReadableLog, options: ReaderOptions) {
    this.#log = log;
    this.#options = options;
    this.offset = options.from;
  }

  /** The scanner that stands on the current batch, after `next` said true. */
  get scanner(): SegmentScanner {
    return present(this.#scanner, 'a batch is current');
  }

  /** Path of the current segment. */
  get file(): string {
    return this.#segment?.path ?? this.#log.path;
  }

  /**
   * Moves to the next batch with records that covers an offset in [`offset`, `limit`); false when there is
   * none yet, or the reader was closed. `limit` must not be above the visible offset.
   *
   * @throws CorruptLogError, OffsetOutOfRangeError (retention passed the reader), IoError
   */
  async next(limit: number): Promise<boolean> {
    while (this.offset < limit && !this.#isClosed) {
      const scanner = this.#scanner ?? (await this.#enter());
      if (this.offset >= limit) break; // The segments of all that was wanted are missing.
      const segment = present(this.#segment, 'set together with the scanner');
      this.#freshen(scanner); // Also when the end is known by now: the bytes may be older.
      if (segment.dataEndPosition !== null) scanner.extendTo(segment.dataEndPosition);
      const status = scanner.tryNext() ?? (await scanner.next());
      if (this.#isClosed) break; // Meanwhile.
      if (status !== 'batch') {
        await this.#leave(segment, scanner, status === 'bad' ? scanner.problem : null);
        continue;
      }
      const { header } = scanner;
      if (this.#trustsIndex && header.baseOffset > this.offset) {
        await this.#rescan(segment);
        continue;
      }
      this.#trustsIndex = false;
      this.#endCrc = scanner.endCrc();
      const nextOffset = nextOffsetOf(header);
      if (nextOffset <= this.offset) continue;
      this.offset = nextOffset;
      // Neither holds a record: they were lost, or compacted away.
      if (header.kind !== BatchKind.gap && header.recordCount > 0) return true;
    }
    return false;
  }

  /** Lets go of the file, also of one that is being opened. */
  close(): void {
    this.#isClosed = true;
    this.#letGo();
  }

  #letGo(): void {
    this.#lease?.release();
    this.#lease = null;
    this.#scanner = null;
  }

  async #enter(): Promise<SegmentScanner> {
    const { marks, segments } = this.#log;
    if (this.offset < marks.startOffset) throw this.#outOfRange();
    const segment = segments.floor(this.offset) ?? this.#passMissingStart();
    return this.#open(segment, null);
  }

  /** The first segments are gone: goes on with the first that is there, or says so. */
  #passMissingStart(): Segment {
    const first = this.#log.segments.all[0];
    const nextOffset = first?.baseOffset ?? null;
    const hole = { file: this.#log.path, position: 0, firstOffset: this.offset };
    if (first === undefined || nextOffset === null || !this.#options.skipsDamage) {
      const reason = 'no segment holds this offset';
      throw new CorruptLogError({ ...hole, nextOffset, kind: 'chain', reason });
    }
    this.#options.onGap?.({ ...hole, nextOffset });
    this.offset = nextOffset;
    return first;
  }

  /** @param previous  the segment whose end was just reached: the link to it is checked */
  async #open(segment: Segment, previous: Segment | null): Promise<SegmentScanner> {
    const { logId } = this.#log;
    this.#letGo();
    this.#segment = segment;
    this.#endCrc = null;
    const lease = await this.#acquire(segment);
    if (lease === null) return this.#enter();
    this.#lease = lease;
    if (this.#isClosed) this.#letGo();
    const { file } = lease;
    try {
      await enterSegment(segment, file, { logId, previous });
      checkLink(segment, previous);
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      if (await this.#looksAgain(segment, 0)) {
        return this.#log.segments.all.includes(segment)
          ? this.#open(segment, previous)
          : this.#enter();
      }
      if (!this.#options.skipsDamage) throw error;
      // The batches prove themselves; only the header is lost.
    }
    const isStart = this.offset <= segment.baseOffset;
    const index = isStart
      ? null
      : await this.#log.indexes.load(segment, file, growsTo(this.#log, segment));
    const position = index?.positionForOffset(this.offset) ?? SEGMENT_HEADER_BYTES;
    this.#trustsIndex = position > SEGMENT_HEADER_BYTES;
    return this.#scan(segment, position, this.#trustsIndex ? null : segment.baseOffset);
  }

  /** Null when the list does not have the segment any more: it was replaced, or another process took it away. */
  async #acquire(segment: Segment): Promise<FileLease | null> {
    const { follower, marks, segments } = this.#log;
    try {
      return await acquireSegment(this.#log, segment);
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error;
      await follower?.relist();
      // Retention may have unlinked the file since we looked it up.
      if (this.offset < marks.startOffset) throw this.#outOfRange();
      if (segments.all.includes(segment)) throw error;
      return null;
    }
  }

  #scan(segment: Segment, position: number, baseOffset: number | null): SegmentScanner {
    const { file } = present(this.#lease, '#open took it');
    this.#freshTo = this.#log.marks.visibleOffset;
    this.#scanner = new SegmentScanner(file, {
      logId: this.#log.logId,
      segmentId: segment.header?.segmentId ?? 0,
      position,
      baseOffset,
      keepBuffers: this.#options.keepBuffers ?? true,
      windowBytes: this.#options.windowBytes ?? READ_WINDOW_BYTES,
      readNow: (into, at) => this.#readNow(segment, file, into, at),
    });
    return this.#scanner;
  }

  /** Of the segment that grows: what was just appended is in the page cache. */
  #readNow(segment: Segment, file: File, into: Uint8Array, position: number): number | null {
    const { segments, follower, directReads } = this.#log;
    if (into.length > DIRECT_SCAN_BYTES_MAX || segment !== segments.last) return null;
    return follower === null ? directReads.read(file, into, position) : null;
  }

  /** The index pointed somewhere wrong: forget it and walk the segment from its beginning. */
  async #rescan(segment: Segment): Promise<void> {
    this.#trustsIndex = false;
    this.#scan(segment, SEGMENT_HEADER_BYTES, segment.baseOffset);
  }

  /** The scan of a segment stopped: go on to the next one, or say what is damaged. */
  async #leave(segment: Segment, scanner: SegmentScanner, problem: string | null): Promise<void> {
    if (this.#trustsIndex) {
      await this.#rescan(segment);
      return;
    }
    const reached = scanner.expectedOffset ?? segment.baseOffset;
    // Retention passed the reader: what it wants next is gone.
    if (this.offset < this.#log.marks.startOffset) throw this.#outOfRange();
    const next = this.#log.segments.after(segment.baseOffset);
    const isWhole = next !== null && reached === next.baseOffset;
    if (!isWhole && (await this.#looksAgain(segment, scanner.position))) return;
    if (isWhole) {
      if (segment.endCrc === null) segment.learnEnd(this.#endCrc ?? segment.headerCrc);
      await this.#open(next, segment);
      return;
    }
    const details: CorruptLogDetails = {
      file: segment.path,
      position: scanner.position,
      kind: problem === null ? 'length' : 'batch',
      firstOffset: reached,
      nextOffset: next?.baseOffset ?? null,
      reason: problem ?? `the segment ends at offset ${reached}, expected more`,
    };
    await this.#passDamage(segment, details);
  }

  /**
   * Another process may have put another file in place of the segment, or repaired it: reads
   * everything once more, once for each place, before anything is called damage.
   */
  async #looksAgain(segment: Segment, position: number): Promise<boolean> {
    const { follower } = this.#log;
    const { path } = segment;
    const place = `${position} ${path}`;
    if (follower === null || this.#reread.has(place)) return false;
    this.#reread.add(place);
    await follower.relist();
    this.#log.handles.forget(path);
    segment.forget();
    this.#letGo(); // `next` enters again.
    return true;
  }

  /**
   * In a segment that another process appends to, bytes that were read before they became visible
   * may be those of a write that was undone: reads them again once they are.
   */
  #freshen(scanner: SegmentScanner): void {
    const { follower, marks } = this.#log;
    if (follower === null || this.offset < this.#freshTo) return;
    scanner.forgetWindow();
    this.#freshTo = marks.visibleOffset;
  }

  async #passDamage(segment: Segment, details: CorruptLogDetails): Promise<void> {
    const next = this.#log.segments.after(segment.baseOffset);
    const resume = await this.#resumeBehind(segment, details, next?.baseOffset ?? null);
    const nextOffset = resume?.baseOffset ?? next?.baseOffset ?? this.#log.marks.visibleOffset;
    if (!this.#options.skipsDamage) throw new CorruptLogError({ ...details, nextOffset });
    const firstOffset = Math.max(details.firstOffset ?? 0, this.offset);
    const { file, position } = details;
    // Empty when a later segment's batches stood here and took the reader beyond its border.
    if (nextOffset > firstOffset) {
      this.#options.onGap?.({ firstOffset, nextOffset, file, position });
    }
    this.offset = Math.max(this.offset, nextOffset);
    if (resume !== null) this.#scan(segment, resume.position, resume.baseOffset);
    else if (next === null) this.#letGo();
    else await this.#open(next, null);
  }

  /** Where valid batches go on in the same segment; null when they do not. */
  async #resumeBehind(
    segment: Segment,
    details: CorruptLogDetails,
    before: number | null,
  ): Promise<ResumePlace | null> {
    const { file } = present(this.#lease, 'held while a segment is scanned');
    const { sizeBytes } = await file.stat();
    const search = {
      logId: this.#log.logId,
      segmentId: segment.header?.segmentId ?? 0,
      position: details.position,
      endPosition: segment.dataEndPosition ?? sizeBytes,
    };
    return resumeBehind(file, search, { after: details.firstOffset ?? -1, before });
  }

  #outOfRange(): OffsetOutOfRangeError {
    const { startOffset, visibleOffset } = this.#log.marks;
    return new OffsetOutOfRangeError({
      requested: this.offset,
      startOffset,
      endOffset: visibleOffset,
      epoch: null,
    });
  }
}
