/** What a topic keeps, and what it lets go, when nobody says otherwise: as users read it. */
export const KEEPING_DEFAULTS = {
  compaction: 'off',
  compactionLagMsMin: 0,
  compactionLagMsMax: null,
  compactionShareMin: 0.5,
  tombstoneRetentionMs: 86_400_000,
  unfinished: null,
  archiveTo: null,
} as const;
