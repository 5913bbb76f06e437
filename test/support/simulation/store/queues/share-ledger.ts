/** What one share group owes its consumers: the fate of each of its records, and all tokens it gave. */
import type { OffsetRange } from '../../found-log.ts';
import type { JournalOrder } from './journal-order.ts';
import { ENDS, RecordFate, type Attempt, type End } from './record-fate.ts';

/** Who has a record leased, as its oracle sees it. */
export interface Holder {
  /** Whether nothing has ended the lease yet, nor begun to. */
  readonly isRunning: boolean;
}

export interface Handed extends Attempt {
  readonly partition: number;
  readonly offset: number;
  readonly token: string;
}

export interface LedgerOptions {
  /** Topic and group. */
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  readonly order: JournalOrder;
  readonly fault: (promise: string, what: string) => void;
}

/** First offset of each partition that counts, or the first one that does not. */
export type Bounds = readonly number[];

interface Shelved {
  readonly fate: RecordFate;
  readonly partition: number;
  readonly offset: number;
  readonly isSure: boolean;
}

export class ShareLedger {
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  /** Where the group began, by partition; 0 where that is not known. */
  starts: Bounds = [];
  /** Whether it hands nothing out; null = that is not known. */
  isPaused: boolean | null = false;
  readonly #options: LedgerOptions;
  readonly #fates: (Map<number, RecordFate> | undefined)[] = [];
  readonly #holders = new Map<RecordFate, Holder>();
  readonly #tokens = new Set<string>();
  /** What the last purge settled, for certain or perhaps. */
  #shelf: readonly Shelved[] = [];

  constructor(options: LedgerOptions) {
    const { id, topic, group } = options;
    this.id = id;
    this.topic = topic;
    this.group = group;
    this.#options = options;
  }

