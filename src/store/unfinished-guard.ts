/** Keeps, counts or has archived what retention would take from groups that are not done with it. */
import type { Journal } from '../journal/journal.ts';
import { change } from '../journal/journal.ts';
import { RETENTION_PATIENCE_MS } from '../core/limits.ts';
import type { TrimGuard, TrimReason, TrimStep } from '../log/trim-guard.ts';
import { isQueue } from '../queue/share-state.ts';
import { topics } from '../topic/topic-state.ts';
import { policyOf, type UnfinishedPolicy } from '../topic/unfinished-options.ts';
import { unfinishedPassed } from '../topic/unfinished-passed.ts';
import type { UnfinishedArchive, UnfinishedArchiveParts } from './unfinished-archive.ts';
import { needsIn, type UnfinishedNeed, type UnfinishedPlace } from './unfinished-needs.ts';

export interface UnfinishedGuardParts extends Omit<
  UnfinishedArchiveParts,
  'committer' | 'shareGroups'
> {
  readonly journal: Journal;
  readonly archive: UnfinishedArchive;
}

/** What retention could not take at its last look. */
interface Waiting extends UnfinishedPlace {
  readonly topic: string;
  readonly toOffset: number;
  /** Where the log began when it was open. */
  readonly startOffset: number;
  /** Monotonic, and wall time. */
  readonly sinceMs: number;
  readonly sinceTimeMs: number;
}

interface FirstNeed {
  readonly need: UnfinishedNeed;
  readonly offset: number;
  /** Where the log begins. */
  readonly startOffset: number;
}

export class UnfinishedGuard {
  readonly #parts: UnfinishedGuardParts;
  /** By place. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(parts: UnfinishedGuardParts) {
    this.#parts = parts;
  }

  guardOf(place: UnfinishedPlace): TrimGuard {
    return {
      allow: (offset, why, steps = []) => this.#allowed(place, offset, { why, steps }),
      sparing: () => this.#spared(place),
      passing: async (startOffset, steps) => {
        const mayPass = await this.#passing(place, startOffset, steps);
        if (mayPass) this.#passed(place, steps);
        return mayPass;
      },
    };
  }

  /** Has health say how it stands now: a group may have come on since retention looked. */
  refresh(): void {
    for (const waiting of this.#waiting.values()) {
      const { topic, toOffset } = waiting;
      if (this.#nameOf(waiting) === null || !this.#hasRetention(waiting)) {
        this.#clear(topic, waiting);
        continue;
      }
      const first = this.#policyIn(waiting) === 'skip' ? null : this.#firstNeed(waiting, toOffset);
      this.#tell(topic, waiting, { first, toOffset });
    }
  }

