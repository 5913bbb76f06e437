/**
 * Writes the file of the next generation of a segment: what is kept of its batches, tables and index, and the
 * header, which counts them, last of all. Then it is synced, and read back.
 */
import { assert, present } from '../core/assert.ts';
import { CorruptLogError, ioErrorOf, type IoError } from '../core/errors.ts';
import { WRITE_BUFFER_BYTES } from '../core/limits.ts';
import type { Pace } from '../core/pace.ts';
import { recordsOffThread, type VerifiedBatch } from '../format/batch-records.ts';
import { COMPRESSION_NAMES, createCompressor, type Compressor } from '../format/compression.ts';
import { findExtension } from '../format/extension.ts';
import { ExtensionType } from '../format/layout.ts';
import {
  encodeSegmentHeader,
  segmentHeaderCrc,
  type SegmentHeader,
} from '../format/segment-header.ts';
import type { File } from '../io/file-system.ts';
import { writeFully } from '../io/transfer.ts';
import { checkLink, enterSegment } from '../segment/segment-entry.ts';
import { SegmentIndex } from '../segment/segment-index.ts';
import { Segment } from '../segment/segment.ts';
import type { CompactionStamps } from './compaction-plan.ts';
import type { GenerationFile } from './generation-file.ts';
import { KeptBatches } from './kept-batches.ts';
import { RecordChoice } from './record-choice.ts';
import type { RecordFilter } from './record-filter.ts';
import { SealedWalk, type WalkedFile } from './sealed-walk.ts';
import { SegmentSeal } from './segment-seal.ts';

/** Of batches that were compressed otherwise than the log is now. */
const COMPRESSION_LEVEL = 1;

/** A sealed segment, open, its header known as that of the next one is. */
export interface SealedSegment extends WalkedFile {
  readonly segment: Segment;
  readonly next: Segment;
}

export interface GenerationOptions {
  readonly source: SealedSegment;
  readonly out: GenerationFile;
  readonly filter: RecordFilter;
  /** Null = they stay as they are. */
  readonly stamps: CompactionStamps | null;
  /** How the log compresses now. */
  readonly compressor: Compressor | null;
  readonly pace: Pace;
}

/** What was made. */
export interface Generation {
  /** As it will be, once it has the name of the old one: header, end and size are known. */
  readonly segment: Segment;
  readonly recordCount: number;
  readonly tombstoneCount: number;
  /** Records that are not in it any more. */
  readonly removedCount: number;
}

export class NextGeneration {
  readonly #options: GenerationOptions;
  readonly #walk: SealedWalk;
  readonly #kept: KeptBatches;
  readonly #index = new SegmentIndex();
  readonly #compressors = new Map<number, Compressor>();
  #hasFingerprints = false;

