/** Passes of compaction over one log, one after the other, until what there was to do is done. */
import { present } from '../core/assert.ts';
import type { Segment } from '../segment/segment.ts';
import { enterSegments } from './compactable-segments.ts';
import type { CompactionPlan, CompactionProgress } from './compact-options.ts';
import {
  CompactionPass,
  type CompactionDamage,
  type PassParts,
  type RunLimits,
} from './compaction-pass.ts';
import type { CompactionChoice } from './compaction-plan.ts';
import { CompactionTally, type CompactedSegments } from './compaction-tally.ts';

export interface RunParts extends Omit<PassParts, 'tally' | 'onProgress'> {
  readonly onProgress: ((progress: CompactionProgress) => void) | null;
  /** Told at the end of each pass that put something in place. */
  readonly onCompacted: ((compacted: CompactedSegments) => void) | null;
}

export class CompactionRun {
  readonly tally = new CompactionTally();
  /** What is left to do; null before it has begun. */
  next: CompactionChoice | null = null;
  readonly #parts: RunParts;
  readonly #limits: RunLimits = { damage: null, guardedOffset: null };
  /** What there was to do, and in which segments. */
  #first: CompactionChoice | null = null;
  #segments: readonly Segment[] = [];

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** The first that it met: what lies in front of it was done. */
  get damage(): CompactionDamage | null {
    return this.#limits.damage;
  }

  /** @throws as `CompactionPass.run` */
  async run(): Promise<void> {
    let { why } = await this.begin();
    while (why !== null && (await this.#runPass())) why = this.next?.why ?? null;
  }

  /**
   * @returns what there is to do, the guard unasked
   * @throws IoError, UnsupportedVersionError; what `Pace.turn` throws
   */
  async begin(): Promise<CompactionChoice> {
    const { log, pace, settings } = this.#parts;
    const error = await enterSegments(log, { pace, needsAges: settings.compactionLagMsMin > 0 });
    if (error !== null) this.#limits.damage = { offset: error.details.firstOffset ?? 0, error };
    this.#segments = log.segments.all;
    const { choice } = this.#newPass();
    this.#first = choice;
    this.next = choice;
    return choice;
  }

  /** What it found, and what it has done. */
  get plan(): CompactionPlan {
    const { tally } = this;
    const { cleanOffset, limitOffset, limitedBy } = present(this.#first, 'the run has begun');
    const segments = this.#segments.filter((_, at) => {
      const next = this.#segments[at + 1];
      return next !== undefined && next.baseOffset <= limitOffset;
    });
    let [bytesBefore, bytesAfter, keptTombstoneCount] = [0, 0, 0];
    for (const { baseOffset, sizeBytes, header } of segments) {
      const found = tally.of(baseOffset);
      bytesBefore += sizeBytes;
      bytesAfter += found?.sizeBytes ?? sizeBytes;
      keptTombstoneCount += found?.tombstoneCount ?? header?.tombstoneCount ?? 0;
    }
    return {
      cleanOffset,
      limitOffset,
      limitedBy,
      segmentCount: segments.length,
      bytesBefore,
      bytesAfter,
      keyCount: tally.keyCount,
      keylessCount: tally.keylessCount,
      supersededCount: tally.supersededCount,
      tombstoneCount: keptTombstoneCount + tally.droppedTombstoneCount,
      droppedTombstoneCount: tally.droppedTombstoneCount,
      passCount: tally.passCount,
      neededFreeBytes: tally.neededFreeBytes,
    };
  }

  /** @returns whether another one may follow: one that changes nothing would be followed by its like */
  async #runPass(): Promise<boolean> {
    const isFirst = this.tally.passCount === 0;
    const pass = this.#newPass();
    try {
      return await pass.run();
    } finally {
      if (isFirst) this.#first = pass.choice; // The guard was asked, and damage may have been met.
      this.next = this.#newPass().choice;
      const compacted = this.tally.endPass();
      if (compacted !== null) this.#parts.onCompacted?.(compacted);
    }
  }

  #newPass(): CompactionPass {
    const { onProgress } = this.#parts;
    const { tally } = this;
    const pass = tally.passCount + 1;
    const report: PassParts['onProgress'] = (progress) =>
      onProgress?.({ ...progress, pass, freedBytes: tally.freedBytes });
    return new CompactionPass({ ...this.#parts, tally, onProgress: report }, this.#limits);
  }
}
