/** From a verified batch to the bytes of its records: as they stand, or decompressed. */
import { present } from '../core/assert.ts';
import { CodecUnavailableError, CorruptLogError } from '../core/errors.ts';
import { OFF_THREAD_BYTES_MIN } from '../core/limits.ts';
import { compressionOf, nextOffsetOf, recordBytesOf, type BatchHeader } from './batch-header.ts';
import {
  compressionName,
  compressionProblem,
  decompress,
  decompressOffThread,
  type Decompressed,
} from './compression.ts';
import { BATCH_HEADER_BYTES, Compression, UNCOMPRESSED_SIZE_BYTES } from './layout.ts';
import { sourcesIn, type SourceOffsets } from './projected-extension.ts';
import { offsetDeltaOf, recordSizeOf } from './record-fields.ts';
import { viewOf } from './u64.ts';

/**
 * A batch whose header and checksum were verified: `bytes[at, at + header.sizeBytes)`, as stored;
 * `view` is of `bytes`.
 */
export interface VerifiedBatch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly at: number;
  readonly header: BatchHeader;
  /** For error messages. */
  readonly file: string;
}

/** The same batch, as stored, in memory of its own. */
export function copyOfBatch({ bytes, at, header, file }: VerifiedBatch): VerifiedBatch {
  const own = new Uint8Array(bytes.subarray(at, at + header.sizeBytes));
  return { bytes: own, view: viewOf(own), at: 0, header: { ...header }, file };
}

/** Where the records of a batch stand, uncompressed: `bytes[start, end)`; `view` is of `bytes`. */
export interface RecordsPlace {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly header: BatchHeader;
  /** The extension block of the batch; null = it has none. */
  readonly extension: Uint8Array | null;
  /** For error messages. */
  readonly file: string;
  /** Records of the batch that stand before these; default 0. */
  readonly recordsBefore?: number;
}

/** The records of a batch, uncompressed. */
export class BatchRecords implements RecordsPlace {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly header: BatchHeader;
  readonly extension: Uint8Array | null;
  readonly file: string;
  readonly #memory: ArrayBufferLike;
  readonly #memoryAt: number;
  /** Undefined until somebody asks. */
  #sources: SourceOffsets | null | undefined = undefined;
  /** A record whose number is known, and that number. */
  #knownStart: number;
  #knownNumber: number;
  readonly #numberBefore: number;

  constructor(place: RecordsPlace) {
    const { bytes, view, start, end, header, extension, file, recordsBefore = 0 } = place;
    this.#knownStart = start;
    this.#knownNumber = recordsBefore;
    this.#numberBefore = recordsBefore;
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.end = end;
    this.header = header;
    this.extension = extension;
    this.file = file;
    this.#memory = bytes.buffer;
    this.#memoryAt = bytes.byteOffset;
  }

