/** What can be asked of the process that has a store open about what it lets go of by itself. */
import {
  choice,
  count,
  flag,
  list,
  nullable,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { RETENTION_REASONS } from '../log/retention.ts';
import { GROUP_KINDS } from '../topic/unfinished-passed.ts';
import { controlVerb } from './control-verb.ts';
import { failureOf, toldFailure, type ToldFailure } from './failure-shape.ts';
import type { PartitionRetention } from './retention-run.ts';

/** As `PartitionRetention`; what went wrong in words. */
export interface RetentionAnswer extends Omit<PartitionRetention, 'error'> {
  readonly error: ToldFailure | null;
}

const retentionAnswer: Shape<RetentionAnswer> = structWith({
  partition: count,
  startOffset: count,
  newStartOffset: count,
  due: list(
    structWith({
      reason: choice(RETENTION_REASONS),
      segmentCount: count,
      sizeBytes: count,
      deletedCount: count,
    }),
  ),
  unfinished: list(
    structWith({ groupKind: choice(GROUP_KINDS), group: text, count, firstOffset: count }),
  ),
  isHeld: flag,
  archiveTo: nullable(text),
  error: nullable(toldFailure),
});

/** Of each partition of a topic: what retention lets go of now, and, unless it is a dry run, does. */
export const runRetention = controlVerb({
  name: 'runRetention',
  args: struct({ topic: text, isDryRun: flag }),
  answer: list(retentionAnswer),
  async run(store, { topic, isDryRun }) {
    const { partitions } = await store.topic(topic, { create: false });
    const done = await store.upkeep.retain(partitions, { isDryRun });
    return done.map(({ error, ...rest }) => ({ ...rest, error: failureOf(error) }));
  },
});
