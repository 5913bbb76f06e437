/**
 * The slow twin of `LeaseTable`: a map of records by offset, sorted and counted on demand.
 *
 * Where the table takes a slot, it takes an offset. What is illegal returns false and does nothing.
 */
import { SlotState } from '../../../src/queue/record-state.ts';

export interface ReferenceRecord {
  readonly offset: number;
  state: SlotState;
  isPending: boolean;
  attempts: number;
  failures: number;
  expiries: number;
  crashes: number;
  timeMs: number;
  lease: number;
  isReady: boolean;
  inWheel: 'lease' | 'delay' | null;
}

export type Counter = 'attempts' | 'failures' | 'expiries' | 'crashes';

const MAXIMA: Readonly<Record<Counter, number>> = {
  attempts: 65_535,
  failures: 65_535,
  expiries: 255,
  crashes: 255,
};

const { free, available, delayed, acquired } = SlotState;

const LEGAL = new Set([
  `${available} ${acquired}`,
  `${delayed} ${available}`,
  `${delayed} ${acquired}`,
  `${acquired} ${available}`,
  `${acquired} ${delayed}`,
]);

export class ReferenceLeaseTable {
  records = new Map<number, ReferenceRecord>();

  sorted(): ReferenceRecord[] {
    return [...this.records.values()].sort((one, two) => one.offset - two.offset);
  }

  countOf(state: SlotState): number {
    return this.sorted().filter((record) => record.state === state).length;
  }

  fits(offset: number): boolean {
    const offsets = [...this.records.keys(), offset];
    return Math.max(...offsets) - Math.min(...offsets) < 2 ** 32;
  }

  add(offset: number, state: SlotState): boolean {
    if (state === free || this.records.has(offset) || !this.fits(offset)) return false;
    const counters = { attempts: 0, failures: 0, expiries: 0, crashes: 0 };
    const rest = { isPending: false, timeMs: 0, lease: 0, isReady: false, inWheel: null };
    this.records.set(offset, { offset, state, ...counters, ...rest });
    return true;
  }

  remove(offset: number): boolean {
    return this.records.delete(offset);
  }

  setState(offset: number, state: SlotState): boolean {
    const record = this.records.get(offset);
    if (record === undefined || !LEGAL.has(`${record.state} ${state}`)) return false;
    Object.assign(record, { state, isReady: false, inWheel: null });
    return true;
  }

  setPending(offset: number, isPending: boolean): boolean {
    return this.#change(offset, { isPending });
  }

  setCounter(offset: number, counter: Counter, value: number): boolean {
    return value >= 0 && this.#change(offset, { [counter]: Math.min(value, MAXIMA[counter]) });
  }

  beginLease(offset: number, lease: number, timeMs: number): boolean {
    const record = this.records.get(offset);
    if (record?.state !== acquired || record.inWheel !== null) return false;
    if (lease < 0 || lease >= 2 ** 32) return false;
    return this.#change(offset, { lease, timeMs, isPending: false, inWheel: 'lease' });
  }

  setTime(offset: number, timeMs: number): boolean {
    if (this.records.get(offset)?.inWheel !== null) return false;
    return this.#change(offset, { timeMs });
  }

  pushReady(offset: number): boolean {
    const record = this.records.get(offset);
    if (record?.state !== available || record.isReady || record.inWheel !== null) return false;
    return this.#change(offset, { isReady: true });
  }

  removeReady(offset: number): void {
    this.#change(offset, { isReady: false });
  }

  /** The lowest offset that is ready among those of the kind, or -1. */
  minReady(kind: number): number {
    const ofKind = ({ crashes }: ReferenceRecord) => Math.max(0, Math.min(crashes, 3) - 1) === kind;
    return this.sorted().find((record) => record.isReady && ofKind(record))?.offset ?? -1;
  }

  popReady(kind: number): number {
    const offset = this.minReady(kind);
    this.removeReady(offset);
    return offset;
  }

  /** Only into the wheel of its state, which the table leaves to the engine. */
  insert(offset: number): boolean {
    const record = this.records.get(offset);
    if (record === undefined || record.isReady || record.inWheel !== null) return false;
    if (record.state === available) return false;
    return this.#change(offset, { inWheel: record.state === acquired ? 'lease' : 'delay' });
  }

  takeOut(offset: number): boolean {
    if (this.records.get(offset)?.inWheel == null) return false;
    return this.#change(offset, { inWheel: null });
  }

  /** Those of a wheel that are due, none of them earlier than 8 ms after the time they say. */
  due(wheel: 'lease' | 'delay', nowMs: number): number[] {
    const isDue = ({ inWheel, timeMs }: ReferenceRecord) =>
      inWheel === wheel && Math.ceil(timeMs / 8) <= Math.floor(nowMs / 8);
    return this.sorted()
      .filter(isDue)
      .map(({ offset }) => offset);
  }

  #change(offset: number, change: Partial<ReferenceRecord>): boolean {
    const record = this.records.get(offset);
    if (record === undefined) return false;
    Object.assign(record, change);
    return true;
  }
}