  /** Retention wants nothing there any more: its bound was raised. */
  #spared(place: UnfinishedPlace): void {
    const waiting = this.#waiting.get(keyOf(place));
    if (waiting !== undefined) this.#clear(waiting.topic, place);
  }

  /** The log will not be asked where it begins once it is closed. */
  #passed(place: UnfinishedPlace, steps: readonly TrimStep[]): void {
    const key = keyOf(place);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    const startOffset = Math.max(waiting.startOffset, steps.at(-1)?.toOffset ?? 0);
    this.#waiting.set(key, { ...waiting, startOffset });
  }

  /** Whether what groups are not done with stays, as far as retention goes by age or size. */
  holds(place: UnfinishedPlace): boolean {
    return this.#policyIn(place) !== 'skip';
  }

  /** Where what groups are not done with is copied to before it goes; null = it is not. */
  archiveOf(place: UnfinishedPlace): string | null {
    if (this.#policyIn(place) !== 'archive') return null;
    return this.#parts.fold.get(topics, String(place.topicId))?.options.archiveTo ?? null;
  }

  /** Who is not done with what lies in a range. */
  needsIn(place: UnfinishedPlace): readonly UnfinishedNeed[] {
    return needsIn(this.#parts, place);
  }

  /** What somebody asked for, and what is settled, goes; of compaction groups need nothing. */
  #allowed(
    place: UnfinishedPlace,
    offset: number,
    { why, steps }: { readonly why: TrimReason; readonly steps: readonly TrimStep[] },
  ): number {
    const topic = why === 'retention' ? this.#nameOf(place) : null;
    if (topic === null) return offset;
    const policy = this.#policyIn(place);
    const first = policy === 'skip' ? null : this.#firstNeed(place, offset);
    this.#tell(topic, place, { first, toOffset: offset });
    if (first === null) return offset;
    if (policy === 'archive') this.#parts.archive.want(place, stepsBelow(steps, offset));
    return first.offset;
  }

  /** Who needs the first record below an offset, and which; null = nobody needs any. */
  #firstNeed(place: UnfinishedPlace, toOffset: number): FirstNeed | null {
    const partition = this.#parts.topics().partitionAt(place.topicId, place.partition);
    const known = this.#waiting.get(keyOf(place))?.startOffset ?? 0;
    const startOffset = partition?.opened?.startOffset ?? known;
    let first: FirstNeed | null = null;
    for (const need of needsIn(this.#parts, place)) {
      const offset = need.first(startOffset);
      if (offset < (first?.offset ?? toOffset)) first = { need, offset, startOffset };
    }
    return first;
  }

  /**
   * Counts what groups lose, until nothing is left to be counted: others may come while it is journaled.
   *
   * @throws as `Journal.append`
   */
  async #passing(
    place: UnfinishedPlace,
    startOffset: number,
    steps: readonly TrimStep[],
  ): Promise<boolean> {
    for (;;) {
      const topic = this.#nameOf(place);
      const entries = topic === null ? [] : this.#passedIn(place, startOffset, steps);
      if (topic === null || entries.length === 0) return true;
      const isByRule = steps.some(({ reason }) => reason === 'age' || reason === 'size');
      if (isByRule && this.#policyIn(place) !== 'skip') return false;
      const { journal, signals } = this.#parts;
      await journal.appendAll(entries.map((entry) => change(unfinishedPassed, entry)));
      for (const { topicId: _topicId, timeMs: _timeMs, ...passed } of entries) {
        signals.events.emit('unfinished-passed', { topic, ...passed });
      }
    }
  }

  #passedIn(place: UnfinishedPlace, startOffset: number, steps: readonly TrimStep[]) {
    const timeMs = this.#parts.clock.now();
    const { topicId, partition } = place;
    return needsIn(this.#parts, place).flatMap((need) => {
      const { groupKind, group } = need;
      let from = startOffset;
      return steps.flatMap(({ reason, toOffset }) => {
        const range = { from, to: toOffset };
        from = Math.max(from, toOffset);
        const count = range.from < toOffset ? need.countIn(range) : 0;
        if (count === 0) return [];
        const which = { topicId, partition, groupKind, group, reason };
        const fromOffset = need.first(range.from);
        return [{ ...which, outcome: 'skipped' as const, count, fromOffset, toOffset, timeMs }];
      });
    });
  }

  #tell(
    topic: string,
    place: UnfinishedPlace,
    { first, toOffset }: { readonly first: FirstNeed | null; readonly toOffset: number },
  ): void {
    if (first === null) {
      this.#clear(topic, place);
      return;
    }
    const { clock, signals, archive } = this.#parts;
    const key = keyOf(place);
    const nowMs = clock.monotonic();
    const { sinceMs, sinceTimeMs } = this.#waiting.get(key) ?? {
      sinceMs: nowMs,
      sinceTimeMs: clock.now(),
    };
    const { topicId, partition } = place;
    const at = { topicId, partition, topic, toOffset, startOffset: first.startOffset };
    this.#waiting.set(key, { ...at, sinceMs, sinceTimeMs });
    const isArchiving = this.#policyIn(place) === 'archive';
    const problem = isArchiving ? archive.problemIn(place) : null;
    const { groupKind, group } = first.need;
    const who = `${groupKind} group ${group} has not finished`;
    const why = problem === null ? '' : `, and could not archive: ${problem}`;
    const message = `${topic}/${partition} keeps records that ${who}, from offset ${first.offset} on${why}`;
    // Raised anew: it may be another group, or offset, by now.
    signals.health.clear({ code: 'retention-waits', topic, partition });
    signals.health.raise({
      code: 'retention-waits',
      topic,
      partition,
      message,
      sinceMs: sinceTimeMs,
      tellAfterMs: Math.max(0, RETENTION_PATIENCE_MS - (nowMs - sinceMs)),
    });
  }

  #clear(topic: string, place: UnfinishedPlace): void {
    const { partition } = place;
    if (!this.#waiting.delete(keyOf(place))) return;
    this.#parts.archive.forget(place);
    this.#parts.signals.health.clear({ code: 'retention-waits', topic, partition });
  }

  #policyIn({ topicId }: UnfinishedPlace): UnfinishedPolicy {
    const { fold } = this.#parts;
    const options = fold.get(topics, String(topicId))?.options;
    return options === undefined ? 'skip' : policyOf(options, isQueue(fold, topicId));
  }

  #hasRetention({ topicId }: UnfinishedPlace): boolean {
    const options = this.#parts.fold.get(topics, String(topicId))?.options;
    return (options?.retentionMs ?? options?.retentionBytes ?? null) !== null;
  }

  /** Null when the topic is gone. */
  #nameOf({ topicId }: UnfinishedPlace): string | null {
    return this.#parts.topics().nameOf(topicId);
  }
}

/** @param offset  what lies behind it may not go anyway */
function stepsBelow(steps: readonly TrimStep[], offset: number): readonly TrimStep[] {
  let from = 0;
  return steps.flatMap(({ reason, toOffset: end }) => {
    const toOffset = Math.min(end, offset);
    const isEmpty = toOffset <= from;
    from = toOffset;
    return isEmpty ? [] : [{ reason, toOffset }];
  });
}

function keyOf({ topicId, partition }: UnfinishedPlace): string {
  return `${topicId}/${partition}`;
}
