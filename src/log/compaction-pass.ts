/**
 * One pass of compaction by key: chooses what it is to be, reads the keys of what is dirty, and then goes
 * through the segments, oldest first. Each new generation is durable before the next one is begun.
 *
 * What is done with a segment `compaction-plan.ts` says, and nothing of it is decided here. A pass may end
 * anywhere: what it has put in place says how far it was to go, so the next one goes on with that.
 */
import { CorruptLogError } from '../core/errors.ts';
import type { Pace } from '../core/pace.ts';
import type { Random } from '../core/random.ts';
import type { Segment } from '../segment/segment.ts';
import {
  chooseCompaction,
  isOfPass,
  isRewritten,
  mayDropTombstones,
  stampsOf,
  type CompactableSegment,
  type CompactionChoice,
  type CompactionSettings,
  type CompactionState,
} from './compaction-plan.ts';
import type { CompactionProgress } from './compact-options.ts';
import type { CompactionTally } from './compaction-tally.ts';
import type { CompactionTarget } from './compaction-target.ts';
import { KeyFilter } from './key-filter.ts';
import { KeyScan } from './key-scan.ts';
import type { ReadableLog } from './readable-log.ts';
import { mayComeOfRemoval } from './segment-rewriter.ts';
import type { TrimGuard } from './trim-guard.ts';

/** Of reading keys: between two reports of progress. */
const REPORT_BYTES = 8 * 1024 * 1024;

/** What a pass goes by that is the same for all passes of a run. */
export interface PassParts {
  readonly log: ReadableLog;
  readonly target: CompactionTarget;
  readonly guard: TrimGuard | null;
  readonly random: Random;
  readonly pace: Pace;
  readonly settings: CompactionSettings;
  readonly mapBytesMax: number;
  /** As it was when the run began: so it ends, whatever is appended meanwhile. */
  readonly state: Omit<CompactionState, 'guardedOffset' | 'damagedOffset'>;
  /** The time that an append would get, ms. */
  readonly nowMs: () => number;
  readonly onProgress: (progress: Omit<CompactionProgress, 'pass' | 'freedBytes'>) => void;
  readonly tally: CompactionTally;
}

/** A damaged place, in front of which compaction ends. */
export interface CompactionDamage {
  readonly offset: number;
  readonly error: CorruptLogError;
}

/** What a run has learned of how far it may go. */
export interface RunLimits {
  /** The first damage that it met, or knows of. */
  damage: CompactionDamage | null;
  /** What the guard said, which may allow more later, but never less; null = it was not asked yet. */
  guardedOffset: number | null;
}

/** A segment that a pass has to read, whichever generation of it is listed by then. */
interface Stop extends Pick<CompactableSegment, 'baseOffset' | 'sizeBytes'> {
  readonly end: number;
}

export class CompactionPass {
  readonly #parts: PassParts;
  readonly #limits: RunLimits;
  #choice: CompactionChoice;

  /** @param limits  of all passes of a run: what this one learns is added */
  constructor(parts: PassParts, limits: RunLimits) {
    this.#parts = parts;
    this.#limits = limits;
    this.#choice = this.#choose();
  }

  /** What it is, or was to be, as far as that is known. */
  get choice(): CompactionChoice {
    return this.#choice;
  }

  /**
   * Carries it out, if there is one to carry out.
   *
   * @returns whether anything was changed; where it meets damage it ends in front of it
   * @throws as `KeyScan.run`, `SegmentRewriter` and `SegmentSwap.swap`
   */
  async run(): Promise<boolean> {
    await this.#askGuard();
    const keys = await this.#readKeys();
    const { tally } = this.#parts;
    const choice = { ...this.#choice, endOffset: keys?.endOffset ?? this.#choice.cleanOffset };
    if (choice.why === null) return false;
    tally.beginPass(choice.why);
    tally.keyCount += keys?.keyCount ?? 0;
    const count = tally.rewrittenSegmentCount;
    await this.#rewriteAll(choice, keys);
    return tally.rewrittenSegmentCount > count;
  }

  #choose(): CompactionChoice {
    const { log, settings, state, target } = this.#parts;
    const segments = log.segments.all.map((segment) => target.describe(segment));
    const damagedOffset = this.#limits.damage?.offset ?? Number.POSITIVE_INFINITY;
    const guardedOffset = this.#limits.guardedOffset ?? Number.POSITIVE_INFINITY;
    return chooseCompaction(segments, settings, { ...state, guardedOffset, damagedOffset });
  }

