/** Suite `leases`: the lease table of a share group alone, beside a map of objects and a heap. */
import type { Contest, Side } from '../core/contest.ts';
import type { LeaseTableParameters } from '../jobs/lease-table.ts';
import { countRate } from './sides.ts';

/** A run takes some tenths of a second even on the slower side. */
const RECORDS = 1_000_000;
const BYTES_MAX = 40;

const SIZES = { '1k': 1000, '100k': 100_000, '1m': 1_000_000 } as const;

type Size = keyof typeof SIZES;

const TITLES: Readonly<Record<LeaseTableParameters['side'], string>> = {
  table: 'lease table',
  map: 'map of objects and heap',
};

export const leasesSuite: readonly Contest[] = [
  {
    id: 'leases/in-flight',
    suite: 'leases',
    title: 'acquire 100, acknowledge each by itself in random order',
    sides: (Object.keys(SIZES) as Size[]).flatMap((size) => [
      side('table', size),
      side('map', size),
    ]),
    goals: [
      {
        name: 'lease table, 100 k in flight: of map and heap',
        subject: 'table-100k',
        references: ['map-100k'],
        goal: 8,
        bound: 'min',
      },
      {
        name: 'lease table, 1 M in flight: of 100 k',
        subject: 'table-1m',
        references: ['table-100k'],
        goal: 0.15,
        bound: 'min',
      },
      {
        name: 'bytes per record of a full lease table',
        subject: 'table-100k',
        references: [],
        metric: 'extra:bytesPerRecord',
        goal: BYTES_MAX,
        bound: 'max',
      },
    ],
  },
];

function side(of: LeaseTableParameters['side'], size: Size): Side {
  const parameters: LeaseTableParameters = { side: of, inFlight: SIZES[size], records: RECORDS };
  return countRate({
    id: `${of}-${size}`,
    title: `${TITLES[of]}, ${size} in flight`,
    job: 'lease-table',
    parameters,
    unit: 'records/s',
    warmBytes: 0,
  });
}
