/** One exchange in the graph. */
import type { Exchange, ExchangeType } from './binding.ts';
import { END } from './binding-lists.ts';
import type { Router } from './router-type.ts';

/** What the destinations of a record depend on, of all that it tells; each includes those before. */
export const Dependence = { nothing: 0, key: 1, headers: 2 } as const;

export type DependenceLevel = (typeof Dependence)[keyof typeof Dependence];

/** Whether bindings match by any of several routing keys; others look at the first alone, or at none. */
export function isByEachKey(type: ExchangeType): boolean {
  return type === 'direct' || type === 'topic';
}

export class ExchangeNode {
  exchange: Exchange;
  readonly router: Router;
  /** In all exchanges of the graph, a small one. */
  readonly number: number;
  readonly isByEachKey: boolean;
  /** Heads of the lists of its bindings, and of those that lead to it. */
  firstFrom = END;
  firstTo = END;
  bindingCount = 0;
  /** Exchanges that its bindings lead to, and by how many bindings. */
  readonly exchanges = new Map<ExchangeNode, number>();
  /** Of everything that can be reached from here; known since change number `dependsSince`. */
  depends: DependenceLevel = Dependence.headers;
  dependsSince = -1;

  constructor(exchange: Exchange, router: Router, number: number) {
    this.exchange = exchange;
    this.router = router;
    this.number = number;
    this.isByEachKey = isByEachKey(exchange.type);
  }

  /** What its own bindings look at. */
  get looksAt(): DependenceLevel {
    const { type } = this.exchange;
    if (type === 'headers') return Dependence.headers;
    return type === 'fanout' ? Dependence.nothing : Dependence.key;
  }

  addExchange(node: ExchangeNode): void {
    this.exchanges.set(node, (this.exchanges.get(node) ?? 0) + 1);
  }

  removeExchange(node: ExchangeNode): void {
    const left = (this.exchanges.get(node) ?? 0) - 1;
    if (left > 0) this.exchanges.set(node, left);
    else this.exchanges.delete(node);
  }
}
