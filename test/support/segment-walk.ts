/** What stands in a segment file, batch by batch: for tests that damage it at a chosen place. */
import { nextOffsetOf, type BatchHeader } from '../../src/format/batch-header.ts';
import { isDedupTable } from '../../src/format/dedup-table-batch.ts';
import { BatchKind, SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../../src/format/segment-header.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { readWhole } from '../../src/io/transfer.ts';
import { SegmentScanner } from '../../src/segment/segment-scanner.ts';

export interface WalkedBatch {
  readonly header: BatchHeader;
  readonly position: number;
  /** First position behind it. */
  readonly endPosition: number;
  readonly nextOffset: number;
  readonly bytes: Uint8Array;
}

export interface WalkedSegment {
  readonly header: SegmentHeader;
  /** Data, gap and journal batches. */
  readonly batches: readonly WalkedBatch[];
  /** Of fingerprints. */
  readonly tables: readonly WalkedBatch[];
  readonly index: WalkedBatch | null;
  readonly bytes: Uint8Array;
}

/** Reads a segment that must be whole; fails the test when it is not. */
export async function walkSegment(fileSystem: FileSystem, path: string): Promise<WalkedSegment> {
  const bytes = await readWhole(fileSystem, path);
  const { header } = parseSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
  if (header === null) throw new Error(`${path} has no valid header`);
  const file = await fileSystem.open(path, 'read');
  const batches: WalkedBatch[] = [];
  const tables: WalkedBatch[] = [];
  let index: WalkedBatch | null = null;
  try {
    const scanner = new SegmentScanner(file, {
      logId: header.logId,
      segmentId: header.segmentId,
      position: SEGMENT_HEADER_BYTES,
      baseOffset: header.baseOffset,
    });
    for (;;) {
      const status = await scanner.next();
      if (status === 'end') break;
      if (status === 'bad') throw new Error(`${path} at ${scanner.position}: ${scanner.problem}`);
      const { start, position } = scanner;
      const endPosition = position + scanner.header.sizeBytes;
      const walked = {
        header: { ...scanner.header },
        position,
        endPosition,
        nextOffset: nextOffsetOf(scanner.header),
        bytes: scanner.bytes.slice(start, start + scanner.header.sizeBytes),
      };
      if (isDedupTable(walked.bytes, 0, walked.header)) tables.push(walked);
      else if (walked.header.kind === BatchKind.index) index = walked;
      else batches.push(walked);
    }
  } finally {
    await file.close();
  }
  return { header, batches, tables, index, bytes };
}
