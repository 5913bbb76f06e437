/**
 * Archives what retention is to take, in the background: the guard of a log only says what there is to do, for
 * a commit may have to wait for room, which retention of all logs makes.
 */
import { toError } from '../core/abort.ts';
import type { ConsumerGroups } from '../group/groups.ts';
import type { Committer } from '../journal/committer.ts';
import type { Fold } from '../journal/fold.ts';
import { change, type Change } from '../journal/journal.ts';
import type { Log } from '../log/log.ts';
import type { PassReason, TrimStep } from '../log/trim-guard.ts';
import { offsetsCommitted } from '../group/group-state.ts';
import {
  archivedCopy,
  archivePieces,
  tooLarge,
  UNTRIED,
  type ArchivePiece,
  type ArchivedPiece,
} from '../queue/archive-run.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { Topic } from '../topic/topic.ts';
import { unfinishedPassed, type GroupRef } from '../topic/unfinished-passed.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import {
  committedIn,
  needsIn,
  type UnfinishedNeed,
  type UnfinishedPlace,
} from './unfinished-needs.ts';

export interface UnfinishedArchiveParts {
  readonly fold: Fold;
  readonly clock: TopicHome['clock'];
  readonly signals: StoreSignals;
  readonly committer: Committer;
  readonly groups: ConsumerGroups;
  readonly shareGroups: ShareGroups;
  readonly topics: () => TopicCatalog;
}

interface Wanted extends UnfinishedPlace {
  readonly steps: readonly TrimStep[];
  /** Of those who wait until it was tried: each gets why something was left. */
  readonly waiters: ((why: Error | null) => void)[];
  /** Ends it between two commits. */
  readonly ending: AbortController;
}

/** One run in one partition. */
interface Run extends UnfinishedPlace {
  readonly topic: PartitionSet;
  readonly log: Log<Uint8Array>;
  /** As the topic says before each commit; null = nothing is to be archived any more. */
  readonly target: () => Promise<Topic<Uint8Array> | null>;
  readonly signal: AbortSignal;
  archivedCount: number;
  problem: Error | null;
}

interface TargetedPiece extends ArchivePiece {
  readonly reason: PassReason;
  readonly target: Topic<Uint8Array>;
}

