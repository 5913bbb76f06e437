/**
 * The way into a topic for records that may be in it already: by an id, or by what is in them.
 *
 * What nobody has seen is appended in the turn of its call. What looks like something that is stored, or on
 * its way, waits until that is certain, and those behind it wait, too: order of calls holds in a topic.
 * An id counts from the moment on in which its record is visible, never before: what a log refuses leaves
 * nothing behind.
 */
import { toError } from '../core/abort.ts';
import { assert, present } from '../core/assert.ts';
import { Fingerprint } from '../core/fingerprint.ts';
import { Mutex } from '../core/mutex.ts';
import type { AppendBatchResult } from '../log/append-result.ts';
import { whenAppended } from '../log/append-run.ts';
import { FingerprintTag } from '../log/batch-tag.ts';
import type { Log } from '../log/log.ts';
import {
  fingerprintsOf,
  takeFingerprint,
  type DedupCall,
  type DedupIdentity,
} from './dedup-call.ts';
import { beginDedup, isBegun } from './dedup-begin.ts';
import { DedupClaim } from './dedup-claim.ts';
import { DedupCounts, type DedupFigures } from './dedup-figures.ts';
import { DedupFlights } from './dedup-flights.ts';
import { JoinedAppend } from './dedup-joined.ts';
import { loadDedup } from './dedup-load.ts';
import { DedupLook, type DedupState } from './dedup-look.ts';
import { enteredRun, PendingRun } from './dedup-pending.ts';
import { beginThrough, DedupUpkeep } from './dedup-upkeep.ts';
import { LoadedIds } from './loaded-ids.ts';
import type { DedupTime } from './dedup-window.ts';
import { duplicatesOf, freshIn, runOf, type RunParts, type Sorted } from './dedup-sorting.ts';
import type { PartitionSet } from './partition-set.ts';
import { recordsIn, settleParts, storedInPart } from './settle-parts.ts';
import type { TopicHome } from './topic-home.ts';
import type { DuplicateRecord, TopicAppendResult } from './topic-results.ts';

const NO_DUPLICATES: readonly DuplicateRecord[] = [];

type PlacedRun = AppendBatchResult & { readonly partition: number };

/** Records of a call that are to be appended. */
interface NewRun extends Pick<RunParts, 'partition' | 'records' | 'words'> {
  readonly log: Log<Uint8Array>;
}

/** What became of the records of a call. */
export interface DedupOutcome {
  readonly placed: readonly PlacedRun[];
  readonly duplicates: readonly DuplicateRecord[];
}

export class DedupGate {
  readonly #home: TopicHome;
  readonly #partitions: PartitionSet;
  readonly #flights: DedupFlights;
  readonly #fifo = new Mutex();
  /** Calls in the FIFO that have no place yet. */
  #waitingCount = 0;
  #state: DedupState | null = null;
  /** Runs from the first load on. */
  #time: DedupTime | null = null;
  /** By partition: where the log ended when it was loaded first. */
  #ownFrom: readonly number[] = [];
  readonly #upkeep: DedupUpkeep;
  /** Logs that others took the place of. */
  #replacedCount = 0;
  readonly #counts = new DedupCounts();
  /** Of one record. */
  readonly #one = new Uint32Array(2);

