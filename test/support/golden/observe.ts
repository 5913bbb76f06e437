/**
 * Looks at a log directory in every way that users have, and puts what it sees into plain data:
 * what `expected.json` holds.
 *
 * Sentences meant for people (reasons, notes) are left out: they may change, the facts may not.
 */
import { basename, join } from 'node:path';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { StoreError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { hex } from '../../../src/format/batch-header.ts';
import { checksum } from '../../../src/format/checksum.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogOptions } from '../../../src/log/log-options.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import type { LogGap } from '../../../src/log/recovery-report.ts';
import { dumpSegment } from '../../../src/log/segment-dump.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { dumpLine, rangesOf, verifyLine } from './lines.ts';

const SHORT_CHARS_MAX = 20;

/** A copy of the directory that may be changed. */
export interface Copy {
  readonly fileSystem: FileSystem;
  readonly path: string;
}

export interface RecordView {
  readonly offset: number;
  /** Text, or hexadecimal in an object when it is not UTF-8. */
  readonly key: string | { readonly hex: string } | null;
  /** Long ones by their beginning, length and checksum. */
  readonly value: ValueView;
  readonly headers: Readonly<Record<string, { readonly hex: string }>>;
  readonly createTimeMs: number;
  readonly appendTimeMs: number;
  readonly epoch: number;
}

export type ValueView =
  { readonly begins: string; readonly bytes: number; readonly crc: string } | string | null;

export interface Observation {
  /** What a read-only handle reads when it skips damage. */
  readonly records: readonly RecordView[];
  readonly readOnly: unknown;
  readonly writer: unknown;
  readonly skip: unknown;
  readonly verify: readonly string[];
  readonly dump: Readonly<Record<string, readonly string[]>>;
}

/** Observes a directory; `copy` makes a fresh copy of it at each call. */
export async function observe(copy: () => Promise<Copy>): Promise<Observation> {
  const at = await copy();
  return {
    records: await recordsOf(at),
    readOnly: await handleView(at, { readOnly: true }),
    writer: await handleView(await copy(), {}),
    skip: await handleView(await copy(), { onCorruption: 'skip' }),
    verify: await verifyView(at),
    dump: await dumpView(at),
  };
}

function open({ fileSystem, path }: Copy, options: Omit<LogOptions<string>, 'codec'>) {
  const clock = new ManualClock(Date.UTC(2027, 0, 1));
  const random = new SeededRandom(5);
  return openLog(path, { codec: utf8, clock, random, ...options, fileSystem });
}

async function recordsOf(at: Copy): Promise<RecordView[]> {
  let log: Log<string>;
  try {
    log = await open(at, { readOnly: true, onCorruption: 'readonly' });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return [];
  }
  const records: RecordView[] = [];
  for await (const record of log.records({ onCorruption: 'skip' }))
    records.push(recordView(record));
  await log.close();
  return records;
}

/** A record as plain data. */
export function recordView(record: LogRecord<string>): RecordView {
  const { offset, value, createTimeMs, appendTimeMs, epoch } = record;
  const headers = [...record.headers].map(([name, of]) => [name, hexOf(of)] as const);
  return {
    offset,
    key: keyView(record.keyView()),
    value: valueView(value),
    headers: Object.fromEntries(headers),
    createTimeMs,
    appendTimeMs,
    epoch,
  };
}

/** A value as plain data. */
export function valueView(value: string | null): ValueView {
  if (value === null || value.length <= SHORT_CHARS_MAX) return value;
  const bytes = Buffer.from(value);
  const crc = hex(checksum(bytes, 0, bytes.length));
  return { begins: value.slice(0, SHORT_CHARS_MAX), bytes: bytes.length, crc };
}

/** A key as plain data. */
export function keyView(key: Uint8Array | null): RecordView['key'] {
  if (key === null) return null;
  const text = Buffer.from(key).toString('utf8');
  return Buffer.from(text).equals(key) ? text : hexOf(key);
}

function hexOf(bytes: Uint8Array): { readonly hex: string } {
  return { hex: Buffer.from(bytes).toString('hex') };
}

async function handleView(at: Copy, options: Omit<LogOptions<string>, 'codec'>): Promise<unknown> {
  let log: Log<string>;
  try {
    log = await open(at, options);
  } catch (error) {
    return { error: errorView(error) };
  }
  const { startOffset, endOffset, epoch, recovery } = log;
  const { outcome, cutBytes, rewrittenBytes, quarantined, gaps } = recovery;
  const read = await readView(log);
  await log.close();
  return {
    outcome,
    startOffset,
    endOffset,
    epoch,
    cutBytes,
    rewrittenBytes,
    quarantined: quarantined.map((path) => basename(path)),
    gaps: gaps.map(gapView),
    ...read,
  };
}

/** Which offsets can be read one after the other, and what ended it; which with damage skipped. */
async function readView(log: Log<string>): Promise<object> {
  const offsets: number[] = [];
  let error: unknown = null;
  try {
    for await (const record of log.records()) offsets.push(record.offset);
  } catch (caught) {
    error = errorView(caught);
  }
  const skipping: number[] = [];
  const skipped: LogGap[] = [];
  const onGap = (gap: LogGap): void => void skipped.push(gap);
  for await (const record of log.records({ onCorruption: 'skip', onGap })) {
    skipping.push(record.offset);
  }
  return {
    offsets: rangesOf(offsets),
    error,
    offsetsSkipping: rangesOf(skipping),
    skipped: skipped.map(gapView),
  };
}

function gapView({ firstOffset, nextOffset, file, position }: LogGap): object {
  return { firstOffset, nextOffset, file: basename(file), position };
}

function errorView(error: unknown): object {
  if (!(error instanceof StoreError)) throw error;
  const details = 'details' in error ? error.details : {};
  const entries = Object.entries(details as object)
    .filter(([name]) => name !== 'reason' && name !== 'message')
    .map(([name, value]) => [name, name === 'file' ? basename(String(value)) : (value as unknown)]);
  return { code: error.code, ...(Object.fromEntries(entries) as object) };
}

/** What `verify` says, a line for each event. */
export async function verifyView({ fileSystem, path }: Copy): Promise<string[]> {
  const lines: string[] = [];
  try {
    for await (const event of verifyLog(path, { fileSystem })) lines.push(verifyLine(event));
  } catch (error) {
    lines.push(`throws ${(errorView(error) as { code: string }).code}`);
  }
  return lines;
}

/** What `dump` shows of each segment, a line for each event. */
export async function dumpView({ fileSystem, path }: Copy): Promise<Record<string, string[]>> {
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).sort();
  const dumps: Record<string, string[]> = {};
  for (const name of names) {
    const lines: string[] = [];
    dumps[name] = lines;
    try {
      for await (const event of dumpSegment(join(path, name), { fileSystem })) {
        lines.push(dumpLine(event));
      }
    } catch (error) {
      lines.push(`throws ${(errorView(error) as { code: string }).code}`);
    }
  }
  return dumps;
}