  /** `bytes.subarray(from, to)` at half the cost: it would look up buffer and class each time. */
  subarray(from: number, to: number): Uint8Array {
    return new Uint8Array(this.#memory, this.#memoryAt + from, to - from);
  }

  /** Where the records come from; null when the batch was not projected. */
  get sources(): SourceOffsets | null {
    const { extension } = this;
    if (this.#sources === undefined) {
      this.#sources = extension === null ? null : sourcesIn(extension);
    }
    return this.#sources;
  }

  /**
   * How many records of the batch stand before the one at `start`. O(those between it and the one before)
   * where some were compacted away.
   */
  numberOf(start: number): number {
    const { recordCount, lastOffsetDelta } = this.header;
    if (recordCount === lastOffsetDelta + 1) return offsetDeltaOf(this.view, start);
    if (start < this.#knownStart) {
      this.#knownStart = this.start;
      this.#knownNumber = this.#numberBefore;
    }
    while (this.#knownStart < start) {
      this.#knownStart += recordSizeOf(this.view, this.#knownStart);
      this.#knownNumber++;
    }
    return this.#knownNumber;
  }

  /** Those that stand in `bytes[from, to)`, and what the batch says of them, in memory of their own. */
  copy(from: number, to: number): BatchRecords {
    const bytes = new Uint8Array(this.subarray(from, to));
    const { header, file } = this;
    const extension = this.extension === null ? null : new Uint8Array(this.extension);
    const recordsBefore = this.numberOf(from);
    const place = { bytes, view: viewOf(bytes), start: 0, end: to - from, recordsBefore };
    return new BatchRecords({ ...place, header, extension, file });
  }
}

/**
 * Finds the records of a batch of kind `data` or `journal`.
 *
 * @throws CodecUnavailableError when this Node, or this version, cannot decompress them: no damage,
 *   and never a reason to cut or skip anything; CorruptLogError when they do not decompress to what
 *   is stated, which under a right checksum is a hostile file or a bug
 *
 * Cost: nothing, or 0.2 ms for 64 KiB that were compressed; one buffer as large as the records.
 */
export function recordsOf(batch: VerifiedBatch): BatchRecords {
  const { bytes, view, at, header, file } = batch;
  const extensionAt = at + BATCH_HEADER_BYTES;
  const start = extensionAt + header.extensionBytes;
  const end = at + header.sizeBytes;
  const extension = header.extensionBytes === 0 ? null : bytes.subarray(extensionAt, start);
  if (compressionOf(header) === Compression.none) {
    return new BatchRecords({ bytes, view, start, end, header, extension, file });
  }
  const { compression, stored, sizeBytes } = compressedOf(batch);
  return decompressedFrom(batch, decompress(compression, stored, sizeBytes));
}

/**
 * As `recordsOf`, for work in the background: what is compressed and larger than `OFF_THREAD_BYTES_MIN` is
 * decompressed on another thread. Nobody may change the batch meanwhile.
 */
export async function recordsOffThread(batch: VerifiedBatch): Promise<BatchRecords> {
  const { view, at, header } = batch;
  const isStored = compressionOf(header) === Compression.none;
  const recordBytes = recordBytesOf(view, at, header) ?? 0;
  if (isStored || recordBytes < OFF_THREAD_BYTES_MIN) return recordsOf(batch);
  const { compression, stored, sizeBytes } = compressedOf(batch);
  return decompressedFrom(batch, await decompressOffThread(compression, stored, sizeBytes));
}

/** @throws CodecUnavailableError */
function compressedOf({ bytes, view, at, header, file }: VerifiedBatch) {
  const compression = compressionOf(header);
  const { baseOffset, position } = header;
  const start = at + BATCH_HEADER_BYTES + header.extensionBytes + UNCOMPRESSED_SIZE_BYTES;
  const stored = bytes.subarray(start, at + header.sizeBytes);
  const problem = compressionProblem(compression);
  if (problem !== null) {
    throw new CodecUnavailableError(
      `cannot read the batch at byte ${position} of ${file}: ${problem}`,
      { codec: compressionName(compression), offset: baseOffset, file, position },
    );
  }
  const sizeBytes = present(recordBytesOf(view, at, header), 'its compression is known');
  return { compression, stored, sizeBytes };
}

/** @throws CorruptLogError */
function decompressedFrom(
  { bytes, at, header, file }: VerifiedBatch,
  result: Decompressed,
): BatchRecords {
  const { baseOffset, position } = header;
  if (result.bytes !== null) {
    const { bytes: records } = result;
    const place = { bytes: records, view: viewOf(records), start: 0, end: records.length };
    const extensionAt = at + BATCH_HEADER_BYTES;
    const { extensionBytes } = header;
    // A view of it would keep what is compressed in memory.
    const extension =
      extensionBytes === 0
        ? null
        : new Uint8Array(bytes.subarray(extensionAt, extensionAt + extensionBytes));
    return new BatchRecords({ ...place, header, extension, file });
  }
  throw new CorruptLogError(
    {
      file,
      position,
      kind: 'record',
      firstOffset: baseOffset,
      nextOffset: nextOffsetOf(header),
      reason: `the records of the batch: ${result.problem}`,
    },
    { cause: result.cause },
  );
}
