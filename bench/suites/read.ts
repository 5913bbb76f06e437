/**
 * Suite `read`: scans of a whole log beside raw reads with a CRC, all from the page cache.
 *
 * What each side does with a record stands in `jobs/read.ts`.
 */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { ReadParameters, WalkName } from '../jobs/read.ts';
import {
  byteRate,
  machineRead,
  MIB,
  READ_WARM_BYTES,
  recordsIn,
  sizeName,
  VALUE_SIZES,
} from './sides.ts';

const BYTES = 256 * MIB;

const WALK_TITLES: Readonly<Record<WalkName, string>> = {
  cursor: 'cursor: offset, value length',
  'cursor-views': 'cursor: offset, value in place',
  batches: 'batches(): offset, value in place',
  'cursor-positions': 'cursor: offset, key and value by their positions',
  'cursor-entries': 'cursor: offset, key and value in place',
  'batches-entries': 'batches(): offset, key and value in place',
  'batches-offsets': 'batches(): offset',
  'batches-values': 'batches(): offset, value decoded',
  records: 'records(): offset, value in place',
};

export const readSuite: readonly Contest[] = [
  ...VALUE_SIZES.map((valueBytes) => goalContest(valueBytes, valueBytes === 100 ? 0.33 : 0.55)),
  ...VALUE_SIZES.map(walkContest),
];

function goalContest(valueBytes: number, batchesShare: number): Contest {
  const size = sizeName(valueBytes);
  return {
    id: `read/${valueBytes}`,
    suite: 'read',
    title: `scans from the page cache, values of ${size}`,
    sides: [
      machineRead(BYTES),
      ...(['cursor', 'batches', 'records'] as const).map((walk) => scan(walk, valueBytes)),
    ],
    goals: [
      shareOfR('cursor', `cursor, ${size}`, 0.6),
      shareOfR('batches', `batches(), ${size}`, batchesShare),
      {
        name: `records(), ${size}: share of batches()`,
        subject: 'records',
        references: ['batches'],
        goal: 1 / 3,
        bound: 'min',
      },
    ],
  };
}

/** What it costs to look at less, or at more. */
function walkContest(valueBytes: number): Contest {
  const walks = ['cursor-views', 'batches-offsets', 'batches-values'] as const;
  return {
    id: `read/walks-${valueBytes}`,
    suite: 'read',
    title: `scans that look at less or more, values of ${sizeName(valueBytes)}`,
    sides: [machineRead(BYTES), ...walks.map((walk) => scan(walk, valueBytes))],
    goals: [],
    notQuick: 'scans without a goal: full runs only',
  };
}

function shareOfR(subject: WalkName, what: string, goal: number): GoalSpec {
  return { name: `${what}: share of R`, subject, references: ['R'], goal, bound: 'min' };
}

function scan(walk: WalkName, valueBytes: number): Side {
  const parameters: ReadParameters = { walk, valueBytes, records: recordsIn(BYTES, valueBytes) };
  return byteRate({
    id: walk,
    title: WALK_TITLES[walk],
    job: 'read',
    parameters,
    warmBytes: READ_WARM_BYTES,
  });
}
