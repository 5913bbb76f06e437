/** Bindings of a fanout exchange: all of them, whatever the routing key. */
import { END, type BindingLists } from './binding-lists.ts';
import type { MatchList } from './match-list.ts';
import type { Router } from './router-type.ts';

export class FanoutRouter implements Router {
  readonly #lists: BindingLists;
  #head = END;

  constructor(lists: BindingLists) {
    this.#lists = lists;
  }

  add(slot: number): void {
    this.#head = this.#lists.push(this.#head, slot);
  }

  remove(slot: number): void {
    this.#head = this.#lists.remove(this.#head, slot);
  }

  match(_key: unknown, _headers: unknown, into: MatchList): void {
    this.#lists.addAll(this.#head, into);
  }
}
