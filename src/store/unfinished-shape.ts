/** What groups lost to retention, as the socket has it. */
import { choice, count, list, structWith, text, type Shape } from '../core/shape.ts';
import {
  GROUP_KINDS,
  PASS_OUTCOMES,
  PASS_REASONS,
  type UnfinishedCount,
} from '../topic/unfinished-passed.ts';

export const unfinishedCounts: Shape<readonly UnfinishedCount[]> = list(
  structWith({
    groupKind: choice(GROUP_KINDS),
    group: text,
    reason: choice(PASS_REASONS),
    outcome: choice(PASS_OUTCOMES),
    count,
  }),
);
