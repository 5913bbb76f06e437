/**
 * Puts the next generation in the place of a sealed segment, as compaction does, but by hand: of a log that
 * nobody has open, all at once, with whatever stamps a test wants.
 */
import { dirname } from 'node:path';

import { present } from '../../src/core/assert.ts';
import type { BatchCursor } from '../../src/format/batch-cursor.ts';
import { nextOffsetOf, type BatchHeader } from '../../src/format/batch-header.ts';
import { recordsOf } from '../../src/format/batch-records.ts';
import { COMPRESSION_NAMES, createCompressor } from '../../src/format/compression.ts';
import { findExtension } from '../../src/format/extension.ts';
import { BatchKind, ExtensionType, SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import {
  encodeSegmentHeader,
  segmentHeaderCrc,
  type SegmentHeader,
  type SegmentRewriting,
} from '../../src/format/segment-header.ts';
import { viewOf } from '../../src/format/u64.ts';
import type { File, FileSystem } from '../../src/io/file-system.ts';
import { writeFully } from '../../src/io/transfer.ts';
import { KeptBatches } from '../../src/log/kept-batches.ts';
import { RecordChoice } from '../../src/log/record-choice.ts';
import { SegmentSeal } from '../../src/log/segment-seal.ts';
import { Segment } from '../../src/segment/segment.ts';
import { walkSegment, type WalkedSegment } from './segment-walk.ts';

const LEVEL = 6;

export interface Forgery {
  /** Which records stay. */
  readonly keeps: (record: BatchCursor) => boolean;
  /** Of what the header says; default: generation, end, counts and times as they are, not compacted by key. */
  readonly stamps?: Partial<SegmentRewriting>;
}

/** @returns the header of the new file */
export async function forgeGeneration(
  fileSystem: FileSystem,
  path: string,
  forgery: Forgery,
): Promise<SegmentHeader> {
  const { header, temporaryPath } = await forgeTemporary(fileSystem, path, forgery);
  await fileSystem.rename(temporaryPath, path);
  await fileSystem.syncDirectory(dirname(path));
  return header;
}

/** A next generation that is whole and synced, under its temporary name. */
export interface ForgedTemporary {
  readonly header: SegmentHeader;
  /** What it will be once it has the name of the one before. */
  readonly segment: Segment;
  readonly temporaryPath: string;
}

/** The same without the rename, for a log that may be open. */
export async function forgeTemporary(
  fileSystem: FileSystem,
  path: string,
  { keeps, stamps = {} }: Forgery,
): Promise<ForgedTemporary> {
  const before = await walkSegment(fileSystem, path);
  const headers: BatchHeader[] = [];
  const choice = new RecordChoice();
  const kept = new KeptBatches({
    compressorOf: (compression) => {
      const name = COMPRESSION_NAMES[compression];
      if (name === undefined || name === 'none') throw new Error(`compression ${compression}`);
      return createCompressor(name, LEVEL);
    },
    onBatch: (header) => headers.push({ ...header }),
  });
  for (const { header, bytes } of before.batches) {
    const batch = { bytes, view: viewOf(bytes), at: 0, header, file: path };
    await choice.choose(recordsOf(batch), keeps, { turn: () => Promise.resolve() });
    kept.add(batch, choice);
  }
  kept.finish();
  const { recordCount, tombstoneCount } = kept;
  const rewriting = { ...endOf(before), recordCount, tombstoneCount, ...stamps };
  const header = { ...before.header, ...rewriting };
  const temporaryPath = `${path}.tmp`;
  const file = await fileSystem.open(temporaryPath, 'create');
  const encoded = encodeSegmentHeader(header);
  const segment = Segment.planned(path, header, segmentHeaderCrc(encoded));
  await write(file, segment, { header, headers, data: kept.whole, before });
  await file.datasync();
  await file.close();
  return { header, segment, temporaryPath };
}

/** How the original ended, as its walk shows, or as its header has said since it was rewritten first. */
function endOf({
  header,
  batches,
  bytes,
}: WalkedSegment): Omit<SegmentRewriting, 'recordCount' | 'tombstoneCount'> {
  if (header.generation > 0) return { ...header, generation: header.generation + 1 };
  const last = batches.at(-1);
  const replaced =
    last?.header.kind === BatchKind.gap
      ? findExtension(last.bytes, 0, last.header, ExtensionType.replacedEndCrc)
      : null;
  return {
    generation: 1,
    endOffset: last?.nextOffset ?? header.baseOffset,
    endCrc:
      replaced === null
        ? (last?.header.crc ?? segmentHeaderCrc(bytes))
        : viewOf(replaced).getUint32(0, true),
    compactedTo: 0,
    cleanedTimeMs: 0,
    lastAppendTimeMs: last?.header.appendTimeMs ?? header.createdTimeMs,
  };
}

interface Content {
  readonly header: SegmentHeader;
  readonly headers: readonly BatchHeader[];
  readonly data: Uint8Array;
  readonly before: WalkedSegment;
}

async function write(
  file: File,
  segment: Segment,
  { header, headers, data, before }: Content,
): Promise<void> {
  await writeFully(file, encodeSegmentHeader(header), 0);
  await writeFully(file, data, SEGMENT_HEADER_BYTES);
  const index = present(segment.index, 'a planned one has one');
  for (const batch of headers) {
    index.add(batch);
    const at = batch.position - SEGMENT_HEADER_BYTES;
    segment.hasFingerprints ||= findExtension(data, at, batch, ExtensionType.fingerprints) !== null;
  }
  segment.dataEndPosition = SEGMENT_HEADER_BYTES + data.length;
  segment.sizeBytes = segment.dataEndPosition;
  const last = present(headers.at(-1), 'a sealed segment has a batch');
  const { endOffset, endCrc, lastAppendTimeMs } = header;
  if (nextOffsetOf(last) !== endOffset) throw new Error('offsets stay covered');
  const stored = before.index?.header;
  const seal = new SegmentSeal({
    segment,
    file,
    end: {
      offset: endOffset,
      endCrc,
      appendTimeMs: lastAppendTimeMs,
      epoch: stored?.epoch ?? last.epoch,
      syncedUpTo: stored?.syncedUpTo ?? last.syncedUpTo,
    },
    admits: () => Promise.resolve(true),
    cutBack: (position) => file.truncate(position),
  });
  await seal.write();
}
