/** Suite `append`: levels x size x call shape x calls in flight, beside raw writes. */
import type { Contest, Side } from '../core/contest.ts';

const MIB = 1024 * 1024;

export const appendSuite: readonly Contest[] = [
  {
    id: 'append/os/100',
    suite: 'append',
    title: 'append at os, values of 100 B',
    sides: [
      machineWrite('W', false, 256 * MIB),
      {
        id: 'batch-1000x16',
        title: 'appendBatch(1000), 16 in flight',
        job: 'append',
        parameters: {
          durability: 'os',
          valueBytes: 100,
          records: 2_000_000,
          call: 'appendBatch',
          recordsPerCall: 1000,
          callsInFlight: 16,
        },
        metric: 'bytes/s',
        unit: 'bytes/s',
        isHigherBetter: true,
      },
    ],
    goals: [
      {
        name: 'appendBatch(1000) at os, 100 B: share of W',
        subject: 'batch-1000x16',
        references: ['W'],
        goal: 0.25,
        bound: 'min',
      },
    ],
  },
];

function machineWrite(id: string, sync: boolean, bytes: number): Side {
  return {
    id,
    title: `1 MiB writes${sync ? ', fdatasync after each' : ''}`,
    job: 'machine-write',
    parameters: { bytes, sync },
    metric: 'bytes/s',
    unit: 'bytes/s',
    isHigherBetter: true,
  };
}
