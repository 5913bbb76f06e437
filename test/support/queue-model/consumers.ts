/** Who consumes what in the model test of queues. */
import { present } from '../../../src/core/assert.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { ShareConfig, ShareSettings } from '../../../src/queue/share-settings.ts';
import type { Place } from './group-model.ts';

export const PARTITIONS = 2;
export const LEASE_MS = 1000;
export type GroupName = 'queue' | 'audit';

/** Consumers by place; the first of each group is never closed. */
export const CONSUMERS: readonly { readonly group: GroupName; readonly prefetch: number | null }[] =
  [
    { group: 'queue', prefetch: null },
    { group: 'queue', prefetch: 3 },
    { group: 'audit', prefetch: null },
  ];

export const CONFIGS: Record<GroupName, ShareSettings & ShareConfig> = {
  queue: {
    leaseMs: LEASE_MS,
    failuresMax: 2,
    expiriesMax: 2,
    leasedMax: 9,
    deadLetter: 'jobs.dead',
    deadLetterRoutingKey: null,
    retention: 'keep',
  },
  audit: {
    leaseMs: LEASE_MS,
    failuresMax: 1,
    expiriesMax: 1,
    leasedMax: 4,
    deadLetter: null,
    deadLetterRoutingKey: null,
    retention: 'keep',
  },
};

/** A lease as the model sees it. */
export interface HeldLease extends Place {
  readonly group: GroupName;
  readonly consumer: number;
  /** Of the store's openings so far, the one that it is of. */
  readonly opening: number;
  readonly delivery: Delivery<string>;
  /** Of the record when it was claimed. */
  readonly crashes: number;
  leaseMs: number;
  /** How much of it is over, at least and at most: a stall is not known to the millisecond. */
  elapsedMinMs: number;
  elapsedMaxMs: number;
}

export function groupOf(consumer: number): GroupName {
  return present(CONSUMERS[consumer], 'a consumer').group;
}

export function entriesOf<T>(groups: Record<GroupName, T>): [GroupName, T][] {
  return [
    ['queue', groups.queue],
    ['audit', groups.audit],
  ];
}
