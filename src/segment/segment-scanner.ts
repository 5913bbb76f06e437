/**
 * Walks the batches of one segment file in order, checking each, through large reads.
 *
 * Used by readers, recovery, verify and dump alike, so that all of them agree on what a valid
 * batch is. A scanner never decides what damage means: it stops and says what it saw.
 */
import { UnsupportedVersionError } from '../core/errors.ts';
import { READ_WINDOW_BYTES } from '../core/limits.ts';
import {
  batchProblem,
  batchVersion,
  emptyBatchHeader,
  headerProblem,
  nextOffsetOf,
  type BatchHeader,
} from '../format/batch-header.ts';
import { BATCH_HEADER_BYTES, BatchKind, FORMAT_VERSION } from '../format/layout.ts';
import { readReplacedEndCrc } from '../format/gap-batch.ts';
import { viewOf } from '../format/u64.ts';
import { uninitializedBytes } from '../io/buffer-pool.ts';
import type { File } from '../io/file-system.ts';

/**
 * `batch`: `header`, `bytes` and `start` describe a valid batch of data, gap or journal.
 * `index`: the segment's index batch; nothing behind it belongs to the segment.
 * `end`: the file ends on a batch boundary. `bad`: `problem` says why what follows is no batch.
 */
export type ScanStatus = 'batch' | 'index' | 'end' | 'bad';

export interface ScanStart {
  /** 0 = unknown, accept any. */
  readonly logId: number;
  readonly segmentId: number;
  /** Where the first batch stands, and the offset it must begin with. */
  readonly position: number;
  readonly baseOffset: number | null;
  /** Lowest epoch that the first batch may have; default 0. */
  readonly epochMin?: number;
  /** Bytes of the file that count; default: all there are. */
  readonly endPosition?: number;
  /** Verified batches outlive the next read when true (default): each read gets its own buffer. */
  readonly keepBuffers?: boolean;
  /** Bytes per read; default `READ_WINDOW_BYTES`. A larger batch is read whole. */
  readonly windowBytes?: number;
  /** Reads on the calling thread where that is right, and says how much; null = `file.read` shall. */
  readonly readNow?: ReadNow;
}

export type ReadNow = (into: Uint8Array, position: number) => number | null;

const EMPTY = new Uint8Array(0);
const EMPTY_VIEW = viewOf(EMPTY);

export class SegmentScanner {
  readonly header: BatchHeader = emptyBatchHeader();
  /** The current batch is `bytes[start, start + header.sizeBytes)`; `view` is of `bytes`. */
  bytes: Uint8Array = EMPTY;
  view: DataView = EMPTY_VIEW;
  start = 0;
  /** Position in the file of the current batch, or of what is bad. */
  position: number;
  /** Offset that the next batch must begin with; null before the first when unknown. */
  expectedOffset: number | null;
  /** Why the scan stopped, after `bad`. */
  problem = '';

  readonly #file: File;
  readonly #logId: number;
  readonly #segmentId: number;
  readonly #keepBuffers: boolean;
  readonly #windowBytes: number;
  readonly #readNow: ReadNow;
  #epochMin: number;
  #endPosition: number | null;
  #windowPosition = 0;
  #nextPosition: number;
  #reusable: Uint8Array = EMPTY;

  constructor(file: File, start: ScanStart) {
    this.#file = file;
    this.#logId = start.logId;
    this.#segmentId = start.segmentId;
    this.#keepBuffers = start.keepBuffers ?? true;
    this.#windowBytes = start.windowBytes ?? READ_WINDOW_BYTES;
    this.#readNow = start.readNow ?? notNow;
    this.#epochMin = start.epochMin ?? 0;
    this.#endPosition = start.endPosition ?? null;
    this.#nextPosition = start.position;
    this.position = start.position;
    this.expectedOffset = start.baseOffset;
  }

  /** Where the next batch would begin: the end of the last valid one. */
  get nextPosition(): number {
    return this.#nextPosition;
  }

  /** Has the next batch read from the file, whatever was read of it before, and its end found again. */
  forgetWindow(): void {
    this.bytes = EMPTY;
    this.view = EMPTY_VIEW;
    this.#endPosition = null;
  }

  /** Lets the scan go on up to `position`, in a segment that grows. */
  extendTo(position: number): void {
    this.#endPosition = position;
  }

