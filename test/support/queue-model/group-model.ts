/** A share group as plain objects: one for each record, and nothing clever. */
import { present } from '../../../src/core/assert.ts';
import type { DeathReason } from '../../../src/queue/share-entries.ts';
import type { ShareSettings } from '../../../src/queue/share-settings.ts';
import { emptyTally, type Tally } from '../../../src/queue/share-tally.ts';

/** Of one that somebody had. */
type TriedReason = Exclude<DeathReason, 'retention'>;

/** Of a record that was acquired before, `ready` and `delayed`; of one that was not, `unread`. */
export type ItemState = 'unread' | 'ready' | 'delayed' | 'leased' | 'dead' | 'settled';

export interface Item {
  state: ItemState;
  attempts: number;
  failures: number;
  expiries: number;
  crashes: number;
  /** Wall time; kept until it is acquired again. */
  dueMs: number;
  firstError: string;
  lastError: string;
}

export interface DeathCase {
  readonly partition: number;
  readonly offset: number;
  readonly reason: TriedReason;
  readonly item: Item;
  /** Whether there is no letter: it stays here as dead. */
  readonly hasLetter: boolean;
}

/** What a clone has to hold. */
export interface GroupData {
  readonly partitions: Item[][];
  readonly tallies: Tally[];
  /** By partition, what the last purge settled, by offset. */
  shelves: Map<number, Item>[];
  readonly deaths: DeathCase[];
  settings: ShareSettings;
  isPaused: boolean;
}

export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** Crashes from which on a record is tried alone. */
export const SUSPECT = 3;

export class GroupModel {
  data: GroupData;
  /** Whether it is used in this process. */
  isLive = false;

  /** By partition, where the records begin that are not deleted. */
  readonly #startOffsets: readonly number[];

  constructor(settings: ShareSettings, startOffsets: readonly number[]) {
    this.#startOffsets = startOffsets;
    const each = <T>(make: () => T) => startOffsets.map(make);
    this.data = {
      partitions: each(() => []),
      tallies: each(emptyTally),
      shelves: each(() => new Map()),
      deaths: [],
      settings,
      isPaused: false,
    };
  }

  /** Only what stays without the process. */
  copyData(): GroupData {
    return structuredClone(this.data);
  }

  arrived(partition: number): void {
    this.items(partition).push({ ...NEW_ITEM });
  }

  items(partition: number): Item[] {
    return present(this.data.partitions[partition], 'a partition');
  }

  item({ partition, offset }: Place): Item {
    return present(this.items(partition)[offset], 'a record');
  }

  /** Offsets in these states, ascending. */
  offsetsIn(partition: number, ...states: ItemState[]): number[] {
    return this.items(partition).flatMap((item, at) => (states.includes(item.state) ? [at] : []));
  }

  places(...states: ItemState[]): Place[] {
    return this.data.partitions.flatMap((_, partition) =>
      this.offsetsIn(partition, ...states).map((offset) => ({ partition, offset })),
    );
  }

  /** What an acquire must take next from a partition, of what is at or behind `from`. */
  next(partition: number, from: number, isAllowed: (crashes: number) => boolean): number | null {
    const items = this.items(partition);
    const ready = this.offsetsIn(partition, 'ready').filter((at) => at >= from);
    const [again] = ready.filter((at) => isAllowed(present(items[at], 'a record').crashes));
    const [unread] = this.offsetsIn(partition, 'unread').filter((at) => at >= from);
    return again ?? unread ?? null;
  }

  acquire(place: Place): Item {
    const item = this.item(place);
    Object.assign(item, { state: 'leased', dueMs: 0, attempts: item.attempts + 1 });
    return item;
  }

  ack(place: Place): void {
    this.#settle(place);
    this.tally(place.partition).acked++;
  }

  giveBack(place: Place): void {
    this.item(place).attempts--;
    this.#back(place, 0, 0);
  }

  expire(place: Place): void {
    const item = this.item(place);
    const { expiriesMax } = this.data.settings;
    item.expiries++;
    if (expiriesMax !== null && item.expiries >= expiriesMax) this.die(place, 'lease-expired');
    else this.#back(place, 0, 0);
  }

  release(place: Place, how: { failed: boolean; dueMs: number; nowMs: number; error: string }) {
    const item = this.item(place);
    const { failuresMax } = this.data.settings;
    this.#note(item, how.error);
    if (how.failed) item.failures++;
    if (how.failed && failuresMax !== null && item.failures >= failuresMax) {
      this.die(place, 'failures');
    } else this.#back(place, how.dueMs, how.nowMs);
  }

  reject(place: Place, error: string): void {
    this.#note(this.item(place), error);
    this.die(place, 'rejected');
  }

