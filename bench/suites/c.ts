/**
 * Suite `c`: the engine beside a C program that encodes, checks, writes and reads the same bytes.
 *
 * Both sides of an append store the same records in the same format, both of a scan read so many
 * bytes of it and visit each record; what is compared is bytes as stored per second.
 */
import type { Contest } from '../core/contest.ts';
import {
  appendBatches,
  byteRate,
  MIB,
  READ_WARM_BYTES,
  recordsIn,
  sizeName,
  VALUE_SIZES,
} from './sides.ts';

/** Per run and side: in the page cache, and enough for several segments of 64 MiB. */
const BYTES = 256 * MIB;

/** Share of the C program at level `os`, by the size of the values. */
const OS_GOALS = { 100: 0.6, 1024: 0.9 } as const;

export const cSuite: readonly Contest[] = VALUE_SIZES.flatMap((valueBytes) => [
  appendContest({ durability: 'os', valueBytes, goal: OS_GOALS[valueBytes] }),
  appendContest({ durability: 'sync', valueBytes, goal: 0.8 }),
  scanContest(valueBytes),
]);

interface AppendPlan {
  readonly durability: 'os' | 'sync';
  readonly valueBytes: number;
  readonly goal: number;
}

function appendContest({ durability, valueBytes, goal }: AppendPlan): Contest {
  const size = sizeName(valueBytes);
  const records = recordsIn(BYTES, valueBytes);
  const isSync = durability === 'sync';
  return {
    id: `c/append-${durability}/${valueBytes}`,
    suite: 'c',
    title: `append at ${durability}, values of ${size}, beside C`,
    sides: [
      byteRate({
        id: 'c',
        title: `limit.c: 1 MiB writes${isSync ? ', fdatasync after each' : ''}`,
        job: 'c-limit',
        parameters: { mode: `append-${durability}`, valueBytes, records },
        warmBytes: BYTES,
      }),
      byteRate({
        id: 'varve',
        title: 'appendBatch(1000), 16 in flight',
        job: 'append',
        parameters: appendBatches({ durability, valueBytes, records }),
        warmBytes: BYTES,
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

function scanContest(valueBytes: number): Contest {
  const size = sizeName(valueBytes);
  const records = recordsIn(BYTES, valueBytes);
  return {
    id: `c/scan/${valueBytes}`,
    suite: 'c',
    title: `scan from the page cache, values of ${size}, beside C`,
    sides: [
      byteRate({
        id: 'c',
        title: 'limit.c: 1 MiB reads',
        job: 'c-limit',
        parameters: { mode: 'scan', valueBytes, records },
        warmBytes: READ_WARM_BYTES,
      }),
      byteRate({
        id: 'varve',
        title: 'cursor',
        job: 'read',
        parameters: { valueBytes, records, walk: 'cursor' },
        warmBytes: READ_WARM_BYTES,
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
