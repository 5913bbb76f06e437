/**
 * Suite `append`: levels x value size x call shape x calls in flight, beside raw writes and syncs.
 *
 * A cut through that product: the figures to reach run in contests of their own, which `--quick`
 * runs too; the other shapes, levels and keys follow with a few sides each.
 */
import type { DurabilityLevel } from '../../src/index.ts';
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { AppendParameters } from '../jobs/append.ts';
import type { KeyKind } from '../jobs/records.ts';
import {
  byteRate,
  countRate,
  machineSync,
  machineWrite,
  MIB,
  recordsIn,
  SINGLE_WARM_BYTES,
  sizeName,
  VALUE_SIZES,
} from './sides.ts';

/** Long enough (0.1 s at 5 GB/s) that one hiccup of the kernel does not decide a run. */
const BYTES = 512 * MIB;
/** A synced byte takes longer. */
const SYNCED_BYTES = 256 * MIB;
/** Syncs of one run of *F*: half a second at 4,000 per second. */
const SYNCS = 2000;

const SHAPES_REASON = 'call shapes without a goal: full runs only';

/** Where the records of a side go. */
interface Place {
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  readonly bytes: number;
}

export const appendSuite: readonly Contest[] = [
  ...VALUE_SIZES.map((valueBytes) =>
    goalContest('os', valueBytes, valueBytes === 100 ? 0.25 : 0.45),
  ),
  ...VALUE_SIZES.map((valueBytes) =>
    goalContest('sync', valueBytes, valueBytes === 100 ? 0.35 : 0.45),
  ),
  syncedRecords(),
  ...VALUE_SIZES.map((valueBytes) => shapeContest('os', valueBytes)),
  ...VALUE_SIZES.map((valueBytes) => shapeContest('sync', valueBytes)),
  intervalContest(),
  recordContest('os', 100),
  recordContest('sync', 1024),
  keyContest(),
];

/** `appendBatch(1000)` as a share of *W* or *D*, and `appendNoWait` beside it. */
function goalContest(durability: 'os' | 'sync', valueBytes: number, share: number): Contest {
  const place = placeOf(durability, valueBytes);
  const where = `at ${durability}, ${sizeName(valueBytes)}`;
  const reference = referenceOf(place);
  return {
    id: `append/${durability}-${valueBytes}`,
    suite: 'append',
    title: `append at ${durability}, values of ${sizeName(valueBytes)}`,
    sides: [reference, batches(place, 1000, 16), noWait(place)],
    goals: [
      {
        name: `appendBatch(1000) ${where}: share of ${reference.id}`,
        subject: 'batch-1000x16',
        references: [reference.id],
        goal: share,
        bound: 'min',
      },
      {
        name: `appendNoWait ${where}: against appendBatch`,
        subject: 'no-wait',
        references: ['batch-1000x16'],
        goal: 1,
        bound: 'min',
      },
    ],
  };
}

/** How the rate depends on records per call and on calls in flight. */
function shapeContest(durability: 'os' | 'sync', valueBytes: number): Contest {
  const place = placeOf(durability, valueBytes);
  // What is in flight must stay below `queuedBytesMax`, or appends are refused.
  const isSmall = valueBytes === 100;
  return {
    id: `append/shapes-${durability}-${valueBytes}`,
    suite: 'append',
    title: `call shapes of appendBatch at ${durability}, values of ${sizeName(valueBytes)}`,
    sides: [
      referenceOf(place),
      batches(place, 100, 16),
      batches(place, 1000, 1),
      batches(place, 1000, isSmall ? 64 : 32),
      batches(place, 10_000, isSmall ? 16 : 4),
    ],
    goals: [],
    notQuick: SHAPES_REASON,
  };
}

function intervalContest(): Contest {
  const place = placeOf('interval', 100);
  return {
    id: 'append/interval-100',
    suite: 'append',
    title: 'append at interval, values of 100 B',
    sides: [referenceOf(place), batches(place, 1000, 16), noWait(place)],
    goals: [],
    notQuick: SHAPES_REASON,
  };
}

/** One promise per record, as a multiple of *F*: what group commit is worth. */
function syncedRecords(): Contest {
  const goals = [
    { callers: 1, records: 2000, goal: 0.85 },
    { callers: 64, records: 100_000, goal: 45 },
    { callers: 1000, records: 500_000, goal: 200 },
  ];
  return {
    id: 'append/records-sync-100',
    suite: 'append',
    title: 'append at sync, one promise per record, values of 100 B',
    sides: [
      machineSync(SYNCS),
      ...goals.map(({ callers, records }) => single('sync', 100, { callers, records })),
    ],
    goals: goals.map(({ callers, goal }): GoalSpec => ({
      name: `append at sync, 100 B, callers: ${callers}: multiple of F`,
      subject: `record-x${callers}`,
      references: ['F'],
      goal,
      bound: 'min',
    })),
  };
}

