/** Suite `compaction`: the key map of a pass alone. */
import type { Contest, Side } from '../core/contest.ts';
import type { KeyMapParameters } from '../jobs/key-map.ts';
import { countRate } from './sides.ts';

/** What 128 MiB hold, or nearly. */
const KEYS = 10_000_000;

export const compactionSuite: readonly Contest[] = [
  {
    id: 'compaction/map',
    suite: 'compaction',
    title: 'the key map alone, 10 M keys',
    sides: [
      side('put', 'fill it, from nothing'),
      side('hit', 'look up what is in it'),
      side('miss', 'look up what is not'),
    ],
    goals: [],
  },
];

function side(measured: KeyMapParameters['measured'], title: string): Side {
  const parameters: KeyMapParameters = { measured, keys: KEYS };
  const shared = { job: 'key-map', parameters, warmBytes: 0 };
  return countRate({ id: measured, title, ...shared, unit: 'keys/s' });
}
