/**
 * Suite `queue`: whole cycles of a durable queue, from send to acknowledgement, beside peers.
 *
 * A record is sent, its attempt written down, its payload looked at, and it is acknowledged. All sides
 * have payloads of 100 bytes and calls of 100 records where they can; what is compared is records per
 * second. Sides differ by two orders of magnitude, so each has a count of its own.
 */
import type { Contest, Side } from '../core/contest.ts';
import type { PeerBullmqParameters } from '../jobs/peer-bullmq.ts';
import type { PeerSqliteQueueParameters } from '../jobs/peer-sqlite-queue.ts';
import { countRate, SINGLE_WARM_BYTES } from './sides.ts';

const VALUE_BYTES = 100;
const RECORDS_PER_CALL = 100;
const CALLERS = 16;
/** A second or two each. */
const SQLITE_RECORDS = 100_000;
const SQLITE_SINGLE_RECORDS = 2000;
const BULLMQ_RECORDS = 20_000;

export const queueSuite: readonly Contest[] = [
  {
    id: 'queue/batched',
    suite: 'queue',
    title: 'send, acquire and ack by 100, values of 100 B, at sync',
    sides: [
      sqlite('sqlite', 'SQLite WAL FULL: transactions of 100', {}),
      sqlite('sqlite-claim', 'SQLite, its claims not synced', { claimSynchronous: 'NORMAL' }),
      bullmq('always', 'BullMQ, Redis appendfsync always'),
      bullmq('everysec', 'BullMQ, Redis appendfsync everysec'),
    ],
    goals: [],
  },
  {
    id: 'queue/one-by-one',
    suite: 'queue',
    title: 'one record at a time, values of 100 B, at sync',
    sides: [
      sqlite('sqlite', 'SQLite WAL FULL: send, claim, ack of 1', {
        records: SQLITE_SINGLE_RECORDS,
        recordsPerCall: 1,
      }),
    ],
    goals: [],
  },
];

function sqlite(id: string, title: string, plan: Partial<PeerSqliteQueueParameters>): Side {
  const parameters: PeerSqliteQueueParameters = {
    valueBytes: VALUE_BYTES,
    records: SQLITE_RECORDS,
    recordsPerCall: RECORDS_PER_CALL,
    synchronous: 'FULL',
    claimSynchronous: 'FULL',
    ...plan,
  };
  return recordRate({ id, title, job: 'peer-sqlite-queue', parameters });
}

function bullmq(appendFsync: PeerBullmqParameters['appendFsync'], title: string): Side {
  const parameters: PeerBullmqParameters = {
    valueBytes: VALUE_BYTES,
    records: BULLMQ_RECORDS,
    recordsPerCall: RECORDS_PER_CALL,
    callsInFlight: CALLERS,
    concurrency: 100,
    appendFsync,
  };
  return recordRate({ id: `bullmq-${appendFsync}`, title, job: 'peer-bullmq', parameters });
}

function recordRate(side: Pick<Side, 'id' | 'title' | 'job' | 'parameters'>): Side {
  return countRate({ ...side, unit: 'records/s', warmBytes: SINGLE_WARM_BYTES });
}
