/** The state of the toy queue: a fold over the lines of its journal. */
import { placeKey, type Content, type DeathReason, type Place } from './history.ts';
import { SUSPECT_CRASHES } from './lease-facts.ts';

export type ToyEntry =
  | { readonly type: 'opened'; readonly ownerEpoch: number }
  | { readonly type: 'sent'; readonly content: Content; readonly place: Place }
  | { readonly type: 'acquired'; readonly places: readonly Place[] }
  | {
      readonly type: 'ended';
      readonly place: Place;
      readonly how: 'ack' | 'release' | 'failed' | 'expired' | 'reject';
      readonly dueMs: number;
    };

export interface ToyRecord {
  readonly content: Content;
  readonly place: Place;
  isLeased: boolean;
  dueMs: number;
  attempt: number;
  failures: number;
  expiries: number;
  crashes: number;
}

export interface ToyDeath {
  readonly record: ToyRecord;
  readonly reason: DeathReason;
}

export class ToyState {
  ownerEpoch = 0;
  /** Unsettled records by place, in the order of their offsets. */
  readonly records = new Map<string, ToyRecord>();
  readonly deaths: ToyDeath[] = [];
  readonly #ends = [0, 0];
  readonly #limits: { readonly failuresMax: number; readonly expiriesMax: number };

  constructor(limits: { readonly failuresMax: number; readonly expiriesMax: number }) {
    this.#limits = limits;
  }

  /** Where the next record of the key goes. */
  nextPlace(key: string): Place {
    const partition = key.length % 2;
    return { partition, offset: this.#ends[partition] ?? 0 };
  }

  /** Nothing will be there. */
  skip({ partition, offset }: Place): void {
    this.#ends[partition] = offset + 1;
  }

  apply(entry: ToyEntry): void {
    if (entry.type === 'opened') {
      this.ownerEpoch = entry.ownerEpoch;
      for (const record of this.records.values()) if (record.isLeased) this.#crash(record);
    } else if (entry.type === 'sent') {
      this.#add(entry.content, entry.place);
    } else if (entry.type === 'acquired') {
      for (const place of entry.places) this.#acquire(place);
    } else {
      const record = this.records.get(placeKey(entry.place));
      if (record !== undefined) this.#end(record, entry);
    }
  }

  /** Those that may be leased now, lowest offset first. */
  available(max: number, nowMs: number): ToyRecord[] {
    const isSuspect = ({ crashes }: ToyRecord): boolean => crashes >= SUSPECT_CRASHES;
    const all = [...this.records.values()];
    let suspects = all.filter((record) => record.isLeased && isSuspect(record)).length;
    const chosen: ToyRecord[] = [];
    for (const record of all) {
      if (chosen.length === max) break;
      if (record.isLeased || record.dueMs > nowMs) continue;
      if (isSuspect(record) && suspects++ > 0) continue;
      chosen.push(record);
    }
    return chosen;
  }

  #add(content: Content, place: Place): void {
    this.skip(place);
    this.records.set(placeKey(place), {
      content,
      place,
      isLeased: false,
      dueMs: 0,
      attempt: 0,
      failures: 0,
      expiries: 0,
      crashes: 0,
    });
  }

  #acquire(place: Place): void {
    const record = this.records.get(placeKey(place));
    if (record === undefined) return;
    record.isLeased = true;
    record.attempt++;
  }

  #crash(record: ToyRecord): void {
    record.isLeased = false;
    if (record.crashes++ < SUSPECT_CRASHES) return;
    if (++record.failures >= this.#limits.failuresMax) this.#die(record, 'crash');
  }

  #end(record: ToyRecord, { how, dueMs }: Extract<ToyEntry, { type: 'ended' }>): void {
    const { failuresMax, expiriesMax } = this.#limits;
    record.isLeased = false;
    record.dueMs = dueMs;
    if (how === 'ack') this.records.delete(placeKey(record.place));
    else if (how === 'reject') this.#die(record, 'rejected');
    else if (how === 'failed' && ++record.failures >= failuresMax) this.#die(record, 'failures');
    else if (how === 'expired' && ++record.expiries >= expiriesMax) {
      this.#die(record, 'lease-expired');
    }
  }

  #die(record: ToyRecord, reason: DeathReason): void {
    this.records.delete(placeKey(record.place));
    this.deaths.push({ record, reason });
  }
}
