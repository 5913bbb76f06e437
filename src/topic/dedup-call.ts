/** What a call wants appended whose records may be stored already, checked and encoded. */
import { argumentError, present } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import type { Fingerprint } from '../core/fingerprint.ts';
import { isPlainObject } from '../core/options.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { DEDUP_ID_HEADER } from '../format/header-names.ts';
import { IdHeader, type IdHeaders } from '../format/id-header.ts';
import { encodeHeaders, type HeadersInput } from '../format/record-headers.ts';
import type { CheckedAppendOptions } from '../log/append-result.ts';
import { keepBytes, type PreparedRecords } from '../log/prepared-records.ts';
import { replaceHeaders, type PrepareSettings } from '../log/record-input.ts';
import type { LogRecord } from '../log/record.ts';
import type { DedupSettings } from './dedup-options.ts';
import type { TopicRecordInput } from './topic-results.ts';

const DEDUP_ID_BYTES_MAX = 255;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** By what a record is known again: one that has neither id nor content that counts has none. */
export interface DedupIdentity {
  readonly record: EncodableRecord;
  /** Null = it is known by its value, if at all. */
  readonly id: string | null;
}

/** Those that go to one partition. */
export interface DedupPart {
  readonly partition: number;
  readonly records: readonly EncodableRecord[];
  /** Of each, as in its identity. */
  readonly ids: readonly (string | null)[];
  /** Where each stands among the records of the call. */
  readonly indexes: readonly number[];
}

export interface DedupCall {
  readonly parts: readonly DedupPart[];
  readonly options: CheckedAppendOptions;
  /**
   * Called in the step that appends those that are new, if any are, with their indexes, ascending.
   *
   * @throws why not: nothing is appended
   */
  readonly admit?: (indexes: readonly number[]) => void;
  /**
   * Gives the records bytes of their own: before, they are good for the turn of the call. Left out where they
   * have them.
   */
  readonly keep?: () => void;
  /** Called instead when nobody needs the records any more. */
  readonly end?: () => void;
}

/** The id of a record. @throws TypeError, RangeError; TooLargeError for more than 255 bytes */
export function checkDedupId(id: unknown): string {
  if (typeof id !== 'string') throw argumentError(TypeError, 'dedupId', 'a string', id);
  if (id === '' || LONE_SURROGATE.test(id)) {
    throw argumentError(
      RangeError,
      'dedupId',
      'text that is not empty, without lone surrogates',
      id,
    );
  }
  const bytes = Buffer.byteLength(id, 'utf8');
  if (bytes <= DEDUP_ID_BYTES_MAX) return id;
  throw new TooLargeError({ what: 'dedup id', bytes, bytesMax: DEDUP_ID_BYTES_MAX });
}

/** Whether one of them has an id. A plain loop: each record is looked at, and next to none has one. */
export function haveIds(records: readonly TopicRecordInput<unknown>[]): boolean {
  if (!Array.isArray(records)) return false; // Refused with the others that are none.
  for (const record of records) if (record?.dedupId !== undefined) return true;
  return false;
}

/** Of records of a producer: a record has one reason to be stored once. @throws TypeError */
export function checkNoIds(records: readonly TopicRecordInput<unknown>[]): void {
  if (!haveIds(records)) return;
  const found = records.find((record) => record?.dedupId !== undefined);
  throw argumentError(TypeError, 'dedupId', 'left out: there is a producer', found);
}

/** Records of one call that go to one partition, in their order. */
interface Divided<Input> {
  readonly partition: number;
  readonly records: readonly TopicRecordInput<Input>[];
}

/** Of a topic, by which headers are what they are. */
type HeaderSettings = Pick<DedupSettings, 'dedupBy'> & PrepareSettings<never>['limits'];

/** What all records of a call have in common. */
interface CallParts<Input> {
  readonly division: readonly Divided<Input>[];
  readonly prepared: PreparedRecords<Input>;
  /** Empty. */
  readonly idHeaders: IdHeaders;
  readonly settings: HeaderSettings;
  readonly options: CheckedAppendOptions;
  readonly nowMs: number;
}

