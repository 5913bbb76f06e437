/** Shows what one segment file holds, also a copy far from its log. Writes nothing. */
import { basename, dirname, join } from 'node:path';
import { bytes as bytesCodec } from '../codec/codec.ts';
import {
  CodecUnavailableError,
  CorruptLogError,
  UnsupportedVersionError,
  type CorruptLogDetails,
} from '../core/errors.ts';
import { compressionOf, recordBytesOf, type BatchHeader } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { compressionName, compressionProblem } from '../format/compression.ts';
import { dedupTableEntries, isDedupTable } from '../format/dedup-table-batch.ts';
import { extensionOf } from '../format/extension.ts';
import { parseSegmentFileName } from '../format/file-names.ts';
import { fingerprintsIn } from '../format/fingerprints-extension.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
} from '../format/layout.ts';
import { producedIn, type ProducedRecords } from '../format/produced-extension.ts';
import { parseSegmentHeader, type SegmentHeader } from '../format/segment-header.ts';
import type { File, FileSystem } from '../io/file-system.ts';
import { nodeFileSystem } from '../io/node-file-system.ts';
import { findCandidates } from '../segment/candidates.ts';
import { SegmentScanner, type ScanStatus } from '../segment/segment-scanner.ts';
import { RecordBatch, type LogRecord } from './record.ts';

export type DumpEvent =
  | { readonly type: 'segment-header'; readonly header: SegmentHeader; readonly sizeBytes: number }
  | {
      readonly type: 'batch';
      readonly header: BatchHeader;
      /** `none`, `gzip`, `zstd`, or the number of one that only a later version knows. */
      readonly compression: string;
      /** Bytes of the whole batch, had it not been compressed; null when only a later version knows. */
      readonly uncompressedBytes: number | null;
      /** Sequences of the records, by the producer that the header names; null = it names none. */
      readonly produced: ProducedRecords | null;
      /** Of the id of each record, 16 hex digits, null = it has none; null = the batch says nothing. */
      readonly fingerprints: readonly (string | null)[] | null;
      /** Of a table of fingerprints, and its entries; null = the batch is none. */
      readonly table: { readonly entryCount: number } | null;
      /** Empty for gap and index batches, and for those that cannot be decompressed here. */
      readonly records: readonly LogRecord<Uint8Array>[];
      /** Why the records cannot be decompressed here, which is no damage; null when they can. */
      readonly unavailable: string | null;
    }
  | { readonly type: 'damage'; readonly details: CorruptLogDetails };

type DumpedBatch = DumpEvent & { readonly type: 'batch' };
type Tag = 'produced' | 'fingerprints';

export interface DumpOptions {
  readonly fileSystem?: FileSystem | undefined;
}

const ORIGIN = { codec: bytesCodec, partition: 0 };
const EVERYTHING = { from: 0, to: Number.MAX_SAFE_INTEGER, recordsMax: Number.MAX_SAFE_INTEGER };

/**
 * Yields the segment header, then every batch; goes on behind damage where valid batches do.
 *
 * @throws UnsupportedVersionError, IoError. Damage is yielded, never thrown
 */
export async function* dumpSegment(
  path: string,
  options: DumpOptions = {},
): AsyncGenerator<DumpEvent, void, void> {
  const { fileSystem = nodeFileSystem } = options;
  const directory = await fileSystem.realPath(dirname(path));
  const file = await fileSystem.open(join(directory, basename(path)), 'read');
  try {
    const { sizeBytes } = await file.stat();
    const header = yield* headerEvents(file, sizeBytes);
    yield* batchEvents(file, header, sizeBytes);
  } finally {
    await file.close();
  }
}

async function* headerEvents(
  file: File,
  sizeBytes: number,
): AsyncGenerator<DumpEvent, SegmentHeader | null, void> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const parsed = parseSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
  if (parsed.header === null) {
    if (parsed.version !== null) {
      const versions = { found: parsed.version, supported: FORMAT_VERSION };
      throw new UnsupportedVersionError({ file: file.path, ...versions });
    }
    const firstOffset = parseSegmentFileName(basename(file.path));
    yield damage(file, { position: 0, kind: 'header', firstOffset, reason: parsed.problem });
    return null;
  }
  yield { type: 'segment-header', header: parsed.header, sizeBytes };
  return parsed.header;
}

