/**
 * What a journal knows of the end of a log: records of commits that the log may have lost, because
 * they need not be synced in it, and offsets that were named and must not be given away again.
 *
 * It is made good before anybody reads or appends.
 */
import { assert, present } from '../core/assert.ts';
import { CorruptLogError } from '../core/errors.ts';
import {
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
  type BatchHeader,
} from '../format/batch-header.ts';
import { encodeGapBatch, GAP_BATCH_BYTES_MIN, GAP_OFFSETS_MAX } from '../format/gap-batch.ts';
import { PRODUCER_ID_AT } from '../format/layout.ts';
import { viewOf } from '../format/u64.ts';
import type { Appender } from './appender.ts';
import { LogReader } from './log-reader.ts';
import type { ReadableLog } from './readable-log.ts';

export interface JournaledTail {
  /** The log goes on from here at least: offsets below were given to somebody. */
  readonly endOffset: number;
  /** False: entries of the journal are lost, and with them commits that the log may have lost too. */
  readonly isWhole: boolean;
  /** Encoded batches of the commits that end above `offset`, in order. */
  batches(offset: number): AsyncIterable<Uint8Array>;
}

const LOST_WITH_ENTRIES = 'were lost in a power cut, and with them entries of the journal';
const KNOWN = 'were lost in a power cut, and will not be used again: they were known';
const COMPARING = { keepBuffers: false, skipsDamage: false, onGap: null };

export interface PlacingParts {
  readonly log: ReadableLog;
  readonly appender: Appender;
  /** Records below stand in sealed segments. */
  readonly activeOffset: number;
}

/**
 * Appends what the log lost; compares what it has in the active segment. Also what the log calls
 * synced: an opening that failed here has synced what it found.
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
  const comparedFrom = Math.max(parts.activeOffset, log.marks.startOffset);
  const reader = new LogReader(log, { from: comparedFrom, ...COMPARING });
  try {
    for await (const batches of tail.batches(comparedFrom)) {
      if (!tail.isWhole) notes.push(...placeGaps(parts, firstOffsetOf(batches), LOST_WITH_ENTRIES));
      for (const batch of batchesIn(batches))
        await place(batch, { ...parts, comparedFrom, reader });
    }
  } finally {
    reader.close();
  }
  const { nextOffset: to } = appender;
  if (to > from) notes.push(`offsets ${from} to ${to - 1} were written again from the journal`);
  notes.push(...placeGaps(parts, tail.endOffset, KNOWN));
  await commits.placed();
  return notes;
}

/** Fills what is missing up to `offset`, if something is. @returns what it did, as sentences */
function placeGaps({ log, appender }: PlacingParts, offset: number, why: string): string[] {
  const { nextOffset: from } = appender;
  if (offset <= from) return [];
  for (let at = from; at < offset; at = appender.nextOffset) {
    appender.commits.place(gapBatch(log.logId, at, Math.min(offset, at + GAP_OFFSETS_MAX)));
  }
  return [`offsets ${from} to ${offset - 1} ${why}`];
}

interface Placing extends PlacingParts {
  readonly comparedFrom: number;
  /** Walks the log as the commits are compared. */
  readonly reader: LogReader;
}

async function place({ header, bytes }: EncodedBatch, parts: Placing): Promise<void> {
  const { log, appender, comparedFrom, reader } = parts;
  const end = appender.nextOffset;
  if (header.baseOffset === end) appender.commits.place(bytes);
  else if (nextOffsetOf(header) > end) {
    throw unplaceable(log, header, `the log ends at offset ${end}`);
  } else if (header.baseOffset >= comparedFrom && !(await holds(reader, header, bytes))) {
    throw unplaceable(log, header, 'the log holds other records there');
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

function firstOffsetOf(bytes: Uint8Array): number {
  const [first] = batchesIn(bytes);
  return present(first, 'a commit holds a batch').header.baseOffset;
}

/** Whether the log has no other records there than `bytes`, a batch whose place may differ. */
async function holds(reader: LogReader, header: BatchHeader, bytes: Uint8Array): Promise<boolean> {
  const { baseOffset } = header;
  while (await reader.next(nextOffsetOf(header))) {
    const { scanner } = reader;
    const { start, header: found } = scanner;
    if (found.baseOffset < baseOffset) continue;
    // From the producer on: what stands in front depends on the place, or is compared below.
    const own = scanner.bytes.subarray(start + PRODUCER_ID_AT, start + found.sizeBytes);
    const isSame = Buffer.compare(own, bytes.subarray(PRODUCER_ID_AT)) === 0;
    return isSame && found.baseOffset === baseOffset && found.attributes === header.attributes;
  }
  return true; // No records at all: a repair put a gap there, and said so.
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
