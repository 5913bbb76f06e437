/**
 * Suite `queue`: whole cycles of a durable queue, from send to acknowledgement, beside peers and the disk.
 *
 * A record is sent, its attempt written down, its payload looked at, and it is acknowledged. All sides
 * have payloads of 100 bytes and calls of 100 records where they can; what is compared is records per
 * second. Sides differ by two orders of magnitude, so each has a count of its own.
 */
import { present } from '../../src/core/assert.ts';
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import type { PeerBullmqParameters } from '../jobs/peer-bullmq.ts';
import type { PeerSqliteQueueParameters } from '../jobs/peer-sqlite-queue.ts';
import type { QueueBacklogParameters } from '../jobs/queue-backlog.ts';
import type { QueueCycleParameters } from '../jobs/queue-cycle.ts';
import type { QueueLatencyParameters } from '../jobs/queue-latency.ts';
import type { QueueOneByOneParameters } from '../jobs/queue-one-by-one.ts';
import { countRate, machineSync, MIB, SINGLE_WARM_BYTES } from './sides.ts';

const VALUE_BYTES = 100;
const RECORDS_PER_CALL = 100;
const CALLERS = 16;
const SINGLE_WORKERS = 64;
/** Each a second or two. */
const VARVE_RECORDS = 1_000_000;
const VARVE_SINGLE_RECORDS = 150_000;
const SQLITE_RECORDS = 100_000;
const SQLITE_SINGLE_RECORDS = 2000;
const BULLMQ_RECORDS = 20_000;
/** Syncs of one run of *F*: half a second at 4,000 per second. */
const SYNCS = 2000;

/** So low that hardly a record finds another one on its way. */
const IDLE = { ratePerSecond: 100, seconds: 4 };
/** From send to handler: so many fdatasyncs, and beyond them so long. */
const IDLE_SYNCS_MAX = 1.5;
const IDLE_EXTRA_US = 100;
const IDLE_P99_MS_MAX = 5;

const BACKLOG_RECORDS = 10_000_000;
const SLICE_RECORDS = 10_000;
const BACKLOG_RUN_RECORDS = 500_000;
/** Less than a byte for each record of the backlog. */
const BACKLOG_MIB_MAX = 8;

export const queueSuite: readonly Contest[] = [
  {
    id: 'queue/batched',
    suite: 'queue',
    title: 'send, acquire and ack by 100, values of 100 B, at sync',
    sides: [
      cycle(),
      sqlite('sqlite', 'SQLite WAL FULL: transactions of 100', {}),
      sqlite('sqlite-claim', 'SQLite, its claims not synced', { claimSynchronous: 'NORMAL' }),
      bullmq('always', 'BullMQ, Redis appendfsync always'),
      bullmq('everysec', 'BullMQ, Redis appendfsync everysec'),
    ],
    goals: [
      timesPeer('queue cycles by 100: times SQLite FULL', 'sqlite', 6),
      timesPeer('queue cycles by 100: times BullMQ, fsync always', 'bullmq-always', 30),
    ],
  },
  {
    id: 'queue/one-by-one',
    suite: 'queue',
    title: 'one record at a time, values of 100 B, at sync',
    sides: [
      machineSync(SYNCS),
      oneByOne(),
      sqlite('sqlite', 'SQLite WAL FULL: send, claim, ack of 1', {
        records: SQLITE_SINGLE_RECORDS,
        recordsPerCall: 1,
      }),
    ],
    goals: [
      {
        name: `acquire and ack one by one, ${SINGLE_WORKERS} workers: of F`,
        subject: 'varve',
        references: ['F'],
        goal: 30,
        bound: 'min',
      },
    ],
  },
  {
    id: 'queue/idle-latency',
    suite: 'queue',
    title: `send at sync to a waiting handler, idle store, ${IDLE.ratePerSecond}/s`,
    sides: [
      latency('F', '4 KiB + fdatasync, one at a time', 'machine-latency', IDLE),
      latency('varve', 'send to handler', 'queue-latency', idleLatency()),
    ],
    goals: [
      {
        name: 'send to waiting handler: (p50 - 0.1 ms) of F',
        subject: 'varve',
        references: ['F'],
        metric: 'extra:p50Us',
        goal: IDLE_SYNCS_MAX,
        bound: 'max',
        compute: (subject, [machine]) => (p50Us(subject) - IDLE_EXTRA_US) / p50Us(machine),
      },
      {
        name: 'send to waiting handler: p99 in ms',
        subject: 'varve',
        references: [],
        goal: IDLE_P99_MS_MAX,
        bound: 'max',
        compute: (sample) => figureOf(sample, 'extra:p99Us') / 1e3,
      },
    ],
  },
  {
    id: 'queue/backlog',
    suite: 'queue',
    title: 'acquire and ack by 100, by length of the backlog',
    notQuick: 'fills a queue with 10 M records',
    sides: [backlog('10k', SLICE_RECORDS), backlog('10M', BACKLOG_RECORDS)],
    goals: [
      {
        name: 'acquire and ack, backlog of 10 M: of 10 k',
        subject: '10M',
        references: ['10k'],
        goal: 0.9,
        bound: 'min',
      },
      {
        name: 'memory of a 10 M backlog beyond a 10 k one: MiB',
        subject: '10M',
        references: ['10k'],
        goal: BACKLOG_MIB_MAX,
        bound: 'max',
        compute: (long, [short]) => (heldBytes(long) - heldBytes(short)) / MIB,
      },
    ],
  },
];