async function* batchEvents(
  file: File,
  header: SegmentHeader | null,
  sizeBytes: number,
): AsyncGenerator<DumpEvent, void, void> {
  const ids = { logId: header?.logId ?? 0, segmentId: header?.segmentId ?? 0 };
  const baseOffset = header?.baseOffset ?? parseSegmentFileName(basename(file.path));
  let scanner = new SegmentScanner(file, { ...ids, position: SEGMENT_HEADER_BYTES, baseOffset });
  for (;;) {
    const status: ScanStatus = await scanner.next();
    if (status === 'end') return;
    if (status === 'batch' || status === 'index') {
      yield* batchEvent(file, scanner);
      const isTable = isDedupTable(scanner.bytes, scanner.start, scanner.header);
      if (status === 'index' && !isTable) return; // Nothing behind it belongs to the segment.
      continue;
    }
    const { position, problem, expectedOffset } = scanner;
    yield damage(file, { position, kind: 'batch', firstOffset: expectedOffset, reason: problem });
    const search = { ...ids, position: position + 1, endPosition: sizeBytes };
    const { value: resume } = await findCandidates(file, search).next();
    if (resume === undefined) return;
    const place = { position: resume.position, baseOffset: resume.baseOffset };
    scanner = new SegmentScanner(file, { ...ids, ...place });
  }
}

function* batchEvent(file: File, scanner: SegmentScanner): Generator<DumpEvent, void, void> {
  const header = { ...scanner.header };
  const { bytes, view, start } = scanner;
  const recordBytes = recordBytesOf(view, start, header);
  const event = {
    type: 'batch' as const,
    header,
    compression: compressionName(compressionOf(header)),
    uncompressedBytes:
      recordBytes === null ? null : BATCH_HEADER_BYTES + header.extensionBytes + recordBytes,
  };
  const verified = { bytes, view, at: start, header, file: file.path };
  const entryCount = dedupTableEntries(bytes, start, header);
  const table = entryCount === null ? null : { entryCount };
  const hasRecords = header.kind === BatchKind.data || header.kind === BatchKind.journal;
  try {
    const tags = hasRecords ? tagsOf(verified) : { produced: null, fingerprints: null };
    yield { ...event, ...tags, table, ...recordsIn(verified, hasRecords) };
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    yield { type: 'damage', details: error.details };
  }
}

/** What the batch says beside its records. @throws CorruptLogError */
function tagsOf({ bytes, at, header, file }: VerifiedBatch): Pick<DumpedBatch, Tag> {
  const batch = { header, extension: extensionOf(bytes, at, header), file };
  const found = fingerprintsIn(batch);
  const textAt = (index: number): string | null => {
    if (found === null || !found.has(index)) return null;
    return digits(found.high(index)) + digits(found.low(index));
  };
  const fingerprints =
    found === null ? null : Array.from({ length: found.count }, (_, index) => textAt(index));
  return { produced: producedIn(batch), fingerprints };
}

function digits(word: number): string {
  return word.toString(16).padStart(8, '0');
}

/** @throws CorruptLogError */
function recordsIn(
  verified: VerifiedBatch,
  hasRecords: boolean,
): Pick<DumpedBatch, 'records' | 'unavailable'> {
  if (!hasRecords) return { records: [], unavailable: null };
  try {
    return { records: [...new RecordBatch(verified, ORIGIN, EVERYTHING)], unavailable: null };
  } catch (error) {
    if (!(error instanceof CodecUnavailableError)) throw error;
    return { records: [], unavailable: compressionProblem(compressionOf(verified.header)) };
  }
}

function damage(
  file: File,
  found: Pick<CorruptLogDetails, 'position' | 'kind' | 'firstOffset' | 'reason'>,
): DumpEvent {
  return { type: 'damage', details: { ...found, file: file.path, nextOffset: null } };
}
