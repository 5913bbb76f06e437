/** Suite `stalls`: the event loop while segments roll and retention deletes them. */
import type { Contest, Side } from '../core/contest.ts';
import { MIB } from './sides.ts';

const SEGMENT_BYTES = 8 * MIB;
const RETAINED_BYTES = 64 * MIB;
const STALL_MS_MAX = 20;
const VALUE_BYTES = 1024;
const RECORDS_PER_CALL = 100;
/** The log's values and the machine's blocks: about 60 segments, of which most are deleted. */
const BYTES = 520 * MIB;
/** At full rate batches of 1 MiB overshoot a segment, and the last deletions are still on their way. */
const DELETED_MIN = 40;
const CALLS = Math.round(BYTES / (VALUE_BYTES * RECORDS_PER_CALL));
/** 16 rolls per second: busy, and far from what a disk can do. */
const PACED_BYTES_PER_SECOND = 130 * MIB;

/** Files are written by other threads, so memory that is slow to get stalls no loop. */
const STALL = {
  metric: 'extra:maxStallMs',
  unit: 'ms',
  isHigherBetter: false,
  warmBytes: 0,
} as const;

export const stallsSuite: readonly Contest[] = [
  stallContest('paced', '130 MiB/s', PACED_BYTES_PER_SECOND),
  stallContest('full', 'full rate', null),
];

function stallContest(name: string, title: string, bytesPerSecond: number | null): Contest {
  return {
    id: `stalls/${name}`,
    suite: 'stalls',
    title: `event loop while segments roll and are deleted, ${title}`,
    sides: [machine(bytesPerSecond), varve(bytesPerSecond)],
    goals: [
      {
        name: `longest stall while segments roll, ${title}: ms`,
        subject: 'varve',
        references: [],
        goal: STALL_MS_MAX,
        bound: 'max',
      },
    ],
  };
}

function varve(bytesPerSecond: number | null): Side {
  const ratePerSecond =
    bytesPerSecond === null ? null : bytesPerSecond / (VALUE_BYTES * RECORDS_PER_CALL);
  return {
    id: 'varve',
    title: `appendBatch(${RECORDS_PER_CALL}), segments of 8 MiB, 64 MiB kept`,
    job: 'stalls',
    parameters: {
      segmentBytes: SEGMENT_BYTES,
      retainedBytes: RETAINED_BYTES,
      valueBytes: VALUE_BYTES,
      recordsPerCall: RECORDS_PER_CALL,
      calls: CALLS,
      ratePerSecond,
      callsInFlight: 16,
      deletedMin: DELETED_MIN,
    },
    ...STALL,
  };
}

function machine(bytesPerSecond: number | null): Side {
  return {
    id: 'machine',
    title: '1 MiB writes to files of 8 MiB, 64 MiB kept',
    job: 'machine-stalls',
    parameters: {
      segmentBytes: SEGMENT_BYTES,
      retainedBytes: RETAINED_BYTES,
      bytes: BYTES,
      blocksPerSecond: bytesPerSecond === null ? null : bytesPerSecond / MIB,
    },
    ...STALL,
  };
}
