/**
 * What a journal knows of the end of a log: records of commits that the log may have lost, because
 * they need not be synced in it, and offsets that were named and must not be given away again.
 *
 * It is made good before anybody reads or appends.
 */
import { assert } from '../core/assert.ts';
import { CorruptLogError } from '../core/errors.ts';
import {
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  type BatchHeader,
} from '../format/batch-header.ts';
import { encodeGapBatch, GAP_BATCH_BYTES_MIN, GAP_OFFSETS_MAX } from '../format/gap-batch.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import type { Appender } from './appender.ts';
import { LogReader } from './log-reader.ts';
import type { ReadableLog } from './readable-log.ts';

export interface JournaledTail {
  /** The log goes on from here at least: offsets below were given to somebody. */
  readonly endOffset: number;
  /** Encoded batches of the commits that end above `syncedOffset`, in order. */
  batches(syncedOffset: number): AsyncIterable<Uint8Array>;
}

export interface PlacingParts {
  readonly log: ReadableLog;
  readonly appender: Appender;
  /** As the log's own checkpoint stated when it was opened. */
  readonly syncedOffset: number;
  /** Records below stand in sealed segments. */
  readonly activeOffset: number;
}

/**
 * Appends what the log lost; compares what it has, as far as that was not synced.
 *
 * On a full disk the records are written as soon as there is room, and nothing is appended before.
 *
 * @returns what it did, as sentences
 * @throws CorruptLogError when the log lost what it had synced, or holds other records
 */
export async function placeTail(
  tail: JournaledTail,
  parts: PlacingParts,
): Promise<readonly string[]> {
  const { log, appender } = parts;
  const { commits } = appender;
  const notes: string[] = [];
  const { nextOffset: from } = appender;
  for await (const batches of tail.batches(parts.syncedOffset)) {
    for (const batch of batchesIn(batches)) await place(batch, parts);
  }
  const { nextOffset: to } = appender;
  if (to > from) notes.push(`offsets ${from} to ${to - 1} were written again from the journal`);
  for (let at = to; at < tail.endOffset; at = appender.nextOffset) {
    commits.place(gapBatch(log.logId, at, Math.min(tail.endOffset, at + GAP_OFFSETS_MAX)));
  }
  if (tail.endOffset > to) {
    const range = `offsets ${to} to ${tail.endOffset - 1}`;
    notes.push(`${range} were lost in a power cut, and will not be used again: they were known`);
  }
  await commits.placed();
  return notes;
}

async function place({ header, bytes }: EncodedBatch, parts: PlacingParts): Promise<void> {
  const { log, appender, activeOffset } = parts;
  const end = appender.nextOffset;
  if (header.baseOffset === end) appender.commits.place(bytes);
  else if (nextOffsetOf(header) > end) {
    throw unplaceable(log, header, `the log ends at offset ${end}`);
  } else if (header.baseOffset >= Math.max(activeOffset, log.marks.startOffset)) {
    await compare(log, header, bytes);
  }
}

interface EncodedBatch {
  readonly header: BatchHeader;
  readonly bytes: Uint8Array;
}

function* batchesIn(bytes: Uint8Array): Generator<EncodedBatch, void, void> {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    const header = emptyBatchHeader();
    readBatchHeader(view, at, header);
    const end = at + header.sizeBytes;
    assert(header.sizeBytes > 0 && end <= bytes.length, 'a commit holds whole batches');
    yield { header, bytes: bytes.subarray(at, end) };
    at = end;
  }
}

/** @throws CorruptLogError unless the log holds the same records there */
async function compare(log: ReadableLog, header: BatchHeader, bytes: Uint8Array): Promise<void> {
  const { baseOffset } = header;
  const reader = new LogReader(log, { from: baseOffset, skipsDamage: false, onGap: null });
  try {
    const isThere = await reader.next(nextOffsetOf(header));
    const { scanner } = reader;
    const found = scanner.bytes.subarray(scanner.start, scanner.start + scanner.header.sizeBytes);
    const isSame =
      isThere &&
      scanner.header.baseOffset === baseOffset &&
      scanner.header.attributes === header.attributes &&
      Buffer.compare(found.subarray(BATCH_HEADER_BYTES), bytes.subarray(BATCH_HEADER_BYTES)) === 0;
    if (!isSame) throw unplaceable(log, header, 'the log holds other records there');
  } finally {
    reader.close();
  }
}

/** The builder fills in its place. */
function gapBatch(logId: number, baseOffset: number, nextOffset: number): Uint8Array {
  return encodeGapBatch({
    logId,
    segmentId: 0,
    epoch: 0,
    position: 0,
    baseOffset,
    appendTimeMs: 0,
    nextOffset,
    sizeBytes: GAP_BATCH_BYTES_MIN,
    replacedEndCrc: null,
  });
}

function unplaceable(log: ReadableLog, header: BatchHeader, why: string): CorruptLogError {
  const { last } = log.segments;
  return new CorruptLogError({
    file: last?.path ?? log.path,
    position: last?.sizeBytes ?? 0,
    kind: 'chain',
    firstOffset: header.baseOffset,
    nextOffset: nextOffsetOf(header),
    reason: `the journal has a commit of offsets ${header.baseOffset} to ${nextOffsetOf(header) - 1}, and ${why}`,
  });
}
