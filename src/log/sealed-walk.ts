/**
 * Walks all batches of a sealed segment, for work in the background: at the pace that it may have, and every
 * one of them, or it throws.
 */
import { CorruptLogError } from '../core/errors.ts';
import { BATCH_TARGET_BYTES } from '../core/limits.ts';
import type { Pace } from '../core/pace.ts';
import { recordBytesOf, type BatchHeader } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import type { SegmentHeader } from '../format/segment-header.ts';
import type { File } from '../io/file-system.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { SealedEnd } from './segment-seal.ts';

/** Work between two looks at the pace: as much as a batch of usual size brings. */
const STEP_BYTES = BATCH_TARGET_BYTES;
const STEP_RECORDS = 4096;

export interface WalkedFile {
  readonly file: File;
  readonly header: SegmentHeader;
  /** First offset after the segment. */
  readonly end: number;
}

export class SealedWalk {
  /** Records of the batches so far. */
  recordCount = 0;
  readonly #scanner: SegmentScanner;
  readonly #source: WalkedFile;
  readonly #pace: Pace;
  /** Of the last batch so far; epoch and synced end of the index, where there is one. */
  #endCrc = 0;
  #appendTimeMs = 0;
  #epoch = 0;
  #syncedUpTo = 0;
  #bytesRead = 0;
  #stepBytes = 0;
  #stepRecords = 0;

  constructor(source: WalkedFile, pace: Pace) {
    const { file, header } = source;
    const { logId, segmentId, baseOffset } = header;
    const start = { position: SEGMENT_HEADER_BYTES, baseOffset, keepBuffers: false };
    this.#scanner = new SegmentScanner(file, { logId, segmentId, ...start });
    this.#source = source;
    this.#pace = pace;
  }

  /**
   * The next batch of kind data or gap, good until the next call; null at the end.
   *
   * @throws CorruptLogError when not all of them are there and right; UnsupportedVersionError, IoError;
   *   what `Pace.turn` throws
   */
  async next(): Promise<VerifiedBatch | null> {
    if (this.#stepBytes >= STEP_BYTES || this.#stepRecords >= STEP_RECORDS) await this.#pause();
    const scanner = this.#scanner;
    const status = scanner.tryNext() ?? (await scanner.next());
    if (status !== 'batch') {
      this.#checkEnd(status === 'bad' ? scanner.problem : null);
      if (status === 'index') this.#noteSync(scanner.header);
      await this.#pause();
      return null;
    }
    const { bytes, view, start: at, header } = scanner;
    this.recordCount += header.recordCount;
    this.#endCrc = scanner.endCrc();
    this.#appendTimeMs = header.appendTimeMs;
    this.#noteSync(header);
    this.#bytesRead += header.sizeBytes;
    this.#stepBytes += recordBytesOf(view, at, header) ?? header.sizeBytes;
    this.#stepRecords += header.recordCount;
    return { bytes, view, at, header, file: this.#source.file.path };
  }

  /** Where the data ends, once all of it was walked. */
  get dataEndPosition(): number {
    return this.#scanner.position;
  }

  /** How the data ends, once all of it was walked. */
  get sealedEnd(): SealedEnd {
    return {
      offset: this.#source.end,
      endCrc: this.#endCrc,
      appendTimeMs: this.#appendTimeMs,
      epoch: this.#epoch,
      syncedUpTo: this.#syncedUpTo,
    };
  }

  #noteSync({ epoch, syncedUpTo }: BatchHeader): void {
    this.#epoch = epoch;
    this.#syncedUpTo = syncedUpTo;
  }

  async #pause(): Promise<void> {
    this.#pace.spend(this.#bytesRead);
    this.#bytesRead = 0;
    this.#stepBytes = 0;
    this.#stepRecords = 0;
    await this.#pace.turn();
  }

  #checkEnd(problem: string | null): void {
    const { position, expectedOffset: reached } = this.#scanner;
    const { file, end } = this.#source;
    if (reached === end) return; // What stands behind is derived.
    throw new CorruptLogError({
      file: file.path,
      position,
      kind: problem === null ? 'length' : 'batch',
      firstOffset: reached,
      nextOffset: end,
      reason: problem ?? `the segment ends at offset ${reached}, expected ${end}`,
    });
  }
}
