/**
 * Writes chunks to segment files in order, and turns one segment into the next.
 *
 * Knows the written end; what was encoded behind it is the builder's. A write may be issued ahead of
 * its turn (`issueAhead`), while those before it are on their way, so that the disk has work during a
 * long turn of the event loop; whatever follows from its outcome waits for its turn.
 */
import { assert } from '../core/assert.ts';
import { DiskFullError, isIoError } from '../core/errors.ts';
import { SYNC_WRITE_BYTES_MAX, WRITES_AHEAD_MAX } from '../core/limits.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { DirectoryLock, File } from '../io/file-system.ts';
import { checkWritten } from '../io/transfer.ts';
import type { Segment } from '../segment/segment.ts';
import type { Chunk, LogEnd } from './chunk.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogMarks } from './marks.ts';
import { SegmentSeal } from './segment-seal.ts';
import type { SegmentList } from './segment-list.ts';
import type { SpaceGuard } from './space-guard.ts';
import type { SyncLoop } from './sync-loop.ts';

/** Failures to begin a segment that pass by themselves: the append is rejected, the log stays open. */
const PASSING_ERRNOS = ['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY'] as const;

/** The write was refused and undone: nothing of the chunk is in the log. */
export class RefusedWrite extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super('the write was refused and undone', { cause });
    this.name = 'RefusedWrite';
    this.cause = cause;
  }
}

export interface ChunkWriterOptions {
  readonly directory: LogDirectory;
  readonly lock: DirectoryLock;
  readonly marks: LogMarks;
  readonly segments: SegmentList;
  readonly syncLoop: SyncLoop;
  readonly guard: SpaceGuard;
  /** The writer's epoch: an index batch may not have an older one than the batches before it. */
  readonly epoch: number;
  readonly end: LogEnd;
}

export class ChunkWriter {
  readonly #options: ChunkWriterOptions;
  #end: LogEnd;
  /** Writes that were issued ahead of their turn and are not taken up yet, in order. */
  readonly #ahead = new Map<Chunk, Promise<number>>();
  /** The segment of the last write that was issued, and where it ends; null = nothing may follow. */
  #issuedSegment: Segment | null = null;
  #issuedPosition = 0;

  constructor(options: ChunkWriterOptions) {
    this.#options = options;
    this.#end = options.end;
  }

  /** Where written data ends. */
  get end(): LogEnd {
    return this.#end;
  }

  /**
   * Issues the write of a full chunk before its turn, if it follows the last one that was issued.
   * `write` must be called for each chunk in order, also for this one.
   *
   * @returns whether it was issued
   */
  issueAhead(chunk: Chunk): boolean {
    const isNext = chunk.segment === this.#issuedSegment && chunk.position === this.#issuedPosition;
    if (!isNext || chunk.startsSegment || this.#ahead.size >= WRITES_AHEAD_MAX) return false;
    if (!this.#options.guard.admits(chunk.sizeBytes)) return false;
    const written = this.#issue(chunk);
    this.#ahead.set(chunk, written);
    written.catch(() => undefined); // `write` hears of it.
    return true;
  }

  /**
   * Writes one chunk.
   *
   * @throws RefusedWrite when the disk is full (or files ran out) and the log is as it was before;
   *   anything else means that the state of the file is unknown and the writer must stop
   */
  async write(chunk: Chunk): Promise<void> {
    const ahead = this.#ahead.get(chunk);
    if (ahead === undefined) {
      assert(this.#ahead.size === 0, 'what was issued ahead comes first');
      // The floor is there for what must be written: room was asked for when it was decided.
      const mayRefuse = chunk.state !== 'committed';
      const { guard } = this.#options;
      if (mayRefuse && !guard.admits(chunk.sizeBytes)) await this.#askForRoom(chunk.sizeBytes);
      // One that comes again, because it must be written, may have begun it the first time.
      const isBegun = chunk.segment === this.#end.segment;
      if (chunk.startsSegment && !isBegun) await this.#startSegment(chunk.segment);
    }
    const { segment } = chunk;
    const file = openFile(segment);
    assert(segment.dataEndPosition === chunk.position, 'a chunk begins where the data ends');
    try {
      const pending = ahead ?? this.#writeNow(chunk);
      const written = typeof pending === 'number' ? pending : await pending;
      this.#ahead.delete(chunk);
      checkWritten(file, chunk.position, { written, expected: chunk.sizeBytes });
    } catch (error) {
      await this.#settleAhead();
      if (!(error instanceof DiskFullError)) throw error;
      await this.#cutBack(segment, file, chunk.position);
      if (await this.#options.guard.makeRoom()) return this.write(chunk);
      throw new RefusedWrite(error);
    }
    segment.finishedWrites++;
    segment.dataEndPosition = chunk.position + chunk.sizeBytes;
    segment.sizeBytes = segment.dataEndPosition;
    segment.learnEnd(chunk.endCrc);
    segment.learnAppend(chunk.appendTimeMs);
    this.#options.marks.writtenOffset = chunk.nextOffset;
    this.#end = {
      segment,
      isSealed: false,
      position: segment.dataEndPosition,
      offset: chunk.nextOffset,
      endCrc: chunk.endCrc,
      appendTimeMs: chunk.appendTimeMs,
      indexMark: chunk.indexMark,
    };
  }

  /** Why so many bytes must not be written now; null when they may. */
  async refusal(sizeBytes: number): Promise<Error | null> {
    const { guard } = this.#options;
    return guard.admits(sizeBytes) ? null : guard.refusal(sizeBytes);
  }

  async #askForRoom(sizeBytes: number): Promise<void> {
    const refusal = await this.#options.guard.refusal(sizeBytes);
    if (refusal !== null) throw new RefusedWrite(refusal);
  }

  #issue(chunk: Chunk): Promise<number> {
    this.#issuedSegment = chunk.segment;
    this.#issuedPosition = chunk.position + chunk.sizeBytes;
    return openFile(chunk.segment).write(bytesOf(chunk), chunk.position);
  }

  /** On the calling thread, when it is so little that the thread pool would cost more. */
  #writeNow(chunk: Chunk): number | Promise<number> {
    if (chunk.sizeBytes > SYNC_WRITE_BYTES_MAX) return this.#issue(chunk);
    this.#issuedSegment = null;
    return openFile(chunk.segment).writeSync(bytesOf(chunk), chunk.position);
  }

