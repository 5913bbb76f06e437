/** The exchanges of a topology, by id and by small numbers, and what can be reached from each. */
import { assert, present } from '../core/assert.ts';
import type { Exchange } from './binding.ts';
import { Dependence, ExchangeNode, type DependenceLevel } from './exchange-node.ts';
import type { Router } from './router-type.ts';

export class ExchangeTable {
  readonly #nodes = new Map<number, ExchangeNode>();
  readonly #byNumber: (ExchangeNode | null)[] = [];
  readonly #free: number[] = [];

  /** All numbers are below it. */
  get capacity(): number {
    return this.#byNumber.length;
  }

  get(exchangeId: number): ExchangeNode | null {
    return this.#nodes.get(exchangeId) ?? null;
  }

  at(number: number): ExchangeNode {
    return present(this.#byNumber[number], 'the number is in use');
  }

  /** In the order in which they came. */
  all(): Exchange[] {
    return [...this.#nodes.values()].map(({ exchange }) => exchange);
  }

  add(exchange: Exchange, router: Router): void {
    assert(!this.#nodes.has(exchange.exchangeId), 'each exchange has an id of its own');
    const number = this.#free.pop() ?? this.#byNumber.length;
    const node = new ExchangeNode(exchange, router, number);
    this.#nodes.set(exchange.exchangeId, node);
    this.#byNumber[number] = node;
  }

  remove({ exchange, number }: ExchangeNode): void {
    this.#nodes.delete(exchange.exchangeId);
    this.#byNumber[number] = null;
    this.#free.push(number);
  }

  alternateOf({ exchange }: ExchangeNode): ExchangeNode | null {
    return exchange.alternateId === null ? null : this.get(exchange.alternateId);
  }

  /** The most that any exchange looks at which can be reached from this one, itself included. */
  dependenceOf(start: ExchangeNode): DependenceLevel {
    const reached = new Set([start]);
    let most: DependenceLevel = Dependence.nothing;
    for (const node of reached) {
      if (node.looksAt > most) most = node.looksAt;
      if (most === Dependence.headers) break;
      for (const next of node.exchanges.keys()) reached.add(next);
      const alternate = this.alternateOf(node);
      if (alternate !== null) reached.add(alternate);
    }
    return most;
  }
}