  /** @param isRead  whether its process still has what it holds, so that it can be copied */
  die(place: Place, reason: TriedReason, isRead = true): void {
    const item = this.item(place);
    const { partition, offset } = place;
    const isKept = this.data.settings.deadLetter === null;
    const hasLetter = !isKept && (isRead || this.#isThere(place)); // Of what was deleted there is none.
    this.data.deaths.push({ partition, offset, reason, item: { ...item }, hasLetter });
    item.state = isKept ? 'dead' : 'settled';
    this.tally(place.partition)[reason]++;
  }

  /** It was looked for, and deleted. */
  miss(place: Place): void {
    this.#settle(place);
    this.tally(place.partition).missing++;
  }

  /** It is dead here, and to be tried as if it had never been. */
  revive(place: Place): void {
    Object.assign(this.item(place), NEW_ITEM, { state: 'ready' });
    this.tally(place.partition).revived++;
  }

  #isThere({ partition, offset }: Place): boolean {
    return offset >= present(this.#startOffsets[partition], 'a partition');
  }

  /** The process was gone before the record was buried: it is back, and the next one buries it. */
  unbury(death: DeathCase): void {
    const { partition, reason, item } = death;
    this.data.deaths.splice(this.data.deaths.indexOf(death), 1);
    Object.assign(this.item(death), item, { state: 'ready' });
    this.tally(partition)[reason]--;
  }

  /** The process is gone, with all leases; the next one takes over. */
  crash(): void {
    const leased = this.places('leased');
    const suspects = leased.filter((place) => this.item(place).crashes >= SUSPECT);
    for (const place of leased) {
      const item = this.item(place);
      if (suspects.length === 1 && item.crashes >= SUSPECT) item.failures++;
      item.crashes++;
      this.#back(place, 0, 0);
    }
  }

  /** What was read from the journal: when delays end is nothing that it says. */
  restarted(): void {
    this.isLive = false;
    for (const place of this.places('ready', 'delayed')) {
      const item = this.item(place);
      item.state = item.dueMs > 0 ? 'delayed' : 'ready';
    }
  }

  /** Used for the first time in this process. */
  open(nowMs: number): void {
    if (this.isLive) return;
    this.isLive = true;
    for (const [partition, startOffset] of this.#startOffsets.entries())
      this.trim(partition, startOffset);
    for (const place of this.places('ready', 'delayed')) {
      this.#back(place, this.item(place).dueMs, nowMs);
    }
  }

  /** Delays that are over by now. */
  endDelays(nowMs: number): void {
    if (!this.isLive) return;
    for (const place of this.places('delayed')) {
      const { dueMs } = this.item(place);
      if (dueMs <= nowMs) this.#back(place, dueMs, nowMs);
    }
  }

  cancel(place: Place): boolean {
    const item = this.items(place.partition)[place.offset];
    if (item === undefined || item.state === 'leased' || item.state === 'settled') return false;
    this.#settle(place);
    this.tally(place.partition).cancelled++;
    return true;
  }

  purge(): number {
    this.data.shelves = this.data.partitions.map(() => new Map());
    for (const place of this.places('unread', 'ready', 'delayed')) {
      this.data.shelves[place.partition]?.set(place.offset, { ...this.item(place) });
      this.#settle(place);
      this.tally(place.partition).purged++;
    }
    return this.shelvedCount;
  }

  get shelvedCount(): number {
    return this.data.shelves.reduce((sum, { size }) => sum + size, 0);
  }

  undoPurge(nowMs: number): number {
    for (const [partition, startOffset] of this.#startOffsets.entries()) {
      const shelved = [...(this.data.shelves[partition]?.keys() ?? [])];
      if (shelved.some((offset) => offset < startOffset)) this.trim(partition, startOffset);
    }
    const count = this.shelvedCount;
    for (const [partition, shelf] of this.data.shelves.entries()) {
      this.tally(partition).purged -= shelf.size;
      for (const [offset, item] of shelf) {
        this.items(partition)[offset] = item;
        if (item.state !== 'unread') this.#back({ partition, offset }, item.dueMs, nowMs);
      }
      shelf.clear();
    }
    return count;
  }

  /** Records below `startOffset` were deleted, and the group has come past those that `isGone`. */
  trim(partition: number, startOffset: number, isGone = (_offset: number): boolean => true): void {
    const gone = this.items(partition).entries();
    for (const [offset, { state }] of gone) {
      if (offset >= startOffset || state === 'leased' || state === 'settled') continue;
      if (!isGone(offset)) continue; // Somebody had it in memory.
      if (state !== 'dead') this.tally(partition).trimmed++;
      this.#settle({ partition, offset });
    }
    const shelf = this.data.shelves[partition] ?? new Map<number, Item>();
    for (const offset of shelf.keys()) if (offset < startOffset) shelf.delete(offset);
  }

  tally(partition: number): Tally {
    return present(this.data.tallies[partition], 'a partition');
  }

  /** Nobody has it leased any more. */
  #back(place: Place, dueMs: number, nowMs: number): void {
    const item = this.item(place);
    item.dueMs = dueMs;
    item.state = dueMs > nowMs ? 'delayed' : 'ready';
    const { failuresMax, expiriesMax } = this.data.settings;
    if (failuresMax !== null && item.failures >= failuresMax) {
      this.die(place, item.crashes > SUSPECT ? 'crash' : 'failures', false);
    } else if (expiriesMax !== null && item.expiries >= expiriesMax) {
      this.die(place, 'lease-expired', false);
    }
  }

  #settle(place: Place): void {
    this.item(place).state = 'settled';
  }

  #note(item: Item, error: string): void {
    if (error === '') return;
    if (item.firstError === '') item.firstError = error;
    item.lastError = error;
  }
}

export const NEW_ITEM: Item = {
  state: 'unread',
  attempts: 0,
  failures: 0,
  expiries: 0,
  crashes: 0,
  dueMs: 0,
  firstError: '',
  lastError: '',
};