function timesPeer(name: string, peer: string, goal: number): GoalSpec {
  return { name, subject: 'varve', references: [peer], goal, bound: 'min' };
}

function p50Us(sample: Sample | undefined): number {
  return figureOf(present(sample, 'both sides ran'), 'extra:p50Us');
}

function heldBytes(sample: Sample | undefined): number {
  return figureOf(present(sample, 'both sides ran'), 'extra:heldBytes');
}

function cycle(): Side {
  const parameters: QueueCycleParameters = {
    valueBytes: VALUE_BYTES,
    records: VARVE_RECORDS,
    recordsPerCall: RECORDS_PER_CALL,
    workers: CALLERS,
  };
  const title = `sendBatch, acquire, ackAll of 100, ${CALLERS} workers`;
  return recordRate({ id: 'varve', title, job: 'queue-cycle', parameters });
}

function oneByOne(): Side {
  const parameters: QueueOneByOneParameters = {
    valueBytes: VALUE_BYTES,
    records: VARVE_SINGLE_RECORDS,
    workers: SINGLE_WORKERS,
  };
  const title = `acquire and ack, ${SINGLE_WORKERS} workers`;
  return recordRate({ id: 'varve', title, job: 'queue-one-by-one', parameters });
}

function idleLatency(): QueueLatencyParameters {
  return { valueBytes: VALUE_BYTES, ...IDLE, isPublished: false };
}

function latency(id: string, title: string, job: string, parameters: Side['parameters']): Side {
  const shown = { metric: 'extra:p50Us', unit: 'us', isHigherBetter: false } as const;
  return { id, title, job, parameters, ...shown, warmBytes: SINGLE_WARM_BYTES };
}

function backlog(id: string, records: number): Side {
  const parameters: QueueBacklogParameters = {
    valueBytes: VALUE_BYTES,
    backlog: records,
    recordsPerSlice: SLICE_RECORDS,
    records: BACKLOG_RUN_RECORDS,
    recordsPerCall: RECORDS_PER_CALL,
    workers: CALLERS,
  };
  const side = recordRate({ id, title: `backlog of ${id}`, job: 'queue-backlog', parameters });
  return { ...side, nodeFlags: ['--expose-gc'] };
}

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
