/** better-sqlite3 as the peers' jobs use it: one way to open a database, and what they call of it. */
import fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import type { JobFacts } from '../core/job.ts';
import { loadPeer, peerVersion } from './load-peer.ts';

const PACKAGE = 'better-sqlite3';

/** By the number that SQLite gives each. */
const LEVELS = ['OFF', 'NORMAL', 'FULL'] as const;

export type Synchronous = (typeof LEVELS)[number];

/** What is used of the package. */
export type Sqlite = new (path: string) => Database;

export type SqlValue = number | string | Uint8Array;

export interface Database {
  pragma(source: string, options?: { readonly simple: boolean }): unknown;
  exec(source: string): void;
  prepare<Row>(source: string): Statement<Row>;
  transaction<A extends readonly unknown[], R>(action: (...values: A) => R): (...values: A) => R;
  close(): void;
}

export interface Statement<Row> {
  run(...values: readonly SqlValue[]): { readonly changes: number };
  /** Rows as arrays. */
  raw(): Statement<Row>;
  all(...values: readonly SqlValue[]): readonly Row[];
}

/** @throws UnavailableError when the peers are not installed */
export function loadSqlite(): Sqlite {
  return loadPeer(PACKAGE) as Sqlite;
}

/** A database in the new directory `path`: WAL, and a larger cache and memory map than by default. */
export function openDatabase(sqlite: Sqlite, path: string, synchronous: Synchronous): Database {
  fs.mkdirSync(path);
  const db = new sqlite(join(path, 'data.db'));
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma('cache_size = -65536'); // KiB
  db.pragma('mmap_size = 1073741824');
  const settingOf = (name: string) => db.pragma(name, { simple: true });
  assert(settingOf('journal_mode') === 'wal', 'the database has a write-ahead log');
  assert(settingOf('synchronous') === LEVELS.indexOf(synchronous), 'it syncs as it was asked to');
  return db;
}

/** The versions of the package and of the SQLite in it. */
export function sqliteFacts(sqlite: Sqlite): JobFacts {
  const db = new sqlite(':memory:');
  const [row] = db.prepare<readonly [string]>('SELECT sqlite_version()').raw().all();
  db.close();
  return { [PACKAGE]: peerVersion(PACKAGE), sqlite: row?.[0] ?? 'unknown' };
}
