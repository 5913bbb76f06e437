/**
 * Rewrites sealed segments of a queue's log of which most records are settled: what nobody wants any more
 * goes, also where something in front of it is still wanted, for which its segment has to stay.
 *
 * What is wanted is not known here, and may change while this runs: whoever asks for it has to see to it that
 * nothing that is settled is wanted again meanwhile.
 */
import { JOURNAL_FREE_BYTES_MIN, KIB, MIB } from '../core/limits.ts';
import type { Mutex } from '../core/mutex.ts';
import type { Pace } from '../core/pace.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { Segment } from '../segment/segment.ts';
import type { CompactionBoundSettings } from './compaction-options.ts';
import type { LogEvents } from './log-home.ts';
import type { ReadableLog } from './readable-log.ts';
import type { RecordFilter } from './record-filter.ts';
import type { RollPolicy } from './roll-policy.ts';
import { mayComeOfRemoval, type Rewritten, type SegmentRewriter } from './segment-rewriter.ts';
import type { SegmentSwap } from './segment-swap.ts';
import { SpaceGuard, type SpaceGuardOptions } from './space-guard.ts';
import type { TrimGuard } from './trim-guard.ts';

/** A segment of which so much is wanted, by count, stays as it is: each rewriting at least halves one. */
const WANTED_SHARE_MAX = 0.5;
/** Smaller ones wait until there is so much in them together: each takes the syncs that a large one takes. */
const SMALL_BYTES_MAX = 64 * KIB;
/** A file takes so much of a disk, however little is in it: of a smaller one nothing is won. */
const BLOCK_BYTES = 4 * KIB;
/** It is asked for so many offsets at a time what is wanted: a bit for each takes 1 MiB. */
const SPAN_OFFSETS = 8 * MIB;

/** Which offsets of a log are wanted. */
export interface WantedOffsets {
  has(offset: number): boolean;
  /** How many of [from, to) are. */
  countIn(from: number, to: number): number;
}

export interface OffsetSpan {
  readonly from: number;
  /** First offset after it. */
  readonly to: number;
}

/** Keeps what is wanted. */
export class WantedFilter implements RecordFilter {
  readonly #wanted: WantedOffsets;

  constructor(wanted: WantedOffsets) {
    this.#wanted = wanted;
  }

  begin(): void {}

  keeps({ offset }: BatchCursor): boolean {
    return this.#wanted.has(offset);
  }
}

export interface SettledRewriterOptions {
  readonly log: ReadableLog;
  readonly rewriter: SegmentRewriter;
  readonly swap: SegmentSwap;
  /** Held while a next generation is made and put in place. */
  readonly rewriting: Mutex;
  /** Asked before records go; null = they may. */
  readonly guard: TrimGuard | null;
  readonly events: LogEvents | null;
  /** May change while the log is open. */
  readonly settings: Pick<CompactionBoundSettings, 'compactionBytesPerSecondMax'> &
    Pick<RollPolicy, 'segmentBytesMax'>;
}

/** A sealed segment of which little is wanted. */
export interface SettledSegment {
  readonly baseOffset: number;
  /** First offset after it. */
  readonly endOffset: number;
  /** Offsets in it that are wanted. */
  readonly wantedCount: number;
}

/** What may be rewritten of a log. */
export interface SettledChoice {
  /** Ascending. */
  readonly segments: readonly SettledSegment[];
  /** Whether others would be, too, but not yet: they are not synced, or somebody else needs them. */
  readonly isHeldBack: boolean;
}

export class SettledRewriter {
  readonly #options: SettledRewriterOptions;
  #isClosed = false;

  constructor(options: SettledRewriterOptions) {
    this.#options = options;
  }

  /** Bytes that it may read and write per second; null = as many as it goes. */
  get bytesPerSecondMax(): number | null {
    return this.#options.settings.compactionBytesPerSecondMax;
  }

  /**
   * The segments that may be rewritten, for less than half of what is left in them is wanted.
   *
   * @param wantedIn  what is wanted of an offset range
   * @throws IoError, CorruptLogError, UnsupportedVersionError: a header cannot be read
   */
  async choose(wantedIn: (range: OffsetSpan) => WantedOffsets): Promise<SettledChoice> {
    const { log, guard } = this.#options;
    const due = await this.#due(wantedIn);
    const { syncedOffset, durableVisibleOffset } = log.marks;
    const isDurable = ({ endOffset }: SettledSegment) =>
      endOffset < syncedOffset && endOffset <= durableVisibleOffset;
    const durable = due.filter(isDurable);
    const lastOffset = durable.at(-1)?.endOffset ?? 0;
    const isAsked = guard !== null && lastOffset > 0;
    const allowedOffset = isAsked ? await guard.allow(lastOffset, 'compaction') : lastOffset;
    const segments = durable.filter(({ endOffset }) => endOffset <= allowedOffset);
    return { segments, isHeldBack: segments.length < due.length };
  }

