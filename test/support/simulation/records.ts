/** Records that can be told apart: each carries its number, and the rest follows from it. */
import { SeededRandom, randomBelow } from '../../../src/core/random.ts';
import type { RecordInput } from '../../../src/log/record-input.ts';
import type { LogRecord } from '../../../src/log/record.ts';

/** A record as it was handed to the log. */
export interface SentRecord {
  readonly id: number;
  /** Wall time when it was handed over. */
  readonly sentMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [string, Uint8Array])[];
  readonly createTimeMs: number;
}

/** What of a record the log must give back. */
export type Content = Omit<SentRecord, 'id' | 'sentMs'>;

/** A record as the log gave it back. */
export interface FoundRecord extends Content {
  readonly offset: number;
  readonly epoch: number;
  readonly appendTimeMs: number;
}

const HEADER_NAMES = ['trace', 'type', 'ü'];
/** Of tombstones whose key does not tell them apart. */
const NAME_HEADER = 'name';
const CREATE_TIME_SPREAD_MS = 10_000;

/** How the records of a seed look. */
export interface RecordShape {
  readonly valueBytesMax: number;
  /** All of the same size: what one writer left stands exactly where another's batches do. */
  readonly isUniform: boolean;
}

/** Makes the record with this number, around `nowMs`. */
export function makeRecord(id: number, nowMs: number, shape: RecordShape): SentRecord {
  const random = new SeededRandom(id * 7919 + 13);
  const name = Buffer.from(`#${String(id).padStart(5, '0')};`);
  const { valueBytesMax, isUniform } = shape;
  const isTombstone = !isUniform && random.next() < 0.08;
  const hasKey = isTombstone || (!isUniform && random.next() < 0.6);
  const paddingBytes = isUniform ? valueBytesMax : randomBelow(random, valueBytesMax + 1);
  const spreadMs = randomBelow(random, CREATE_TIME_SPREAD_MS) - CREATE_TIME_SPREAD_MS / 2;
  const suffix = isTombstone ? name : noise(random, 3);
  return {
    id,
    sentMs: nowMs,
    key: hasKey ? Buffer.concat([Buffer.from(`k${id % 7}`), suffix]) : null,
    value: isTombstone ? null : Buffer.concat([name, noise(random, paddingBytes)]),
    headers: !isUniform && random.next() < 0.2 ? makeHeaders(random) : [],
    createTimeMs: Math.max(0, nowMs + spreadMs),
  };
}

/** The same with one of few keys, which come again and again. */
export function withSharedKey(record: SentRecord, keyCount: number): SentRecord {
  const { id, key, value, headers } = record;
  if (key === null) return record;
  const shared = { ...record, key: Buffer.from(`key ${id % keyCount}`) };
  // A tombstone is named by its key alone.
  return value === null ? { ...shared, headers: [...headers, [NAME_HEADER, key]] } : shared;
}

/** What is passed to the log for it. The bytes are copies: a test may spoil them afterwards. */
export function inputFor(record: SentRecord): RecordInput<Uint8Array> {
  return {
    key: record.key === null ? null : Uint8Array.from(record.key),
    value: record.value === null ? null : Uint8Array.from(record.value),
    headers: record.headers.length === 0 ? null : Object.fromEntries(record.headers),
    createTimeMs: record.createTimeMs,
  };
}

/** Copies what a reader got. */
export function foundRecord(record: LogRecord<Uint8Array>): FoundRecord {
  const key = record.keyView();
  const value = record.valueView();
  return {
    offset: record.offset,
    epoch: record.epoch,
    appendTimeMs: record.appendTimeMs,
    createTimeMs: record.createTimeMs,
    key: key === null ? null : Uint8Array.from(key),
    value: value === null ? null : Uint8Array.from(value),
    headers: [...record.headers],
  };
}

/** The number of a record that somebody sent; null when nobody did. */
export function recordIdOf({ key, value, headers }: Content): number | null {
  const named = headers.find(([each]) => each === NAME_HEADER)?.[1];
  const bytes = value ?? named ?? key ?? new Uint8Array();
  const start = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  const name = /^(?:k\d)?#(\d{5,});/.exec(start);
  return name === null ? null : Number(name[1]);
}

/** The first difference between a record that was sent and one that was found; null for none. */
export function difference(sent: SentRecord, found: Content): string | null {
  if (!sameBytes(sent.value, found.value))
    return `value ${text(found.value)}, sent ${text(sent.value)}`;
  if (!sameBytes(sent.key, found.key)) return `key ${text(found.key)}, sent ${text(sent.key)}`;
  if (sent.createTimeMs !== found.createTimeMs) {
    return `create time ${found.createTimeMs}, sent ${sent.createTimeMs}`;
  }
  const names = (record: Content) => record.headers.map(([name]) => name).join();
  if (names(sent) !== names(found)) return `headers ${names(found)}, sent ${names(sent)}`;
  const at = sent.headers.findIndex(
    ([, bytes], slot) => !sameBytes(bytes, found.headers[slot]?.[1] ?? null),
  );
  return at < 0 ? null : `header ${sent.headers[at]?.[0] ?? ''} differs`;
}

function makeHeaders(random: SeededRandom): [string, Uint8Array][] {
  return HEADER_NAMES.filter(() => random.next() < 0.5).map((name) => [
    name,
    noise(random, randomBelow(random, 20)),
  ]);
}

function noise(random: SeededRandom, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  const word = randomBelow(random, 2 ** 32);
  for (let at = 0; at < length; at++) bytes[at] = Math.imul(word ^ at, 0x9e3779b1) >>> 24;
  return bytes;
}

function sameBytes(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === null || other === null) return one === other;
  return Buffer.compare(one, other) === 0;
}

function text(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const start = Buffer.from(bytes.subarray(0, 12))
    .toString('latin1')
    .replaceAll(/[^ -~]/g, '.');
  return `'${start}' (${bytes.length} bytes)`;
}
