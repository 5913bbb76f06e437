/**
 * Where records with the same routing key went before, for exchanges that look at nothing else.
 *
 * One cache for all exchanges, so that its memory has one bound: a key knows the exchanges that it
 * was published to, mostly one. Any change of the topology empties it.
 */
import { LRUCache } from 'lru-cache';
import type { ExchangeNode } from './exchange-node.ts';

/** Exchanges that a key is known of; with more it begins anew. */
const EXCHANGES_PER_KEY_MAX = 4;

interface KnownRoute {
  readonly node: ExchangeNode;
  readonly topicIds: readonly number[];
  readonly next: KnownRoute | null;
  /** Of this route and those behind it. */
  readonly count: number;
}

export class RouteCache {
  readonly #routes: LRUCache<string, KnownRoute>;

  constructor(keysMax: number) {
    this.#routes = new LRUCache({ max: keysMax });
  }

  get(node: ExchangeNode, key: string): readonly number[] | null {
    let known: KnownRoute | null = this.#routes.get(key) ?? null;
    while (known !== null && known.node !== node) known = known.next;
    return known === null ? null : known.topicIds;
  }

  /** Remembers what `get` did not know. */
  set(node: ExchangeNode, key: string, topicIds: readonly number[]): void {
    const known = this.#routes.get(key) ?? null;
    const next = known === null || known.count === EXCHANGES_PER_KEY_MAX ? null : known;
    this.#routes.set(key, { node, topicIds, next, count: 1 + (next?.count ?? 0) });
  }

  clear(): void {
    if (this.#routes.size > 0) this.#routes.clear();
  }
}
