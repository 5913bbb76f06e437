/** Short programs that leave two or three segments unsynced, in sectors of either size. */
import type { Life, Options } from './life.ts';
import { existingLog, type Workload } from './workloads.ts';

const TINY: Options = { segmentBytesMax: 4096, durability: 'os' };

function rolls(
  name: string,
  sectorBytes: 512 | 4096,
  run: (life: Life) => Promise<unknown>,
  options: Options = TINY,
): Workload {
  return {
    name: `${name}, sectors of ${sectorBytes}`,
    options,
    prepare: (prepared) => existingLog(prepared, { sectorBytes }),
    async run(life, opening) {
      if (await life.open(opening)) await run(life);
    },
  };
}

/** One write fills the segment, the next begins another: nobody waits for a sync. */
async function rollOnce(life: Life): Promise<void> {
  await life.appendBatch([1500, 1500]);
  await life.append(700);
}

/** Two batches in the old segment, two in the new one, by several writes. */
async function rollStepByStep(life: Life): Promise<void> {
  await life.append(1300);
  await life.append(1300);
  await life.append(900);
  await life.append(500);
}

/** Three segments and their checkpoint. */
async function rollTwice(life: Life): Promise<void> {
  await life.appendBatch([1600, 1600]);
  await life.appendBatch([1700, 1700]);
  await life.append(600);
  await life.pass(110);
}

const AT_SYNC: Options = { segmentBytesMax: 4096, durability: 'sync' };

export const ROLL_WORKLOADS: readonly Workload[] = [
  rolls('roll once at os', 512, rollOnce),
  rolls('roll once at os', 4096, rollOnce),
  rolls('roll step by step at os', 512, rollStepByStep),
  rolls('roll step by step at os', 4096, rollStepByStep),
  rolls('roll twice at os', 512, rollTwice),
  rolls('roll twice at os', 4096, rollTwice),
  rolls('roll once at sync', 512, rollOnce, AT_SYNC),
  rolls('roll twice at sync', 4096, rollTwice, AT_SYNC),
];
