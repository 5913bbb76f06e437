/** What calls of real transactions are answered, in the words of the model. */
import { deepStrictEqual } from 'node:assert/strict';

import type { PublishResult } from '../../../src/routing/publish-options.ts';
import type { ProducerBatchResult } from '../../../src/topic/producer-results.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendResult,
} from '../../../src/topic/topic-results.ts';
import type { Committed } from '../../../src/transaction/transaction-options.ts';
import { count } from './transaction-command.ts';
import type { Answer, Spot } from './wanted.ts';

type Asked = () => Answer | null;

/** All of its records go to one partition. */
export function batchAnswer(topic: string, added: Committed<TopicAppendBatchResult>): Asked {
  return () => {
    if (added.result === null) return null;
    const { placements, recordCount, duplicates } = added.result;
    return {
      baseOffset: placements[0]?.baseOffset ?? null,
      recordCount,
      duplicates: duplicates.map(({ index, partition, offset }) => {
        return `${index}: ${topic} ${partition}, ${offset}`;
      }),
    };
  };
}

export function sendAnswer(topic: string, added: Committed<TopicAppendResult>): Asked {
  return () => (added.result === null ? null : oneAnswer(topic, added.result));
}

export function publishAnswer(topic: string, added: Committed<PublishResult>): Asked {
  return () => (added.result === null ? null : oneAnswer(topic, { ...added.result, partition: 0 }));
}

/**
 * Where its duplicates are is told of the last five batches of each partition, so not of all.
 *
 * @param spotOf  where a record of the call was stored before, by its index
 */
export function producedAnswer(
  added: Committed<ProducerBatchResult>,
  spotOf: (index: number) => Spot | undefined,
): Asked {
  return () => {
    if (added.result === null) return null;
    const { placements, recordCount, duplicateCount, duplicates: told } = added.result;
    for (const { index, partition, offset } of told) {
      deepStrictEqual({ place: `orders ${partition}`, offset }, spotOf(index));
      count('told where it is');
    }
    const duplicates = Array.from({ length: duplicateCount }, () => 'sent before');
    return { baseOffset: placements[0]?.baseOffset ?? null, recordCount, duplicates };
  };
}

function oneAnswer(
  topic: string,
  { partition, offset, duplicate }: Pick<TopicAppendResult, 'partition' | 'offset' | 'duplicate'>,
): Answer {
  if (!duplicate) return { baseOffset: offset, recordCount: 1, duplicates: [] };
  return { baseOffset: null, recordCount: 0, duplicates: [`0: ${topic} ${partition}, ${offset}`] };
}
