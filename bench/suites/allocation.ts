/** Suite `allocation`: what one record costs on the JavaScript heap. */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { AllocationParameters } from '../jobs/allocation.ts';
import { HEAP_FLAGS } from '../profile/heap.ts';
import type { Shape } from '../profile/workloads.ts';

const RECORDS = 1_000_000;
/** Where objects are counted, at microseconds each: 100 batches of 64 KiB, so these weigh, too. */
const COUNTED_RECORDS = 50_000;
/** Of shapes that make ten objects per record. */
const FEW = { records: 250_000, countedRecords: 20_000 } as const;

/**
 * "No heap growth per record." The least that a record can leave behind is a slot of 8 bytes; two
 * settled heaps differ by up to some 100 KiB (compiled code, its feedback): 0.1 per record. Half a
 * byte lies well between. It does not see what is left per batch, below 250 bytes each.
 */
const RETAINED_BYTES_MAX = 0.5;

/**
 * "At most one short-lived object per record." What is made per record comes in whole numbers; what
 * is made once per batch of 64 KiB (490 records of 100 bytes) comes on top, some 90 objects now.
 */
const OBJECTS_MAX = 1.25;

const SCAN = { durability: 'os', callsInFlight: 1 } as const;

export const allocationSuite: readonly Contest[] = [
  {
    id: 'allocation/append-100',
    suite: 'allocation',
    title: 'heap per record appended, values of 100 B',
    sides: [
      side('appendBatch', 'appendBatch(1000), 16 in flight', {
        durability: 'os',
        callsInFlight: 16,
      }),
    ],
    goals: [retained('appendBatch', 'appendBatch(1000): heap bytes left per record')],
  },
  {
    id: 'allocation/scan-100',
    suite: 'allocation',
    title: 'heap per record read, values of 100 B, not visited',
    sides: [side('cursor', 'cursor', SCAN), side('batches', 'batches()', SCAN)],
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
  {
    id: 'allocation/single-100',
    suite: 'allocation',
    title: 'heap per record, one by one, values of 100 B',
    sides: [
      side('appendNoWait', 'appendNoWait', { durability: 'os', callsInFlight: 1, ...FEW }),
      side('append', 'append, 1000 callers', { durability: 'os', callsInFlight: 1000, ...FEW }),
      side('records', 'records()', { ...SCAN, ...FEW }),
    ],
    goals: [],
    notQuick: 'heap per record without a goal: full runs only',
  },
];

function side(
  shape: Shape,
  title: string,
  how: Pick<AllocationParameters, 'durability' | 'callsInFlight'> & Partial<AllocationParameters>,
): Side {
  const counts = { records: RECORDS, countedRecords: COUNTED_RECORDS };
  return {
    id: shape,
    title,
    job: 'allocation',
    parameters: { shape, valueBytes: 100, ...counts, ...how },
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
