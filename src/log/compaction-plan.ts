/**
 * What compaction by key does next: from where to where keys are compared, which segments a pass reads and
 * rewrites, and what it stamps them with. Pure: the log carries it out, oldest segment first, each new
 * generation durable before the next.
 *
 * All that is known of earlier passes stands in the headers of the segments that they rewrote. What holds of a
 * segment that is compacted to T: no record in it, or before it, is superseded by one below T and below the
 * segment's end. So everything below the largest `min(end, T)` is clean; behind it, up to the limit, it is
 * dirty.
 */

/** A segment as its header and its index describe it. It ends where the next one begins. */
export interface CompactableSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Append time of its first batch, as it was when the segment was written, ms; null = unknown. */
  readonly firstAppendTimeMs: number | null;
  /** Of its last one. */
  readonly lastAppendTimeMs: number | null;
  /** Records below it were taken into account when its keys were compared; 0 = that was never done. */
  readonly compactedTo: number;
  /** When, for the first time, nothing older than its records was superseded by them, ms; 0 = not yet. */
  readonly cleanedTimeMs: number;
  /** 0 in generation 0, whatever it holds: it has no cleaned time either. */
  readonly tombstoneCount: number;
}

export interface CompactionSettings {
  /** A segment with a younger append is left alone, ms. */
  readonly compactionLagMsMin: number;
  /** Dirty records that are older start a pass, ms; null = they do not. */
  readonly compactionLagMsMax: number | null;
  /** Dirty bytes, of those that may be compacted, that start a pass: 0.01..1. */
  readonly compactionShareMin: number;
  /** How long tombstones stay when all older records of their keys are gone, ms. */
  readonly tombstoneRetentionMs: number;
}

export interface CompactionState {
  readonly syncedOffset: number;
  readonly durableVisibleOffset: number;
  /** Nobody needs what lies below it; Infinity = nobody has a say, or was asked yet. */
  readonly guardedOffset: number;
  /** Where the first damage is; Infinity = none is known. */
  readonly damagedOffset: number;
  /** By which everything has its age: it may be below the times of appends. */
  readonly nowMs: number;
  /** Whether somebody called for it: then no share is too small. */
  readonly isAsked: boolean;
}

/** Why nothing more may be compacted. */
export type CompactionLimit = 'active-segment' | 'durability' | 'lag' | 'guard' | 'damage';

/** Why a pass begins. */
export type CompactionReason = 'share' | 'lag' | 'tombstones' | 'asked';

export interface CompactionPass {
  /** As it is before the pass. */
  readonly cleanOffset: number;
  /** Keys of [cleanOffset, endOffset) are compared; none when they are equal. */
  readonly endOffset: number;
  /** No segment that ends behind it is rewritten; always a segment's base. */
  readonly limitOffset: number;
  /** Tombstones of segments that were clean by then may go, ms; -1 = none may. */
  readonly tombstonesToMs: number;
}

export interface CompactionChoice extends CompactionPass {
  /** Null = no pass is to begin: `endOffset` is the clean offset then. */
  readonly why: CompactionReason | null;
  readonly limitedBy: CompactionLimit;
  /** About so many, in a segment that is clean in part. */
  readonly dirtyBytes: number;
  /** Of all segments below the limit. */
  readonly totalBytes: number;
}

/** All of a choice that does not depend on whether a pass begins. */
type Extent = Omit<CompactionChoice, 'endOffset' | 'why' | 'limitedBy'>;

/** What a segment that is rewritten says of itself. */
export interface CompactionStamps {
  readonly compactedTo: number;
  readonly cleanedTimeMs: number;
}

/**
 * Chooses the next pass. Where a guard has to be asked: choose, ask it for `limitOffset`, choose again.
 *
 * A pass that was not ended is begun again with the same end, which its stamps say: new segments wait for the
 * next one, or, under load, none would ever be done. The caller ends it earlier where its map is full.
 *
 * O(segments)
 *
 * @param segments  ascending, without gaps; the last one is the active one
 */
