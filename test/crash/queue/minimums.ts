/** How much has to happen in a run for its verdict to mean anything. */
import type { QueueCounts } from '../../support/queue-check/verdict.ts';

/** For each second of a run; a machine under load does a tenth of what an idle one does. */
const PER_SECOND: Partial<QueueCounts> = {
  acked: 10,
  ackedDeliveries: 8,
  redeliveries: 2,
  afterRelease: 0.5,
  afterExpiry: 0.1,
  afterCrash: 0.5,
  renewals: 0.1,
  staleRefused: 0.25,
  fullRefused: 0.1,
  refusedSends: 0.1,
  recovered: 0.05,
  dead: 0.25,
  deadByCrash: 0.02,
  kills: 0.3,
  stops: 0.1,
  stalls: 0.05,
  clockSets: 0.2,
};

export function minimumsFor(runMs: number): Partial<QueueCounts> {
  const all = Object.entries(PER_SECOND).map(([name, rate]) => {
    return [name, Math.ceil((rate * runMs) / 1000)];
  });
  return Object.fromEntries(all) as Partial<QueueCounts>;
}
