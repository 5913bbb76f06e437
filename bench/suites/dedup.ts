/** Suite `dedup`: the dedup table of a topic alone, beside a map of ids. */
import type { Contest, Side } from '../core/contest.ts';
import type { DedupTableParameters } from '../jobs/dedup-table.ts';
import { countRate } from './sides.ts';

const RECORDS = 1_000_000;
const MIB_MAX = 180;

export const dedupSuite: readonly Contest[] = [
  {
    id: 'dedup/table',
    suite: 'dedup',
    title: 'look up 1000 new ids, enter them, forget the oldest',
    sides: [
      side('table-100k', 'dedup table, 100 k ids', { ids: 100_000 }),
      side('table-1m', 'dedup table, 1 M ids', { ids: 1_000_000 }),
      side('table-10m', 'dedup table, 10 M ids', { ids: 10_000_000 }),
      side('table-10m-8', 'the same in 8 partitions', { ids: 10_000_000, partitions: 8 }),
      side('map-1m', 'map of ids, 1 M', { side: 'map', ids: 1_000_000 }),
    ],
    goals: [
      {
        name: 'dedup table, 1 M ids: of a map',
        subject: 'table-1m',
        references: ['map-1m'],
        goal: 2,
        bound: 'min',
      },
      {
        name: 'MiB of 10 M ids in a dedup table',
        subject: 'table-10m',
        references: [],
        metric: 'extra:mib',
        goal: MIB_MAX,
        bound: 'max',
      },
      {
        name: 'the same of 8 partitions',
        subject: 'table-10m-8',
        references: [],
        metric: 'extra:mib',
        goal: MIB_MAX,
        bound: 'max',
      },
    ],
  },
];

function side(
  id: string,
  title: string,
  load: Partial<DedupTableParameters> & Pick<DedupTableParameters, 'ids'>,
): Side {
  const parameters = { side: 'table', partitions: 1, records: RECORDS, ...load };
  return countRate({ id, title, job: 'dedup-table', parameters, unit: 'ids/s', warmBytes: 0 });
}