  /**
   * A write failed: waits for those behind it, so that none arrives behind what is done about it.
   *
   * @throws the first failure among them that is not a full disk
   */
  async #settleAhead(): Promise<void> {
    this.#issuedSegment = null;
    const writes = [...this.#ahead.values()];
    this.#ahead.clear();
    await Promise.allSettled(writes);
    for (const write of writes) await write.catch(passFullDisk);
  }

  /**
   * Creates the next segment, then seals the one before it with its tables and index batch.
   *
   * In this order, because a segment without an index is normal and a sealed one without a
   * successor would have to be cut open again.
   */
  async #startSegment(segment: Segment): Promise<void> {
    const { lock, syncLoop, segments } = this.#options;
    await lock.verify(); // Cheap and rare here: notices a LOCK that was replaced under us.
    await syncLoop.segmentSlot();
    await this.#createFile(segment);
    const previous = this.#end.segment;
    try {
      if (previous !== null && !this.#end.isSealed) await this.#seal(previous);
    } catch (error) {
      await segment.file?.close(); // Nobody else knows it yet.
      segment.file = null;
      throw error;
    }
    segments.add(segment);
    syncLoop.addSegment(segment);
    this.#end = {
      segment,
      isSealed: false,
      position: SEGMENT_HEADER_BYTES,
      offset: segment.baseOffset,
      endCrc: segment.headerCrc,
      appendTimeMs: this.#end.appendTimeMs,
      indexMark: { count: 0, lastPosition: SEGMENT_HEADER_BYTES, maxCreateTimeMs: 0 },
    };
  }

  async #createFile(segment: Segment): Promise<void> {
    const { fileSystem } = this.#options.directory;
    assert(segment.header !== null, 'a planned segment has a header');
    let file: File | null = null;
    try {
      file = await fileSystem.open(segment.path, 'create');
      const bytes = encodeSegmentHeader(segment.header);
      const written = file.writeSync(bytes, 0);
      checkWritten(file, 0, { written, expected: bytes.length });
    } catch (error) {
      await file?.close();
      if (!(error instanceof DiskFullError) && !isIoError(error, ...PASSING_ERRNOS)) throw error;
      if (file !== null) {
        await fileSystem.unlink(segment.path);
        // Durably: came it back after a power cut, it would seem to end the segment before it.
        await this.#options.directory.sync();
      }
      const isFull = error instanceof DiskFullError;
      if (isFull && (await this.#options.guard.makeRoom())) return this.#createFile(segment);
      throw new RefusedWrite(error);
    }
    segment.file = file;
    segment.finishedWrites++;
    segment.sizeBytes = SEGMENT_HEADER_BYTES;
  }

  #seal(segment: Segment): Promise<void> {
    const { marks, epoch } = this.#options;
    const { offset, endCrc, appendTimeMs } = this.#end;
    const file = openFile(segment);
    const seal = new SegmentSeal({
      segment,
      file,
      end: { offset, endCrc, appendTimeMs, epoch, syncedUpTo: marks.syncedOffset },
      admits: async (sizeBytes) => (await this.refusal(sizeBytes)) === null,
      cutBack: (position) => this.#cutBack(segment, file, position),
    });
    return seal.write();
  }

  /**
   * Removes the bytes of a short write, durably: they must not come back after a power cut.
   *
   * By way of the sync loop, which alone calls fdatasync: the kernel reports a failed writeback to
   * one of two calls, and the other would take lost data for synced.
   */
  async #cutBack(segment: Segment, file: File, position: number): Promise<void> {
    await file.truncate(position);
    segment.finishedWrites++;
    await this.#options.syncLoop.syncOnceMore();
  }
}

function passFullDisk(error: unknown): void {
  if (!(error instanceof DiskFullError)) throw error;
}

function bytesOf(chunk: Chunk): Uint8Array {
  return chunk.buffer.subarray(0, chunk.sizeBytes);
}

function openFile(segment: Segment): File {
  assert(segment.file !== null, 'the active segment has its file open');
  return segment.file;
}
