/** When a record may be delivered again, and which token may settle it. */
import type { Handed, RecordStory, Settlement, Story } from './story.ts';
import {
  isEnding,
  LEASE_LOST,
  leaseName,
  leftMs,
  mayHaveEnded,
  settledBy,
  SUSPECT_CRASHES,
} from './lease-facts.ts';
import type { CheckOptions, Violation, ViolationKind } from './verdict.ts';

/** The wall clock of the machine may be set a little meanwhile, too. */
const CLOCK_SLACK_MS = 20;

/** What explains that a record was delivered again. */
export type Cause = 'release' | 'expiry' | 'crash' | 'close' | null;

/**
 * Why `next` could follow `handed`. An expiry counts when the engine claims it: by the counter, or
 * by the signal of the consumer.
 */
export function causeOf(story: Story, handed: Handed, next: Handed): Cause {
  const releases = handed.settlements.filter(({ invoked }) => invoked.verb === 'release');
  if (releases.some((one) => one.outcome === 'ok' && one.invokedAt < next.at)) return 'release';
  const isExpired =
    next.event.expiries > handed.event.expiries ||
    (handed.lost !== null && handed.lost.at < next.at);
  if (isExpired) return 'expiry';
  if (next.event.life > handed.event.life) {
    return story.killsBetween(handed.event.life, next.event.life) > 0 ? 'crash' : 'close';
  }
  return mayHaveEnded(handed, next.at) ? 'release' : null;
}

export function leaseViolations(story: Story, options: CheckOptions): Violation[] {
  return [...story.records.values()].flatMap((record) => [
    ...record.deliveries.flatMap((handed, at) => [
      ...againViolations(story, handed, record.deliveries[at + 1], options),
      ...settleViolations(story, handed, record.deliveries[at + 1], options),
    ]),
    ...resurrections(record),
  ]);
}

/** A record that may be what kills the process is alone with innocent ones. */
export function suspectViolations(story: Story, options: CheckOptions): Violation[] {
  const violations: Violation[] = [];
  let before: Handed[] = [];
  for (const handed of story.handed) {
    if (handed.event.crashes < SUSPECT_CRASHES) continue;
    before = before.filter(
      (one) => one.lost === null && isSurelyRunning(story, one, handed, options),
    );
    for (const one of before) {
      const text = `${leaseName(handed)} began beside ${leaseName(one)}, both suspects`;
      violations.push({ kind: 'suspects-together', text });
    }
    before.push(handed);
  }
  return violations;
}

/** Whether the lease had to run when `other` was delivered, by its time and what its consumer did. */
function isSurelyRunning(
  story: Story,
  handed: Handed,
  other: Handed,
  options: CheckOptions,
): boolean {
  return (
    other.event.life === handed.event.life &&
    !mayHaveEnded(handed, other.at) &&
    leftMs(story, handed, other.event.atMs, options) > 0
  );
}

function againViolations(
  story: Story,
  handed: Handed,
  next: Handed | undefined,
  options: CheckOptions,
): Violation[] {
  const violations: Violation[] = [];
  const complain = (kind: ViolationKind, what: string): void => {
    violations.push({ kind, text: `${leaseName(handed)} ${what}` });
  };
  if (handed.lost !== null) {
    const left = leftMs(story, handed, handed.lost.atMs, options);
    if (left > 0) complain('early', `was told that it expired ${left} ms too early`);
  }
  if (next === undefined) return violations;
  if (next.event.life < handed.event.life) complain('duplicated', 'came back in an earlier life');
  const ended = settledBy(handed);
  if (ended?.invoked.verb !== 'ack' && causeOf(story, handed, next) === null) {
    complain('duplicated', `was delivered again as ${leaseName(next)}`);
  }
  const isRunning = isSurelyRunning(story, handed, next, options);
  if (isRunning) complain('overlap', `still ran when ${leaseName(next)} began`);
  if (ended?.invoked.verb === 'release') {
    const { delayMs = 0, atMs } = ended.invoked;
    // Delays run on the wall clock, which may be set meanwhile.
    const waitedMs = story.wall.highest(atMs, next.event.atMs) - story.wall.at(atMs);
    if (waitedMs < delayMs - CLOCK_SLACK_MS) {
      complain('early', `was delayed by ${delayMs} ms and came back after ${waitedMs}`);
    }
  }
  return violations;
}

