/**
 * lmdb as an append-only log: ascending integers as keys, key and value of the record as the value.
 *
 * As its README says for speed: `encoding: 'binary'` (bytes as they are), keys in the default
 * encoding, many puts in one transaction. The bytes of a record are joined beforehand, which Varve
 * has to do for itself.
 *
 * - Level `os`, "survives the process, not the power cut": `noSync`, the README's option for speed
 *   without durability. It gives up more than Varve does at `os` (a power cut may damage the whole
 *   file), but the default, which syncs behind each commit, would be slower.
 * - Level `sync`: the defaults, and each transaction is waited for until `flushed`. `transactionSync`
 *   is durable when it returns.
 *
 * `put`: 1,000 puts, which lmdb commits in one transaction in its own thread, then their promise; a
 * number of callers do so at a time. `transaction-sync`: `putSync` with `append` (the key is above all
 * others) in a `transactionSync`, in the calling thread; nothing can be in flight.
 *
 * Scans, from the page cache, a byte of key and value touched: `range` is `getRange`; `get` asks for each
 * key with `getBinaryFast`, which uses one buffer again and is faster than the range, for those who
 * know every key beforehand.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../core/job.ts';
import { keyOf, loadPeer, peerVersion } from './load-peer.ts';

const KEY_BYTES = 16;

export type PeerLmdbParameters = {
  readonly work: 'append' | 'scan';
  readonly durability: 'os' | 'sync';
  readonly valueBytes: number;
  /** A multiple of `recordsPerTransaction`. */
  readonly records: number;
  readonly recordsPerTransaction: number;
  /** Of an append `put` or `transaction-sync`, of a scan `range` or `get`. */
  readonly how: 'put' | 'transaction-sync' | 'range' | 'get';
  readonly transactionsInFlight: number;
};

/** What is used of the package. */
interface Lmdb {
  open(options: object): Database;
}

interface Database {
  put(key: number, value: Buffer): Promise<boolean>;
  putSync(key: number, value: Buffer, options: { append: boolean }): boolean;
  transactionSync(action: () => void): void;
  readonly flushed: PromiseLike<unknown>;
  getRange(): Iterable<{ readonly key: number; readonly value: Buffer }>;
  getBinaryFast(key: number): Buffer | undefined;
  getStats(): { readonly entryCount: number };
  close(): Promise<void>;
}

type Append = (db: Database, input: readonly Buffer[], plan: PeerLmdbParameters) => Promise<void>;

export async function openJob(directory: string, plan: PeerLmdbParameters): Promise<Job> {
  const lmdb = loadPeer('lmdb') as Lmdb;
  const path = join(directory, 'data');
  const input = makeRecords(plan);
  const job =
    plan.work === 'append'
      ? appendJob(lmdb, path, input, plan)
      : await scanJob(lmdb, path, input, plan);
  return { ...job, facts: { lmdb: peerVersion('lmdb') } };
}

function makeRecords({ valueBytes, recordsPerTransaction }: PeerLmdbParameters): Buffer[] {
  return Array.from({ length: recordsPerTransaction }, (_, n) =>
    Buffer.concat([Buffer.from(keyOf(n)), Buffer.alloc(valueBytes, 0x61)]),
  );
}

function open(lmdb: Lmdb, path: string, noSync: boolean): Database {
  fs.mkdirSync(path);
  return lmdb.open({ path: join(path, 'log.mdb'), encoding: 'binary', noSync });
}

function appendJob(
  lmdb: Lmdb,
  path: string,
  input: readonly Buffer[],
  plan: PeerLmdbParameters,
): Job {
  const append = plan.how === 'put' ? appendByPut : appendByTransactionSync;
  return {
    async run() {
      const db = open(lmdb, path, plan.durability === 'os');
      const startMs = performance.now();
      await append(db, input, plan);
      const ms = performance.now() - startMs;
      checkCount(db.getStats().entryCount, plan);
      await db.close();
      fs.rmSync(path, { recursive: true });
      return { bytes: recordBytes(plan), records: plan.records, ms };
    },
    close: () => Promise.resolve(),
  };
}

const appendByPut: Append = async (db, input, plan) => {
  const { records, transactionsInFlight, durability } = plan;
  let next = 0;
  const caller = async () => {
    while (next < records) {
      let last: PromiseLike<unknown> = Promise.resolve();
      for (const record of input) last = db.put(next++, record);
      await (durability === 'os' ? last : db.flushed);
    }
  };
  await Promise.all(Array.from({ length: transactionsInFlight }, caller));
};

const appendByTransactionSync: Append = (db, input, { records }) => {
  for (let from = 0; from < records; from += input.length) {
    db.transactionSync(() => {
      let next = from;
      for (const record of input) db.putSync(next++, record, { append: true });
    });
  }
  return Promise.resolve();
};

async function scanJob(
  lmdb: Lmdb,
  path: string,
  input: readonly Buffer[],
  plan: PeerLmdbParameters,
): Promise<Job> {
  const db = open(lmdb, path, false);
  await appendByTransactionSync(db, input, plan);
  await db.flushed;
  const scan = plan.how === 'range' ? scanRange : scanKeys;
  return {
    run() {
      const startMs = performance.now();
      const sum = scan(db, plan.records);
      const ms = performance.now() - startMs;
      checkCount(sum / touch(input[0]), plan);
      return Promise.resolve({ bytes: recordBytes(plan), records: plan.records, ms });
    },
    close: () => db.close(),
  };
}

function scanRange(db: Database): number {
  let sum = 0;
  for (const { value } of db.getRange()) sum += touch(value);
  return sum;
}

function scanKeys(db: Database, records: number): number {
  let sum = 0;
  for (let key = 0; key < records; key++) sum += touch(db.getBinaryFast(key));
  return sum;
}

/** A byte of the record's key and one of its value: the same in each record. */
function touch(record: Buffer | undefined): number {
  return (record?.[0] ?? 0) + (record?.[KEY_BYTES] ?? 0);
}

function checkCount(found: number, { records }: PeerLmdbParameters): void {
  if (found !== records) throw new Error(`lmdb has ${found} records, expected ${records}`);
}

/** Of keys and values alone: what its pages add is not counted. */
function recordBytes({ records, valueBytes }: PeerLmdbParameters): number {
  return records * (KEY_BYTES + valueBytes);
}
