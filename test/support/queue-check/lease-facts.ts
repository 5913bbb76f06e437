/** What a history says about one lease. */
import type { Settlement, Handed, Story } from './story.ts';
import type { CheckOptions } from './verdict.ts';

/** The code of a settlement that came too late. */
export const LEASE_LOST = 'ERR_VARVE_LEASE_LOST';

/** The code of a call that found no room on the disk. */
export const DISK_FULL = 'ERR_VARVE_DISK_FULL';

/** Crashes that make a record a suspect: from then on one more counts as a failure. */
export const SUSPECT_CRASHES = 3;

/** Whether it ends a lease, if it is not refused. */
export function isEnding({ invoked }: Settlement): boolean {
  return invoked.verb !== 'renew';
}

/** The settlement that surely took effect, if any; an acknowledgement counts before others. */
export function settledBy({ settlements }: Handed): Settlement | null {
  const ok = settlements.filter((one) => one.outcome === 'ok' && isEnding(one));
  return ok.find(({ invoked }) => invoked.verb === 'ack') ?? ok[0] ?? null;
}

/** Whether a settlement was asked for before `at` that may have ended the lease. */
export function mayHaveEnded({ settlements }: Handed, at: number): boolean {
  return settlements.some((one) => isEnding(one) && one.outcome !== 'failed' && one.invokedAt < at);
}

/** Time that is left of the lease at `atMs`, at least, unless something ended it before. */
export function leftMs(
  story: Story,
  handed: Handed,
  atMs: number,
  { leaseMs, slackMs }: CheckOptions,
): number {
  let startMs = handed.event.atMs;
  let lengthMs = leaseMs;
  for (const { invoked, outcome, endedMs } of handed.settlements) {
    if (invoked.verb !== 'renew' || outcome !== 'ok' || endedMs > atMs) continue;
    startMs = invoked.atMs;
    lengthMs = invoked.leaseMs ?? leaseMs;
  }
  return lengthMs - slackMs - story.stops.awakeMs(startMs, atMs);
}

/** How the text of a violation names a lease. */
export function leaseName({ event: { id, token, life } }: Handed): string {
  const { partition, offset, ownerEpoch, leaseNumber } = token;
  return `${id} at ${partition}/${offset}, lease ${ownerEpoch}.${leaseNumber} of life ${life}`;
}