  /** Epoch of the last valid batch, or the lowest that was asked for. */
  get epoch(): number {
    return this.#epochMin;
  }

  /** End CRC of the segment if the current batch is its last: of a gap, that of what it replaced. */
  endCrc(): number {
    const { header } = this;
    const isReplacement = header.kind === BatchKind.gap && header.extensionBytes > 0;
    return (
      (isReplacement ? readReplacedEndCrc(this.bytes, this.start, header) : null) ?? header.crc
    );
  }

  /**
   * Moves to the next batch. One read per window, none in between.
   *
   * @throws IoError when the file cannot be read: never taken for the end of the data;
   *   UnsupportedVersionError for a whole batch of a newer format
   */
  async next(): Promise<ScanStatus> {
    return this.tryNext() ?? (await this.#nextFromDisk());
  }

  /** As `next`, but null when a read is needed first. */
  tryNext(): ScanStatus | null {
    const position = this.#nextPosition;
    const start = position - this.#windowPosition;
    const available = this.bytes.length - start;
    if (start < 0 || available < BATCH_HEADER_BYTES || this.#endPosition === null) return null;
    this.position = position;
    const problem = headerProblem(this.view, start, this.#placeAt(position), this.header);
    if (problem !== null) return this.#stop(problem);
    if (this.header.sizeBytes > available) return null;
    return this.#accept(start);
  }

  #accept(start: number): ScanStatus {
    const { header, expectedOffset } = this;
    const problem = batchProblem(this.bytes, start, header);
    if (problem !== null) return this.#stop(problem);
    const version = batchVersion(this.view, start);
    if (version !== FORMAT_VERSION) {
      throw new UnsupportedVersionError({
        file: this.#file.path,
        found: version,
        supported: FORMAT_VERSION,
      });
    }
    if (expectedOffset !== null && header.baseOffset !== expectedOffset) {
      return this.#stop(`base offset is ${header.baseOffset}, expected ${expectedOffset}`);
    }
    if (header.epoch < this.#epochMin) {
      return this.#stop(`epoch is ${header.epoch}, the batch before has ${this.#epochMin}`);
    }
    this.start = start;
    this.expectedOffset = nextOffsetOf(header);
    this.#epochMin = header.epoch;
    this.#nextPosition = this.position + header.sizeBytes;
    return header.kind === BatchKind.index ? 'index' : 'batch';
  }

  #stop(problem: string): ScanStatus {
    this.problem = problem;
    return 'bad';
  }

  #placeAt(position: number): Parameters<typeof headerProblem>[2] {
    return {
      logId: this.#logId,
      segmentId: this.#segmentId,
      position,
      bytesLeft: (this.#endPosition ?? 0) - position,
    };
  }

  async #nextFromDisk(): Promise<ScanStatus> {
    this.#endPosition ??= (await this.#file.stat()).sizeBytes;
    const position = this.#nextPosition;
    this.position = position;
    const bytesLeft = this.#endPosition - position;
    if (bytesLeft <= 0) return 'end';
    await this.#fill(position, Math.min(this.#windowBytes, bytesLeft));
    if (this.bytes.length < BATCH_HEADER_BYTES) {
      return this.#stop(`${this.bytes.length} bytes left, a batch header has 112`);
    }
    const problem = headerProblem(this.view, 0, this.#placeAt(position), this.header);
    if (problem !== null) return this.#stop(problem);
    if (this.header.sizeBytes > this.bytes.length)
      await this.#fill(position, this.header.sizeBytes);
    if (this.header.sizeBytes > this.bytes.length) {
      return this.#stop(`length is ${this.header.sizeBytes}, ${this.bytes.length} bytes left`);
    }
    return this.#accept(0);
  }

  async #fill(position: number, sizeBytes: number): Promise<void> {
    const buffer = this.#buffer(sizeBytes);
    const bytesRead = this.#readNow(buffer, position) ?? (await this.#file.read(buffer, position));
    this.bytes = bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    this.view = viewOf(this.bytes);
    this.#windowPosition = position;
  }

  #buffer(sizeBytes: number): Uint8Array {
    if (this.#keepBuffers) return uninitializedBytes(sizeBytes);
    if (this.#reusable.length < sizeBytes) {
      this.#reusable = uninitializedBytes(sizeBytes);
    }
    return this.#reusable.subarray(0, sizeBytes);
  }
}

function notNow(): null {
  return null;
}