/** Checks and encodes everything at once. @throws as `Topic.appendBatch` */
export function dedupCallOf<Input>(
  inputs: readonly TopicRecordInput<Input>[],
  { division, prepared, idHeaders, settings, options, nowMs }: CallParts<Input>,
): DedupCall {
  const encoded: EncodableRecord[][] = [];
  let indexes: readonly (readonly number[])[] | null = null;
  const allIndexes = () => (indexes ??= indexesIn(division, inputs));
  const parts = division.map(({ partition, records: own }, at) => {
    const all = prepared.prepare(own, nowMs);
    encoded.push(all);
    const records = all.length === own.length ? all : all.slice(0, own.length);
    const ids = own.map((input, index) =>
      addId(present(records[index], 'one for each'), input, { idHeaders, settings }),
    );
    return {
      partition,
      records,
      ids,
      // Hardly ever needed: most calls bring nothing that is stored.
      get indexes() {
        return present(allIndexes()[at], 'one list for each part');
      },
    };
  });
  if (!idHeaders.encode()) replaceIdHeaders(parts, settings);
  return {
    parts,
    options,
    keep: () => {
      allIndexes(); // The caller's list is good for this turn, as its records are.
      for (const own of encoded) keepBytes(own);
      idHeaders.clear();
    },
    end: () => {
      for (const own of encoded) prepared.takeBack(own);
      idHeaders.clear();
    },
  };
}
/** Gives a record the header of its id. @returns the id */
function addId(
  record: EncodableRecord,
  { dedupId, headers }: Pick<TopicRecordInput<never>, 'dedupId' | 'headers'>,
  { idHeaders, settings }: Pick<CallParts<never>, 'idHeaders' | 'settings'>,
): string | null {
  if (dedupId === undefined && settings.dedupBy === 'id') return null;
  if (record.headers === null && isShort(dedupId)) {
    replaceHeaders(record, idHeaders.add(dedupId), settings);
  } else setHeaders(record, { dedupId, headers }, settings);
  return dedupId ?? null;
}

/** Whether it is an id, if it is ASCII. */
function isShort(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= DEDUP_ID_BYTES_MAX;
}

/**
 * Gives one record the header of its id, which is empty before. @throws as `Topic.append`
 *
 * @returns as of its identity
 */
export function identify(
  record: EncodableRecord,
  input: Pick<TopicRecordInput<never>, 'dedupId' | 'headers'>,
  parts: Pick<CallParts<never>, 'idHeaders' | 'settings'>,
): DedupIdentity {
  const id = addId(record, input, parts);
  if (!parts.idHeaders.encode()) {
    replaceIdHeaders([{ records: [record], ids: [id] }], parts.settings);
  }
  return { record, id };
}

/** Some ids are not ASCII. @throws as `setHeaders` */
function replaceIdHeaders(
  parts: readonly Pick<DedupPart, 'records' | 'ids'>[],
  settings: HeaderSettings,
): void {
  for (const { records, ids } of parts) {
    for (const [at, record] of records.entries()) {
      if (!(record.headers instanceof IdHeader)) continue;
      setHeaders(record, { dedupId: ids[at] ?? undefined, headers: null }, settings);
    }
  }
}

/** As `headersWithId` has them. @throws as it does; TooLargeError */
function setHeaders(
  record: EncodableRecord,
  input: Pick<TopicRecordInput<never>, 'dedupId' | 'headers'>,
  settings: HeaderSettings,
): void {
  const headers = headersWithId(input, settings);
  if (headers === input.headers) return;
  replaceHeaders(record, headers == null ? null : encodeHeaders(headers), settings);
}

/** By part: where its records stand in the call. The same object may stand there twice. */
function indexesIn<Input>(
  division: readonly Divided<Input>[],
  records: readonly TopicRecordInput<Input>[],
): readonly (readonly number[])[] {
  const indexes: number[][] = division.map(() => []);
  for (const [index, record] of records.entries()) {
    const at = division.findIndex(
      ({ records: own }, part) => own[indexes[part]?.length ?? 0] === record,
    );
    indexes[at]?.push(index);
  }
  return indexes;
}

