/**
 * Suite `peers`: the engine beside lmdb and better-sqlite3, set up as their documentation says.
 *
 * All store and read the same records, keys of 16 bytes and values of 100; what is compared is records
 * per second, because the bytes around them are each engine's own affair. The best peer counts.
 */
import type { Contest, Side } from '../core/contest.ts';
import type { JobParameters } from '../core/job.ts';
import type { WalkName } from '../jobs/read.ts';
import { appendBatches, countRate, MIB, READ_WARM_BYTES } from './sides.ts';

const VALUE_BYTES = 100;
const RECORDS = 500_000;
const RECORDS_PER_CALL = 1000;

/** So many records, and what a peer's file has beside them. */
const APPEND_WARM_BYTES = 256 * MIB;

const APPEND = {
  work: 'append',
  valueBytes: VALUE_BYTES,
  records: RECORDS,
  recordsPerTransaction: RECORDS_PER_CALL,
} as const;
const SCAN = { ...APPEND, work: 'scan' } as const;

export const peersSuite: readonly Contest[] = [
  {
    id: 'peers/append-os/100',
    suite: 'peers',
    title: 'append at os by 1,000, values of 100 B, beside peers',
    sides: [
      varveAppend('os'),
      lmdb('lmdb-x16', 'lmdb noSync: 1,000 puts, 16 times in flight', {
        ...APPEND,
        durability: 'os',
        how: 'put',
        transactionsInFlight: 16,
      }),
      lmdb('lmdb-txn', 'lmdb noSync: transactionSync of 1,000', {
        ...APPEND,
        durability: 'os',
        how: 'transaction-sync',
        transactionsInFlight: 1,
      }),
      sqlite('sqlite', 'SQLite WAL NORMAL: transaction of 1,000', {
        ...APPEND,
        synchronous: 'NORMAL',
      }),
      sqlite('sqlite-off', 'SQLite WAL OFF: transaction of 1,000', {
        ...APPEND,
        synchronous: 'OFF',
      }),
    ],
    goals: [
      {
        name: 'append at os, 100 B: times the best peer',
        subject: 'varve',
        references: ['lmdb-x16', 'lmdb-txn', 'sqlite', 'sqlite-off'],
        goal: 4,
        bound: 'min',
      },
    ],
  },
  {
    id: 'peers/append-sync/100',
    suite: 'peers',
    title: 'append at sync by 1,000, values of 100 B, beside peers',
    sides: [
      varveAppend('sync'),
      lmdb('lmdb', 'lmdb: 1,000 puts, flushed', {
        ...APPEND,
        durability: 'sync',
        how: 'put',
        transactionsInFlight: 1,
      }),
      lmdb('lmdb-txn', 'lmdb: transactionSync of 1,000', {
        ...APPEND,
        durability: 'sync',
        how: 'transaction-sync',
        transactionsInFlight: 1,
      }),
      sqlite('sqlite', 'SQLite WAL FULL: transaction of 1,000', {
        ...APPEND,
        synchronous: 'FULL',
      }),
      lmdb('lmdb-x16', 'lmdb: 1,000 puts, flushed, 16 in flight', {
        ...APPEND,
        durability: 'sync',
        how: 'put',
        transactionsInFlight: 16,
      }),
    ],
    goals: [
      {
        name: 'append at sync, 100 B: times the best awaiting peer',
        subject: 'varve',
        references: ['lmdb', 'lmdb-txn', 'sqlite'],
        goal: 4,
        bound: 'min',
      },
    ],
  },
  {
    id: 'peers/scan/100',
    suite: 'peers',
    title: 'scan, key and value touched, 100 B, beside peers',
    sides: [
      varveScan('cursor', 'cursor-positions', 'cursor, by positions in its buffer'),
      varveScan('cursor-views', 'cursor-entries', 'cursor, by a view of each'),
      varveScan('batches', 'batches-entries', 'batches, by a view of each'),
      lmdb('lmdb-range', 'lmdb: getRange', {
        ...SCAN,
        durability: 'os',
        how: 'range',
        transactionsInFlight: 1,
      }),
      lmdb('lmdb-get', 'lmdb: getBinaryFast of each key', {
        ...SCAN,
        durability: 'os',
        how: 'get',
        transactionsInFlight: 1,
      }),
      sqlite('sqlite', 'SQLite: 1,000 rows a query', { ...SCAN, synchronous: 'NORMAL' }),
    ],
    goals: [
      {
        name: 'scan by the cursor, 100 B: times the best peer',
        subject: 'cursor',
        references: ['lmdb-range', 'sqlite'],
        goal: 12,
        bound: 'min',
      },
    ],
  },
];

function varveAppend(durability: 'os' | 'sync'): Side {
  const parameters = appendBatches({ durability, valueBytes: VALUE_BYTES, records: RECORDS });
  return recordsSide('varve', 'appendBatch(1000), 16 in flight', 'append', parameters);
}

function varveScan(id: string, walk: WalkName, title: string): Side {
  return recordsSide(id, title, 'read', { valueBytes: VALUE_BYTES, records: RECORDS, walk });
}

function lmdb(id: string, title: string, parameters: JobParameters): Side {
  return recordsSide(id, title, 'peer-lmdb', parameters);
}

function sqlite(id: string, title: string, parameters: JobParameters): Side {
  return recordsSide(id, title, 'peer-sqlite', parameters);
}

function recordsSide(id: string, title: string, job: string, parameters: JobParameters): Side {
  const isScan = parameters['work'] === 'scan' || job === 'read';
  const warmBytes = isScan ? READ_WARM_BYTES : APPEND_WARM_BYTES;
  return countRate({ id, title, job, parameters, unit: 'records/s', warmBytes });
}
