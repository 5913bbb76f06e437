/** The slow twin of `Topology`: rules as a list, and what a record reaches until nothing is new. */
import type { ExchangeType, Target } from '../../../src/routing/binding.ts';
import { hashChoice } from './hash-choice.ts';
import { headersMatch, type Conditions } from './headers-match.ts';
import { topicMatches } from './topic-match.ts';

export interface ReferenceExchange {
  readonly id: number;
  readonly type: ExchangeType;
  alternateId: number | null;
}

export interface ReferenceBinding {
  readonly bindingId: number;
  readonly exchangeId: number;
  readonly target: Target;
  readonly routingKey: string;
  readonly headers: Conditions | null;
}

type Headers = ReadonlyMap<string, Uint8Array> | null;

export class ReferenceTopology {
  exchanges: ReferenceExchange[] = [];
  bindings: ReferenceBinding[] = [];

  /** Topic ids, ascending. */
  route(start: number, keys: readonly string[], headers: Headers): number[] {
    const reached = new Set([start]);
    const topics = new Set<number>();
    let known = -1;
    while (known !== reached.size) {
      known = reached.size;
      for (const id of Array.from(reached)) {
        const matching = this.matching(id, keys, headers);
        for (const { target } of matching) {
          if (target.kind === 'topic') topics.add(target.id);
          else reached.add(target.id);
        }
        const alternate = this.alternateOf(id);
        if (matching.length === 0 && alternate !== null) reached.add(alternate);
      }
    }
    return [...topics].sort((a, b) => a - b);
  }

  matching(exchangeId: number, keys: readonly string[], headers: Headers): ReferenceBinding[] {
    const exchange = this.exchanges.find(({ id }) => id === exchangeId);
    const bindings = this.bindings.filter((binding) => binding.exchangeId === exchangeId);
    if (exchange?.type === 'consistent-hash') {
      const chosen = hashChoice(bindings, keys[0] ?? '');
      return chosen === null ? [] : [chosen];
    }
    return bindings.filter(({ routingKey, headers: wanted }) => {
      if (exchange?.type === 'direct') return keys.includes(routingKey);
      if (exchange?.type === 'topic') return keys.some((key) => topicMatches(routingKey, key));
      return exchange?.type === 'fanout' || headersMatch(wanted, headers);
    });
  }

  /** Whether some exchange leads back to itself, by way of others too. */
  get hasCycle(): boolean {
    return this.exchanges.some(({ id }) => {
      const reached = new Set(this.#nextOf(id));
      for (const next of reached) for (const one of this.#nextOf(next)) reached.add(one);
      return reached.has(id);
    });
  }

  remove(exchangeId: number): void {
    this.exchanges = this.exchanges.filter(({ id }) => id !== exchangeId);
    this.bindings = this.bindings.filter(
      ({ exchangeId: from, target }) =>
        from !== exchangeId && !(target.kind === 'exchange' && target.id === exchangeId),
    );
  }

  #nextOf(wanted: number): readonly number[] {
    const own = this.bindings.filter(({ exchangeId }) => exchangeId === wanted);
    const next = own.flatMap(({ target }) => (target.kind === 'exchange' ? [target.id] : []));
    const alternate = this.alternateOf(wanted);
    return alternate === null ? next : [...next, alternate];
  }

  /** Who gets what no binding matches; null = nobody. */
  alternateOf(exchangeId: number): number | null {
    const alternateId = this.exchanges.find(({ id }) => id === exchangeId)?.alternateId ?? null;
    return this.exchanges.some(({ id }) => id === alternateId) ? alternateId : null;
  }
}