/**
 * The headers of a record as it is stored: its id is the first of them. One that was given by hand is an
 * id of nobody: it gives way to the real one, and is left out where it would look like one. What is no
 * headers at all is left for the log to refuse.
 *
 * @throws TypeError, RangeError; TooLargeError for an id of more than 255 bytes
 */
export function headersWithId(
  { dedupId, headers }: Pick<TopicRecordInput<never>, 'dedupId' | 'headers'>,
  { dedupBy }: Pick<DedupSettings, 'dedupBy'>,
): HeadersInput | null | undefined {
  const id = dedupId === undefined ? null : checkDedupId(dedupId);
  if (headers == null) return id === null ? headers : { [DEDUP_ID_HEADER]: id };
  if (!isPlainObject(headers)) return headers;
  const isGiven = Object.hasOwn(headers, DEDUP_ID_HEADER);
  if (id === null && (!isGiven || dedupBy === 'id')) return headers;
  const all: Record<string, string | Uint8Array> = {};
  if (id !== null) all[DEDUP_ID_HEADER] = id;
  // No spread: names behind one are slow in Node 20.
  for (const [name, value] of Object.entries(headers)) {
    if (name !== DEDUP_ID_HEADER) all[name] = value;
  }
  return all;
}

const NO_VALUE = new Uint8Array(0);

/** For each high and low; 0, 0 = nothing can be a duplicate of it. */
export function fingerprintsOf(
  { records, ids }: Pick<DedupPart, 'records' | 'ids'>,
  settings: DedupSettings,
  fingerprint: Fingerprint,
): Uint32Array {
  const words = new Uint32Array(2 * records.length);
  for (let at = 0; at < records.length; at++) {
    const record = present(records[at], 'below the length');
    if (!takeFingerprint({ record, id: ids[at] ?? null }, settings, fingerprint)) continue;
    words[2 * at] = fingerprint.high;
    words[2 * at + 1] = fingerprint.low;
  }
  return words;
}

/** Has `fingerprint` take that of a record. @returns false when nothing can be a duplicate of it */
export function takeFingerprint(
  { record, id }: DedupIdentity,
  { dedupBy, dedupScope }: DedupSettings,
  fingerprint: Fingerprint,
): boolean {
  if (id === null && dedupBy !== 'content') return false;
  const { headers, value } = record;
  const key = dedupScope === 'key' ? record.key : undefined;
  if (id === null) fingerprint.ofBytes(value ?? NO_VALUE, key);
  else if (headers instanceof IdHeader) {
    fingerprint.ofView(headers.ids.view, headers.from, headers.sizeBytes, key);
  } else fingerprint.ofText(id, key);
  return true;
}

/** By what a record of a part is known again. */
export function identityAt(
  { records, ids }: Pick<DedupPart, 'records' | 'ids'>,
  at: number,
): DedupIdentity {
  return { record: present(records[at], 'below the length'), id: ids[at] ?? null };
}

/** Whether two on their way are the same. */
export function areEqual(
  one: DedupIdentity,
  other: DedupIdentity,
  { dedupScope }: DedupSettings,
): boolean {
  if (one.id !== other.id) return false;
  if (one.id === null && !isSameBytes(one.record.value, other.record.value)) return false;
  return dedupScope === 'topic' || isSameBytes(bytesOf(one.record.key), bytesOf(other.record.key));
}

/** Whether a record is the same as one that is stored: its own bytes say so. @throws CorruptLogError */
export function isStoredAs(
  { id, record }: DedupIdentity,
  stored: LogRecord<Uint8Array>,
  { dedupScope }: DedupSettings,
): boolean {
  const storedId = stored.headers.get(DEDUP_ID_HEADER) ?? null;
  if (!isSameBytes(bytesOf(id), storedId)) return false;
  if (id === null && !isSameBytes(record.value, stored.valueView())) return false;
  return dedupScope === 'topic' || isSameBytes(bytesOf(record.key), stored.keyView());
}

function bytesOf(text: string | Uint8Array | null): Uint8Array | null {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

function isSameBytes(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === null || other === null) return one === other;
  return Buffer.compare(one, other) === 0;
}
