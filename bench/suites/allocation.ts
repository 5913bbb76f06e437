/** Suite `allocation`: what one record costs on the JavaScript heap. */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import { HEAP_FLAGS } from '../profile/heap.ts';
import type { Shape } from '../profile/workloads.ts';

const RECORDS = 2_000_000;
/** Where objects are counted, at microseconds each: 200 batches of 64 KiB, so these weigh, too. */
const COUNTED_RECORDS = 100_000;

/**
 * "No heap growth per record." The least that a record can leave behind is a slot of 8 bytes; two
 * settled heaps differ by up to some 100 KiB (compiled code, its feedback): 0.05 per record. Half a
 * byte lies well between. It does not see what is left per batch, below 250 bytes each.
 */
const RETAINED_BYTES_MAX = 0.5;

/**
 * "At most one short-lived object per record." What is made per record comes in whole numbers; what
 * is made once per batch of 64 KiB (490 records of 100 bytes) comes on top, some 90 objects now.
 */
const OBJECTS_MAX = 1.25;

export const allocationSuite: readonly Contest[] = [
  {
    id: 'allocation/append-100',
    suite: 'allocation',
    title: 'heap per record appended, values of 100 B',
    sides: [
      side(
        'appendBatch',
        { durability: 'os', callsInFlight: 16 },
        'appendBatch(1000), 16 in flight',
      ),
      side('appendNoWait', { durability: 'os', callsInFlight: 1 }, 'appendNoWait', RECORDS / 4),
      side(
        'append',
        { durability: 'os', callsInFlight: 1000 },
        'append, 1000 callers',
        RECORDS / 4,
      ),
    ],
    goals: [retained('appendBatch', 'appendBatch(1000): heap bytes left per record')],
  },
  {
    id: 'allocation/scan-100',
    suite: 'allocation',
    title: 'heap per record read, values of 100 B, none of them visited',
    sides: [
      side('cursor', { durability: 'os', callsInFlight: 1 }, 'cursor'),
      side('batches', { durability: 'os', callsInFlight: 1 }, 'batches()'),
      side('records', { durability: 'os', callsInFlight: 1 }, 'records()', RECORDS / 4),
    ],
    goals: [
      retained('cursor', 'cursor: heap bytes left per record'),
      retained('batches', 'batches(): heap bytes left per record'),
      {
        name: 'batches(): objects made per record',
        subject: 'batches',
        references: [],
        metric: 'extra:objectsPerRecord',
        goal: OBJECTS_MAX,
        bound: 'max',
      },
    ],
  },
];

function side(
  shape: Shape,
  how: { readonly durability: 'os' | 'sync'; readonly callsInFlight: number },
  title: string,
  records = RECORDS,
): Side {
  return {
    id: shape,
    title,
    job: 'allocation',
    parameters: { shape, ...how, valueBytes: 100, records, countedRecords: COUNTED_RECORDS },
    metric: 'extra:bytesPerRecord',
    unit: 'bytes',
    isHigherBetter: false,
    nodeFlags: HEAP_FLAGS,
    warmBytes: 0, // Nothing is timed.
  };
}

function retained(subject: Shape, name: string): GoalSpec {
  return {
    name,
    subject,
    references: [],
    metric: 'extra:retainedBytesPerRecord',
    goal: RETAINED_BYTES_MAX,
    bound: 'max',
  };
}