  /**
   * Rewrites one of the segments that were chosen.
   *
   * @returns bytes that were moved; 0 = it is not there any more
   * @throws as `SegmentRewriter.rewrite` and `SegmentSwap.swap`
   */
  rewrite({ baseOffset }: SettledSegment, wanted: WantedOffsets, pace: Pace): Promise<number> {
    const { log, rewriter, swap, rewriting, events } = this.#options;
    return rewriting.run(async () => {
      const segment = log.segments.floor(baseOffset);
      if (this.#isClosed || segment?.baseOffset !== baseOffset) return 0;
      const bytesBefore = segment.sizeBytes;
      const filter = new WantedFilter(wanted);
      const making = rewriter.rewrite(segment, { filter, stamps: null, pace });
      const made = await this.#made(making, segment);
      if (made === null || !(await swap.swap(made))) return 0;
      const { removedCount } = made;
      const bytesAfter = made.segment.sizeBytes;
      const counts = { segmentCount: 1, bytesBefore, bytesAfter, removedCount };
      events?.compacted({ why: 'settled', ...counts });
      return bytesBefore + 2 * bytesAfter;
    });
  }

  /** Null where retention took the segment. */
  async #made(
    making: Promise<Rewritten>,
    { baseOffset }: Pick<SettledSegment, 'baseOffset'>,
  ): Promise<Rewritten | null> {
    try {
      return await making;
    } catch (error) {
      const isListed = this.#options.log.segments.floor(baseOffset)?.baseOffset === baseOffset;
      if (isListed || !mayComeOfRemoval(error)) throw error;
      return null;
    }
  }

  /** Waits for what goes on. Nothing is rewritten from then on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#options.rewriting.idle();
  }

  /**
   * Those of which too little is wanted, whether they may be rewritten now or not; of small ones none, or all.
   */
  async #due(wantedIn: (range: OffsetSpan) => WantedOffsets): Promise<readonly SettledSegment[]> {
    const { log, settings } = this.#options;
    const { segments, marks } = log;
    const smallBytesMax = Math.min(SMALL_BYTES_MAX, settings.segmentBytesMax / 2);
    const bytesMin = Math.min(BLOCK_BYTES, smallBytesMax);
    const due: SettledSegment[] = [];
    const large: SettledSegment[] = [];
    let smallBytes = 0;
    let span = { from: 0, to: 0 };
    let wanted: WantedOffsets | null = null;
    for (const segment of segments.all) {
      const { baseOffset, sizeBytes } = segment;
      const endOffset = segments.after(baseOffset)?.baseOffset ?? null;
      if (endOffset === null) break;
      if (sizeBytes < bytesMin || endOffset <= marks.startOffset) continue;
      if (wanted === null || endOffset > span.to) {
        span = { from: baseOffset, to: Math.max(endOffset, baseOffset + SPAN_OFFSETS) };
        wanted = wantedIn(span);
      }
      const wantedCount = wanted.countIn(baseOffset, endOffset);
      // It holds at most one record for each offset: where too many of those are wanted, nobody need look.
      if (wantedCount >= WANTED_SHARE_MAX * (endOffset - baseOffset)) continue;
      const recordCount = await this.#recordCount(segment, endOffset);
      if (wantedCount >= WANTED_SHARE_MAX * recordCount) continue;
      const one = { baseOffset, endOffset, wantedCount };
      due.push(one);
      if (sizeBytes < smallBytesMax) smallBytes += sizeBytes;
      else large.push(one);
    }
    return smallBytes < smallBytesMax ? large : due;
  }

  async #recordCount(segment: Segment, endOffset: number): Promise<number> {
    const header = await this.#options.rewriter.enter(segment);
    return header.recordCount ?? endOffset - segment.baseOffset;
  }
}

/**
 * What rewriting asks for room: it goes where the journal may, for it makes room, and waits for nobody who may
 * be waiting for it.
 */
export function settledSpace(options: Pick<SpaceGuardOptions, 'directory' | 'clock'>): SpaceGuard {
  const freeBytesMin = JOURNAL_FREE_BYTES_MIN;
  return new SpaceGuard({
    ...options,
    operation: 'rewrite',
    freeBytesMin,
    room: null,
    diskShare: null,
  });
}
