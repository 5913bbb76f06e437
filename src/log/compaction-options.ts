/** What of a log compaction by key lets go, when it does, and with what means: its options, checked. */
import { checkChoice, checkInteger, checkNumber } from '../core/assert.ts';
import {
  COMPACTION_BYTES_PER_SECOND_MAX,
  COMPACTION_BYTES_PER_SECOND_MIN,
  COMPACTION_MAP_BYTES_LIMIT,
  COMPACTION_MAP_BYTES_MAX,
  COMPACTION_MAP_BYTES_MIN,
  COMPACTION_SHARE_MIN,
  COMPACTION_SHARE_MIN_LIMIT,
  TOMBSTONE_RETENTION_MS,
} from '../core/limits.ts';

/** Names may only be added at the end: the journal has their places. */
export const COMPACTIONS = ['off', 'key'] as const;

export type Compaction = (typeof COMPACTIONS)[number];

/**
 * Whether a log is compacted, and when. A record is superseded by a later one of the same key; one without
 * a value is a tombstone, and ends its key. What stays keeps its offset and its times.
 *
 * It is looked at with retention (`retentionCheckMs`) and when a segment was sealed; `compact` asks for it.
 */
export interface CompactionConfig {
  /**
   * `key`: of each key the last record stays, and superseded ones go; the newest segment is left alone,
   * and records without a key all stay. With `retentionMs` or `retentionBytes`: both. Default `off`.
   */
  readonly compaction?: Compaction | undefined;
  /** A segment with an append that is younger, ms, is left alone, 0..2^53-1; default 0. Ages as of `retentionMs`. */
  readonly compactionLagMsMin?: number | undefined;
  /**
   * Records that are older, ms, and were never compared with later ones, are, whatever their share,
   * 1..2^53-1 and at least `compactionLagMsMin`; the next append begins a new segment for it. Default
   * null = their share alone counts.
   */
  readonly compactionLagMsMax?: number | null | undefined;
  /**
   * Share of the bytes that could be compacted at which a pass begins by itself, 0.01..1: of those that
   * were never compared with later ones. Default 0.5. Smaller: less room, and more is rewritten.
   */
  readonly compactionShareMin?: number | undefined;
  /**
   * How long a tombstone stays when no older record of its key is left, ms, 0..2^53-1; default a day. Who
   * reads a log from its start in less time meets every deletion.
   */
  readonly tombstoneRetentionMs?: number | undefined;
}

/** `CompactionConfig` with every default filled in. */
export interface CompactionSettings {
  readonly compaction: Compaction;
  readonly compactionLagMsMin: number;
  readonly compactionLagMsMax: number | null;
  readonly compactionShareMin: number;
  readonly tombstoneRetentionMs: number;
}

/** What compaction may take of a process: of one log, or of all logs of a store together. */
export interface CompactionBounds {
  /**
   * Memory for the keys that a pass of compaction compares, bytes, 1 MiB..1 GiB; default 128 MiB, which is
   * ten million keys. It is held while a pass runs; more keys take more passes.
   */
  readonly compactionMapBytesMax?: number | undefined;
  /**
   * Bytes per second that passes read and write, together, which begin by themselves, at least 64 KiB;
   * default 64 MiB; null = as fast as it goes.
   */
  readonly compactionBytesPerSecondMax?: number | null | undefined;
}

/** `CompactionBounds` with every default filled in. */
export interface CompactionBoundSettings {
  readonly compactionMapBytesMax: number;
  readonly compactionBytesPerSecondMax: number | null;
}

export const COMPACTION_OPTION_NAMES = [
  'compaction',
  'compactionLagMsMin',
  'compactionLagMsMax',
  'compactionShareMin',
  'tombstoneRetentionMs',
] as const satisfies readonly (keyof CompactionSettings)[];

export const COMPACTION_BOUND_NAMES = [
  'compactionMapBytesMax',
  'compactionBytesPerSecondMax',
] as const satisfies readonly (keyof CompactionBoundSettings)[];

/** Of logs from before there was any. */
export const COMPACTION_DEFAULTS: CompactionSettings = {
  compaction: 'off',
  compactionLagMsMin: 0,
  compactionLagMsMax: null,
  compactionShareMin: COMPACTION_SHARE_MIN,
  tombstoneRetentionMs: TOMBSTONE_RETENTION_MS,
};

/** @throws TypeError, RangeError */
export function newCompactionSettings(given: CompactionConfig): CompactionSettings {
  const {
    compaction = COMPACTION_DEFAULTS.compaction,
    compactionLagMsMin = COMPACTION_DEFAULTS.compactionLagMsMin,
    compactionLagMsMax = COMPACTION_DEFAULTS.compactionLagMsMax,
    compactionShareMin = COMPACTION_DEFAULTS.compactionShareMin,
    tombstoneRetentionMs = COMPACTION_DEFAULTS.tombstoneRetentionMs,
  } = given;
  const lagMsMin = checkInteger('compactionLagMsMin', compactionLagMsMin, { min: 0 });
  return {
    compaction: checkChoice('compaction', compaction, COMPACTIONS),
    compactionLagMsMin: lagMsMin,
    compactionLagMsMax: checkLagMsMax(compactionLagMsMax, lagMsMin),
    compactionShareMin: checkNumber('compactionShareMin', compactionShareMin, {
      min: COMPACTION_SHARE_MIN_LIMIT,
      max: 1,
    }),
    tombstoneRetentionMs: checkInteger('tombstoneRetentionMs', tombstoneRetentionMs, { min: 0 }),
  };
}

/** @throws TypeError, RangeError */
export function newCompactionBounds(given: CompactionBounds): CompactionBoundSettings {
  const {
    compactionMapBytesMax = COMPACTION_MAP_BYTES_MAX,
    compactionBytesPerSecondMax = COMPACTION_BYTES_PER_SECOND_MAX,
  } = given;
  return {
    compactionMapBytesMax: checkInteger('compactionMapBytesMax', compactionMapBytesMax, {
      min: COMPACTION_MAP_BYTES_MIN,
      max: COMPACTION_MAP_BYTES_LIMIT,
    }),
    compactionBytesPerSecondMax:
      compactionBytesPerSecondMax === null
        ? null
        : checkInteger('compactionBytesPerSecondMax', compactionBytesPerSecondMax, {
            min: COMPACTION_BYTES_PER_SECOND_MIN,
          }),
  };
}

/** What must be left alone for a time cannot be due before. */
function checkLagMsMax(lagMsMax: number | null, lagMsMin: number): number | null {
  if (lagMsMax === null) return null;
  return checkInteger('compactionLagMsMax', lagMsMax, { min: Math.max(1, lagMsMin) });
}
