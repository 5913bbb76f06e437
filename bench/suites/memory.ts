/** Suite `memory`: the process's memory while a log is written and read back. */
import type { Contest, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import { GIB, MIB, recordsIn, sizeName, VALUE_SIZES } from './sides.ts';

const GROWTH_MIB_MAX = 150;
/** The peak is one of the process's whole life, so the counted runs may be short. */
const COUNTED_BYTES = 64 * MIB;

export const memorySuite: readonly Contest[] = [
  { ...memoryContest('1 GiB', GIB), goals: [] },
  {
    ...memoryContest('10 GiB', 10 * GIB),
    notQuick: 'writes and reads 10 GiB',
    goals: VALUE_SIZES.map((valueBytes) => ({
      name: `memory above the bare process, ${sizeName(valueBytes)}: MiB`,
      subject: `varve-${valueBytes}`,
      references: [],
      goal: GROWTH_MIB_MAX,
      bound: 'max' as const,
      compute: (sample: Sample) => figureOf(sample, 'extra:growthBytes') / MIB,
    })),
  },
];

function memoryContest(size: string, firstBytes: number): Omit<Contest, 'goals'> {
  return {
    id: `memory/${size.replace(' ', '')}`,
    suite: 'memory',
    title: `memory while ${size} is written and read back`,
    sides: VALUE_SIZES.map((valueBytes) => side(valueBytes, firstBytes)),
  };
}

function side(valueBytes: number, firstBytes: number): Side {
  return {
    id: `varve-${valueBytes}`,
    title: `appendBatch(1000) x 16, cursor, batches; ${sizeName(valueBytes)}`,
    job: 'memory',
    parameters: {
      firstRecords: recordsIn(firstBytes, valueBytes),
      records: recordsIn(COUNTED_BYTES, valueBytes),
      valueBytes,
    },
    metric: 'extra:growthBytes',
    unit: 'bytes',
    isHigherBetter: false,
    warmBytes: 0, // Nothing is timed, and the warming itself would need memory.
  };
}
