/** Exchanges and bindings by name, as a program that changes them thinks they are. */
import type { ExchangeType } from '../../../../src/routing/binding.ts';
import type { Conditions } from '../../reference/headers-match.ts';
import { bindingLine, exchangeLine, type Lines } from './topology-timeline.ts';

export interface ModelExchange {
  readonly name: string;
  readonly type: ExchangeType;
  readonly alternate: string | null;
  readonly isInternal: boolean;
  readonly isAutoDelete: boolean;
}

export interface ModelBinding {
  readonly exchange: string;
  readonly kind: 'topic' | 'exchange';
  readonly to: string;
  readonly pattern: string;
  readonly headers: Conditions | null;
}

export class RoutingModel {
  readonly exchanges: readonly ModelExchange[];
  readonly bindings: readonly ModelBinding[];

  constructor(exchanges: readonly ModelExchange[] = [], bindings: readonly ModelBinding[] = []) {
    this.exchanges = exchanges;
    this.bindings = bindings;
  }

  get lines(): Lines {
    const names = new Set(this.exchanges.map(({ name }) => name));
    return new Set([
      ...this.exchanges.map(({ name, type, alternate }) =>
        exchangeLine(name, type, alternate !== null && names.has(alternate) ? alternate : null),
      ),
      ...this.bindings.map(lineOf),
    ]);
  }

  with(exchange: ModelExchange): RoutingModel {
    const others = this.exchanges.filter(({ name }) => name !== exchange.name);
    return new RoutingModel([...others, exchange], this.bindings);
  }

  bound(binding: ModelBinding): RoutingModel {
    const others = this.bindings.filter((one) => lineOf(one) !== lineOf(binding));
    return new RoutingModel(this.exchanges, [...others, binding]);
  }

  has(binding: ModelBinding): boolean {
    return this.bindings.some((one) => lineOf(one) === lineOf(binding));
  }

  unbound(binding: ModelBinding): RoutingModel {
    return this.#without((one) => lineOf(one) === lineOf(binding));
  }

  withoutTopic(topic: string): RoutingModel {
    return this.#without(({ kind, to }) => kind === 'topic' && to === topic);
  }

  withoutExchange(name: string): RoutingModel {
    const exchanges = this.exchanges
      .filter((one) => one.name !== name)
      .map((one) => (one.alternate === name ? { ...one, alternate: null } : one)); // For good.
    const bindings = this.bindings.filter((one) => one.exchange !== name);
    return new RoutingModel(exchanges, bindings).#without(
      ({ kind, to }) => kind === 'exchange' && to === name,
    );
  }

  /** Exchanges that go with their last binding go, and so on. */
  #without(isGone: (binding: ModelBinding) => boolean): RoutingModel {
    const gone = this.bindings.filter(isGone);
    const bindings = this.bindings.filter((one) => !isGone(one));
    let left = new RoutingModel(this.exchanges, bindings);
    for (const name of new Set(gone.map(({ exchange }) => exchange))) {
      const exchange = left.exchanges.find((one) => one.name === name);
      const isLast = !left.bindings.some((one) => one.exchange === name);
      if (exchange?.isAutoDelete === true && isLast) left = left.withoutExchange(name);
    }
    return left;
  }
}

function lineOf({ exchange, kind, to, pattern, headers }: ModelBinding): string {
  return bindingLine(exchange, `${kind} ${to}`, pattern, headers);
}
