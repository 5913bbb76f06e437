/** Records that the program appends, one by one, each with its answer compared. */
import { FailedError, IoError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { DURABILITY_LEVELS } from '../../../../src/log/log-options.ts';
import { chance, pick } from '../plan.ts';
import { inputFor } from '../records.ts';
import type { OpenTopic, StoreSession } from './store-session.ts';

/** Small, so that segments are rolled. */
export const TOPIC_CONFIG = { segmentBytesMax: 4096, batchBytesMax: 1024 };

/** Appends some records to partitions of a topic. */
export function appendTo(session: StoreSession, { name, handle, logs }: OpenTopic): void {
  const { world } = session;
  const { random } = world;
  for (let left = 1 + randomBelow(random, 5); left > 0; left--) {
    const partition = randomBelow(random, logs.length);
    const log = logs[partition];
    if (log === undefined) return;
    const oracle = world.logOracle(name, partition);
    const record = world.nextRecord();
    const offset = log.endOffset;
    const isLate = log.stats().state === 'failed';
    const durability = chance(random, 0.3) ? pick(random, DURABILITY_LEVELS) : undefined;
    const answer = handle.append(inputFor(record), { partition, durability });
    world.narrate(`append #${record.id} to ${name}/${partition} for ${offset}`);
    if (log.endOffset > offset) oracle.sent(record, offset);
    void session.follow(
      answer,
      (result) => {
        if (isLate) oracle.fault('A17', `offset ${offset} was taken by a failed writer`);
        oracle.acked(record, result.offset, result.durability);
        world.tally.add('acks');
      },
      (error) => {
        const isUnknown = error instanceof FailedError && error.details.indeterminate;
        const isKept = error instanceof IoError && (error.details.appendedCount ?? 0) > 0;
        if (!isUnknown && !isKept) oracle.refused(record);
      },
    );
  }
}
