/** What finds the bindings of one exchange. */
import type { Binding } from './binding.ts';
import type { MatchList } from './match-list.ts';

/** Headers of a record; null = it has none. */
export type RecordHeaders = ReadonlyMap<string, Uint8Array> | null;

export interface Router {
  /** Takes in a binding that is not in, by its slot. */
  add(slot: number, binding: Binding): void;
  /** Takes out a binding that is in. */
  remove(slot: number, binding: Binding): void;
  /** Adds the slot of each binding that matches, once, in no order. */
  match(key: string, headers: RecordHeaders, into: MatchList): void;
}
