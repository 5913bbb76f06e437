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
}

/** One run in one partition. */
interface Run extends UnfinishedPlace {
  readonly topic: PartitionSet;
  readonly log: Log<Uint8Array>;
  readonly target: Topic<Uint8Array>;
  archivedCount: number;
  problem: string | null;
}

export class UnfinishedArchive {
  readonly #parts: UnfinishedArchiveParts;
  /** By place. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #problems = new Map<string, string>();
  readonly #ending = new AbortController();
  #running: Promise<void> | null = null;

  constructor(parts: UnfinishedArchiveParts) {
    this.#parts = parts;
  }

  /** Has what is not finished below the last step archived, soon. */
  want(place: UnfinishedPlace, steps: readonly TrimStep[]): void {
    if (this.#ending.signal.aborted || steps.length === 0) return;
    const { topicId, partition } = place;
    this.#wanted.set(keyOf(place), { topicId, partition, steps });
    this.#running ??= this.#runAll();
  }

  /** Why the last run in a partition left something; null = it did not, or there was none. */
  problemIn(place: UnfinishedPlace): string | null {
    return this.#problems.get(keyOf(place)) ?? null;
  }

  /** Resolves when all that is wanted is archived, or was tried. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Nothing waits there any more. */
  forget(place: UnfinishedPlace): void {
    this.#problems.delete(keyOf(place));
  }

  /** Ends it between two commits. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.idle();
  }

  /** Never rejects. */
  async #runAll(): Promise<void> {
    await Promise.resolve(); // Not in the step of who asked.
    for (const [key, wanted] of this.#wanted) {
      if (this.#ending.signal.aborted) break;
      this.#wanted.delete(key);
      await this.#runOne(key, wanted);
    }
    this.#running = null; // In the step that has looked: who wants something later begins anew.
  }

  async #runOne(key: string, wanted: Wanted): Promise<void> {
    this.#problems.delete(key);
    try {
      const topic = this.#parts.topics().at(wanted.topicId);
      const partition = this.#parts.topics().partitionAt(wanted.topicId, wanted.partition);
      if (topic?.settings.unfinished !== 'archive' || partition === null) return;
      const archivedCount = await partition.use(async (log) => this.#archive(topic, log, wanted));
      // What is archived goes now, and not at the next look.
      if (archivedCount > 0) await partition.use((log) => log.retain());
    } catch (error) {
      this.#problems.set(key, toError(error).message);
    }
  }

  /** @returns how many were copied, or known to be no record */
  async #archive(topic: PartitionSet, log: Log<Uint8Array>, wanted: Wanted): Promise<number> {
    const target = await this.#target(topic);
    const { topicId, partition } = wanted;
    const run: Run = { topicId, partition, topic, log, target, archivedCount: 0, problem: null };
    for (const { reason, toOffset } of wanted.steps) {
      for (const need of needsIn(this.#parts, run)) {
        if (need.first(log.startOffset) >= toOffset) continue;
        await this.#archiveFor(run, need, { reason, toOffset }).catch((error: unknown) => {
          run.problem = toError(error).message; // One group does not hold up the others.
        });
      }
    }
    if (run.problem !== null) this.#problems.set(keyOf(run), run.problem);
    return run.archivedCount;
  }

  /** @throws NotFoundError */
  async #target({ settings }: PartitionSet): Promise<Topic<Uint8Array>> {
    const catalog = this.#parts.topics();
    const name = settings.archiveTo ?? '';
    return new Topic(await catalog.open<Uint8Array, Uint8Array>(name, { create: false }));
  }

  async #archiveFor(run: Run, need: UnfinishedNeed, step: TrimStep): Promise<void> {
    if (need.groupKind === 'consumer') {
      await this.#archiveUnread(run, need, step);
      return;
    }
    const { partition, target } = run;
    const { signal } = this.#ending;
    const archived = (piece: ArchivedPiece): void => this.#archived(run, need, step.reason, piece);
    const order = { partition, target, signal, archived, ...step };
    const { shareGroups } = this.#parts;
    const problem = await shareGroups.whileLive(run.topic, need.group, (live) => {
      return live.archive(order);
    });
    run.problem = problem ?? run.problem;
  }

  /** What a consumer group has not passed. */
  async #archiveUnread(run: Run, need: UnfinishedNeed, step: TrimStep): Promise<void> {
    const { log } = run;
    const from = need.first(log.startOffset);
    const to = Math.min(step.toOffset, log.visibleOffset);
    if (from >= to) return;
    for await (const piece of archivePieces(log, { from, to }, () => true)) {
      this.#ending.signal.throwIfAborted();
      if (!(await this.#archivePiece(run, need, step.reason, piece))) return;
    }
  }

  /** @returns whether to go on behind it */
  async #archivePiece(
    run: Run,
    { group }: UnfinishedNeed,
    reason: PassReason,
    { records, range }: ArchivePiece,
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
        run.target,
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
      const appends = copies.length === 0 ? [] : await run.target.forCommit(copies);
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

function keyOf({ topicId, partition }: UnfinishedPlace): string {
  return `${topicId}/${partition}`;
}

function isOf(ref: GroupRef): (need: GroupRef) => boolean {
  return ({ groupKind, group }) => groupKind === ref.groupKind && group === ref.group;
}