  constructor(options: GenerationOptions) {
    const { source, compressor, pace } = options;
    this.#options = options;
    this.#walk = new SealedWalk(source, pace);
    if (compressor !== null) this.#compressors.set(compressor.compression, compressor);
    this.#kept = new KeptBatches({
      compressorOf: (compression) => this.#compressorOf(compression),
      onBatch: (header) => this.#index.add(header),
    });
  }

  /**
   * @throws CorruptLogError when the source is damaged, or is not what the next segment goes on from;
   *   CodecUnavailableError, UnsupportedVersionError; IoError, also where what was written is read otherwise;
   *   what `Pace.turn` throws
   */
  async write(): Promise<Generation> {
    await this.#copy();
    const header = this.#header();
    const encoded = encodeSegmentHeader(header);
    const { source, out } = this.#options;
    const segment = Segment.planned(source.segment.path, header, segmentHeaderCrc(encoded));
    checkLink(source.next, segment);
    await this.#seal(segment);
    await writeFully(out.file, encoded, 0);
    await out.sync();
    await this.#readBack(segment);
    segment.syncedWrites = segment.finishedWrites;
    const { recordCount, tombstoneCount } = this.#kept;
    const removedCount = this.#walk.recordCount - recordCount;
    return { segment, recordCount, tombstoneCount, removedCount };
  }

  async #copy(): Promise<void> {
    const { source, filter, pace } = this.#options;
    const kept = this.#kept;
    const choice = new RecordChoice();
    const keeps = filter.keeps.bind(filter);
    filter.begin(source.segment, source.end);
    for (let batch = await this.#walk.next(); batch !== null; batch = await this.#walk.next()) {
      const { recordCount } = kept;
      await choice.choose(await recordsOffThread(batch), keeps, pace);
      kept.add(batch, choice);
      await kept.compressOffThread();
      if (kept.recordCount > recordCount) this.#hasFingerprints ||= hasFingerprints(batch);
      if (kept.whole.length >= WRITE_BUFFER_BYTES) await this.#flush();
    }
    kept.finish();
    await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#options.out.write(this.#kept.whole);
    this.#kept.taken();
  }

  #header(): SegmentHeader {
    const { header: old } = this.#options.source;
    const { offset: endOffset, endCrc, appendTimeMs: lastAppendTimeMs } = this.#walk.sealedEnd;
    const original = { endOffset, endCrc, lastAppendTimeMs };
    const { recordCount, tombstoneCount } = this.#kept;
    return {
      ...old,
      ...(old.generation === 0 ? original : {}),
      ...this.#options.stamps,
      generation: old.generation + 1,
      recordCount,
      tombstoneCount,
    };
  }

  /** Writes tables and index. Without room for them the segment goes without, as any does. */
  async #seal(segment: Segment): Promise<void> {
    const { out, source } = this.#options;
    segment.index = this.#index;
    segment.hasFingerprints = this.#hasFingerprints;
    segment.dataEndPosition = out.position;
    segment.sizeBytes = out.position;
    const { endCrc, lastAppendTimeMs: appendTimeMs } = present(segment.header, 'it was just made');
    const end = this.#walk.sealedEnd;
    const epoch = Math.max(end.epoch, present(source.next.header, 'it was entered').epoch);
    const seal = new SegmentSeal({
      segment,
      file: out.file,
      end: { ...end, endCrc, appendTimeMs, epoch },
      admits: () => Promise.resolve(true), // There is room for as much as the old one has.
      cutBack: (position) => out.file.truncate(position),
    });
    await seal.write();
    if (segment.sizeBytes > segment.dataEndPosition) segment.index = null; // Whoever reads there loads it.
  }

  /** Finds our bugs, and proves nothing of the disk. @throws IoError; what `Pace.turn` throws */
  async #readBack(made: Segment): Promise<void> {
    try {
      await this.#walkBack(made);
    } catch (error) {
      throw error instanceof CorruptLogError ? badReadOf(this.#options.out.file, error) : error;
    }
  }

  async #walkBack(made: Segment): Promise<void> {
    const { source, out, pace } = this.#options;
    const found = new Segment(out.file.path, made.baseOffset, made.sizeBytes);
    const header = await enterSegment(found, out.file, { logId: 0, previous: null });
    assert(found.headerCrc === made.headerCrc, 'the header is the one that was written');
    const walk = new SealedWalk({ file: out.file, header, end: source.end }, pace);
    while ((await walk.next()) !== null);
    assert(walk.recordCount === this.#kept.recordCount, 'there are as many records as were kept');
    assert(walk.dataEndPosition === made.dataEndPosition, 'the data ends where it was written to');
  }

  /** @throws CodecUnavailableError */
  #compressorOf(compression: number): Compressor {
    const known = this.#compressors.get(compression);
    if (known !== undefined) return known;
    const name = COMPRESSION_NAMES[compression];
    assert(name !== undefined && name !== 'none', 'its records were decompressed');
    const compressor = createCompressor(name, COMPRESSION_LEVEL);
    this.#compressors.set(compression, compressor);
    return compressor;
  }
}

/**
 * What was written a moment ago is read otherwise: a failure of the disk, and no damage, for nobody was promised
 * anything of an unfinished file. The segment that it was made from is as it was.
 */
function badReadOf({ path }: File, cause: CorruptLogError): IoError {
  const { position } = cause.details;
  return ioErrorOf({ path, operation: 'read', position, errno: 'EIO' }, { cause });
}

function hasFingerprints({ bytes, at, header }: VerifiedBatch): boolean {
  if (header.extensionBytes === 0) return false;
  return findExtension(bytes, at, header, ExtensionType.fingerprints) !== null;
}
