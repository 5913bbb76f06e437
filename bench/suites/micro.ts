/** Suite `micro`: each hot file (`@hot`) of the engine by itself, under tinybench. */
import type { Contest } from '../core/contest.ts';
import type { MicroName } from '../jobs/micro.ts';

const TITLES: Readonly<Record<MicroName, string>> = {
  'batch-encoder': 'encode and seal a batch, per record',
  'batch-cursor': 'walk a batch, per record',
  checksum: 'CRC of a batch, per record',
  'index-search': 'floorSlot among 16 Ki keys, per look-up',
};

export const microSuite: readonly Contest[] = (Object.keys(TITLES) as MicroName[]).map((task) => ({
  id: `micro/${task}`,
  suite: 'micro',
  title: `${task}: ${TITLES[task]}`,
  sides: [
    {
      id: 'ns',
      title: TITLES[task],
      job: 'micro',
      parameters: { task },
      metric: 'extra:ns',
      unit: 'ns',
      isHigherBetter: false,
      warmBytes: 0,
    },
  ],
  goals: [],
}));
