/** Several guards of one log: each may hold back what the others would let go. */
import type { TrimGuard, TrimReason, TrimStep } from '../log/trim-guard.ts';

/** Who guards a partition, asked when it is opened; null = nobody. */
export type GuardOf = (topicId: number, partition: number, logId: number) => TrimGuard | null;

/**
 * All of them as one.
 *
 * @param guards  those that only look come before those that write something down so that records may go:
 *   each is asked for no more than what those before it allow
 */
export function guardedByAll(guards: readonly GuardOf[]): GuardOf {
  return (topicId, partition, logId) => {
    const own = guards
      .map((guardOf) => guardOf(topicId, partition, logId))
      .filter((guard) => guard !== null);
    const [only = null] = own;
    if (own.length < 2) return only;
    return {
      allow: (offset, why, steps) => allowedByAll(own, offset, { why, steps }),
      sparing: () => own.forEach((guard) => guard.sparing?.()),
      passing: (startOffset, steps) => passedByAll(own, startOffset, steps),
    };
  };
}

async function passedByAll(
  guards: readonly TrimGuard[],
  startOffset: number,
  steps: readonly TrimStep[],
): Promise<boolean> {
  for (const guard of guards) {
    if ((await guard.passing?.(startOffset, steps)) === false) return false;
  }
  return true;
}

interface Asked {
  readonly why: TrimReason;
  readonly steps: readonly TrimStep[] | undefined;
}

/** At once when all of them answer at once: retention of a queue asks at every turn. */
function allowedByAll(
  guards: readonly TrimGuard[],
  offset: number,
  asked: Asked,
): number | Promise<number> {
  let allowed = offset;
  for (const [at, guard] of guards.entries()) {
    const answer = guard.allow(allowed, asked.why, asked.steps);
    if (typeof answer !== 'number') {
      const others = guards.slice(at + 1);
      const most = allowed;
      return answer.then((offered) => allowedByAll(others, Math.min(most, offered), asked));
    }
    allowed = Math.min(allowed, answer);
  }
  return allowed;
}
