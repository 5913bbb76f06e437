/**
 * Opens what a power cut left with the real engine, and holds it against what the writer had been
 * told: nothing acknowledged at `sync` is lost, nothing is invented, offsets are dense, everything
 * verifies, a second recovery changes nothing, and the log goes on.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  bytes,
  CorruptLogError,
  openLog,
  verifyLog,
  type FileSystem,
  type Log,
} from '../../../src/index.ts';
import { isSubmitted, submittedAt, valueBytes } from './submitted.ts';
import type { Testimony } from './testimony.ts';
import { RETENTION_BYTES, SEGMENT_BYTES } from './writer-plan.ts';

/**
 * `lost`: acknowledged and not there. `invented`: there and never submitted, or not at this
 * offset. `damaged`: reported as damage. `unsound`: anything else that was promised.
 */
export type ViolationKind = 'lost' | 'invented' | 'damaged' | 'unsound';

export class Violation extends Error {
  readonly kind: ViolationKind;

  constructor(kind: ViolationKind, message: string, options?: ErrorOptions) {
    super(`${kind}: ${message}`, options);
    this.name = 'Violation';
    this.kind = kind;
  }
}

export interface Place {
  readonly fileSystem: FileSystem;
  /** The log's directory. */
  readonly path: string;
}

export interface JudgeOptions {
  /** A disk that lied about a sync may lose a suffix, or be found damaged: never worse. */
  readonly mayLoseSuffix?: boolean;
}

export interface Verdict {
  /** Null when damage was reported (a lying disk). */
  readonly endOffset: number | null;
  /** Records acknowledged below `sync` and gone: the process' death alone would have kept them. */
  readonly lostWrittenCount: number;
  /** Records acknowledged at `sync` and gone; above 0 only with `mayLoseSuffix`. */
  readonly lostSyncedCount: number;
  /** Bytes of a torn tail. */
  readonly cutBytes: number;
}

/** Records appended after the recovery. */
const MORE_RECORDS = 3;
/** What a record costs on disk beside its value, at most: batch and record header, index entry. */
const RECORD_OVERHEAD_BYTES = 300;

/** @throws Violation */
export async function judge(
  place: Place,
  testimony: Testimony,
  options: JudgeOptions = {},
): Promise<Verdict> {
  try {
    return await judgeLog(place, testimony, options);
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    const { writtenEnd, syncedEnd } = testimony;
    if (options.mayLoseSuffix !== true) {
      const message = `synced up to ${syncedEnd}, ${error.message}`;
      throw new Violation('damaged', message, { cause: error });
    }
    const lost = { lostWrittenCount: writtenEnd, lostSyncedCount: syncedEnd };
    return { endOffset: null, ...lost, cutBytes: 0 };
  }
}

async function judgeLog(
  place: Place,
  testimony: Testimony,
  options: JudgeOptions,
): Promise<Verdict> {
  const log = await open(place);
  const { startOffset, endOffset, recovery } = log;
  try {
    checkEnds(log, testimony, options);
    await checkRecords(log, testimony.seed, { from: startOffset, to: endOffset });
  } finally {
    await log.close();
  }
  await checkVerifies(place);
  await checkSecondRecovery(place, endOffset);
  await checkGoesOn(place, testimony.seed, endOffset);
  return {
    endOffset: endOffset + MORE_RECORDS,
    lostWrittenCount: Math.max(0, testimony.writtenEnd - endOffset),
    lostSyncedCount: Math.max(0, testimony.syncedEnd - endOffset),
    cutBytes: recovery.cutBytes,
  };
}

function open(place: Place): Promise<Log<Uint8Array>> {
  return openLog(place.path, {
    codec: bytes,
    segmentBytesMax: SEGMENT_BYTES,
    fileSystem: place.fileSystem,
  });
}

function checkEnds(log: Log<Uint8Array>, told: Testimony, options: JudgeOptions): void {
  const { startOffset, endOffset } = log;
  if (endOffset > told.triedEnd) {
    throw new Violation('invented', `ends at ${endOffset}, submitted up to ${told.triedEnd}`);
  }
  if (options.mayLoseSuffix === true) return;
  if (endOffset < told.syncedEnd) {
    throw new Violation('lost', `ends at ${endOffset}, synced up to ${told.syncedEnd}`);
  }
  if (startOffset < told.startOffset) {
    throw new Violation('unsound', `starts at ${startOffset}, had moved to ${told.startOffset}`);
  }
  if (startOffset === 0) return;
  // Retention keeps so many bytes of segments, of which this is the least that they can be.
  const keptMax =
    valueBytes(told.seed, startOffset, told.triedEnd) +
    (told.triedEnd - startOffset) * RECORD_OVERHEAD_BYTES;
  if (keptMax < RETENTION_BYTES) {
    throw new Violation('lost', `starts at ${startOffset}: retention keeps more than ${keptMax} B`);
  }
}

async function checkRecords(
  log: Log<Uint8Array>,
  seed: number,
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  let expected = range.from;
  for await (const batch of log.batches({ from: range.from })) {
    for (const record of batch) {
      if (record.offset !== expected) {
        throw new Violation('lost', `offset ${expected} is missing, next is ${record.offset}`);
      }
      if (!isSubmitted(seed, record)) {
        throw new Violation('invented', `the record at ${expected} was never submitted there`);
      }
      expected++;
    }
  }
  if (expected !== range.to) {
    throw new Violation('lost', `reading ends at ${expected}, the log at ${range.to}`);
  }
}

/** After a recovery `verify` finds nothing. */
async function checkVerifies(place: Place): Promise<void> {
  for await (const event of verifyLog(place.path, { fileSystem: place.fileSystem })) {
    if (event.type === 'damage') throw new CorruptLogError(event.details);
  }
}

/** Only the checkpoint may change: each opening begins an epoch. */
async function checkSecondRecovery(place: Place, endOffset: number): Promise<void> {
  const before = await digest(place);
  const log = await open(place);
  const { cutBytes, gaps, damage } = log.recovery;
  const isSame = log.endOffset === endOffset && cutBytes === 0 && gaps.length === 0;
  await log.close();
  if (!isSame || damage !== null || (await digest(place)) !== before) {
    throw new Violation('unsound', 'a second recovery was not without effect');
  }
}

async function checkGoesOn(place: Place, seed: number, endOffset: number): Promise<void> {
  const log = await open(place);
  const to = endOffset + MORE_RECORDS;
  for (let offset = endOffset; offset < to; offset++) await log.append(submittedAt(seed, offset));
  await log.close();
  const again = await open(place);
  try {
    if (again.endOffset !== to) throw new Violation('lost', `${again.endOffset} after ${to}`);
    await checkRecords(again, seed, { from: endOffset, to });
  } finally {
    await again.close();
  }
}

/** Names and contents, but for those that every opening changes. */
async function digest({ fileSystem, path }: Place): Promise<string> {
  const hash = createHash('sha1');
  for (const name of (await fileSystem.list(path)).toSorted()) {
    if (name === 'checkpoint' || name === 'LOCK') continue;
    const { kind, sizeBytes } = await fileSystem.stat(join(path, name));
    hash.update(`${name} ${kind} `);
    if (kind !== 'file') {
      hash.update(await digest({ fileSystem, path: join(path, name) }));
      continue;
    }
    const content = new Uint8Array(sizeBytes);
    const file = await fileSystem.open(join(path, name), 'read');
    await file.read(content, 0);
    await file.close();
    hash.update(`${sizeBytes} `).update(content);
  }
  return hash.digest('hex');
}
