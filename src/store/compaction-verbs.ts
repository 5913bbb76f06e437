/**
 * What can be asked of the process that has a store open about compaction. It takes its time, and an answer is
 * one line: so it is begun, and then asked after until it has ended.
 */
import { present } from '../core/assert.ts';
import { ClosedError, ConflictError } from '../core/errors.ts';
import {
  choice,
  count,
  flag,
  list,
  nothing,
  nullable,
  optional,
  struct,
  structWith,
  text,
} from '../core/shape.ts';
import type {
  CompactionPlan,
  CompactionProgress,
  CompactionResult,
} from '../log/compact-options.ts';
import type { CompactionLimit } from '../log/compaction-plan.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { AskedCompaction, AskedPartition } from './asked-compactions.ts';
import { controlVerb } from './control-verb.ts';
import { failureOf, toldFailure } from './failure-shape.ts';
import type { Store } from './store.ts';
import type { StoreTopic } from './store-topic.ts';
import type { TopicCompactOptions } from './topic-compaction.ts';

const LIMITS = [
  'active-segment',
  'durability',
  'lag',
  'guard',
  'damage',
] as const satisfies readonly CompactionLimit[];
const PHASES = ['keys', 'rewriting'] as const satisfies readonly CompactionProgress['phase'][];

/** As `CompactionResult`; of what is only planned, as `CompactionPlan`. */
const compactionResult = structWith({
  cleanOffset: count,
  limitOffset: count,
  limitedBy: choice(LIMITS),
  segmentCount: count,
  bytesBefore: count,
  bytesAfter: count,
  keyCount: count,
  keylessCount: count,
  supersededCount: count,
  tombstoneCount: count,
  droppedTombstoneCount: count,
  passCount: count,
  neededFreeBytes: count,
  rewrittenSegmentCount: optional(count),
  durationMs: optional(count),
});

export type ToldCompaction = ReturnType<typeof compactionResult.check>;

const compactionRun = structWith({
  id: count,
  topic: text,
  partition: nullable(count),
  progress: nullable(
    structWith({
      phase: choice(PHASES),
      pass: count,
      bytesDone: count,
      bytesTotal: count,
      freedBytes: count,
    }),
  ),
  isStopped: flag,
  partitions: list(
    structWith({
      partition: count,
      result: nullable(compactionResult),
      error: nullable(toldFailure),
    }),
  ),
});

/** How far a compaction is; its `partition` is null when it has ended. */
export type CompactionAnswer = ReturnType<typeof compactionRun.check>;

const wish = {
  topic: text,
  /** Null = all, one after the other. */
  partition: nullable(count),
  /** Null = as fast as it goes. */
  bytesPerSecondMax: nullable(count),
};

type Wish = Readonly<Record<'partition' | 'bytesPerSecondMax', number | null>> & {
  readonly topic: string;
};

/** Begins to compact. @returns the id to ask with @throws ConflictError where the topic is not compacted */
export const startCompaction = controlVerb({
  name: 'startCompaction',
  args: struct(wish),
  answer: count,
  run: (store, args) => start(store, args, (topic, options) => topic.compact(options)),
});

/** Begins to find out what compaction would do. As `startCompaction`. */
export const planCompaction = controlVerb({
  name: 'planCompaction',
  args: struct(wish),
  answer: count,
  run: (store, args) => start(store, args, (topic, options) => topic.planCompaction(options)),
});

/** How far it is. @throws NotFoundError for one that this process did not begin, or long ago */
export const followCompaction = controlVerb({
  name: 'followCompaction',
  args: struct({ id: count }),
  answer: compactionRun,
  run: async (store, { id }) => told(store.upkeep.askedCompactions.at(id)),
});

/** Ends it between two segments; not at once: follow it. @throws as `followCompaction` */
export const stopCompaction = controlVerb({
  name: 'stopCompaction',
  args: struct({ id: count }),
  answer: nothing,
  async run(store, { id }) {
    const error = new ClosedError({ resource: 'compaction', name: String(id) });
    store.upkeep.askedCompactions.at(id).stop(error);
    return null;
  },
});

export const COMPACTION_VERBS = [startCompaction, planCompaction, followCompaction, stopCompaction];

type Compact = (
  topic: StoreTopic<Uint8Array>,
  options: TopicCompactOptions,
) => Promise<readonly (CompactionPlan | CompactionResult)[]>;

async function start(
  store: Store,
  { topic: name, partition, bytesPerSecondMax }: Wish,
  compact: Compact,
): Promise<number> {
  const topic = await store.topic(name, { create: false });
  const { settings, count: partitionCount } = topic.partitions;
  if (settings.compaction === 'off') {
    const stored = 'compaction off';
    throw new ConflictError({ kind: 'topic', name, stored, requested: 'to compact it' });
  }
  const chosen = partition === null ? null : checkChosen(partition, partitionCount);
  const all = Array.from({ length: partitionCount }, (_, number) => number);
  return store.upkeep.askedCompactions.start({
    topic: name,
    partitions: chosen === null ? all : [chosen],
    async compact(number, options) {
      const own = { ...options, bytesPerSecondMax, partition: number };
      const [result] = await compact(topic, own);
      return present(result, 'it is of one partition');
    },
  });
}

function told(run: AskedCompaction): CompactionAnswer {
  const { id, topic, partition, progress, isStopped } = run;
  return {
    id,
    topic,
    partition,
    progress: progress === null ? null : roundedProgress(progress),
    isStopped,
    partitions: run.partitions.map(toldOfPartition),
  };
}

/** What stands in a part of a segment is estimated. */
function roundedProgress(progress: CompactionProgress): CompactionProgress {
  const { bytesDone, bytesTotal, freedBytes } = progress;
  return {
    ...progress,
    bytesDone: Math.round(bytesDone),
    bytesTotal: Math.round(bytesTotal),
    freedBytes: Math.max(0, Math.round(freedBytes)),
  };
}

function toldOfPartition({ partition, result, error }: AskedPartition) {
  return { partition, result: result === null ? null : inWhole(result), error: failureOf(error) };
}

/** As the socket tells it. */
export function inWhole(result: CompactionPlan | CompactionResult): ToldCompaction {
  const isDone = 'durationMs' in result;
  const rewrittenSegmentCount = isDone ? result.rewrittenSegmentCount : undefined;
  const durationMs = isDone ? Math.round(result.durationMs) : undefined;
  const bytesAfter = Math.round(result.bytesAfter);
  const fields = { ...result, bytesAfter, rewrittenSegmentCount, durationMs };
  return compactionResult.check('result', fields);
}
