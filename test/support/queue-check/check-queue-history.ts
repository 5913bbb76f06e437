/** The checker: a history of a queue in, broken promises and counts out. Pure. */
import { counterViolations } from './counter-rules.ts';
import { deadViolations } from './dead-rules.ts';
import { placeKey, type QueueEvent, type Verb } from './history.ts';
import { DISK_FULL, LEASE_LOST } from './lease-facts.ts';
import { causeOf, leaseViolations, suspectViolations } from './lease-rules.ts';
import {
  contentViolations,
  lostRecords,
  orderViolations,
  recoveredIds,
  unexpectedIds,
} from './send-rules.ts';
import { Story } from './story.ts';
import { tokenViolations } from './token-rules.ts';
import type { CheckOptions, QueueCounts, Verdict, Violation } from './verdict.ts';

/**
 * Judges a whole history. One that was never drained, or in which less happened than the minimums
 * say, is judged `vacuous` beside whatever else is wrong with it.
 *
 * @throws BrokenHistoryError when no process can have written it
 */
export function checkQueueHistory(history: readonly QueueEvent[], options: CheckOptions): Verdict {
  const story = new Story(history);
  const counts = countsOf(story);
  const violations = [
    ...contentViolations(story),
    ...orderViolations(story),
    ...lostRecords(story),
    ...leaseViolations(story, options),
    ...suspectViolations(story, options),
    ...tokenViolations(story),
    ...counterViolations(story, options),
    ...deadViolations(story, options),
    ...vacuity(story, shortfallsIn(counts, options.minimums ?? {})),
  ];
  return { violations, counts };
}

/** What happened too rarely in a history, in words. */
export function shortfalls(
  history: readonly QueueEvent[],
  minimums: Partial<QueueCounts>,
): readonly string[] {
  return shortfallsIn(countsOf(new Story(history)), minimums);
}

function shortfallsIn(counts: QueueCounts, minimums: Partial<QueueCounts>): string[] {
  return Object.entries(minimums).flatMap(([name, minimum]) => {
    const count = counts[name as keyof QueueCounts];
    return count >= minimum ? [] : [`${name}: ${count}, expected at least ${minimum}`];
  });
}

function vacuity({ drainedAt }: Story, few: readonly string[]): Violation[] {
  const all = [...(drainedAt === null ? ['the queue was never drained'] : []), ...few];
  return all.map((text) => ({ kind: 'vacuous', text }));
}

function countsOf(story: Story): QueueCounts {
  const sends = [...story.sends.values()];
  const sent = (outcome: string): number => sends.filter((send) => send.outcome === outcome).length;
  const settled = (verb: Verb): number =>
    story.settlements.filter(({ invoked, outcome }) => invoked.verb === verb && outcome === 'ok')
      .length;
  const causes = causesOf(story);
  const deaths = [...story.records.values()].flatMap(({ deaths: [first] }) => first ?? []);
  return {
    attempts: sends.length,
    acked: sent('ok'),
    indeterminate: sent('indeterminate'),
    refusedSends: sent('failed'),
    recovered: recoveredIds(story).size,
    deliveries: story.handed.length,
    delivered: new Set(story.handed.map(({ event }) => placeKey(event.token))).size,
    ackedDeliveries: settled('ack'),
    lost: lostRecords(story).length,
    unexpected: unexpectedIds(story).size,
    redeliveries: causes.length,
    afterRelease: causes.filter((cause) => cause === 'release').length,
    afterExpiry: causes.filter((cause) => cause === 'expiry').length,
    afterCrash: causes.filter((cause) => cause === 'crash').length,
    releases: settled('release'),
    renewals: settled('renew'),
    staleRefused: story.settlements.filter(({ code }) => code === LEASE_LOST).length,
    fullRefused: story.settlements.filter(({ code }) => code === DISK_FULL).length,
    dead: deaths.length,
    deadByCrash: deaths.filter(({ event }) => event.reason === 'crash').length,
    kills: story.killsBetween(1, Infinity),
    stops: story.stops.count,
    stalls: story.stalls,
    clockSets: story.wall.count,
  };
}

/** Of every delivery after the first of its record. */
function causesOf(story: Story): (string | null)[] {
  return [...story.records.values()].flatMap(({ deliveries }) =>
    deliveries.slice(1).map((next, at) => {
      const handed = deliveries[at];
      return handed === undefined ? null : causeOf(story, handed, next);
    }),
  );
}
