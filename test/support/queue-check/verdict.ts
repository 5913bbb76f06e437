/** What the checker of queue histories finds: broken promises, and how much the history proves. */

export const VIOLATION_KINDS = {
  lost: 'an acknowledged or delivered record is neither acknowledged by a consumer nor dead at the end',
  unexpected: 'a record that nobody sent was delivered or dead-lettered',
  changed: 'a record has the key, payload or place of another',
  refused: 'a record whose send was refused for certain is there',
  copied: 'one send made two records',
  disordered: 'two records of one key are not in the order in which they were sent',
  duplicated: 'a record was delivered again, and no release, expiry or crash explains it',
  overlap: 'a record was delivered while an earlier lease of it still ran',
  'suspects-together': 'two records with three crashes or more were leased at a time',
  early: 'a lease ended or a delayed record came back before its time',
  resurrected: 'a record was delivered after it was acknowledged, rejected or dead',
  'token-reused': 'a token was given twice, or lease numbers or owner epochs do not grow',
  'stale-accepted': 'a token whose lease had ended settled or renewed something',
  'live-refused': 'a token whose lease ran was refused',
  counters: 'attempts, failures, expiries or crashes do not follow from what happened',
  'dead-twice': 'a record has two copies in the dead-letter queue',
  'dead-and-acked': 'a record was acknowledged and is in the dead-letter queue',
  'dead-without-cause': 'a record is dead for a reason that its history does not give',
  vacuous: 'too little happened for the verdict to mean anything',
} as const;
export type ViolationKind = keyof typeof VIOLATION_KINDS;

export interface Violation {
  readonly kind: ViolationKind;
  readonly text: string;
}

/** How often it happened; the multisets of the verdict by their sizes. */
export interface QueueCounts {
  /** Sends, whatever became of them. */
  readonly attempts: number;
  readonly acked: number;
  readonly indeterminate: number;
  readonly refusedSends: number;
  /** Indeterminate sends that were seen. */
  readonly recovered: number;
  readonly deliveries: number;
  /** Records that were delivered. */
  readonly delivered: number;
  readonly ackedDeliveries: number;
  readonly lost: number;
  readonly unexpected: number;
  /** Deliveries of a record after its first one, by what explains them. */
  readonly redeliveries: number;
  readonly afterRelease: number;
  readonly afterExpiry: number;
  readonly afterCrash: number;
  readonly releases: number;
  readonly renewals: number;
  /** Settlements and renewals that were refused because the lease was lost. */
  readonly staleRefused: number;
  /** Settlements that were refused because the disk was full. */
  readonly fullRefused: number;
  readonly dead: number;
  readonly deadByCrash: number;
  readonly kills: number;
  readonly stops: number;
  readonly stalls: number;
  /** How often the wall clock was set. */
  readonly clockSets: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: QueueCounts;
}

/** What the queue was told to do, and how much has to happen. */
export interface CheckOptions {
  readonly leaseMs: number;
  readonly failuresMax: number;
  readonly expiriesMax: number;
  /**
   * How much earlier a lease may end than its length after it was seen: the time from the choice of
   * a record to its hand-over, and what a stop takes from it.
   */
  readonly slackMs: number;
  readonly minimums?: Partial<QueueCounts>;
}