/** Record by record, with a promise each: `append`, and a batch of one. */
function recordContest(durability: 'os' | 'sync', valueBytes: number): Contest {
  const isSynced = durability === 'sync';
  return {
    id: `append/records-${durability}-${valueBytes}`,
    suite: 'append',
    title: `append at ${durability}, record by record, values of ${sizeName(valueBytes)}`,
    sides: [
      ...(isSynced ? [machineSync(SYNCS)] : []),
      single(durability, valueBytes, { callers: 1, records: isSynced ? 2000 : 50_000 }),
      single(durability, valueBytes, { callers: 16, records: isSynced ? 20_000 : 200_000 }),
      single(durability, valueBytes, { callers: 64, records: isSynced ? 50_000 : 500_000 }),
      single(durability, valueBytes, { callers: 1000, records: isSynced ? 100_000 : 500_000 }),
      countRate({
        id: 'batch-1x1000',
        title: 'appendBatch(1), 1000 in flight',
        job: 'append',
        parameters: appendParameters({
          durability,
          valueBytes,
          records: isSynced ? 100_000 : 500_000,
          call: 'appendBatch',
          recordsPerCall: 1,
          callsInFlight: 1000,
        }),
        unit: 'records/s',
        warmBytes: SINGLE_WARM_BYTES,
      }),
    ],
    goals: [],
    notQuick: SHAPES_REASON,
  };
}

/** Keys as strings, as bytes, and none at all: as many records, not bytes. */
function keyContest(): Contest {
  const kinds: readonly KeyKind[] = ['string', 'bytes', 'none'];
  const records = recordsIn(BYTES, 100);
  return {
    id: 'append/keys-os-100',
    suite: 'append',
    title: 'keys as strings, as bytes, none: append at os, 100 B',
    sides: kinds.map((keys) =>
      countRate({
        id: `keys-${keys}`,
        title: keys === 'none' ? 'no keys' : `keys as ${keys === 'string' ? 'strings' : 'bytes'}`,
        job: 'append',
        parameters: appendParameters({
          durability: 'os',
          valueBytes: 100,
          keys,
          records,
          call: 'appendBatch',
          recordsPerCall: 1000,
          callsInFlight: 16,
        }),
        unit: 'records/s',
      }),
    ),
    goals: [],
    notQuick: SHAPES_REASON,
  };
}

function placeOf(durability: DurabilityLevel, valueBytes: number): Place {
  return { durability, valueBytes, bytes: durability === 'sync' ? SYNCED_BYTES : BYTES };
}

function referenceOf({ durability, bytes }: Place): Side {
  return machineWrite(bytes, durability === 'sync');
}

function batches(place: Place, recordsPerCall: number, callsInFlight: number): Side {
  return byteRate({
    id: `batch-${recordsPerCall}x${callsInFlight}`,
    title: `appendBatch(${recordsPerCall}), ${callsInFlight} in flight`,
    job: 'append',
    parameters: appendParameters({
      ...recordsOf(place),
      call: 'appendBatch',
      recordsPerCall,
      callsInFlight,
    }),
    warmBytes: place.bytes,
  });
}

function noWait(place: Place): Side {
  return byteRate({
    id: 'no-wait',
    title: 'appendNoWait, then flushed',
    job: 'append',
    parameters: appendParameters({
      ...recordsOf(place),
      call: 'appendNoWait',
      recordsPerCall: 1000,
      callsInFlight: 1,
    }),
    warmBytes: place.bytes,
  });
}

function recordsOf({ durability, valueBytes, bytes }: Place) {
  return { durability, valueBytes, records: recordsIn(bytes, valueBytes) };
}

function single(
  durability: DurabilityLevel,
  valueBytes: number,
  { callers, records }: { readonly callers: number; readonly records: number },
): Side {
  return countRate({
    id: `record-x${callers}`,
    title: `append, concurrent callers: ${callers}`,
    job: 'append',
    parameters: appendParameters({
      durability,
      valueBytes,
      records,
      call: 'append',
      recordsPerCall: 1000,
      callsInFlight: callers,
    }),
    unit: 'records/s',
    warmBytes: SINGLE_WARM_BYTES,
  });
}

/** Every side of the suite states all of its parameters, as the job's type has them. */
function appendParameters(
  parameters: Omit<AppendParameters, 'keys'> & { readonly keys?: KeyKind },
): Required<AppendParameters> {
  return { keys: 'string', ...parameters };
}