/** Settled is settled: no delivery begins after it. */
function resurrections({ deliveries, deaths }: RecordStory): Violation[] {
  const violations: Violation[] = [];
  let end: { readonly at: number; readonly what: string } | null = null;
  const ends = [
    ...deaths.map(({ at }) => ({ at, what: 'it was in the dead-letter queue' })),
    ...deliveries.flatMap(({ settlements }) =>
      settlements
        .filter(({ invoked, outcome }) => outcome === 'ok' && /^(?:ack|reject)$/.test(invoked.verb))
        .map(({ endedAt, invoked }) => ({ at: endedAt ?? 0, what: `its ${invoked.verb}` })),
    ),
  ];
  for (const one of ends) if (end === null || one.at < end.at) end = one;
  if (end === null) return [];
  for (const handed of deliveries) {
    if (handed.at < end.at) continue;
    violations.push({
      kind: 'resurrected',
      text: `${leaseName(handed)} was delivered after ${end.what}`,
    });
  }
  return violations;
}

function settleViolations(
  story: Story,
  handed: Handed,
  next: Handed | undefined,
  options: CheckOptions,
): Violation[] {
  return handed.settlements.flatMap((settlement): Violation[] => {
    const { outcome, code, invoked } = settlement;
    if (outcome === 'ok') {
      const why = whyStale(handed, settlement, next);
      if (why === null) return [];
      return [{ kind: 'stale-accepted', text: `${invoked.verb} of ${leaseName(handed)} ${why}` }];
    }
    if (outcome !== 'failed' || code !== LEASE_LOST) return [];
    const isRunning =
      invoked.life === handed.event.life &&
      !mayHaveEnded(handed, settlement.endedAt ?? 0) &&
      !isBesideAnother(handed, settlement) &&
      (next === undefined || next.at > (settlement.endedAt ?? 0)) &&
      leftMs(story, handed, settlement.endedMs, options) > 0;
    if (!isRunning) return [];
    return [{ kind: 'live-refused', text: `${invoked.verb} of ${leaseName(handed)} was refused` }];
  });
}

/** Whether another call was to end the lease meanwhile: it is refused, whatever becomes of that one. */
function isBesideAnother({ settlements }: Handed, settlement: Settlement): boolean {
  const { invokedAt, endedAt } = settlement;
  return settlements.some(
    (one) =>
      one !== settlement &&
      isEnding(one) &&
      one.invokedAt < (endedAt ?? Infinity) &&
      (one.endedAt ?? Infinity) > invokedAt,
  );
}

/**
 * Why an accepted call should have been refused, or null. A record that is released may be
 * delivered before the release is answered; one that is acknowledged or rejected may not. The same
 * call once more is a no-op while nobody else has the record.
 */
function whyStale(handed: Handed, settlement: Settlement, next: Handed | undefined): string | null {
  const { invoked, invokedAt, endedAt } = settlement;
  const isFinal = invoked.verb === 'ack' || invoked.verb === 'reject';
  const limit = isFinal ? (endedAt ?? 0) : invokedAt;
  const earlier = handed.settlements.filter(
    (one) => isEnding(one) && one.outcome === 'ok' && (one.endedAt ?? 0) < invokedAt,
  );
  if (next !== undefined && next.at < limit) {
    return `was accepted after ${leaseName(next)} began`;
  }
  if (handed.lost !== null && handed.lost.at < invokedAt) return 'was accepted after it expired';
  const other = earlier.find((one) => one.invoked.verb !== invoked.verb);
  return other === undefined ? null : `was accepted after its ${other.invoked.verb}`;
}