export class UnfinishedArchive {
  readonly #parts: UnfinishedArchiveParts;
  /** By place. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #problems = new Map<string, Error>();
  #current: Wanted | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(parts: UnfinishedArchiveParts) {
    this.#parts = parts;
  }

  /** Has what is not finished below the last step archived, soon. */
  want(place: UnfinishedPlace, steps: readonly TrimStep[]): void {
    if (this.#isClosed || steps.length === 0) return;
    const { topicId, partition } = place;
    const { waiters = [] } = this.#wanted.get(keyOf(place)) ?? {};
    const ending = new AbortController();
    this.#wanted.set(keyOf(place), { topicId, partition, steps, waiters, ending });
    this.#running ??= this.#runAll();
  }

  /**
   * Waits until what is wanted of a partition by now is archived, or was tried once.
   *
   * @returns why something of it was left; null = nothing was in the way, or nothing is wanted
   */
  tried(place: UnfinishedPlace): Promise<Error | null> {
    const key = keyOf(place);
    const isCurrent = this.#current !== null && keyOf(this.#current) === key;
    const wanted = this.#wanted.get(key) ?? (isCurrent ? this.#current : null);
    if (wanted === null) return Promise.resolve(null);
    return new Promise((resolve) => wanted.waiters.push(resolve));
  }

  /** Why the last run in a partition left something; null = it did not, or there was none. */
  problemIn(place: UnfinishedPlace): string | null {
    return this.#problems.get(keyOf(place))?.message ?? null;
  }

  /** Resolves when all that is wanted is archived, or was tried. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Nothing waits there any more: what is under way ends between two commits. */
  forget(place: UnfinishedPlace): void {
    const key = keyOf(place);
    this.#problems.delete(key);
    if (this.#current !== null && keyOf(this.#current) === key) this.#current.ending.abort();
    const wanted = this.#wanted.get(key);
    if (wanted === undefined) return;
    this.#wanted.delete(key);
    tell(wanted, null);
  }

  /** Ends it between two commits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#current?.ending.abort();
    for (const wanted of this.#wanted.values()) tell(wanted, this.#parts.topics().closedError());
    this.#wanted.clear();
    await this.idle();
  }

  /** Never rejects. */
  async #runAll(): Promise<void> {
    await Promise.resolve(); // Not in the step of who asked.
    for (const [key, wanted] of this.#wanted) {
      this.#wanted.delete(key);
      this.#problems.delete(key);
      this.#current = wanted;
      const problem = await this.#runOne(wanted).catch(toError);
      this.#current = null;
      // Of one that was ended nobody wants to hear, and nobody would have it forgotten.
      if (problem !== null && !wanted.ending.signal.aborted) this.#problems.set(key, problem);
      tell(wanted, this.#isClosed ? this.#parts.topics().closedError() : problem);
    }
    this.#running = null; // In the step that has looked: who wants something later begins anew.
  }

  /** @returns why something was left; null = nothing was in the way */
  async #runOne(wanted: Wanted): Promise<Error | null> {
    const topic = this.#parts.topics().at(wanted.topicId);
    const partition = this.#parts.topics().partitionAt(wanted.topicId, wanted.partition);
    if (topic === null || partition === null) return null;
    const run = await partition.use((log) => this.#archive(topic, log, wanted));
    // What is archived goes now, and not at the next look.
    if (run.archivedCount > 0) await partition.use((log) => log.retain());
    return run.problem;
  }

  async #archive(topic: PartitionSet, log: Log<Uint8Array>, wanted: Wanted): Promise<Run> {
    const { topicId, partition, ending, steps } = wanted;
    const place = { topicId, partition, topic, log, signal: ending.signal };
    const target = this.#targetOf(topic);
    const run: Run = { ...place, target, archivedCount: 0, problem: null };
    for (const { reason, toOffset } of steps) {
      for (const need of needsIn(this.#parts, run)) {
        if (run.signal.aborted) return run;
        if (need.first(log.startOffset) >= toOffset) continue;
        await this.#archiveFor(run, need, { reason, toOffset });
      }
    }
    return run;
  }

  /** Asks the topic each time: it may have been altered since it was wanted. */
  #targetOf(topic: PartitionSet): Run['target'] {
    const { retentionMs, retentionBytes } = topic.settings;
    return async () => {
      const { settings } = topic;
      if (settings.unfinished !== 'archive') return null;
      // Retention may want less than it did: it says so when it looks again.
      if (settings.retentionMs !== retentionMs) return null;
      if (settings.retentionBytes !== retentionBytes) return null;
      const name = settings.archiveTo ?? '';
      const catalog = this.#parts.topics();
      return new Topic(await catalog.open<Uint8Array, Uint8Array>(name, { create: false }));
    };
  }

  /** One group does not hold up the others. Never rejects. */
  async #archiveFor(run: Run, need: UnfinishedNeed, step: TrimStep): Promise<void> {
    try {
      if (need.groupKind === 'consumer') await this.#archiveUnread(run, need, step);
      else await this.#archiveUnsettled(run, need, step);
    } catch (error) {
      // One that was deleted meanwhile needs nothing.
      if (needsIn(this.#parts, run).some(isOf(need))) run.problem = toError(error);
    }
  }

  /** What a share group has not settled. */
  async #archiveUnsettled(run: Run, need: UnfinishedNeed, step: TrimStep): Promise<void> {
    const { partition, target } = run;
    const archived = (piece: ArchivedPiece): void => this.#archived(run, need, step.reason, piece);
    const { shareGroups } = this.#parts;
    const problem = await shareGroups.whileLive(run.topic, need.group, (live, ending) => {
      const signal = AbortSignal.any([run.signal, ending]);
      const order = { partition, target, signal, archived, ...step };
      return live.archive(order).catch((error: unknown) => {
        if (ending.aborted) return null; // It is being deleted: that is no trouble.
        throw error;
      });
    });
    if (problem !== null) run.problem = new RangeError(problem);
  }

  /** What a consumer group has not passed. */
  async #archiveUnread(run: Run, need: UnfinishedNeed, step: TrimStep): Promise<void> {
    const { log } = run;
    const from = need.first(log.startOffset);
    const to = Math.min(step.toOffset, log.visibleOffset);
    if (from >= to) return;
    for await (const piece of archivePieces(log, { from, to }, () => true, run.signal)) {
      const target = await run.target();
      if (target === null) return;
      const { reason } = step;
      if (!(await this.#archivePiece(run, need, { ...piece, reason, target }))) return;
    }
  }

  /** @returns whether to go on behind it */
  async #archivePiece(
    run: Run,
    { group }: UnfinishedNeed,
    { records, range, reason, target }: TargetedPiece,
  ): Promise<boolean> {
    const { groups, clock } = this.#parts;
    const name = { topicId: run.topicId, group };
    const timeMs = clock.now();
    const copies = records.map((record) => {
      const { offset } = record;
      const place = { topic: run.topic.name, group, partition: run.partition, offset };
      const copy = archivedCopy(
        record,
        { ...UNTRIED, ...place, reason: 'retention', timeMs },
        target,
      );
      if (copy === null) throw new RangeError(tooLarge(offset));
      return copy;
    });
    return groups.whileStill(name, async (isUsed) => {
      // It may have been deleted, or come on by itself.
      const need = needsIn(this.#parts, run).find(isOf({ groupKind: 'consumer', group }));
      if (need?.first(range.from) !== range.from) return false;
      const { from: fromOffset, to: toOffset } = range;
      const piece = { count: copies.length, fromOffset, toOffset };
      const { topicId, partition } = run;
      const place = { topicId, partition, groupKind: 'consumer', group } as const;
      const passed = { ...place, reason, outcome: 'archived', ...piece, timeMs } as const;
      const changes = [change(unfinishedPassed, passed)];
      // A member has a place of its own, and commits it: it meets `whenLost`.
      if (!isUsed) changes.unshift(this.#positionAt(run, group, toOffset));
      const appends = copies.length === 0 ? [] : await target.forCommit(copies);
      await this.#parts.committer.commit({ changes, appends });
      this.#archived(run, passed, reason, piece);
      return true;
    });
  }

  #positionAt({ topicId, partition, log }: Run, group: string, offset: number): Change {
    const { fold, clock } = this.#parts;
    const metadata = committedIn(fold, { topicId, partition }, group)?.metadata ?? '';
    const position = { partition, logId: log.logId, offset, epoch: 0, metadata };
    const positions = [{ topicId, group, positions: [position] }];
    return change(offsetsCommitted, { groups: positions, timeMs: clock.now() });
  }

  #archived(
    run: Run,
    { groupKind, group }: GroupRef,
    reason: PassReason,
    piece: ArchivedPiece,
  ): void {
    run.archivedCount += Math.max(1, piece.count);
    const { topic, partition } = run;
    const place = { topic: topic.name, group, groupKind, partition };
    const passed = { ...place, reason, outcome: 'archived', ...piece } as const;
    this.#parts.signals.events.emit('unfinished-passed', passed);
  }
}

function tell({ waiters }: Wanted, why: Error | null): void {
  for (const waiter of waiters.splice(0)) waiter(why);
}

function keyOf({ topicId, partition }: UnfinishedPlace): string {
  return `${topicId}/${partition}`;
}

function isOf(ref: GroupRef): (need: GroupRef) => boolean {
  return ({ groupKind, group }) => groupKind === ref.groupKind && group === ref.group;
}
