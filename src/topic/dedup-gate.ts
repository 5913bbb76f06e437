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
import { FailedError, IoError, OffsetOutOfRangeError } from '../core/errors.ts';
import { Fingerprint } from '../core/fingerprint.ts';
import { Mutex } from '../core/mutex.ts';
import { settleAll } from '../core/settle-all.ts';
import type { AppendBatchResult } from '../log/append-result.ts';
import { whenAppended } from '../log/append-run.ts';
import { FingerprintTag } from '../log/batch-tag.ts';
import type { Log } from '../log/log.ts';
import { fingerprintsOf, isStoredAs, type DedupCall, type DedupIdentity } from './dedup-call.ts';
import { beginDedup, isBegun } from './dedup-begin.ts';
import { loadDedup, type LoadedDedup } from './dedup-load.ts';
import type { DedupSettings } from './dedup-options.ts';
import { DedupPending, PendingRun } from './dedup-pending.ts';
import { LoadedIds } from './loaded-ids.ts';
import type { DedupTime } from './dedup-window.ts';
import type { DedupPlace } from './dedup-table.ts';
import {
  allNew,
  duplicatesOf,
  isNew,
  mayHoldTwins,
  runOf,
  twinOf,
  type RunParts,
  type Sorted,
} from './dedup-sorting.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TopicHome } from './topic-home.ts';
import type { DuplicateRecord } from './topic-results.ts';

/** Records that are appended between two looks at what can be forgotten. */
const SWEEP_RECORDS = 4096;
const SWEEP_SHARDS = 16;

/** What became of the records of a call. */
export interface DedupOutcome {
  readonly placed: readonly (AppendBatchResult & { readonly partition: number })[];
  readonly duplicates: readonly DuplicateRecord[];
}

/** All that the gate knows; made anew when its topic is altered. */
interface DedupState extends LoadedDedup {
  readonly settings: DedupSettings;
  readonly fingerprint: Fingerprint;
}

export class DedupGate {
  readonly #home: TopicHome;
  readonly #partitions: PartitionSet;
  readonly #pending = new DedupPending();
  readonly #fifo = new Mutex();
  /** Calls in the FIFO that have no place yet. */
  #waitingCount = 0;
  #state: DedupState | null = null;
  /** Runs from the first load on. */
  #time: DedupTime | null = null;
  /** By partition: where the log ended when it was loaded first. */
  #ownFrom: readonly number[] = [];
  #unsweptCount = 0;

  constructor(home: TopicHome, partitions: PartitionSet) {
    this.#home = home;
    this.#partitions = partitions;
  }

  /** What is below is not needed any more in a partition; null = it is not known here. */
  windowStart(partition: number): number | null {
    const state = this.#current();
    if (state === null || partition >= state.windows.partitionCount) return null;
    return state.windows.start(partition, state.time.now());
  }

  /** Offsets mean something else from now on: a log was replaced. */
  forget(): void {
    this.#state = null;
    this.#home.dedupMemory.leave(this.#partitions);
  }

