/** Bindings of a direct exchange: those whose routing key is that of the record. */
import type { Binding } from './binding.ts';
import { END, type BindingLists } from './binding-lists.ts';
import type { MatchList } from './match-list.ts';
import type { Router } from './router-type.ts';

export class DirectRouter implements Router {
  readonly #lists: BindingLists;
  /** Heads by routing key. */
  readonly #heads = new Map<string, number>();

  constructor(lists: BindingLists) {
    this.#lists = lists;
  }

  add(slot: number, { routingKey }: Binding): void {
    this.#heads.set(routingKey, this.#lists.push(this.#heads.get(routingKey) ?? END, slot));
  }

  remove(slot: number, { routingKey }: Binding): void {
    const head = this.#lists.remove(this.#heads.get(routingKey) ?? END, slot);
    if (head === END) this.#heads.delete(routingKey);
    else this.#heads.set(routingKey, head);
  }

  match(key: string, _headers: unknown, into: MatchList): void {
    this.#lists.addAll(this.#heads.get(key) ?? END, into);
  }
}