export function chooseCompaction(
  segments: readonly CompactableSegment[],
  settings: CompactionSettings,
  state: CompactionState,
): CompactionChoice {
  const cleanOffset = cleanOffsetOf(segments);
  const { offset: limitOffset, limitedBy } = limitOf(segments, settings, state);
  const extent: Extent = {
    cleanOffset,
    limitOffset,
    tombstonesToMs: Math.max(-1, state.nowMs - settings.tombstoneRetentionMs),
    dirtyBytes: bytesBetween(segments, cleanOffset, limitOffset),
    totalBytes: bytesBetween(segments, 0, limitOffset),
  };
  const why = reasonNow(segments, settings, state, extent);
  const isOfKeys = why !== null && why !== 'tombstones' && cleanOffset < limitOffset;
  const endOffset = isOfKeys ? Math.min(limitOffset, endOf(segments, cleanOffset)) : cleanOffset;
  return { ...extent, endOffset, why, limitedBy };
}

/** Whether a pass has to read a segment that ends at `end`. */
export function isOfPass(segment: CompactableSegment, end: number, pass: CompactionPass): boolean {
  if (segment.tombstoneCount > 0 && mayDropTombstones(segment, end, pass)) return true;
  const { cleanOffset, endOffset } = pass;
  return (
    endOffset > cleanOffset && segment.baseOffset < endOffset && segment.compactedTo < endOffset
  );
}

/**
 * Whether the tombstones in it may go: nothing is left that they delete, and whoever began to read before
 * that has had the time to get past them.
 */
export function mayDropTombstones(
  { cleanedTimeMs }: Pick<CompactableSegment, 'cleanedTimeMs'>,
  end: number,
  { cleanOffset, limitOffset, tombstonesToMs }: CompactionPass,
): boolean {
  const isClean = cleanedTimeMs > 0 && end <= Math.min(cleanOffset, limitOffset);
  return isClean && cleanedTimeMs <= tombstonesToMs;
}

/**
 * Whether a segment that was read is written anew. Where nothing goes it is left as it is, unless its
 * tombstones wait for a cleaned time; the last one of a pass always is, for it says how far the log is clean.
 *
 * @param found  what a pass found in it: records that go, tombstones that stay
 */
export function isRewritten(
  segment: CompactableSegment,
  end: number,
  pass: CompactionPass,
  found: { readonly removedCount: number; readonly tombstoneCount: number },
): boolean {
  if (found.removedCount > 0) return true;
  const { cleanOffset, endOffset } = pass;
  if (endOffset <= cleanOffset) return false;
  if (segment.baseOffset < endOffset && endOffset <= end) return true;
  return found.tombstoneCount > 0 && segment.cleanedTimeMs === 0 && end <= endOffset;
}

/** What its new generation says. @param nowMs  the time that an append would get now */
export function stampsOf(
  { compactedTo, cleanedTimeMs }: CompactionStamps,
  end: number,
  { endOffset }: CompactionPass,
  nowMs: number,
): CompactionStamps {
  const isClean = end <= endOffset;
  return {
    compactedTo: Math.max(compactedTo, endOffset),
    cleanedTimeMs: cleanedTimeMs === 0 && isClean ? nowMs : cleanedTimeMs,
  };
}

function cleanOffsetOf(segments: readonly CompactableSegment[]): number {
  let cleanOffset = segments[0]?.baseOffset ?? 0;
  eachSealed(segments, ({ compactedTo }, end) => {
    cleanOffset = Math.max(cleanOffset, Math.min(end, compactedTo));
  });
  return cleanOffset;
}

/** Where a pass ends that was begun and not ended; Infinity = there is none. */
function endOf(segments: readonly CompactableSegment[], cleanOffset: number): number {
  let furthest = 0;
  eachSealed(segments, ({ compactedTo }) => {
    furthest = Math.max(furthest, compactedTo);
  });
  return furthest > cleanOffset ? furthest : Number.POSITIVE_INFINITY;
}