  /** @throws as `Log.appendBatch`; CorruptLogError when a stored record that may be equal cannot be read */
  async append(call: DedupCall): Promise<DedupOutcome> {
    const answer = this.#waitingCount === 0 ? this.#atOnce(call) : null;
    if (answer !== null) return answer;
    this.#waitingCount++;
    // The answer is not waited for in there: others have their turn when it has its place.
    const placed = await this.#fifo
      .run(async () => ({ answer: await this.#inTurn(call) }))
      .finally(() => this.#waitingCount--);
    return placed.answer();
  }

  /** In this turn, if all of it is new for certain. */
  #atOnce(call: DedupCall): Promise<DedupOutcome> | null {
    const state = this.#current();
    if (state?.stored.isEmpty !== true) return null;
    const logs = new Map<number, Log<Uint8Array>>();
    const sorted: Sorted[] = [];
    for (const part of call.parts) {
      const log = this.#partitions.at(part.partition).opened;
      if (log === null || log.life.closing !== null) return null;
      logs.set(part.partition, log);
      const words = fingerprintsOf(part.identities, state.settings, state.fingerprint);
      if (!this.#pending.hasNone(words) || state.table.firstSuspect(words) >= 0) return null;
      sorted.push(allNew(part, words));
    }
    if (mayHoldTwins(sorted)) return null;
    return this.#place(call, sorted, logs)();
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
      const state = this.#current() ?? (await this.#load());
      call.options.signal?.throwIfAborted();
      const sorted: Sorted[] = [];
      for (const part of call.parts) {
        const words = fingerprintsOf(part.identities, state.settings, state.fingerprint);
        sorted.push(allNew(part, words));
      }
      for (const each of sorted) await this.#sort(each, sorted, state);
      const answer = this.#place(call, sorted, logs);
      return () => this.#withSynced(call, answer());
    } finally {
      for (const release of releases) release();
    }
  }

  /** Finds out which records of a part are stored. Nobody else appends meanwhile. */
  async #sort(own: Sorted, all: readonly Sorted[], state: DedupState): Promise<void> {
    const { part, words } = own;
    for (const [at, identity] of part.identities.entries()) {
      if (words[2 * at] === 0 && words[2 * at + 1] === 0) continue;
      own.stored[at] = await this.#storedPlace(identity, words, at, state);
      if (own.stored[at] === null) own.twins[at] = twinOf(own, at, all, state.settings);
    }
  }

  async #storedPlace(
    identity: DedupIdentity,
    words: Uint32Array,
    at: number,
    state: DedupState,
  ): Promise<DedupPlace | null> {
    for (;;) {
      const run = this.#pending.find(identity, words, at, state.settings);
      if (run === null) break;
      if (run.failure !== null) throw run.failure;
      await run.outcome; // Then it is in the table, or was refused, or nobody knows.
    }
    const high = present(words[2 * at], 'two for each');
    const low = present(words[2 * at + 1], 'two for each');
    const inMemory = state.table.find(high, low);
    // Behind it: what leaves memory meanwhile is there before it is not here.
    const others = state.stored.isEmpty ? [] : await state.stored.find(high, low);
    for (const place of [...inMemory, ...others]) {
      if (await this.#isStored(identity, place, state)) return place;
    }
    return null;
  }

  /** A fingerprint is no proof: the record itself is asked. */
  async #isStored(
    identity: DedupIdentity,
    { partition, offset }: DedupPlace,
    { windows, time, settings }: DedupState,
  ): Promise<boolean> {
    if (!windows.has(partition, offset, time.now())) return false;
    try {
      const record = await this.#partitions.at(partition).use((log) => log.read(offset));
      return record !== null && isStoredAs(identity, record, settings);
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError) return false; // Somebody had it deleted.
      throw error;
    }
  }

