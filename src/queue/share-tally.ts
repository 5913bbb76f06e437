/** How records of a share group ended, counted. */

/** How records were settled, since the group was made; `trimmed`: retention took them, or somebody deleted them. */
export const TALLY_NAMES = [
  'acked',
  'failures',
  'lease-expired',
  'crash',
  'rejected',
  'cancelled',
  'redriven',
  'missing',
  'purged',
  'trimmed',
  'revived',
] as const;

export type Tally = Record<(typeof TALLY_NAMES)[number], number>;

export function emptyTally(): Tally {
  return {
    acked: 0,
    failures: 0,
    'lease-expired': 0,
    crash: 0,
    rejected: 0,
    cancelled: 0,
    redriven: 0,
    missing: 0,
    purged: 0,
    trimmed: 0,
    revived: 0,
  };
}
