/**
 * Finds out which records of a call are stored already. What that hangs on may be on its way, or on the
 * disk: whoever asks waits for that, and asks again, until nothing is left to be waited for.
 */
import { toError } from '../core/abort.ts';
import { OffsetOutOfRangeError } from '../core/errors.ts';
import type { Fingerprint } from '../core/fingerprint.ts';
import {
  fingerprintsOf,
  identityAt,
  isStoredAs,
  type DedupIdentity,
  type DedupPart,
} from './dedup-call.ts';
import type { DedupCounts } from './dedup-figures.ts';
import type { LoadedDedup } from './dedup-load.ts';
import type { DedupSettings } from './dedup-options.ts';
import type { DedupPending, PendingRun } from './dedup-pending.ts';
import { allNew, findTwins, fingerprintKey, type Sorted } from './dedup-sorting.ts';
import type { DedupPlace } from './dedup-table.ts';
import type { PartitionSet } from './partition-set.ts';

/** All that is known of the records of a topic; made anew when it is altered. */
export interface DedupState extends LoadedDedup {
  readonly settings: DedupSettings;
  readonly fingerprint: Fingerprint;
}

export interface DedupLookParts {
  readonly partitions: PartitionSet;
  readonly pending: DedupPending;
  readonly state: DedupState;
  readonly counts: DedupCounts;
}

/** A stored record that has the fingerprint of one of the call, and has yet to be read. */
interface Suspect {
  readonly identity: DedupIdentity;
  readonly place: DedupPlace;
  readonly verdictKey: string;
}

/** Whether a stored record is the same; `gone` = there is none, and never will be. */
type Verdict = 'same' | 'other' | 'gone';

/** A record of the call that the disk may have, and has yet to be searched for. */
interface Search {
  readonly searchKey: string;
  readonly high: number;
  readonly low: number;
}

const NOWHERE: readonly DedupPlace[] = [];

export class DedupLook {
  readonly state: DedupState;
  /** By part: good while `obstacle` answers null, in the step in which it does. */
  readonly sorted: readonly Sorted[];
  /** Why it cannot be told, or nobody can tell. */
  failure: Error | null = null;
  readonly #partitions: PartitionSet;
  readonly #pending: DedupPending;
  readonly #counts: DedupCounts;
  /** Of a record of the call and one at a place: no record changes, so it is read once. */
  readonly #verdicts = new Map<string, Verdict>();
  /** Where ids that are not in memory have the fingerprint of a record of the call, as of one version. */
  readonly #onDisk = new Map<string, readonly DedupPlace[]>();
  #onDiskVersion = -1;

  constructor({ partitions, pending, state, counts }: DedupLookParts, parts: readonly DedupPart[]) {
    this.#partitions = partitions;
    this.#pending = pending;
    this.#counts = counts;
    this.state = state;
    const { settings, fingerprint } = state;
    this.sorted = parts.map((part) => allNew(part, fingerprintsOf(part, settings, fingerprint)));
  }

