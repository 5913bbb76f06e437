/** Suite `exchange`: what publishing costs, and how fast copies come to the queues behind an exchange. */
import { present } from '../../src/core/assert.ts';
import type { Contest, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import type { ExchangeShape } from '../jobs/exchange-load.ts';
import type { PublishBurstParameters } from '../jobs/publish-burst.ts';
import type { PublishSustainedParameters } from '../jobs/publish-sustained.ts';
import type { QueueLatencyParameters } from '../jobs/queue-latency.ts';
import { appendBatches, countRate, SINGLE_WARM_BYTES } from './sides.ts';

const VALUE_BYTES = 100;
const CALLERS = 1000;
const BURST_RECORDS = 1_000_000;
/** Two seconds, or so. */
const FEW_RECORDS = 200_000;
const SUSTAINED_SECONDS = 6;
const LAG_MS_MAX = 1000;
/** Written once, beside ten copies of as much. */
const APPENDED_RECORDS = 2_000_000;
/** As of the suite `queue`. */
const IDLE = { ratePerSecond: 100, seconds: 4 };

export const exchangeSuite: readonly Contest[] = [
  {
    id: 'exchange/burst',
    suite: 'exchange',
    title: '1 M publishes at sync, 1,000 callers, 100 B',
    notQuick: 'publishes 12 M records, and copies 66 M',
    sides: [
      burst('1', BURST_RECORDS, flights(1), 'one matching binding'),
      burst('10', BURST_RECORDS, flights(10), '10 matching bindings'),
    ],
    goals: [
      {
        name: 'a burst of publishes, 10 matching bindings: of one',
        subject: '10',
        references: ['1'],
        goal: 0.7,
        bound: 'min',
      },
    ],
  },
  {
    id: 'exchange/sustained',
    suite: 'exchange',
    title: 'copies into 10 queues, each within a second',
    sides: [
      countRate({
        id: 'os',
        title: 'appendBatch(1000) at os, into one log',
        job: 'append',
        parameters: appendBatches({
          durability: 'os',
          valueBytes: VALUE_BYTES,
          records: APPENDED_RECORDS,
        }),
        unit: 'records/s',
      }),
      sustained('batches', 'publishBatch(1000), 4 callers: copies', 1000, 4),
      sustained('singles', 'publish, 1,000 callers: copies', 1, CALLERS),
    ],
    goals: [
      {
        name: 'sustained copies to 10: of appendBatch at os',
        subject: 'batches',
        references: ['os'],
        goal: 0.25,
        bound: 'min',
      },
      {
        name: 'sustained copies: longest lag in ms',
        subject: 'batches',
        references: [],
        metric: 'extra:lagMaxMs',
        goal: LAG_MS_MAX,
        bound: 'max',
      },
    ],
  },
  {
    id: 'exchange/bindings',
    suite: 'exchange',
    title: 'a burst; 3 bindings match, of few or many',
    sides: [
      burst('10', FEW_RECORDS, { load: 'three', bindings: 10 }, '3 of 10 bindings match'),
      burst('10k', FEW_RECORDS, { load: 'three', bindings: 10_000 }, '3 of 10,000 bindings match'),
    ],
    goals: [
      {
        name: 'burst, 3 of 10,000 bindings match: of 3 of 10',
        subject: '10k',
        references: ['10'],
        goal: 0.3,
        bound: 'min',
      },
      {
        name: 'until copied, 3 of 10,000 match: of 3 of 10',
        subject: '10k',
        references: ['10'],
        goal: 0.3,
        bound: 'min',
        compute: (many, [few]) => drainedMs(few) / drainedMs(many),
      },
    ],
  },
  {
    id: 'exchange/idle-latency',
    suite: 'exchange',
    title: `to a waiting handler, idle store, ${IDLE.ratePerSecond}/s`,
    sides: [
      latency('F', '4 KiB + fdatasync, one at a time', 'machine-latency', IDLE),
      latency('send', 'send to handler', 'queue-latency', idleLatency(false)),
      latency('publish', 'publish to handler', 'queue-latency', idleLatency(true)),
    ],
    goals: [],
  },
];

function drainedMs(sample: Sample | undefined): number {
  return figureOf(present(sample, 'both sides ran'), 'extra:drainedMs');
}

function flights(bindings: number): ExchangeShape {
  return { load: 'flights', bindings };
}

function burst(id: string, records: number, shape: ExchangeShape, title: string): Side {
  const parameters: PublishBurstParameters = {
    ...shape,
    valueBytes: VALUE_BYTES,
    records,
    callers: CALLERS,
  };
  return countRate({ id, title, job: 'publish-burst', parameters, unit: 'records/s' });
}

function sustained(id: string, title: string, recordsPerCall: number, callers: number): Side {
  const parameters: PublishSustainedParameters = {
    ...flights(10),
    valueBytes: VALUE_BYTES,
    seconds: SUSTAINED_SECONDS,
    recordsPerCall,
    callers,
  };
  return countRate({ id, title, job: 'publish-sustained', parameters, unit: 'copies/s' });
}

function idleLatency(isPublished: boolean): QueueLatencyParameters {
  return { valueBytes: VALUE_BYTES, ...IDLE, isPublished };
}

function latency(id: string, title: string, job: string, parameters: Side['parameters']): Side {
  const shown = { metric: 'extra:p50Us', unit: 'us', isHigherBetter: false } as const;
  return { id, title, job, parameters, ...shown, warmBytes: SINGLE_WARM_BYTES };
}
