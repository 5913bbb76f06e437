/** Suite `memory`: the process's memory while a log is written and read back. */
import type { Contest, Side } from '../core/contest.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const GROWTH_BYTES_MAX = 150 * MIB;
const VALUE_BYTES = [100, 1024] as const;

export const memorySuite: readonly Contest[] = [
  {
    ...memoryContest('1GiB', { firstBytes: GIB, bytes: 128 * MIB }),
    goals: [],
  },
  {
    ...memoryContest('10GiB', { firstBytes: 10 * GIB, bytes: 256 * MIB }),
    notQuick: 'writes and reads 10 GiB',
    goals: VALUE_BYTES.map((valueBytes) => ({
      name: `memory above the bare process, 10 GiB written and read, ${valueBytes} B: bytes`,
      subject: `varve-${valueBytes}`,
      references: [],
      goal: GROWTH_BYTES_MAX,
      bound: 'max' as const,
    })),
  },
];

interface MemoryLoad {
  readonly firstBytes: number;
  readonly bytes: number;
}

function memoryContest(size: string, load: MemoryLoad): Omit<Contest, 'goals'> {
  return {
    id: `memory/${size}`,
    suite: 'memory',
    title: `memory while ${size} and more is written and read back`,
    sides: VALUE_BYTES.map((valueBytes) => side(valueBytes, load)),
  };
}

function side(valueBytes: number, load: MemoryLoad): Side {
  return {
    id: `varve-${valueBytes}`,
    title: `appendBatch(1000) x 16, cursor, batches; ${valueBytes} B`,
    job: 'memory',
    parameters: { ...load, valueBytes },
    metric: 'extra:growthBytes',
    unit: 'bytes',
    isHigherBetter: false,
  };
}
