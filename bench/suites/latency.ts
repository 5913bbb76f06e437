/** Suite `latency`: percentiles of an open loop at fixed mean rates. No goals. */
import type { Contest, Side } from '../core/contest.ts';
import type { LatencyParameters } from '../jobs/latency.ts';
import { SINGLE_WARM_BYTES } from './sides.ts';

/** A tenth of what F reaches on a machine that syncs in 200 us: no queue worth the name. */
const LOW_RATE = 500;
const SECONDS = 2;
/** More, where samples are rare. */
const LOW_RATE_SECONDS = 3;

const SINGLE: LatencyParameters = {
  call: 'append',
  durability: 'sync',
  valueBytes: 100,
  recordsPerCall: 1,
  ratePerSecond: null,
  shareOfPossible: null,
  seconds: SECONDS,
  follows: false,
};

const P99 = {
  metric: 'extra:p99Us',
  unit: 'us',
  isHigherBetter: false,
  warmBytes: SINGLE_WARM_BYTES,
} as const;

export const latencySuite: readonly Contest[] = [
  contest('sync-low', `single appends at sync, ${LOW_RATE}/s`, [
    {
      id: 'F',
      title: '4 KiB + fdatasync, one at a time',
      job: 'machine-latency',
      parameters: { ratePerSecond: LOW_RATE, seconds: LOW_RATE_SECONDS },
      ...P99,
    },
    latency('append', 'append', { ratePerSecond: LOW_RATE, seconds: LOW_RATE_SECONDS }),
  ]),
  notQuick(
    contest('sync-share', 'single appends at sync, 10 % and 50 % of the limit', [
      latency('10-percent', 'append at 10 % of the possible rate', { shareOfPossible: 0.1 }),
      latency('50-percent', 'append at 50 % of the possible rate', { shareOfPossible: 0.5 }),
    ]),
  ),
  notQuick(
    contest('os', 'single appends at os', [
      latency('10k', 'append, 10,000/s', { durability: 'os', ratePerSecond: 10_000 }),
      latency('100k', 'append, 100,000/s', { durability: 'os', ratePerSecond: 100_000 }),
    ]),
  ),
  notQuick(
    contest('sync-batch', 'batches of 100 at sync', [
      latency('1k', 'appendBatch(100), 1,000/s', {
        call: 'appendBatch',
        recordsPerCall: 100,
        ratePerSecond: 1000,
      }),
    ]),
  ),
  notQuick(
    contest('follow', 'append to a following reader, end to end', [
      latency('os-10k', 'append at os to cursor, 10,000/s', {
        durability: 'os',
        ratePerSecond: 10_000,
        follows: true,
      }),
      latency('sync-1k', 'append at sync to cursor, 1,000/s', {
        ratePerSecond: 1000,
        follows: true,
      }),
    ]),
  ),
];

function contest(name: string, title: string, sides: readonly Side[]): Contest {
  return { id: `latency/${name}`, suite: 'latency', title: `latency: ${title}`, sides, goals: [] };
}

function notQuick(plan: Contest): Contest {
  return { ...plan, notQuick: 'latencies without a goal: one rate is enough' };
}

function latency(id: string, title: string, parameters: Partial<LatencyParameters>): Side {
  return {
    id,
    title,
    job: 'latency',
    parameters: { ...SINGLE, ...parameters },
    ...P99,
  };
}
