/** Entries about what retention took from groups. */
import { unfinishedPassed } from '../../src/topic/unfinished-passed.ts';
import { registry } from './journal-bench.ts';

/** What a consumer group and a share group have lost. */
export function passedEntries(): Uint8Array[] {
  const what = { topicId: 1, partition: 0, count: 4, fromOffset: 3, toOffset: 7, timeMs: 14 };
  const consumer = { ...what, groupKind: 'consumer', group: 'g' } as const;
  const share = { ...what, groupKind: 'share', group: 'jobs' } as const;
  return [
    registry.encode(unfinishedPassed, { ...consumer, reason: 'age', outcome: 'archived' }),
    registry.encode(unfinishedPassed, {
      ...consumer,
      reason: 'size',
      outcome: 'skipped',
      toOffset: 9,
    }),
    registry.encode(unfinishedPassed, { ...share, reason: 'asked', outcome: 'skipped' }),
  ];
}
