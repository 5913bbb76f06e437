/**
 * Bindings of a headers exchange: those whose conditions the headers of the record meet.
 *
 * `test/support/reference/headers-match.ts` is the slow twin.
 *
 * What a record does not have is not looked at: a binding that wants all of its conditions is found
 * by one of them, the one that fewest others were found by when it came, and the rest is compared
 * then; one that wants any of them is found by each (Fabret et al., "Filtering Algorithms and
 * Implementation for Very Fast Publish/Subscribe Systems", SIGMOD 2001: access predicates).
 */
import { present } from '../core/assert.ts';
import type { Binding } from './binding.ts';
import {
  effectiveConditions,
  isAny,
  latin1Of,
  type HeaderCondition,
  type HeaderConditions,
} from './header-conditions.ts';
import type { MatchList } from './match-list.ts';
import type { RecordHeaders, Router } from './router-type.ts';
import { SlotBags, type SlotBag } from './slot-bag.ts';

const NO_CONDITIONS: HeaderConditions = { match: 'all', conditions: [] };

interface Wanted {
  readonly isAny: boolean;
  readonly conditions: readonly HeaderCondition[];
  /** Those that it is found by. */
  readonly foundBy: readonly HeaderCondition[];
  /** The search that found it last. */
  search: number;
}

/** Bindings that are found by a header of one name. */
interface Named {
  /** By conditions without a value. */
  readonly present: SlotBags<null>;
  /** By the values, a character for each byte. */
  readonly values: SlotBags<string>;
  /** Bytes of the longest value that was ever among them. */
  valueBytesMax: number;
}

export class HeadersRouter implements Router {
  readonly #wanted = new Map<number, Wanted>();
  readonly #names = new Map<string, Named>();
  /** Bindings that every record matches. */
  readonly #always = new Set<number>();
  #search = 0;

  add(slot: number, { headers }: Binding): void {
    const wanted = headers ?? NO_CONDITIONS;
    const conditions = effectiveConditions(wanted);
    const any = isAny(wanted);
    if (conditions.length === 0) {
      if (!any) this.#always.add(slot);
      return;
    }
    const foundBy = any ? conditions : [this.#rarest(conditions)];
    this.#wanted.set(slot, { isAny: any, conditions, foundBy, search: 0 });
    for (const condition of foundBy) this.#post(condition, slot);
  }

  remove(slot: number): void {
    this.#always.delete(slot);
    const wanted = this.#wanted.get(slot);
    if (wanted === undefined) return; // It wanted nothing, or got nothing.
    for (const { name, value } of wanted.foundBy) this.#withdraw(name, value, slot);
    this.#wanted.delete(slot);
  }

  match(_key: unknown, headers: RecordHeaders, into: MatchList): void {
    this.#search++;
    for (const slot of this.#always) into.add(slot);
    if (headers === null || this.#names.size === 0) return;
    for (const [name, value] of headers) {
      const named = this.#names.get(name);
      if (named === undefined) continue;
      this.#look(named.present.get(null), headers, into);
      if (value.length > named.valueBytesMax) continue;
      this.#look(named.values.get(latin1Of(value)), headers, into);
    }
  }

  #look(found: SlotBag, headers: ReadonlyMap<string, Uint8Array>, into: MatchList): void {
    if (found === null) return;
    if (typeof found === 'number') return this.#try(found, headers, into);
    for (const slot of found) this.#try(slot, headers, into);
  }

  #try(slot: number, headers: ReadonlyMap<string, Uint8Array>, into: MatchList): void {
    const wanted = present(this.#wanted.get(slot), 'what is found has conditions');
    if (wanted.search === this.#search) return; // Found by another of its conditions.
    if (!wanted.isAny && !wanted.conditions.every((condition) => isMet(condition, headers))) return;
    wanted.search = this.#search;
    into.add(slot);
  }

  #rarest(conditions: readonly HeaderCondition[]): HeaderCondition {
    let rarest: HeaderCondition | null = null;
    let fewest = Infinity;
    for (const condition of conditions) {
      const count = this.#countFoundBy(condition);
      if (count >= fewest) continue;
      fewest = count;
      rarest = condition;
    }
    return present(rarest, 'there are conditions');
  }

  /** A value is rarer than its name, unless others say more. */
  #countFoundBy({ name, value }: HeaderCondition): number {
    const named = this.#names.get(name);
    if (value === null) return 1 + (named?.present.countOf(null) ?? 0);
    return named?.values.countOf(latin1Of(value)) ?? 0;
  }

  #post({ name, value }: HeaderCondition, slot: number): void {
    const named = this.#names.get(name) ?? {
      present: new SlotBags(),
      values: new SlotBags(),
      valueBytesMax: -1,
    };
    this.#names.set(name, named);
    if (value === null) return named.present.add(null, slot);
    named.values.add(latin1Of(value), slot);
    named.valueBytesMax = Math.max(named.valueBytesMax, value.length);
  }

  #withdraw(name: string, value: Uint8Array | null, slot: number): void {
    const named = present(this.#names.get(name), 'the binding is found by it');
    if (value === null) named.present.remove(null, slot);
    else named.values.remove(latin1Of(value), slot);
    if (named.present.size + named.values.size === 0) this.#names.delete(name);
  }
}

function isMet(
  { name, value }: HeaderCondition,
  headers: ReadonlyMap<string, Uint8Array>,
): boolean {
  const found = headers.get(name);
  if (found === undefined) return false;
  return value === null || Buffer.compare(found, value) === 0;
}
