/** Several guards of one log: each may hold back what the others would let go. */
import type { TrimGuard, TrimReason } from '../log/trim-guard.ts';

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
    return own.length < 2 ? only : { allow: (offset, why) => allowedByAll(own, offset, why) };
  };
}

/** At once when all of them answer at once: retention of a queue asks at every turn. */
function allowedByAll(
  guards: readonly TrimGuard[],
  offset: number,
  why: TrimReason,
): number | Promise<number> {
  let allowed = offset;
  for (const [at, guard] of guards.entries()) {
    const answer = guard.allow(allowed, why);
    if (typeof answer !== 'number') {
      const others = guards.slice(at + 1);
      const most = allowed;
      return answer.then((offered) => allowedByAll(others, Math.min(most, offered), why));
    }
    allowed = Math.min(allowed, answer);
  }
  return allowed;
}
