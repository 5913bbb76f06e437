/**
 * Reads the tail of a log, everything past its checkpoint, and judges it by rule R4. Writes nothing.
 *
 * The tail is walked to its first bad batch; *p* is the offset expected there. Every batch states
 * the offset that its writer knew to be synced when it was encoded, and so does the checkpoint. If
 * any of them, also from valid batches behind the damage, states an offset above p, acknowledged
 * data is damaged. Otherwise nothing from p on was ever acknowledged at `sync`: a torn tail.
 *
 * The two usual rules are wrong: "cut at the first bad byte" loses synced data to one flipped bit,
 * and "damage if anything valid follows" calls one power cut in eight damage, because the kernel may
 * write later pages first. (Compare Protocol-Aware Recovery, FAST'18, and 20,000 simulated crashes.)
 */
import { present } from '../core/assert.ts';
import { UnsupportedVersionError, type CorruptionKind } from '../core/errors.ts';
import { nextOffsetOf, type BatchHeader } from '../format/batch-header.ts';
import type { Checkpoint, EpochStart } from '../format/checkpoint.ts';
import { isDedupTable } from '../format/dedup-table-batch.ts';
import { findExtension } from '../format/extension.ts';
import { GAP_BATCH_BYTES_MIN } from '../format/gap-batch.ts';
import { ExtensionType, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from '../format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../format/segment-header.ts';
import type { File, FileSystem } from '../io/file-system.ts';
import { findCandidates } from '../segment/candidates.ts';
import { foreignProblem, linkProblem } from '../segment/segment-entry.ts';
import { SegmentIndex } from '../segment/segment-index.ts';
import { SegmentScanner, type ScanStatus } from '../segment/segment-scanner.ts';
import type { Segment } from '../segment/segment.ts';
import { beginEpoch, epochAt } from './epochs.ts';
import { firstExpected, firstSegmentToWalk, type TailInput } from './tail-input.ts';

/** Where the walk met something that is not the next batch. */
export interface TailDamage {
  /** Index into `segments`. */
  readonly segmentAt: number;
  readonly position: number;
  readonly kind: CorruptionKind;
  readonly reason: string;
  /** Where valid data goes on; null when nothing valid follows. */
  readonly resume: TailPlace | null;
  /** A whole header of another log or another place: never the work of a power cut. */
  readonly isForeign: boolean;
}

/** Where a batch stands. */
export interface TailPlace {
  readonly segmentAt: number;
  readonly position: number;
  readonly baseOffset: number;
}

export interface TailExamination {
  readonly segments: readonly Segment[];
  /** First segment that was walked. */
  readonly firstAt: number;
  /** Segment in which the valid data ends; `firstAt - 1` when none that was walked is valid. */
  readonly lastAt: number;
  /** The last valid segment ends in a valid index batch: nothing may be appended to it. */
  readonly isSealed: boolean;
  /** *p*: the offset after the last valid batch. */
  readonly endOffset: number;
  /** Epoch of the last valid batch; 0 when there is none. */
  readonly epoch: number;
  /** Where each epoch that was met begins, as far as the walk knows; the newest 16. */
  readonly epochs: readonly EpochStart[];
  /** Largest append time seen. */
  readonly lastAppendTimeMs: number;
  readonly damage: TailDamage | null;
  /** Highest offset that anything states to be synced. Above `endOffset`: data is damaged. */
  readonly syncedOffset: number;
  /** First offset after the last valid batch anywhere, also behind the damage. */
  readonly reachableOffset: number;
  /** Where the checkpoint's synced offset stands: what follows is the tail. */
  readonly tailStart: { segmentAt: number; position: number };
  readonly verifiedBytes: number;
  readonly notes: readonly string[];
}

/** Walks and judges the tail. @throws IoError, UnsupportedVersionError */
export async function examineTail(input: TailInput): Promise<TailExamination> {
  const walk = new TailWalk(input);
  await walk.run();
  return walk.result();
}

type HeaderProblem = Pick<TailDamage, 'kind' | 'reason' | 'isForeign'>;

class TailWalk {
  readonly #fileSystem: FileSystem;
  readonly #segments: readonly Segment[];
  readonly #checkpoint: Checkpoint | null;
  readonly #firstAt: number;
  readonly #to: number;
  readonly #notes: string[] = [];
  #logId: number;
  #lastAt: number;
  #isSealed = false;
  #expected: number;
  #epoch = 0;
  #epochs: readonly EpochStart[] = [];
  #lastAppendTimeMs = 0;
  #damage: TailDamage | null = null;
  #syncedOffset: number;
  #tailStart: { segmentAt: number; position: number } | null = null;
  #verifiedBytes = 0;
  #reachableOffset = 0;

  constructor(input: TailInput) {
    this.#fileSystem = input.fileSystem;
    this.#segments = input.segments;
    this.#checkpoint = input.checkpoint;
    this.#logId = input.logId;
    this.#to = input.to ?? Number.POSITIVE_INFINITY;
    this.#syncedOffset = input.checkpoint?.syncedOffset ?? 0;
    this.#firstAt = firstSegmentToWalk(input);
    this.#lastAt = this.#firstAt - 1;
    this.#expected = firstExpected(input.segments[this.#firstAt], this.#firstAt, input.checkpoint);
  }

  async run(): Promise<void> {
    for (let at = this.#firstAt; at < this.#segments.length; at++) {
      if (this.#expected >= this.#to) return;
      const segment = present(this.#segments[at], 'at < length');
      if (!(await this.#enter(segment, at))) break;
    }
    if (this.#damage !== null && this.#to === Number.POSITIVE_INFINITY) {
      await this.#searchBehind(this.#damage);
    }
  }

  result(): TailExamination {
    return {
      segments: this.#segments,
      firstAt: this.#firstAt,
      lastAt: this.#lastAt,
      isSealed: this.#isSealed,
      endOffset: this.#expected,
      epoch: this.#epoch,
      epochs: this.#epochs,
      lastAppendTimeMs: this.#lastAppendTimeMs,
      damage: this.#damage,
      syncedOffset: this.#syncedOffset,
      reachableOffset: Math.max(this.#reachableOffset, this.#expected),
      tailStart: this.#tailStart ?? { segmentAt: this.#firstAt, position: 0 },
      verifiedBytes: this.#verifiedBytes,
      notes: this.#notes,
    };
  }

  /** Walks one segment; false when the walk ends in it or before it. */
  async #enter(segment: Segment, at: number): Promise<boolean> {
    if (segment.baseOffset !== this.#expected) {
      const previous = this.#segments[this.#lastAt];
      this.#damage = {
        segmentAt: this.#lastAt,
        position: previous?.dataEndPosition ?? 0,
        kind: 'length',
        reason: `the segment ends at offset ${this.#expected}, the next begins at ${segment.baseOffset}`,
        resume: null,
        isForeign: false,
      };
      return false;
    }
    const file = await this.#fileSystem.open(segment.path, 'read');
    try {
      segment.sizeBytes = (await file.stat()).sizeBytes;
      const problem = await this.#enterHeader(segment, file);
      if (problem !== null) {
        this.#damage = { segmentAt: at, position: 0, resume: null, ...problem };
        return false;
      }
      this.#lastAt = at;
      this.#isSealed = segment.isRewritten;
      return await this.#walkBatches(segment, at, file);
    } finally {
      await file.close();
    }
  }

  async #enterHeader(segment: Segment, file: File): Promise<HeaderProblem | null> {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const bytesRead = await file.read(bytes, 0);
    const parsed = parseSegmentHeader(bytes.subarray(0, bytesRead));
    if (parsed.header === null) {
      if (parsed.version !== null) throw newerVersion(segment.path, parsed.version);
      return { kind: 'header', reason: parsed.problem, isForeign: false };
    }
    const { header } = parsed;
    const problem = this.#headerMismatch(segment, header);
    if (problem !== null) return problem;
    this.#logId = header.logId;
    segment.learnHeader(header, parsed.crc);
    segment.learnEnd(parsed.crc);
    segment.dataEndPosition = SEGMENT_HEADER_BYTES;
    segment.index = new SegmentIndex();
    segment.learnAppend(header.createdTimeMs);
    const appendTimeMs = segment.lastAppendTimeMs ?? header.createdTimeMs;
    this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, appendTimeMs);
    // Only what was synced is ever rewritten, and only by what was: were these offsets given anew, what is
    // there then would count as compared.
    const syncedOffset = Math.max(segment.statedEnd ?? 0, header.compactedTo);
    this.#syncedOffset = Math.max(this.#syncedOffset, syncedOffset);
    return null;
  }

  #headerMismatch(segment: Segment, header: SegmentHeader): HeaderProblem | null {
    const foreign = foreignProblem(segment, header, this.#logId);
    if (foreign !== null) return { kind: 'chain', reason: foreign, isForeign: true };
    const previous = this.#segments[this.#lastAt];
    if (previous === undefined) return null; // The first segment's backward link is not checked.
    const reason = linkProblem(previous, header);
    return reason === null ? null : { kind: 'chain', reason, isForeign: false };
  }

  async #walkBatches(segment: Segment, at: number, file: File): Promise<boolean> {
    const header = present(segment.header, '#enterHeader set it');
    const end = segment.statedEnd ?? this.#segments[at + 1]?.baseOffset ?? null;
    const scanner = new SegmentScanner(file, {
      logId: header.logId,
      segmentId: header.segmentId,
      position: SEGMENT_HEADER_BYTES,
      baseOffset: segment.baseOffset,
      epochMin: this.#epoch,
      endPosition: segment.sizeBytes,
      keepBuffers: false,
    });
    this.#noteTailStart(at, 0);
    for (;;) {
      if (this.#expected >= this.#to) return true;
      const isComplete = this.#expected === end;
      const status = await scanner.next();
      this.#verifiedBytes = this.#verifiedBytes + scanner.nextPosition - scanner.position;
      if (status === 'index') {
        this.#isSealed = true;
        await this.#passTables(segment, scanner);
        return true;
      }
      if (isComplete) {
        // What follows the last batch is index or debris: rebuilt in memory, never evidence.
        if (status !== 'end') {
          this.#notes.push(`${segment.path}: damaged index batch, rebuilt`);
          segment.sizeBytes = scanner.position; // The rewrite of the tail cuts the debris off.
        }
        return true;
      }
      if (status === 'end') return true;
      const stale = status === 'batch' ? this.#staleness(scanner) : scanner.problem;
      if (stale !== null) {
        const position = scanner.position;
        this.#damage = {
          segmentAt: at,
          position,
          kind: 'batch',
          reason: stale,
          resume: null,
          isForeign: false,
        };
        return false;
      }
      this.#take(segment, at, scanner);
    }
  }

  /** From the first batch behind the data on: tables count only with the index batch that names them. */
  async #passTables(segment: Segment, scanner: SegmentScanner): Promise<void> {
    const { position } = scanner;
    let status: ScanStatus = 'index';
    while (status === 'index') {
      if (!isDedupTable(scanner.bytes, scanner.start, scanner.header)) return;
      status = await scanner.next();
    }
    this.#notes.push(`${segment.path}: tables without an index batch, left out`);
    segment.sizeBytes = position; // As for a damaged index batch.
  }

  /** Why a valid batch belongs to a tail that an earlier recovery cut off; null when it does not. */
  #staleness(scanner: SegmentScanner): string | null {
    if (this.#checkpoint === null) return null;
    const { epoch, baseOffset } = scanner.header;
    const expected = epochAt(this.#checkpoint.epochs, baseOffset);
    if (expected === null || epoch >= expected) return null;
    return `epoch is ${epoch}, offset ${baseOffset} belongs to epoch ${expected} or later`;
  }

  #take(segment: Segment, at: number, scanner: SegmentScanner): void {
    const { header } = scanner;
    segment.index?.add(header);
    segment.hasFingerprints ||= hasFingerprints(scanner);
    segment.learnEnd(scanner.endCrc());
    segment.learnAppend(header.appendTimeMs);
    segment.dataEndPosition = scanner.nextPosition;
    this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, header.appendTimeMs);
    if (header.epoch !== this.#epoch) {
      this.#epochs = beginEpoch(this.#epochs, header.epoch, header.baseOffset);
    }
    this.#epoch = header.epoch;
    this.#expected = nextOffsetOf(header);
    this.#syncedOffset = Math.max(this.#syncedOffset, header.syncedUpTo);
    this.#noteTailStart(at, scanner.nextPosition);
  }

  /** Remembers the first place where all that the checkpoint calls synced lies behind. */
  #noteTailStart(segmentAt: number, position: number): void {
    if (this.#tailStart !== null) return;
    if (this.#expected >= (this.#checkpoint?.syncedOffset ?? 0)) {
      this.#tailStart = { segmentAt, position };
    }
  }

  /** Collects what valid batches behind the damage state, and where valid data goes on. */
  async #searchBehind(damage: TailDamage): Promise<void> {
    for (let at = Math.max(damage.segmentAt, 0); at < this.#segments.length; at++) {
      const segment = present(this.#segments[at], 'at < length');
      const isDamaged = at === damage.segmentAt;
      const file = await this.#fileSystem.open(segment.path, 'read');
      try {
        const { sizeBytes } = await file.stat();
        const search = {
          logId: this.#logId,
          segmentId: isDamaged ? (segment.header?.segmentId ?? 0) : 0,
          position: isDamaged ? damage.position : 0,
          endPosition: sizeBytes,
        };
        for await (const header of findCandidates(file, search)) this.#noteCandidate(at, header);
      } finally {
        await file.close();
      }
    }
  }

  #noteCandidate(segmentAt: number, header: BatchHeader): void {
    const { baseOffset, position, syncedUpTo } = header;
    // A writer never knew more to be synced than came before the batch.
    if (syncedUpTo <= baseOffset) this.#syncedOffset = Math.max(this.#syncedOffset, syncedUpTo);
    this.#reachableOffset = Math.max(this.#reachableOffset, nextOffsetOf(header));
    this.#noteResume({ segmentAt, position, baseOffset });
  }

  #noteResume(place: TailPlace): void {
    if (this.#damage === null || this.#damage.resume !== null) return;
    // Behind a bad header the first batch may be whole; elsewhere the expected one is not.
    const { segmentAt, position } = this.#damage;
    const offsetMin = this.#expected + (position === 0 ? 0 : 1);
    const isHere = place.segmentAt === segmentAt && position > 0;
    // A repair needs room for a gap batch: a whole batch right here, of other offsets, is damaged.
    if (isHere && place.position < position + GAP_BATCH_BYTES_MIN) return;
    const next = this.#segments[place.segmentAt + 1];
    if (next !== undefined && place.baseOffset >= next.baseOffset) return; // Another segment's.
    if (place.baseOffset >= offsetMin) this.#damage = { ...this.#damage, resume: place };
  }
}

function hasFingerprints({ bytes, start, header }: SegmentScanner): boolean {
  if (header.extensionBytes === 0) return false;
  return findExtension(bytes, start, header, ExtensionType.fingerprints) !== null;
}

function newerVersion(file: string, found: number): UnsupportedVersionError {
  return new UnsupportedVersionError({ file, found, supported: FORMAT_VERSION });
}
