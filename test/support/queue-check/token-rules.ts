/** Tokens never repeat: lease numbers grow within an owner epoch, owner epochs from life to life. */
import { placeKey, tokenKey } from './history.ts';
import { leaseName } from './lease-facts.ts';
import type { Handed, Story } from './story.ts';
import type { Violation } from './verdict.ts';

export function tokenViolations(story: Story): Violation[] {
  const violations: Violation[] = [];
  const given = new Set<string>();
  const lastOf = new Map<string, Handed>();
  let previous: Handed | null = null;
  const complain = (handed: Handed, what: string): void => {
    violations.push({ kind: 'token-reused', text: `${leaseName(handed)} ${what}` });
  };
  for (const handed of story.handed) {
    const { token, life } = handed.event;
    const key = tokenKey(token);
    if (given.has(key)) complain(handed, 'was given before');
    given.add(key);
    const last = lastOf.get(placeKey(token))?.event.token;
    if (last?.ownerEpoch === token.ownerEpoch && last.leaseNumber >= token.leaseNumber) {
      complain(handed, `follows lease ${last.ownerEpoch}.${last.leaseNumber}`);
    }
    lastOf.set(placeKey(token), handed);
    if (previous !== null) {
      const { token: before, life: lifeBefore } = previous.event;
      const isRight =
        life === lifeBefore
          ? token.ownerEpoch === before.ownerEpoch
          : token.ownerEpoch > before.ownerEpoch;
      if (!isRight) complain(handed, `follows owner epoch ${before.ownerEpoch} of ${lifeBefore}`);
    }
    previous = handed;
  }
  return violations;
}