  async #askGuard(): Promise<void> {
    const { guard } = this.#parts;
    const isAsked = guard === null || this.#limits.guardedOffset !== null;
    if (isAsked || this.#choice.why === null) return;
    this.#limits.guardedOffset = await guard.allow(this.#choice.limitOffset, 'compaction');
    this.#choice = this.#choose();
  }

  /** Null when there are none to compare. In front of damage that it meets it begins again. */
  async #readKeys(): Promise<KeyScan | null> {
    while (this.#choice.endOffset > this.#choice.cleanOffset) {
      const keys = this.#newScan();
      await keys.run();
      if (keys.damage === null) return keys;
      this.#limits.damage = { offset: keys.nextOffset, error: keys.damage };
      this.#choice = this.#choose();
    }
    return null;
  }

  #newScan(): KeyScan {
    const { log, random, pace, mapBytesMax, onProgress } = this.#parts;
    const { cleanOffset, endOffset, dirtyBytes: bytesTotal } = this.#choice;
    const startOffset = Math.min(endOffset, Math.max(cleanOffset, log.marks.startOffset));
    let bytesDone = 0;
    let reportAt = 0;
    const onRead = (sizeBytes: number) => {
      bytesDone += sizeBytes;
      if (bytesDone < reportAt) return;
      reportAt = bytesDone + REPORT_BYTES;
      onProgress({ phase: 'keys', bytesDone: Math.min(bytesDone, bytesTotal), bytesTotal });
    };
    return new KeyScan({ log, random, pace, mapBytesMax, startOffset, endOffset, onRead });
  }

  async #rewriteAll(pass: CompactionChoice, keys: KeyScan | null): Promise<void> {
    const { onProgress, target } = this.#parts;
    const stops = this.#stopsOf(pass);
    const bytesTotal = stops.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let bytesDone = 0;
    onProgress({ phase: 'rewriting', bytesDone, bytesTotal });
    for (const stop of stops) {
      if (!(await target.inTurn(() => this.#tryOne(stop, { pass, keys })))) return;
      bytesDone += stop.sizeBytes;
      onProgress({ phase: 'rewriting', bytesDone, bytesTotal });
    }
  }

  #stopsOf(pass: CompactionChoice): Stop[] {
    const { log, target } = this.#parts;
    const segments = log.segments.all;
    return segments.slice(0, -1).flatMap((segment, at) => {
      const end = segments[at + 1]?.baseOffset ?? 0;
      const described = target.describe(segment);
      const { baseOffset, sizeBytes } = described;
      return isOfPass(described, end, pass) ? [{ baseOffset, sizeBytes, end }] : [];
    });
  }

  /** Null when retention took it. */
  #listedAt({ baseOffset }: Stop): Segment | null {
    const segment = this.#parts.log.segments.floor(baseOffset);
    return segment?.baseOffset === baseOffset ? segment : null;
  }

  /**
   * What it was when the stops were chosen may have been replaced since, for its settled records: then its
   * header and its file are others.
   *
   * @returns false when it is damaged, or stays as it was though it should not: then nothing behind it is
   *   rewritten, for the headers there would say that all before them is done
   */
  async #tryOne(
    stop: Stop,
    { pass, keys }: { readonly pass: CompactionChoice; readonly keys: KeyScan | null },
  ): Promise<boolean> {
    const segment = this.#listedAt(stop);
    if (segment === null) return true;
    try {
      const isDone = await this.#one(segment, stop.end, { pass, keys });
      return isDone || this.#listedAt(stop) === null;
    } catch (error) {
      if (this.#listedAt(stop) === null && mayComeOfRemoval(error)) return true;
      if (!(error instanceof CorruptLogError)) throw error;
      this.#limits.damage = { offset: stop.baseOffset, error };
      return false;
    }
  }

  /** @returns whether it is as the pass wants it */
  async #one(
    segment: Segment,
    end: number,
    { pass, keys }: { readonly pass: CompactionChoice; readonly keys: KeyScan | null },
  ): Promise<boolean> {
    const { target, tally, nowMs } = this.#parts;
    const described = target.describe(segment);
    const dropsTombstones = mayDropTombstones(described, end, pass);
    const filter = new KeyFilter({ keys, dropsTombstones });
    await target.survey(segment, filter);
    if (!isRewritten(described, end, pass, filter)) {
      tally.kept(described.baseOffset, described.sizeBytes, filter);
      return true;
    }
    const stamps = stampsOf(described, end, pass, nowMs());
    const newSizeBytes = await target.rewrite(segment, filter, stamps);
    if (newSizeBytes === null) return false;
    tally.rewrote(described, newSizeBytes, filter);
    return true;
  }
}
