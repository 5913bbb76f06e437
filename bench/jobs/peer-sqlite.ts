/**
 * better-sqlite3 as an append-only log: a row per record, its offset the rowid.
 *
 * As its documentation says for speed: WAL mode, one prepared INSERT, 1,000 of them in a
 * transaction. Page and checkpoint sizes are the defaults; a larger cache and a memory map are what
 * SQLite's own documentation offers a large table. The log is copied into the database file every
 * 1,000 pages, in the call that passes them and so inside the time, as users pay it.
 *
 * - `NORMAL` is level `os`: a commit survives the process, not the power cut; the last ones may then
 *   be gone, and the database is whole. It is what better-sqlite3 is built with.
 * - `OFF` never syncs: a power cut may damage the database. Less than Varve promises at `os`; it runs
 *   beside `NORMAL` so that the faster of the two counts.
 * - `FULL` is level `sync`: the log is synced in each commit.
 *
 * The API is synchronous: nothing can be in flight.
 *
 * Scans go through the table in order, from the page cache, 1,000 rows a query with rows as arrays,
 * which is faster than `iterate`; the key's length and a byte of the value are touched.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../core/job.ts';
import { keyOf } from './load-peer.ts';
import {
  loadSqlite,
  openDatabase,
  sqliteFacts,
  type Database,
  type Sqlite,
  type Statement,
  type Synchronous,
} from './sqlite-database.ts';

const KEY_BYTES = 16;
const ROWS_PER_QUERY = 1000;

/** Offset, key and value. */
type Row = readonly [number, string, Buffer];

export type PeerSqliteParameters = {
  readonly work: 'append' | 'scan';
  readonly synchronous: Synchronous;
  readonly valueBytes: number;
  /** A multiple of `recordsPerTransaction`. */
  readonly records: number;
  readonly recordsPerTransaction: number;
};

export function openJob(directory: string, plan: PeerSqliteParameters): Promise<Job> {
  const sqlite = loadSqlite();
  const path = join(directory, 'data');
  const job = plan.work === 'append' ? appendJob(sqlite, path, plan) : scanJob(sqlite, path, plan);
  return Promise.resolve({ ...job, facts: sqliteFacts(sqlite) });
}

function open(sqlite: Sqlite, path: string, { synchronous }: PeerSqliteParameters): Database {
  const db = openDatabase(sqlite, path, synchronous);
  db.exec(`CREATE TABLE log (
    record_offset INTEGER PRIMARY KEY,
    record_key TEXT NOT NULL,
    record_value BLOB NOT NULL
  )`);
  return db;
}

function appendJob(sqlite: Sqlite, path: string, plan: PeerSqliteParameters): Job {
  return {
    run() {
      const db = open(sqlite, path, plan);
      const append = appender(db, plan);
      const startMs = performance.now();
      append();
      const ms = performance.now() - startMs;
      const [count] = db.prepare<readonly [number]>('SELECT count(*) FROM log').raw().all();
      checkCount(count?.[0], plan);
      db.close();
      fs.rmSync(path, { recursive: true });
      return Promise.resolve({ bytes: recordBytes(plan), records: plan.records, ms });
    },
    close: () => Promise.resolve(),
  };
}

function appender(db: Database, plan: PeerSqliteParameters): () => void {
  const { records, recordsPerTransaction, valueBytes } = plan;
  const value = Buffer.alloc(valueBytes, 0x61);
  const keys = Array.from({ length: recordsPerTransaction }, (_, n) => keyOf(n));
  const insert = db.prepare('INSERT INTO log (record_key, record_value) VALUES (?, ?)');
  const insertAll = db.transaction(() => {
    for (const key of keys) insert.run(key, value);
  });
  return () => {
    for (let at = 0; at < records; at += recordsPerTransaction) insertAll();
  };
}

function scanJob(sqlite: Sqlite, path: string, plan: PeerSqliteParameters): Job {
  const db = open(sqlite, path, plan);
  appender(db, plan)();
  db.pragma('wal_checkpoint(TRUNCATE)'); // All in the database file, and synced.
  const select = db
    .prepare<Row>(
      `SELECT record_offset, record_key, record_value FROM log
       WHERE record_offset > ? ORDER BY record_offset LIMIT ${ROWS_PER_QUERY}`,
    )
    .raw();
  return {
    run() {
      const startMs = performance.now();
      const sum = scan(select);
      const ms = performance.now() - startMs;
      checkCount(sum / (KEY_BYTES + 0x61), plan);
      return Promise.resolve({ bytes: recordBytes(plan), records: plan.records, ms });
    },
    close: () => Promise.resolve(db.close()),
  };
}

/** The length of the record's key and a byte of its value: the same in each record. */
function scan(select: Statement<Row>): number {
  let sum = 0;
  let last = 0;
  for (;;) {
    const rows = select.all(last);
    for (const [offset, key, value] of rows) {
      sum += key.length + (value[0] ?? 0);
      last = offset;
    }
    if (rows.length < ROWS_PER_QUERY) return sum;
  }
}

function checkCount(found: number | undefined, { records }: PeerSqliteParameters): void {
  if (found !== records) throw new Error(`SQLite has ${found} records, expected ${records}`);
}

/** Of keys and values alone: what its pages add is not counted. */
function recordBytes({ records, valueBytes }: PeerSqliteParameters): number {
  return records * (KEY_BYTES + valueBytes);
}
