/** Entries of a journal as people and programs read them, also those that this version does not know. */
import { BadEntryError } from '../src/journal/entry-bytes.ts';
import { commitEntry } from '../src/journal/commit-entry.ts';
import {
  entryOf,
  EntryRegistry,
  NewerEntryError,
  type ReadEntry,
} from '../src/journal/entry-type.ts';
import { ENTRY_TYPES } from '../src/store/store-state.ts';
import { escapeText } from './escape-text.ts';
import { isObject } from './record-json.ts';
import { formatPlural } from './units.ts';

/** What stands in one entry. */
export interface EntryContent {
  /** The number on disk; null when there is none. */
  readonly kind: number | null;
  /** Null for a kind that this version does not know. */
  readonly name: string | null;
  readonly version: number | null;
  /** By name; null when they cannot be read. */
  readonly fields: Readonly<Record<string, unknown>> | null;
  /** All of an entry whose fields cannot be read. */
  readonly bytes?: Uint8Array;
  /** Why they cannot; a newer Varve wrote it, unless it is damaged. */
  readonly problem?: string;
  /** It is not what any version writes. */
  readonly isDamaged?: true;
}

const registry = new EntryRegistry(ENTRY_TYPES);

/** Reads an entry, whatever it is. Never throws for what stands in it. */
export function readEntry(bytes: Uint8Array): EntryContent {
  try {
    const entry = registry.decode(bytes);
    const { kind, name } = entry.type;
    const [, version = null] = bytes;
    return { kind, name, version, fields: fieldsOf(withEntries(entry)) };
  } catch (error) {
    const isNewer = error instanceof NewerEntryError;
    if (!isNewer && !(error instanceof BadEntryError)) throw error;
    const [kind = null, version = null] = bytes;
    const name = registry.types.find((type) => type.kind === kind)?.name ?? null;
    const unread = { kind, name, version, fields: null, bytes, problem: error.message };
    return isNewer ? unread : { ...unread, isDamaged: true };
  }
}

/** As `JSON.stringify` takes it; the keys are a documented contract. Bytes are `{"base64": ...}`. */
export function entryToJson({ isDamaged, ...entry }: EntryContent): object {
  const shown = plainOf(entry, (bytes) => ({ base64: bufferOf(bytes).toString('base64') }));
  const damaged = isDamaged === true ? { isDamaged } : {};
  return { ...(isObject(shown) ? shown : {}), ...damaged };
}

const NAME_WIDTH = 17;

/** As a line of text. */
export function entryLine({ kind, name, version, fields, bytes, problem }: EntryContent): string {
  if (fields === null) {
    const hex = bufferOf(bytes ?? new Uint8Array()).toString('hex');
    const what = `${name ?? 'unknown'} (kind ${kind ?? '?'}, version ${version ?? '?'})`;
    return escapeText(`${what}  ${problem ?? ''}: 0x${hex}`);
  }
  const pairs = Object.entries(fields).map(([field, value]) => {
    const shown = plainOf(value, (held) => `<${formatPlural(held.length, 'byte')}>`);
    return `${field}=${JSON.stringify(shown)}`;
  });
  return escapeText(`${(name ?? '').padEnd(NAME_WIDTH)}  ${pairs.join(' ')}`);
}

/** A commit shows the entries in it, not their bytes. */
function withEntries(entry: ReadEntry): unknown {
  const commit = entryOf(commitEntry, entry);
  if (commit === null) return entry.value;
  return { ...commit, entries: commit.entries.map(readEntry) };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : { value };
}

/** A copy in which bytes are what `show` makes of them. */
function plainOf(value: unknown, show: (bytes: Uint8Array) => unknown): unknown {
  if (value instanceof Uint8Array) return show(value);
  if (Array.isArray(value)) return value.map((each) => plainOf(each, show));
  if (!isObject(value)) return value;
  const pairs = Object.entries(value).map(([name, each]) => [name, plainOf(each, show)] as const);
  return Object.fromEntries(pairs);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
