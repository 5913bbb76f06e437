/** Suite `dedup`: appends with ids beside those without, and the table of a topic alone beside a map of ids. */
import { WARM_BYTES, type Contest, type GoalSpec, type Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import type { DedupParameters } from '../jobs/dedup.ts';
import type { DedupTableParameters } from '../jobs/dedup-table.ts';
import { countRate, MIB, READ_WARM_BYTES } from './sides.ts';

const RECORDS = 1_000_000;
const MIB_MAX = 180;

const MILLION = 1_000_000;
const VALUE_BYTES = 100;
const SINGLES = 200_000;
const AGAIN = 100_000;
const BATCHES = { recordsPerCall: 1000, callsInFlight: 16 };
const SINGLE = { recordsPerCall: 1, callsInFlight: 1000 };
const OF_PLAIN_MIN = 0.5;
const PROCESS_MIB_MAX = 256;
const REOPEN_MS_MAX = 3000;

export const dedupSuite: readonly Contest[] = [
  {
    id: 'dedup/append-1m',
    suite: 'dedup',
    title: 'append at sync, 1 M ids in the window, 100 B',
    sides: [...batches(MILLION)],
    goals: [ofPlain('1 M')],
  },
  {
    id: 'dedup/append-10m',
    suite: 'dedup',
    title: 'append at sync, 10 M ids in the window, 100 B',
    notQuick: 'fills a window with 10 M ids',
    sides: [
      ...batches(10 * MILLION),
      side('table', 'look-up and entry alone', { ids: 10 * MILLION }),
      rate('single', 'append, 1000 callers', { ...SINGLE, records: SINGLES, withIds: false }),
      rate('single-ids', 'the same with ids', { ...SINGLE, records: SINGLES }),
      rate('duplicates', 'all are duplicates', { measured: 'duplicates', records: AGAIN }),
      reopened(),
      resident('rss', 'RSS without ids', false),
      resident('rss-ids', 'RSS with ids', true),
    ],
    goals: [
      ofPlain('10 M'),
      {
        name: 'look-up, 10 M ids in the window: of an append without',
        subject: 'table',
        references: ['plain'],
        goal: OF_PLAIN_MIN,
        bound: 'min',
      },
      {
        name: 'MiB of RSS for 10 M ids',
        subject: 'rss-ids',
        references: ['rss'],
        goal: PROCESS_MIB_MAX,
        bound: 'max',
        compute: (withIds, [without]) => (rssOf(withIds) - rssOf(without)) / MIB,
      },
      {
        name: 'ms from opening to the first answer, 10 M ids',
        subject: 'reopen',
        references: [],
        goal: REOPEN_MS_MAX,
        bound: 'max',
      },
    ],
  },
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

/** Without ids, and with them. */
function batches(ids: number): readonly Side[] {
  return [
    rate('plain', 'appendBatch(1000), 16 in flight', { ids, withIds: false }),
    rate('ids', 'the same with ids', { ids }),
  ];
}

function ofPlain(ids: string): GoalSpec {
  return {
    name: `append with ids, ${ids} in the window: of without`,
    subject: 'ids',
    references: ['plain'],
    goal: OF_PLAIN_MIN,
    bound: 'min',
  };
}

function rate(id: string, title: string, load: Partial<DedupParameters>): Side {
  const parameters = parametersOf({ records: MILLION, ...load });
  const shared = { job: 'dedup', parameters, warmBytes: WARM_BYTES };
  return countRate({ id, title, ...shared, unit: 'records/s' });
}

function reopened(): Side {
  const parameters = parametersOf({ measured: 'reopen', records: 1 });
  return {
    id: 'reopen',
    title: 'opened, and the first answer',
    job: 'dedup',
    parameters,
    metric: 'ms',
    unit: 'ms',
    isHigherBetter: false,
    warmBytes: READ_WARM_BYTES,
  };
}

function resident(id: string, title: string, withIds: boolean): Side {
  return {
    id,
    title,
    job: 'dedup',
    parameters: parametersOf({ measured: 'memory', records: AGAIN, withIds }),
    metric: 'extra:peakRssBytes',
    unit: 'bytes',
    isHigherBetter: false,
    warmBytes: 0, // Nothing is timed.
  };
}

function rssOf(sample: Sample | undefined): number {
  return sample === undefined ? Number.NaN : figureOf(sample, 'extra:peakRssBytes');
}

function parametersOf(load: Partial<DedupParameters>): DedupParameters {
  const ids = 10 * MILLION;
  const given = { measured: 'append', withIds: true, ids, valueBytes: VALUE_BYTES } as const;
  return { ...given, records: MILLION, ...BATCHES, ...load };
}
