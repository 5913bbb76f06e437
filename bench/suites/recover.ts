/** Suite `recover`: open after SIGKILL, beside a raw read, CRC and rewrite of the same bytes. */
import type { Contest, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { MIB, READ_WARM_BYTES } from './sides.ts';

const RATIO_MAX = 1.5;
/** For what does not depend on the size: the lock, the checkpoint and its syncs. */
const ALLOWANCE_MS = 5;

export const recoverSuite: readonly Contest[] = (['os', 'sync'] as const).map((durability) => ({
  id: `recover/${durability}`,
  suite: 'recover',
  title: `open after SIGKILL at ${durability}, 60 MiB in the active segment`,
  sides: [
    side('machine', 'read + CRC, rewrite + fdatasync of the tail', 'machine-recover', durability),
    side('open', 'openLog', 'recover', durability),
  ],
  goals: [
    {
      name: `open after SIGKILL at ${durability}, less 5 ms: of the machine`,
      subject: 'open',
      references: ['machine'],
      goal: RATIO_MAX,
      bound: 'max',
      compute: recoveryRatio,
    },
  ],
}));

/** What opening takes, less the fixed allowance, by what the machine takes. */
function recoveryRatio(open: Sample, [machine]: readonly Sample[]): number {
  return (open.ms - ALLOWANCE_MS) / (machine?.ms ?? Number.NaN);
}

function side(id: string, title: string, job: string, durability: string): Side {
  return {
    id,
    title,
    job,
    parameters: {
      durability,
      segmentBytesMax: 64 * MIB,
      valueBytes: 1024,
      sealedSegments: 1,
      activeBytes: 60 * MIB,
    },
    metric: 'ms',
    unit: 'ms',
    isHigherBetter: false,
    warmBytes: READ_WARM_BYTES, // What is rewritten is in the page cache.
  };
}
