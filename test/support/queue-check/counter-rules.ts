/**
 * What deliveries say of earlier attempts. Every attempt ends in one way: it expires, the process
 * crashes, or its consumer gives it back; so the counters of two deliveries of a record account for
 * every attempt between them, also for those that a kill kept from being seen.
 */
import type { Counters } from './history.ts';
import { leaseName, leftMs, SUSPECT_CRASHES } from './lease-facts.ts';
import type { Handed, RecordStory, Story } from './story.ts';
import type { CheckOptions, Violation } from './verdict.ts';

const NEVER: Counters = { attempt: 0, failures: 0, expiries: 0, crashes: 0 };

interface Range {
  readonly min: number;
  readonly max: number;
}

export function counterViolations(story: Story, options: CheckOptions): Violation[] {
  return [...story.records.values()].flatMap((record) => recordViolations(story, record, options));
}

function recordViolations(
  story: Story,
  { deliveries, deaths }: RecordStory,
  options: CheckOptions,
): Violation[] {
  const violations: Violation[] = [];
  let previous: Handed | null = null;
  for (const next of deliveries) {
    for (const what of complaints(story, previous, next, options)) {
      violations.push({ kind: 'counters', text: `${leaseName(next)}: ${what}` });
    }
    previous = next;
  }
  const attempts = previous?.event.attempt ?? 0;
  for (const { event } of deaths) {
    if (event.attempts >= attempts) continue;
    const text = `${event.id} died after ${event.attempts} attempts, ${attempts} were seen`;
    violations.push({ kind: 'counters', text });
  }
  return violations;
}

function complaints(
  story: Story,
  previous: Handed | null,
  next: Handed,
  options: CheckOptions,
): string[] {
  const before = previous?.event ?? NEVER;
  const { event } = next;
  const grown = {
    attempts: event.attempt - before.attempt,
    failures: event.failures - before.failures,
    expiries: event.expiries - before.expiries,
    crashes: event.crashes - before.crashes,
  };
  const found: string[] = [];
  for (const [name, by] of Object.entries(grown)) {
    if (by < 0) found.push(`${name} went back by ${-by}`);
  }
  if (grown.attempts === 0) found.push('the attempt was not counted');
  const kills = story.killsBetween(previous?.event.life ?? 1, event.life);
  const crashesMin = previous !== null && hasCrashed(story, previous, options) ? 1 : 0;
  check(found, 'crashes', grown.crashes, { min: crashesMin, max: kills });
  check(found, 'expiries', grown.expiries, { min: 0, max: previous === null ? 0 : 1 });
  // The first attempt has none before it, and none that was given back by anybody.
  const ended = previous === null ? grown.attempts - 1 : grown.attempts;
  const givenBack = ended - grown.expiries - grown.crashes;
  check(found, 'attempts that were given back', givenBack, givenBackBetween(story, previous, next));
  check(found, 'failures', grown.failures, failuresBetween(previous, event));
  if (event.failures >= options.failuresMax) found.push(`${event.failures} failures, not dead`);
  if (event.expiries >= options.expiriesMax) found.push(`${event.expiries} expiries, not dead`);
  return found;
}

function check(found: string[], what: string, by: number, { min, max }: Range): void {
  if (by < min || by > max) found.push(`${what}: ${by} more, expected ${min} to ${max}`);
}

/** Whether its lease ran for certain when the process was killed. */
function hasCrashed(story: Story, handed: Handed, options: CheckOptions): boolean {
  const life = story.lives.get(handed.event.life);
  if (life?.end !== 'killed' || handed.lost !== null) return false;
  const isSettled = handed.settlements.some(
    ({ invoked, outcome }) => invoked.verb !== 'renew' && outcome !== 'failed',
  );
  return !isSettled && leftMs(story, handed, life.endMs, options) > 0;
}

/** Releases, and leases that ended with a process that closed. */
function givenBackBetween(story: Story, previous: Handed | null, next: Handed): Range {
  if (previous === null) return { min: 0, max: 0 };
  const releases = previous.settlements.filter(({ invoked }) => invoked.verb === 'release');
  const isReleased = releases.some(({ outcome }) => outcome === 'ok');
  const mayBe = releases.some(({ outcome }) => outcome !== 'failed');
  const { life } = previous.event;
  const isClosed = life < next.event.life && story.lives.get(life)?.end === 'closed';
  return { min: isReleased ? 1 : 0, max: isReleased || mayBe || isClosed ? 1 : 0 };
}

function failuresBetween(previous: Handed | null, { crashes }: Counters): Range {
  const failed = (previous?.settlements ?? []).filter(
    ({ invoked, outcome }) =>
      invoked.verb === 'release' && invoked.isFailed === true && outcome !== 'failed',
  );
  const isSure = failed.some(({ outcome }) => outcome === 'ok');
  const suspected = Math.max(SUSPECT_CRASHES, previous?.event.crashes ?? 0);
  const byCrash = Math.max(0, crashes - suspected);
  return { min: isSure ? 1 : 0, max: (failed.length > 0 ? 1 : 0) + byCrash };
}
