/**
 * Those who wait until a published record is in all of its destinations.
 *
 * There may be thousands, and as many syncs to look at: those of one list of destinations watch one of
 * them that is not so far, and nobody looks at them before it moves.
 */
import { onAbort, toError } from '../core/abort.ts';
import type { Outlets } from './outlets.ts';

export interface RoutedRecord {
  /** In the source. */
  readonly offset: number;
  readonly topicIds: readonly number[];
}

/** Of which nobody remembers where it went: it is there when all up to it is. */
export interface RoutedBefore {
  readonly offset: number;
  readonly topicIds: null;
}

/** How far all of it is. */
export interface RoutedProgress {
  /** Everything of the source below was read. */
  readonly knownPosition: number;
  readonly outlets: Pick<Outlets, 'syncedPositionOf' | 'topicIds'>;
  /** Somebody waits from here on: nothing may wait for more. Must not throw. */
  hurry(): void;
}

interface RoutedWaiter extends RoutedRecord {
  /** @param error  null = it is there */
  readonly end: (error: Error | null) => void;
}

/** Those whose records were read, and go to the same destinations. */
interface WaiterGroup {
  readonly topicIds: readonly number[];
  /** Ascending. */
  readonly waiters: RoutedWaiter[];
  /** The topic whose moves they wait for, for it has not got the first of them; null = none yet. */
  watchedId: number | null;
}

export class RoutedWaiters {
  readonly #progress: RoutedProgress;
  /** Those whose records were not read, ascending. */
  readonly #unread: RoutedWaiter[] = [];
  /** By the very list: records of one route share it. */
  readonly #groups = new Map<readonly number[], WaiterGroup>();
  /** By the topic that they watch. */
  readonly #watching = new Map<number, Set<WaiterGroup>>();
  /** Why nobody will say it any more. */
  #closed: Error | null = null;

  constructor(progress: RoutedProgress) {
    this.#progress = progress;
  }

  get isEmpty(): boolean {
    return this.#unread.length === 0 && this.#groups.size === 0;
  }

  /** Resolves when the record is there. @throws the signal's reason; what `rejectAll` was given */
  async wait(
    { offset, topicIds }: RoutedRecord | RoutedBefore,
    signal?: AbortSignal,
  ): Promise<void> {
    if (topicIds !== null) return this.#wait({ offset, topicIds }, signal);
    await this.#wait({ offset, topicIds: [] }, signal); // All that get something are met then.
    await this.#wait({ offset, topicIds: this.#progress.outlets.topicIds }, signal);
  }

  async #wait(record: RoutedRecord, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isThere(record)) return;
    if (this.#closed !== null) throw this.#closed;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      let unwatch: (() => void) | null = null;
      const end = (error: Error | null): void => {
        unwatch?.();
        if (error === null) resolve();
        else reject(error);
      };
      const waiter = { ...record, end };
      this.#add(waiter);
      this.#progress.hurry();
      if (signal === undefined) return;
      unwatch = onAbort(signal, () => {
        this.#remove(waiter);
        reject(toError(signal.reason));
      });
    });
  }

  /** More of the source was read. O(those whose records were). */
  read(): void {
    const { knownPosition: position } = this.#progress;
    let count = 0;
    while ((this.#unread[count]?.offset ?? Infinity) < position) count++;
    if (count === 0) return;
    const read = this.#unread.splice(0, count);
    for (const group of new Set(read.map((waiter) => this.#join(waiter)))) this.#settle(group);
  }

  /** Something is synced in a topic. O(those who get there, and lists of destinations that watch it). */
  synced(topicId: number): void {
    const groups = this.#watching.get(topicId);
    if (groups === undefined) return;
    this.#watching.delete(topicId); // They may watch it again.
    for (const group of groups) {
      group.watchedId = null;
      this.#settle(group);
    }
  }

  /** Anything may have changed. O(all destinations of those who wait). */
  look(): void {
    this.read();
    for (const group of this.#groups.values()) this.#settle(group);
  }

  /** Nobody will say it any more, to those either who ask from here on. */
  rejectAll(error: Error): void {
    this.#closed = error;
    const waiters = this.#unread.splice(0);
    for (const group of this.#groups.values()) waiters.push(...group.waiters);
    this.#groups.clear();
    this.#watching.clear();
    for (const waiter of waiters) waiter.end(error);
  }

  /** Whether a record is synced in all of its destinations. */
  #isThere({ offset, topicIds }: RoutedRecord): boolean {
    const { knownPosition, outlets } = this.#progress;
    if (knownPosition <= offset) return false;
    return topicIds.every((topicId) => outlets.syncedPositionOf(topicId) > offset);
  }

  #add(waiter: RoutedWaiter): void {
    if (this.#progress.knownPosition <= waiter.offset) insert(this.#unread, waiter);
    else this.#settle(this.#join(waiter));
  }

  #join(waiter: RoutedWaiter): WaiterGroup {
    const { topicIds } = waiter;
    const group = this.#groups.get(topicIds) ?? { topicIds, waiters: [], watchedId: null };
    this.#groups.set(topicIds, group);
    insert(group.waiters, waiter);
    return group;
  }

  #remove(waiter: RoutedWaiter): void {
    const group = this.#groups.get(waiter.topicIds);
    for (const waiters of [this.#unread, group?.waiters ?? []]) {
      const at = waiters.indexOf(waiter);
      if (at >= 0) waiters.splice(at, 1);
    }
    if (group?.waiters.length === 0) this.#drop(group);
  }

  /** Answers those whose records are there. The others watch a topic that has not got the first of them. */
  #settle(group: WaiterGroup): void {
    this.#unwatch(group);
    const { topicIds, waiters } = group;
    const { offset } = waiters[0] ?? { offset: Infinity };
    let lowest = Infinity;
    for (const topicId of topicIds) {
      const position = this.#progress.outlets.syncedPositionOf(topicId);
      if (position <= offset) return this.#watch(group, topicId);
      lowest = Math.min(lowest, position);
    }
    let count = 0;
    while ((waiters[count]?.offset ?? Infinity) < lowest) count++;
    const there = waiters.splice(0, count);
    if (waiters.length === 0) this.#drop(group);
    else this.#settle(group); // One of them has not got the next: it returns above.
    for (const waiter of there) waiter.end(null);
  }

  #watch(group: WaiterGroup, topicId: number): void {
    group.watchedId = topicId;
    const groups = this.#watching.get(topicId);
    if (groups === undefined) this.#watching.set(topicId, new Set([group]));
    else groups.add(group);
  }

  #unwatch(group: WaiterGroup): void {
    const { watchedId } = group;
    if (watchedId === null) return;
    group.watchedId = null;
    const groups = this.#watching.get(watchedId);
    groups?.delete(group);
    if (groups?.size === 0) this.#watching.delete(watchedId);
  }

  #drop(group: WaiterGroup): void {
    this.#unwatch(group);
    this.#groups.delete(group.topicIds);
  }
}

/** They come nearly in order. */
function insert(waiters: RoutedWaiter[], waiter: RoutedWaiter): void {
  let at = waiters.length;
  while (at > 0 && (waiters[at - 1]?.offset ?? 0) > waiter.offset) at--;
  waiters.splice(at, 0, waiter);
}
