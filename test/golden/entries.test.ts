/**
 * The bytes of journal entries, for ever: every kind in every version reads as it did, and the newest
 * version is written as it was. `UPDATE_GOLDEN=1` adds kinds that are not there yet, and changes none.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EntryRegistry, type EntryType } from '../../src/journal/entry-type.ts';
import { ENTRY_TYPES } from '../../src/store/store-state.ts';

const FILE = join(import.meta.dirname, 'entries.json');

interface GoldenEntry {
  readonly kind: string;
  readonly version: number;
  readonly hex: string;
  /** As JSON: bytes as base64, maps as lists of pairs. */
  readonly value: unknown;
}

const registry = new EntryRegistry(ENTRY_TYPES);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as GoldenEntry[];

function toJson(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  return value;
}

/** Bytes before JSON.stringify asks them for an object of their own. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `base64:${Buffer.from(value).toString('base64')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(plain(value), toJson));

/** The value that its JSON stands for. */
function revive(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('base64:')) {
    return new Uint8Array(Buffer.from(value.slice('base64:'.length), 'base64'));
  }
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, revive(field)]));
}

const typeOf = (kind: string): EntryType<unknown> | undefined =>
  registry.types.find(({ name }) => name === kind);

if (process.env['UPDATE_GOLDEN'] === '1') {
  const filled = golden.map((entry) => {
    const type = typeOf(entry.kind);
    if (entry.hex !== '' || type === undefined) return entry;
    const bytes = registry.encode(type, revive(entry.value));
    return { ...entry, version: type.version, hex: Buffer.from(bytes).toString('hex') };
  });
  writeFileSync(FILE, `${JSON.stringify(filled, null, 2)}\n`);
}

describe('golden entries', () => {
  test('there is one of every kind in every version', () => {
    const have = golden.map(({ kind, version }) => `${kind} ${version}`);
    const wanted = registry.types.flatMap(({ name, version }) =>
      Array.from({ length: version }, (_, at) => `${name} ${at + 1}`),
    );
    expect(have.toSorted()).toEqual(wanted.toSorted());
  });

  test.each(golden)('$kind, version $version', ({ kind, version, hex, value }) => {
    const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
    expect(bytes[1]).toBe(version);
    const read = registry.decode(bytes);
    expect(read.type.name).toBe(kind);
    expect(asJson(read.value)).toEqual(value);
    if (version !== read.type.version) return;
    const written = Buffer.from(registry.encode(read.type, revive(value)));
    expect(written.toString('hex')).toBe(hex);
  });

  test('kinds keep their numbers', () => {
    const numbers = Object.fromEntries(registry.types.map(({ name, kind }) => [name, kind]));
    expect(numbers).toEqual({
      commit: 1,
      'run-begin': 2,
      'run-part': 3,
      'run-end': 4,
      'topic-created': 10,
      'topic-altered': 11,
      'partitions-added': 12,
      'topic-deleting': 13,
      'topic-deleted': 14,
      'offsets-committed': 20,
      'group-reset': 21,
      'group-deleted': 22,
      'share-group-created': 30,
      'share-group-altered': 31,
      'share-group-deleted': 32,
      'share-started': 33,
      'leases-opened': 34,
      'records-acquired': 35,
      'leases-ended': 36,
      'records-died': 37,
      'records-removed': 38,
      'records-revived': 39,
      'share-paused': 40,
      'share-purged': 41,
      'purge-undone': 42,
      'share-trimmed': 43,
      'exchange-created': 50,
      'exchange-altered': 51,
      'exchange-deleted': 52,
      'binding-added': 53,
      'binding-removed': 54,
      'topology-pruned': 55,
      'destination-sized': 56,
      'projection-marked': 57,
      'backfill-begun': 58,
      'projection-ended': 59,
      'backfill-cut': 60,
      'backfills-forgotten': 61,
      'producer-opened': 62,
      'producers-noted': 63,
      'producer-deleted': 64,
      'dedup-begun': 65,
      'unfinished-passed': 70,
    });
  });
});