/** The last base of a segment up to which everything is in order, and what is not behind it. */
function limitOf(
  segments: readonly CompactableSegment[],
  settings: CompactionSettings,
  state: CompactionState,
): { readonly offset: number; readonly limitedBy: CompactionLimit } {
  let offset = segments[0]?.baseOffset ?? 0;
  let limitedBy: CompactionLimit = 'active-segment';
  let isOpen = true;
  eachSealed(segments, (segment, end) => {
    const reason = isOpen ? limitAt(segment, end, settings, state) : null;
    if (reason !== null) {
      limitedBy = reason;
      isOpen = false;
    }
    if (isOpen) offset = end;
  });
  return { offset, limitedBy };
}

/** Why a segment may not be compacted; null = it may. */
function limitAt(
  { lastAppendTimeMs }: CompactableSegment,
  end: number,
  { compactionLagMsMin }: CompactionSettings,
  state: CompactionState,
): CompactionLimit | null {
  if (end > state.damagedOffset) return 'damage';
  // Of the segment behind it a record is synced, so no recovery begins in a file that was just put there.
  // What supersedes must be visible, or what everybody sees would go for what nobody can see yet.
  if (end >= state.syncedOffset || end > state.durableVisibleOffset) return 'durability';
  if (compactionLagMsMin > 0 && ageOf(lastAppendTimeMs, state) < compactionLagMsMin) return 'lag';
  return end > state.guardedOffset ? 'guard' : null;
}

function reasonNow(
  segments: readonly CompactableSegment[],
  { compactionLagMsMax, compactionShareMin }: CompactionSettings,
  state: CompactionState,
  extent: Extent,
): CompactionReason | null {
  const { cleanOffset, limitOffset, dirtyBytes, totalBytes } = extent;
  const isDirty = cleanOffset < limitOffset;
  const isDue = hasDueTombstones(segments, extent);
  if (state.isAsked && (isDirty || isDue)) return 'asked';
  if (isDirty) {
    const dirtyMs = ageOf(firstDirtyTimeMs(segments, cleanOffset), state);
    if (compactionLagMsMax !== null && dirtyMs > compactionLagMsMax) return 'lag';
    if (dirtyBytes >= compactionShareMin * totalBytes) return 'share';
  }
  return isDue ? 'tombstones' : null;
}

function hasDueTombstones(segments: readonly CompactableSegment[], extent: Extent): boolean {
  const pass = { ...extent, endOffset: extent.cleanOffset };
  let isDue = false;
  eachSealed(segments, (segment, end) => {
    isDue ||= isOfPass(segment, end, pass);
  });
  return isDue;
}

/** Of the first segment that is not all clean: what is dirty in it may be younger. */
function firstDirtyTimeMs(
  segments: readonly CompactableSegment[],
  cleanOffset: number,
): number | null {
  const first = segments.findLast(({ baseOffset }) => baseOffset <= cleanOffset);
  return first?.firstAppendTimeMs ?? null;
}

/** 0 where it cannot be told: who is not known to be old is young. A time of 0 was never written by us. */
function ageOf(timeMs: number | null, { nowMs }: CompactionState): number {
  return timeMs === null || timeMs === 0 ? 0 : nowMs - timeMs;
}

/** Bytes of [from, to), of a segment that is cut as much of them as of its offsets. */
function bytesBetween(segments: readonly CompactableSegment[], from: number, to: number): number {
  let bytes = 0;
  eachSealed(segments, ({ baseOffset, sizeBytes }, end) => {
    const offsets = Math.min(end, to) - Math.max(baseOffset, from);
    if (offsets > 0) bytes += (sizeBytes * offsets) / (end - baseOffset);
  });
  return bytes;
}

/** All but the active one. */
function eachSealed(
  segments: readonly CompactableSegment[],
  visit: (segment: CompactableSegment, end: number) => void,
): void {
  for (let at = 0; at + 1 < segments.length; at++) {
    const [segment, next] = [segments[at], segments[at + 1]];
    if (segment !== undefined && next !== undefined) visit(segment, next.baseOffset);
  }
}