  fate(partition: number, offset: number): RecordFate {
    const fates = (this.#fates[partition] ??= new Map<number, RecordFate>());
    const known = fates.get(offset);
    if (known !== undefined) return known;
    const { order, fault, id } = this.#options;
    const fate = new RecordFate(order, (promise, what) => {
      fault(promise, `${id} ${partition}/${offset}: ${what}`);
    });
    fates.set(offset, fate);
    return fate;
  }

  /** Every record below `ends`. */
  each(ends: Bounds, action: (fate: RecordFate, partition: number, offset: number) => void): void {
    for (const [partition, end] of ends.entries()) {
      for (let offset = this.starts[partition] ?? 0; offset < end; offset++) {
        action(this.fate(partition, offset), partition, offset);
      }
    }
  }

  /** Every record that anything is known of. */
  eachKnown(action: (fate: RecordFate, partition: number, offset: number) => void): void {
    for (const [partition, fates] of this.#fates.entries()) {
      for (const [offset, fate] of fates ?? []) action(fate, partition, offset);
    }
  }

  /** A consumer got a record. */
  handedOver(handed: Handed, holder: Holder): RecordFate {
    const { partition, offset, token } = handed;
    const { fault } = this.#options;
    const fate = this.fate(partition, offset);
    const what = `${this.id} ${partition}/${offset}`;
    if (this.#holders.get(fate)?.isRunning === true) fault('A8', `${what}: two hold it`);
    if (this.#tokens.has(token)) fault('token', `${what}: ${token} was given out before`);
    if (offset < (this.starts[partition] ?? 0)) fault('start', `${what} is before the start`);
    this.#tokens.add(token);
    fate.handedOver(handed);
    this.#holders.set(fate, holder);
    return fate;
  }

  /** How many are leased now. */
  get heldCount(): number {
    return [...this.#holders.values()].filter(({ isRunning }) => isRunning).length;
  }

  isHeld(fate: RecordFate): boolean {
    return this.#holders.get(fate)?.isRunning === true;
  }

  /**
   * All that nobody has leased is to be settled. No other call of the program is under way.
   *
   * @param ends  what is visible; up to `limits` more may be when it is done
   */
  purging(ends: Bounds, limits: Bounds): { answered(count: number): void; refused(): void } {
    const shelved: Shelved[] = [];
    this.each(limits, (fate, partition, offset) => {
      if (!fate.may('there') || this.isHeld(fate)) return;
      const isVisible = offset < (ends[partition] ?? 0);
      const isSure = isVisible && fate.is('there') && fate.isQuiet;
      shelved.push({ fate, partition, offset, isSure });
    });
    const pending = shelved.map(({ fate }) => fate.ending('purged'));
    this.#shelf = [...this.#shelf, ...shelved].map((each) => ({ ...each, isSure: false }));
    return {
      answered: (count) => {
        this.#shelf = shelved;
        for (const [at, { isSure }] of shelved.entries()) {
          if (isSure) pending[at]?.answered(true);
        }
        // Offsets without a record are counted, too, unless somebody came past them.
        if (this.#all().some(({ isLost }) => isLost)) return;
        const sureCount = shelved.filter(({ isSure }) => isSure).length;
        if (count >= sureCount && count <= shelved.length) return;
        const { fault } = this.#options;
        fault('purge', `${this.id}: ${count}, not ${sureCount} to ${shelved.length}`);
      },
      refused: () => {
        for (const each of pending) each.refused();
      },
    };
  }

  /** The last purge is to be undone. */
  undoing(): { answered(isKept: (partition: number, offset: number) => boolean): void } {
    const shelf = this.#shelf;
    for (const { fate } of shelf) if (fate.may('purged')) fate.back(false);
    return {
      answered: (isKept) => {
        for (const { fate, partition, offset, isSure } of shelf) {
          if (isSure && fate.may('purged') && isKept(partition, offset)) fate.back(true);
        }
        this.#shelf = [];
      },
    };
  }

  /** The dead that were kept are to be ready again. */
  reviving(): { answered(): void } {
    const dead = this.#all().filter((fate) => fate.may('dead'));
    const sure = dead
      // One of which the record is gone stays dead: nobody can have it again.
      .filter((fate) => fate.is('dead') && !fate.isLost)
      .map((fate) => ({ fate, handedCount: fate.handedCount }));
    for (const fate of dead) fate.revived(false);
    return {
      answered: () => {
        for (const { fate, handedCount } of sure) {
          if (fate.handedCount === handedCount) fate.revived(true);
        }
      },
    };
  }

  /** Records of a partition are gone, and a gap stands in their place. */
  lost(partition: number, { firstOffset, nextOffset }: OffsetRange): void {
    for (let offset = firstOffset; offset < nextOffset; offset++) {
      this.fate(partition, offset).lost();
    }
  }

  /** Nothing is known of those that are given to records again. */
  forgetFrom(partition: number, endOffset: number): void {
    const fates = this.#fates[partition];
    for (const offset of fates?.keys() ?? []) if (offset >= endOffset) fates?.delete(offset);
  }

  /** The wall clock went back. */
  forgetDelays(): void {
    for (const fate of this.#all()) fate.forgetDue();
  }

  /** The process is gone. */
  restarted(isPowerCut: boolean): void {
    this.#holders.clear();
    for (const fate of this.#all()) fate.restarted(isPowerCut);
  }

  /** How many of its records may have ended like this, at least and at most. */
  counts(ends: Bounds): ReadonlyMap<End, { readonly min: number; readonly max: number }> {
    const counts = new Map(ENDS.map((end) => [end, { min: 0, max: 0 }]));
    this.each(ends, (fate) => {
      for (const [end, count] of counts) {
        if (fate.is(end)) count.min++;
        if (fate.may(end)) count.max++;
      }
    });
    return counts;
  }

  #all(): RecordFate[] {
    return this.#fates.flatMap((fates) => [...(fates?.values() ?? [])]);
  }
}