  /**
   * Sorts the records as things are now.
   *
   * @returns what to wait for before another look, which never rejects; null = `sorted` and `failure` hold
   */
  obstacle(): Promise<void> | null {
    if (this.failure !== null) return null;
    const waits = new Set<Promise<void>>();
    const suspects: Suspect[] = [];
    const searches: Search[] = [];
    const { table, stored } = this.state;
    if (stored.version !== this.#onDiskVersion) this.#onDisk.clear(); // Ids left memory meanwhile.
    this.#onDiskVersion = stored.version;
    for (const [number, sorted] of this.sorted.entries()) {
      sorted.stored.fill(null);
      sorted.gone.fill(null);
      const isInMemory =
        !this.#pending.hasNone(sorted.words) || table.firstSuspect(sorted.words) >= 0;
      if (!isInMemory && stored.isEmpty) continue;
      for (let at = 0; at < sorted.stored.length; at++) {
        const found = this.#place(sorted, number, at);
        if (found instanceof Promise) waits.add(found);
        else if (found !== null && 'verdictKey' in found) suspects.push(found);
        else if (found !== null && 'searchKey' in found) searches.push(found);
        else sorted.stored[at] = found;
      }
    }
    if (suspects.length > 0) waits.add(this.#examine(suspects));
    if (searches.length > 0) waits.add(this.#search(searches));
    if (this.failure === null && waits.size > 0) return Promise.all(waits).then(() => undefined);
    findTwins(this.sorted, this.state.settings);
    return null;
  }

  /** Where a record is stored; null = nowhere. Or what to wait for, or to read, before that can be told. */
  #place(
    sorted: Sorted,
    number: number,
    at: number,
  ): DedupPlace | Promise<void> | Suspect | Search | null {
    const { table, stored, windows, time, settings } = this.state;
    const { words, part } = sorted;
    const key = fingerprintKey(words, at);
    if (key === 0) return null;
    const identity = identityAt(part, at);
    const onItsWay = this.#pending.find(identity, key, settings);
    if (onItsWay !== null) {
      const { run, at: position } = onItsWay;
      const { partition, baseOffset, timeMs } = run;
      if (!run.isCommitted) return this.#fateOf(run);
      if (windows.covers(timeMs, time.now())) return { partition, offset: baseOffset + position };
    }
    const [high, low] = [words[2 * at] ?? 0, words[2 * at + 1] ?? 0];
    const searchKey = `${number}/${at}`;
    const others = stored.isEmpty ? NOWHERE : this.#onDisk.get(searchKey);
    if (others === undefined) return { searchKey, high, low };
    for (const place of [...table.find(high, low), ...others]) {
      const run = this.#pending.at(place);
      if (run !== null) return this.#fateOf(run);
      const verdictKey = `${searchKey}/${place.partition}/${place.offset}`;
      const verdict = this.#isGone(place) ? 'gone' : this.#verdicts.get(verdictKey);
      if (verdict === undefined) return { identity, place, verdictKey };
      if (verdict === 'same') return place;
      const { partition, offset } = place;
      if (verdict === 'gone' && !windows.mayCountAgain(partition, offset)) sorted.gone[at] = place;
    }
    return null;
  }

  /** What to wait for of a run that may have an equal record. */
  #fateOf(run: PendingRun): Promise<void> | null {
    if (run.failure === null) return run.outcome; // Then it can be seen, or was refused.
    this.failure = run.failure;
    return null;
  }

  /** Whether what may have been there does not count, or is not to be seen: it was refused. */
  #isGone({ partition, offset }: DedupPlace): boolean {
    const { windows, time } = this.state;
    if (!windows.has(partition, offset, time.now())) return true;
    const log = this.#partitions.at(partition).opened;
    return log !== null && offset >= log.visibleOffset; // Another may come to stand there.
  }

  /** A fingerprint is no proof: the records themselves are asked. Never rejects. */
  async #examine(suspects: readonly Suspect[]): Promise<void> {
    try {
      for (const { identity, place, verdictKey } of suspects) {
        const verdict = await this.#verdictOf(identity, place);
        if (verdict !== null) this.#verdicts.set(verdictKey, verdict);
      }
    } catch (error) {
      this.failure = toError(error);
    }
  }

  /** Looks on the disk. Never rejects. */
  async #search(searches: readonly Search[]): Promise<void> {
    const { stored } = this.state;
    const { version } = stored;
    try {
      for (const { searchKey, high, low } of searches) {
        const found = await stored.find(high, low);
        if (stored.version !== version) return; // It is begun anew.
        this.#onDisk.set(searchKey, found);
      }
    } catch (error) {
      this.failure = toError(error);
    }
  }

  /** Null = there is no record, now that the log is open. */
  async #verdictOf(
    identity: DedupIdentity,
    { partition, offset }: DedupPlace,
  ): Promise<Verdict | null> {
    this.#counts.confirmedReadCount++;
    return this.#partitions.at(partition).use(async (log) => {
      if (offset >= log.visibleOffset) return null;
      try {
        const record = await log.read(offset);
        if (record === null) return 'gone';
        return isStoredAs(identity, record, this.state.settings) ? 'same' : 'other';
      } catch (error) {
        if (error instanceof OffsetOutOfRangeError) return 'gone'; // Somebody had it deleted.
        throw error;
      }
    });
  }
}