  /** Appends what is new, in this turn. @returns waits for that */
  #place(
    call: DedupCall,
    all: readonly Sorted[],
    logs: ReadonlyMap<number, Log<Uint8Array>>,
  ): () => Promise<DedupOutcome> {
    const bases: number[] = [];
    const answers: Promise<AppendBatchResult & { readonly partition: number }>[] = [];
    for (const sorted of all) {
      const { partition } = sorted.part;
      const log = present(logs.get(partition), 'it was opened');
      const fresh = [...sorted.stored.keys()].filter((at) => isNew(sorted, at));
      if (fresh.length === 0) {
        bases.push(-1);
        continue;
      }
      bases.push(log.endOffset);
      const answer = this.#appendRun(log, runOf(sorted, fresh), call);
      answers.push(answer.then((result) => ({ partition, ...result })));
    }
    const settled = settleAll(answers);
    settled.catch(() => undefined); // Whoever waits for it is told.
    return async () => ({ placed: await settled, duplicates: duplicatesOf(all, bases) });
  }

  #appendRun(
    log: Log<Uint8Array>,
    { partition, identities, words }: RunParts,
    { options }: DedupCall,
  ): Promise<AppendBatchResult> {
    const { appender } = log.forStore();
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(toError(signal.reason));
    const refusal = appender.refusal(undefined);
    if (refusal !== null) return Promise.reject(refusal);
    const baseOffset = appender.nextOffset;
    appender.addRun({
      records: identities.map(({ record }) => record),
      tag: new FingerprintTag(words),
    });
    const run = new PendingRun({ partition, identities, words, baseOffset });
    this.#pending.add(run);
    this.#follow(log, run);
    return whenAppended(appender, { baseOffset, recordCount: identities.length }, options);
  }

  /** Hears of what becomes of a run. Until then its log stays open. */
  #follow(log: Log<Uint8Array>, run: PendingRun): void {
    const release = this.#partitions.at(run.partition).hold();
    const { appender } = log.forStore();
    const { baseOffset } = run;
    const count = run.identities.length;
    const end = (): void => {
      release();
      run.decided();
    };
    const waiter = {
      baseOffset,
      nextOffset: baseOffset + count,
      complete: () => this.#whenVisible(log, run, count, end),
      fail: (error: Error) => {
        const written = error instanceof IoError ? (error.details.appendedCount ?? 0) : 0;
        if (error instanceof FailedError) this.#leaveOpen(run, error, end);
        else if (written > 0) this.#keepFirst(log, run, { written, end });
        else this.#drop(run, end);
      },
    };
    // Of a log that shows what is written that is enough.
    const asked = this.#partitions.settings.durability === 'sync' ? 'sync' : 'os';
    appender.submit(asked, { ...waiter, asked });
  }

  /** The first of a run were written when the disk was full: those are there. */
  #keepFirst(
    log: Log<Uint8Array>,
    run: PendingRun,
    { written, end }: { readonly written: number; readonly end: () => void },
  ): void {
    this.#pending.remove(run, written);
    log.sync().catch(() => undefined); // `#whenVisible` looks at what failed.
    this.#whenVisible(log, run, written, end);
  }

  #whenVisible(log: Log<Uint8Array>, run: PendingRun, count: number, end: () => void): void {
    const { appender, marks } = log.forStore();
    const endOffset = run.baseOffset + count;
    const look = (): void => {
      if (marks.visibleOffset >= endOffset) this.#enter(run, count, end);
      else if (appender.failure !== null) this.#leaveOpen(run, appender.failure, end);
      else marks.onVisible(look);
    };
    look();
  }

  /** They are there, for all to see: their ids count. */
  #enter(run: PendingRun, count: number, end: () => void): void {
    const { partition, baseOffset, words } = run;
    const state = this.#state;
    if (state !== null) {
      const own = 2 * count === words.length ? words : words.subarray(0, 2 * count);
      beginThrough(state, partition);
      state.table.addRun(partition, baseOffset, own);
      state.windows.note(partition, baseOffset + count, state.time.now());
      this.#sweep(state, count);
    }
    this.#pending.remove(run);
    end();
  }

  #drop(run: PendingRun, end: () => void): void {
    this.#pending.remove(run);
    end();
  }

  /** They may be there or not, and the next opening tells: until then nobody may append them again. */
  #leaveOpen(run: PendingRun, error: Error, end: () => void): void {
    run.failure = error;
    end();
  }

  #sweep({ table, stored, windows, time }: DedupState, count: number): void {
    this.#unsweptCount += count;
    if (this.#unsweptCount < SWEEP_RECORDS) return;
    this.#unsweptCount = 0;
    const nowMs = time.now();
    for (let partition = 0; partition < windows.partitionCount; partition++) {
      const start = windows.start(partition, nowMs);
      table.evict(partition, start);
      stored.evict(partition, start);
    }
    table.sweep(SWEEP_SHARDS);
    this.#home.dedupMemory.look();
  }

  /** A duplicate is answered when the record that is stored has the level that was asked for. */
  async #withSynced(call: DedupCall, answer: Promise<DedupOutcome>): Promise<DedupOutcome> {
    const outcome = await answer;
    const { durability } = call.options;
    if (durability === 'os') return outcome;
    for (const { partition, offset } of outcome.duplicates) {
      const needsSync = durability === 'sync' || this.#partitions.settings.durability === 'os';
      if (!needsSync) continue;
      await this.#partitions.at(partition).use(async (log) => {
        if (log.durableOffset <= offset) await log.sync();
      });
    }
    return outcome;
  }

  /** Null = it has yet to be loaded, or the topic was altered since. */
  #current(): DedupState | null {
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
    await Promise.all(this.#pending.outcomes); // Nobody appends ids meanwhile.
    const home = this.#home;
    const { settings, topicId } = this.#partitions;
    if (!isBegun(home.fold, topicId, settings)) await beginDedup(home, this.#partitions, settings);
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
    const ids = new LoadedIds(this.#partitions, loaded, home.clock);
    home.dedupMemory.join(this.#partitions, ids);
    if (this.#time === null) this.#ownFrom = loaded.endOffsets;
    this.#time = loaded.time;
    assert(this.#state === null, 'one load at a time');
    return (this.#state = { ...loaded, settings, fingerprint: new Fingerprint(begin.seed) });
  }
}

/** Partitions that came since it was loaded begin with their first record. */
function beginThrough({ table, windows }: LoadedDedup, partition: number): void {
  for (let next = windows.partitionCount; next <= partition; next++) {
    windows.begin(0);
    table.begin(next, 0);
  }
}
