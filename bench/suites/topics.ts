/** Suite `topics`: what a store adds to its logs: partitions, consumer groups, commits. */
import type { Contest, Side } from '../core/contest.ts';
import type { CommitParameters } from '../jobs/commit.ts';
import type { CommitPositionsParameters } from '../jobs/commit-positions.ts';
import type { TopicAppendParameters } from '../jobs/topic-append.ts';
import type { TopicReadParameters } from '../jobs/topic-read.ts';
import { byteRate, countRate, machineSync, READ_WARM_BYTES, SINGLE_WARM_BYTES } from './sides.ts';

const PARTITIONS = 16;
const CALLERS = 1000;
/** Syncs of one run of *F*: half a second at 4,000 per second. */
const SYNCS = 2000;

export const topicsSuite: readonly Contest[] = [
  {
    id: 'topics/append-sync-100',
    suite: 'topics',
    title: 'keyed append at sync, 1000 callers, by partitions',
    sides: [appendSide(1), appendSide(PARTITIONS)],
    goals: [
      {
        name: `keyed append at sync, ${PARTITIONS} partitions: of one`,
        subject: `partitions-${PARTITIONS}`,
        references: ['partitions-1'],
        goal: 0.4,
        bound: 'min',
      },
    ],
  },
  {
    id: 'topics/read-1024',
    suite: 'topics',
    title: `${PARTITIONS} partitions read whole, values of 1 KiB`,
    sides: [
      readSide('scan', 'bare scan, one log after the other'),
      readSide('group', `consumer group of ${PARTITIONS} members`),
    ],
    goals: [
      {
        name: `${PARTITIONS} consumers over ${PARTITIONS} partitions: of a bare scan`,
        subject: 'group',
        references: ['scan'],
        goal: 0.8,
        bound: 'min',
      },
    ],
  },
  {
    id: 'topics/commit-positions',
    suite: 'topics',
    title: `positions of ${CALLERS} consumer groups committed at sync`,
    sides: [machineSync(SYNCS), positionsSide()],
    goals: [
      {
        name: `commits of positions, ${CALLERS} in flight: of F`,
        subject: 'positions',
        references: ['F'],
        goal: 100,
        bound: 'min',
      },
    ],
  },
  {
    id: 'topics/commit',
    suite: 'topics',
    title: 'one commit after the other: fdatasyncs each',
    sides: [commitSide(1), commitSide(8)],
    goals: [
      {
        name: 'fdatasyncs of a commit over 8 partitions: of one',
        subject: 'commit-8',
        references: ['commit-1'],
        goal: 1.3,
        bound: 'max',
      },
    ],
  },
];

function appendSide(partitions: number): Side {
  const parameters: TopicAppendParameters = {
    durability: 'sync',
    partitions,
    valueBytes: 100,
    records: 200_000,
    callsInFlight: CALLERS,
  };
  return countRate({
    id: `partitions-${partitions}`,
    title: `partitions: ${partitions}`,
    job: 'topic-append',
    parameters,
    unit: 'records/s',
    warmBytes: SINGLE_WARM_BYTES,
  });
}

function readSide(by: TopicReadParameters['by'], title: string): Side {
  const parameters: TopicReadParameters = {
    partitions: PARTITIONS,
    valueBytes: 1024,
    records: 512_000,
    by,
  };
  const shared = { job: 'topic-read', parameters, warmBytes: READ_WARM_BYTES };
  return byteRate({ id: by, title, ...shared });
}

function positionsSide(): Side {
  const parameters: CommitPositionsParameters = { groups: CALLERS, commits: 200_000 };
  return countRate({
    id: 'positions',
    title: `commits in flight: ${CALLERS}`,
    job: 'commit-positions',
    parameters,
    unit: 'commits/s',
    warmBytes: SINGLE_WARM_BYTES,
  });
}

function commitSide(partitions: number): Side {
  const parameters: CommitParameters = { partitions, valueBytes: 100, commits: 2000 };
  return {
    id: `commit-${partitions}`,
    title: `partitions: ${partitions}`,
    job: 'commit',
    parameters,
    metric: 'extra:datasyncsPerCommit',
    unit: 'fdatasyncs',
    isHigherBetter: false,
    warmBytes: 0, // Counted, not timed.
  };
}