  constructor(home: TopicHome, partitions: PartitionSet) {
    this.#home = home;
    this.#partitions = partitions;
    this.#upkeep = new DedupUpkeep(() => home.dedupMemory.look());
    this.#flights = new DedupFlights(partitions, {
      now: () => present(this.#time, 'it was loaded before anything was appended').now(),
      onEntered: (run, count) => this.#enter(run, count),
    });
  }

  /** What is below is not needed any more in a partition: infinite = nothing is; null = it is not known here. */
  windowStart(partition: number): number | null {
    const state = this.current();
    if (state === null || partition >= state.windows.partitionCount) return null;
    const keptFrom = state.windows.keptFrom(partition, state.time.now());
    // What was just synced may have yet to enter the window.
    return Math.min(keptFrom, this.#flights.pending.firstOffset(partition));
  }

  /** O(shards), no I/O. */
  get figures(): DedupFigures {
    const { count: idCount = 0, byteLength: sizeBytes = 0 } = this.#state?.table ?? {};
    const { duplicateCount, confirmedReadCount } = this.#counts;
    return { idCount, sizeBytes, duplicateCount, confirmedReadCount };
  }

  /** Offsets mean something else from now on: a log was replaced. */
  forget(): void {
    this.#replacedCount++;
    this.#state = null;
    this.#home.dedupMemory.leave(this.#partitions);
  }

  /** What a commit wants stored, unless it is. */
  claim(): DedupClaim {
    const [partitions, flights, counts] = [this.#partitions, this.#flights, this.#counts];
    return new DedupClaim({ gate: this, partitions, flights, counts });
  }

  /** Has it loaded, behind all calls before. @throws CorruptLogError; as `openLog` */
  async load(): Promise<void> {
    await this.#fifo.run(async () => this.current() ?? (await this.#load()));
  }

  /** @throws as `Log.appendBatch`; CorruptLogError when a stored record that may be equal cannot be read */
  async append(call: DedupCall): Promise<DedupOutcome> {
    const answer = this.#waitingCount === 0 ? this.#atOnce(call) : null;
    if (answer !== null) {
      call.end?.();
      return answer;
    }
    call.keep?.();
    this.#waitingCount++;
    // The answer is not waited for in there: others have their turn when it has its place.
    const placed = await this.#fifo
      .run(async () => ({ answer: await this.#inTurn(call) }))
      .finally(() => this.#waitingCount--);
    return placed.answer();
  }

  /**
   * One record, at the level of the topic; it shares a batch with others of its turn. Null = it is to be
   * appended as a call: it may be known, or others are before it.
   *
   * @param record  good for this turn
   */
  appendOne(partition: number, identity: DedupIdentity): Promise<TopicAppendResult> | null {
    const state = this.#waitingCount === 0 ? this.current() : null;
    const log = this.#partitions.at(partition).opened;
    if (state?.stored.isEmpty !== true || log === null || log.life.closing !== null) return null;
    const { appender } = log.forStore();
    const { settings, fingerprint, table } = state;
    if (appender.refusal(undefined) !== null) return null;
    if (!takeFingerprint(identity, settings, fingerprint)) return null;
    const { high, low } = fingerprint;
    const words = this.#one;
    words[0] = high;
    words[1] = low;
    if (!this.#flights.pending.hasNone(words) || table.firstSuspect(words) >= 0) return null;
    const offset = appender.nextOffset;
    beginThrough(state, partition);
    table.add(high, low, partition, offset);
    appender.addJoining(identity.record, high, low);
    const { durability: asked } = this.#partitions.settings;
    const place = { log, partition, offset, asked };
    const flight = this.#flights.joined(place);
    return new Promise((resolve, reject) => {
      appender.submit(asked, new JoinedAppend(place, flight, { resolve, reject }));
    });
  }

  /** In this turn, if all of it is new for certain. */
  #atOnce(call: DedupCall): Promise<DedupOutcome> | null {
    const state = this.current();
    if (state?.stored.isEmpty !== true || call.options.signal?.aborted === true) return null;
    const runs: NewRun[] = [];
    for (const part of call.parts) {
      const { partition, records } = part;
      const log = this.#partitions.at(partition).opened;
      if (log === null || log.life.closing !== null) return null;
      if (log.forStore().appender.refusal(undefined) !== null) return null;
      const words = fingerprintsOf(part, state.settings, state.fingerprint);
      const isNew = this.#flights.pending.hasNone(words) && state.table.firstSuspect(words) < 0;
      if (!isNew) return null;
      runs.push({ log, partition, records, words });
    }
    // Before there are records: what the table has of a place where no record is to be seen means nothing.
    for (const { log, partition, words } of runs) {
      beginThrough(state, partition);
      if (state.table.addRunNew(partition, log.endOffset, words) >= 0) return null; // Twins.
    }
    call.admit?.(call.parts.flatMap(({ indexes }) => indexes).toSorted(ascending));
    return settleParts(runs.map((run) => this.#appendRun(run, null, call))).then(allPlaced);
  }

  async #inTurn(call: DedupCall): Promise<() => Promise<DedupOutcome>> {
    const releases: (() => void)[] = [];
    try {
      const logs = new Map<number, Log<Uint8Array>>();
      for (const { partition } of call.parts) {
        const used = this.#partitions.at(partition);
        releases.push(used.hold());
        const log = await used.log();
        log.forStore(); // Refuses what can only be read, before anything is written for it.
        logs.set(partition, log);
      }
      const state = this.current() ?? (await this.#load());
      call.options.signal?.throwIfAborted();
      // Most have nothing to wait for but their turn.
      const answer = this.#atOnce(call);
      answer?.catch(() => undefined); // Whoever waits for it is told.
      if (answer !== null) return () => answer;
      const look = this.#look(call, state);
      for (let wait = look.obstacle(); wait !== null; wait = look.obstacle()) await wait;
      if (look.failure !== null) throw look.failure;
      // In one step with the last look, for commits append ids whenever they are ready.
      const place = this.#place(call, look.sorted, logs);
      return () => this.#withSynced(call, place());
    } finally {
      for (const release of releases) release();
    }
  }

  #look({ parts }: DedupCall, state: DedupState): DedupLook {
    const { pending } = this.#flights;
    const [partitions, counts] = [this.#partitions, this.#counts];
    return new DedupLook({ partitions, pending, state, counts }, parts);
  }

  /** Appends what is new, in this turn. @returns waits for that */
  #place(
    call: DedupCall,
    all: readonly Sorted[],
    logs: ReadonlyMap<number, Log<Uint8Array>>,
  ): () => Promise<DedupOutcome> {
    const bases: number[] = [];
    const runs: (NewRun & RunParts)[] = [];
    const fresh = all.map(freshIn);
    for (const [at, sorted] of all.entries()) {
      const own = present(fresh[at], 'one for each');
      if (own.length === 0) {
        bases.push(-1);
        continue;
      }
      const { partition } = sorted.part;
      const log = present(logs.get(partition), 'it was opened');
      bases.push(log.endOffset);
      runs.push({ log, ...runOf(sorted, own) });
    }
    for (const { log } of runs) {
      const refusal = log.forStore().appender.refusal(undefined);
      if (refusal !== null) throw refusal; // Before others take theirs.
    }
    admit(call, all, fresh);
    const settled = settleParts(runs.map((run) => this.#appendRun(run, run, call)));
    settled.catch(() => undefined); // Whoever waits for it is told.
    return async () => {
      const placed = await settled;
      const duplicates = duplicatesOf(all, bases);
      this.#counts.duplicateCount += duplicates.length;
      return { placed, duplicates };
    };
  }

  /**
   * To a log that does not refuse it.
   *
   * @param parts  of the run, to be entered when it is seen; null = it is in the table already
   */
  async #appendRun(
    { log, partition, records, words }: NewRun,
    parts: RunParts | null,
    { options }: DedupCall,
  ): Promise<PlacedRun> {
    const { appender } = log.forStore();
    if (options.signal?.aborted === true) throw toError(options.signal.reason);
    const baseOffset = appender.nextOffset;
    const recordCount = records.length;
    appender.addRun({ records, tag: new FingerprintTag(words) });
    const run =
      parts === null
        ? enteredRun(partition, baseOffset, recordCount)
        : new PendingRun(parts, baseOffset);
    this.#flights.appended(log, run);
    const { durability } = await whenAppended(appender, { baseOffset, recordCount }, options);
    return { partition, baseOffset, recordCount, durability };
  }

  /** The first so many of a run are there, for all to see. */
  #enter(run: PendingRun, count: number): void {
    if (this.#state === null) return; // What is loaded finds them.
    this.#upkeep.entered(this.#state, run, count);
  }

  /** A duplicate is answered when the record that is stored has the level that was asked for. */
  async #withSynced(call: DedupCall, answer: Promise<DedupOutcome>): Promise<DedupOutcome> {
    const outcome = await answer;
    const { durability } = call.options;
    if (durability === 'os') return outcome;
    for (const { partition, offset } of outcome.duplicates) {
      const needsSync = durability === 'sync' || this.#partitions.settings.durability === 'os';
      if (!needsSync) continue;
      const synced = this.#partitions.at(partition).use(async (log) => {
        if (log.durableOffset <= offset) await log.sync();
      });
      await synced.catch((error: unknown) => {
        throw storedInPart(error, recordsIn(outcome.placed)); // What is new is there.
      });
    }
    return outcome;
  }

  /** Null = it has yet to be loaded, or the topic was altered since. */
  current(): DedupState | null {
    const state = this.#state;
    if (state === null) return null;
    const { settings } = this.#partitions;
    const { dedupWindowMs, dedupBy, dedupScope } = state.settings;
    const isSame =
      settings === state.settings ||
      (settings.dedupWindowMs === dedupWindowMs &&
        settings.dedupBy === dedupBy &&
        settings.dedupScope === dedupScope);
    if (!isSame || state.windows.partitionCount > this.#partitions.count) return null;
    return state;
  }

  async #load(): Promise<DedupState> {
    this.#state = null;
    await Promise.all(this.#flights.pending.outcomes); // Nobody appends ids meanwhile.
    const home = this.#home;
    const { settings, topicId } = this.#partitions;
    await beginDedup(home, this.#partitions, settings);
    const replacedCount = this.#replacedCount;
    const begin = present(isBegun(home.fold, topicId, settings), 'it was begun');
    const loaded = await loadDedup({
      partitions: this.#partitions,
      clock: home.clock,
      settings,
      settlingOf: (partition) => home.settlingOf(topicId, partition),
      begunAt: (logId) => begin.logs.get(logId) ?? 0,
      time: this.#time,
      ownFrom: this.#ownFrom,
      bytesMax: home.dedupMemory.roomFor(this.#partitions),
    });
    if (replacedCount !== this.#replacedCount) return this.#load(); // It may be of the old one.
    const ids = new LoadedIds(this.#partitions, loaded, home.clock);
    home.dedupMemory.join(this.#partitions, ids);
    if (this.#time === null) this.#ownFrom = loaded.endOffsets;
    this.#time = loaded.time;
    assert(this.#state === null, 'one load at a time');
    return (this.#state = { ...loaded, settings, fingerprint: new Fingerprint(begin.seed) });
  }
}

function admit(
  call: DedupCall,
  all: readonly Sorted[],
  fresh: readonly (readonly number[])[],
): void {
  if (call.admit === undefined) return;
  const indexes = all.flatMap(({ part }, number) =>
    (fresh[number] ?? []).map((at) => present(part.indexes[at], 'below the length')),
  );
  if (indexes.length > 0) call.admit(indexes.toSorted(ascending));
}

function allPlaced(placed: readonly PlacedRun[]): DedupOutcome {
  return { placed, duplicates: NO_DUPLICATES };
}

function ascending(one: number, other: number): number {
  return one - other;
}
