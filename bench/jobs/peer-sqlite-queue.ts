/**
 * better-sqlite3 as a durable queue: a row per record, claimed by lease and deleted when it is done.
 *
 * As its users write a good one: WAL with `synchronous = FULL`, prepared statements, and a transaction
 * each for what is inserted, claimed and deleted together, so that a send is on the disk before it
 * counts, an attempt and its lease before the payload is looked at, and an acknowledgement before it
 * counts. The claim is one `UPDATE ... RETURNING` of the lowest ids that nobody holds, faster than a
 * SELECT and an UPDATE per row. The delete is one statement, too, for rows that still have the lease of
 * the claim: one that ran out and was claimed by somebody else has a later one, and stays.
 *
 * In its favour: no index on the lease (the claim reads in order of ids, past what is leased; with an
 * index each claim and delete would write it too), ids without AUTOINCREMENT, and a queue that is
 * never longer than one batch.
 *
 * `claimSynchronous: 'NORMAL'` does not sync the claim, which then survives the process, but not the
 * power cut, until the delete behind it is synced: what Varve does with attempts.
 *
 * The API is synchronous: nothing can be in flight, one cycle follows the other.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { VALUE_BYTE } from './records.ts';
import {
  loadSqlite,
  openDatabase,
  sqliteFacts,
  type Database,
  type Sqlite,
  type Synchronous,
} from './sqlite-database.ts';

const LEASE_MS = 30_000;

export type PeerSqliteQueueParameters = {
  readonly valueBytes: number;
  /** Sent, claimed and deleted per run; a multiple of `recordsPerCall`. */
  readonly records: number;
  readonly recordsPerCall: number;
  readonly synchronous: Synchronous;
  /** Of the claim alone. */
  readonly claimSynchronous: Synchronous;
};

/** Id, attempt, payload. */
type Row = readonly [number, number, Buffer];

interface Claim {
  readonly rows: readonly Row[];
  readonly leaseUntilMs: number;
}

/** One transaction each. */
interface SqliteQueue {
  send(): void;
  claim(): Claim;
  /** @returns how many were deleted */
  acknowledge(claim: Claim): number;
}

export function openJob(directory: string, plan: PeerSqliteQueueParameters): Promise<Job> {
  const sqlite = loadSqlite();
  const path = join(directory, 'data');
  return Promise.resolve({
    facts: sqliteFacts(sqlite),
    run: () => Promise.resolve(run(sqlite, path, plan)),
    close: () => Promise.resolve(),
  });
}

function run(sqlite: Sqlite, path: string, plan: PeerSqliteQueueParameters) {
  const { records, recordsPerCall, valueBytes } = plan;
  const db = openDatabase(sqlite, path, plan.synchronous);
  const queue = makeQueue(db, plan);
  let touched = 0;
  let acknowledged = 0;
  const startMs = performance.now();
  for (let sent = 0; sent < records; sent += recordsPerCall) {
    queue.send();
    const claim = queue.claim();
    for (const [, , payload] of claim.rows) touched += payload[0] ?? 0;
    acknowledged += queue.acknowledge(claim);
  }
  const ms = performance.now() - startMs;
  const [left] = db.prepare<readonly [number]>('SELECT count(*) FROM queue').raw().all();
  db.close();
  fs.rmSync(path, { recursive: true });
  assert(touched === records * VALUE_BYTE, 'every payload was looked at');
  assert(acknowledged === records && left?.[0] === 0, 'every record was acknowledged');
  return { bytes: records * valueBytes, records, ms };
}

function makeQueue(db: Database, plan: PeerSqliteQueueParameters): SqliteQueue {
  const { recordsPerCall, valueBytes, synchronous, claimSynchronous } = plan;
  db.exec(`CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    lease_until INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL
  )`);
  const payload = Buffer.alloc(valueBytes, VALUE_BYTE);
  const insert = db.prepare('INSERT INTO queue (payload) VALUES (?)');
  const update = db
    .prepare<Row>(
      `UPDATE queue SET attempts = attempts + 1, lease_until = ?
       WHERE id IN (SELECT id FROM queue WHERE lease_until <= ? ORDER BY id LIMIT ${recordsPerCall})
       RETURNING id, attempts, payload`,
    )
    .raw();
  const remove = db.prepare(
    'DELETE FROM queue WHERE id IN (SELECT value FROM json_each(?)) AND lease_until = ?',
  );
  const claim = () => {
    const nowMs = Date.now();
    const leaseUntilMs = nowMs + LEASE_MS;
    return { rows: update.all(leaseUntilMs, nowMs), leaseUntilMs };
  };
  const claimAtLevel = () => {
    db.pragma(`synchronous = ${claimSynchronous}`);
    const claimed = claim();
    db.pragma(`synchronous = ${synchronous}`);
    return claimed;
  };
  return {
    send: db.transaction(() => {
      for (let n = 0; n < recordsPerCall; n++) insert.run(payload);
    }),
    claim: claimSynchronous === synchronous ? claim : claimAtLevel,
    acknowledge: ({ rows, leaseUntilMs }) =>
      remove.run(JSON.stringify(rows.map(([id]) => id)), leaseUntilMs).changes,
  };
}
