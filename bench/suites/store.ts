/** Suite `store`: many topics cost little while nobody uses them. */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';

const SIZE = { topics: 1000, partitions: 4 };
const OPEN_MS_MAX = 1000;
const KILLED_MS_MAX = 2000;
const DESCRIPTORS_MAX = 200;
const IDLE_KIB_MAX = 64;

export const storeSuite: readonly Contest[] = [
  {
    id: 'store/open',
    suite: 'store',
    title: 'openStore with 1,000 topics x 4',
    sides: [
      open('clean', 'after a clean close', false),
      open('killed', 'after SIGKILL, 100 partitions in use', true),
    ],
    goals: [
      figure('open 1,000 topics x 4, clean: ms', 'clean', OPEN_MS_MAX, 'ms'),
      figure(
        'descriptors of 1,000 topics x 4, opened',
        'clean',
        DESCRIPTORS_MAX,
        'extra:descriptors',
      ),
      figure('open 1,000 topics x 4, after SIGKILL: ms', 'killed', KILLED_MS_MAX, 'ms'),
    ],
  },
  {
    id: 'store/idle',
    suite: 'store',
    title: 'what 1,000 topics x 4 cost when all were used once',
    sides: [
      {
        id: 'varve',
        title: 'a record to each of 4,000 partitions, one use each',
        job: 'store-idle',
        parameters: SIZE,
        metric: 'ms',
        unit: 'ms',
        isHigherBetter: false,
        nodeFlags: ['--expose-gc'],
        warmBytes: 0,
        skipsWarmUp: true,
      },
    ],
    goals: [
      figure(
        'descriptors of 1,000 topics x 4, all used',
        'varve',
        DESCRIPTORS_MAX,
        'extra:descriptors',
      ),
      kib('idle topic, opened: KiB', 'extra:openedBytes'),
      kib('idle topic, used: KiB', 'extra:usedBytes'),
    ],
  },
];

function figure(
  name: string,
  subject: string,
  goal: number,
  metric: 'ms' | `extra:${string}`,
): GoalSpec {
  return { name, subject, references: [], goal, bound: 'max', metric };
}

function kib(name: string, metric: `extra:${string}`): GoalSpec {
  const compute = (sample: Sample) => figureOf(sample, metric) / 1024;
  return { ...figure(name, 'varve', IDLE_KIB_MAX, metric), compute };
}

function open(id: string, title: string, isKilled: boolean): Side {
  return {
    id,
    title,
    job: 'store-open',
    parameters: { ...SIZE, isKilled },
    metric: 'ms',
    unit: 'ms',
    isHigherBetter: false,
    warmBytes: 0, // Opening writes next to nothing.
  };
}
