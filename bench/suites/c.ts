/**
 * Suite `c`: the engine beside a C program that encodes, checks, writes and reads the same bytes.
 *
 * Both sides of an append store the same records in the same format, both of a scan read so many
 * bytes of it and visit each record; what is compared is bytes as stored per second.
 */
import type { Contest, Side } from '../core/contest.ts';

/** Per run and side: in the page cache, and enough for several segments of 64 MiB. */
const BYTES = 512 * 1024 * 1024;
/** Of a record without its value: its header, its key, its share of the batch header. */
const RECORD_OVERHEAD_BYTES = 32.25;
const RECORDS_PER_CALL = 1000;

const SIZES = [
  { valueBytes: 100, size: '100 B', osGoal: 0.6 },
  { valueBytes: 1024, size: '1 KiB', osGoal: 0.9 },
] as const;

export const cSuite: readonly Contest[] = SIZES.flatMap(({ valueBytes, size, osGoal }) => [
  appendContest({ durability: 'os', valueBytes, size, goal: osGoal }),
  appendContest({ durability: 'sync', valueBytes, size, goal: 0.8 }),
  scanContest(valueBytes, size),
]);

interface AppendPlan {
  readonly durability: 'os' | 'sync';
  readonly valueBytes: number;
  readonly size: string;
  readonly goal: number;
}

function appendContest({ durability, valueBytes, size, goal }: AppendPlan): Contest {
  const records = recordsIn(BYTES, valueBytes);
  const isSync = durability === 'sync';
  return {
    id: `c/append-${durability}/${valueBytes}`,
    suite: 'c',
    title: `append at ${durability}, values of ${size}, beside C`,
    sides: [
      bytesSide({
        id: 'c',
        title: `limit.c: 1 MiB writes${isSync ? ', fdatasync after each' : ''}`,
        job: 'c-limit',
        parameters: { mode: `append-${durability}`, valueBytes, records },
      }),
      bytesSide({
        id: 'varve',
        title: 'appendBatch(1000), 16 in flight',
        job: 'append',
        parameters: {
          durability,
          valueBytes,
          records,
          call: 'appendBatch',
          recordsPerCall: RECORDS_PER_CALL,
          callsInFlight: 16,
        },
      }),
    ],
    goals: [
      {
        name: `appendBatch(1000) at ${durability}, ${size}: share of C`,
        subject: 'varve',
        references: ['c'],
        goal,
        bound: 'min',
      },
    ],
  };
}

function scanContest(valueBytes: number, size: string): Contest {
  return {
    id: `c/scan/${valueBytes}`,
    suite: 'c',
    title: `scan from the page cache, values of ${size}, beside C`,
    sides: [
      bytesSide({
        id: 'c',
        title: 'limit.c: 1 MiB reads',
        job: 'c-limit',
        parameters: { mode: 'scan', valueBytes, records: recordsIn(BYTES, valueBytes) },
      }),
      bytesSide({
        id: 'varve',
        title: 'cursor',
        job: 'scan',
        parameters: { valueBytes, bytes: BYTES, how: 'cursor', touches: 'offsets' },
      }),
    ],
    goals: [
      {
        name: `scan by the cursor, ${size}: share of C`,
        subject: 'varve',
        references: ['c'],
        goal: 0.6,
        bound: 'min',
      },
    ],
  };
}

/** Whole calls of `appendBatch`, together about so many bytes as stored. */
function recordsIn(bytes: number, valueBytes: number): number {
  const calls = Math.round(bytes / (valueBytes + RECORD_OVERHEAD_BYTES) / RECORDS_PER_CALL);
  return calls * RECORDS_PER_CALL;
}

function bytesSide(side: Pick<Side, 'id' | 'title' | 'job' | 'parameters'>): Side {
  return { ...side, metric: 'bytes/s', unit: 'bytes/s', isHigherBetter: true };
}
