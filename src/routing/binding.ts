/** What exchanges and bindings are, to whoever routes by them: ids, no names. */
import type { HeaderConditions } from './header-conditions.ts';

/**
 * As in RabbitMQ: by equal key, to all, by pattern, by headers, or to one by a hash of the key.
 * Types may only be added at the end.
 */
export const EXCHANGE_TYPES = ['direct', 'fanout', 'topic', 'headers', 'consistent-hash'] as const;

export type ExchangeType = (typeof EXCHANGE_TYPES)[number];

export interface Exchange {
  readonly exchangeId: number;
  readonly type: ExchangeType;
  /** Gets what no binding of this exchange matched, if it is there; null = nobody does. */
  readonly alternateId: number | null;
  /** Takes records from other exchanges alone. Whoever publishes looks; routing does not. */
  readonly isInternal: boolean;
}

/** A topic, which a queue is too, or another exchange. */
export interface Target {
  readonly kind: 'topic' | 'exchange';
  readonly id: number;
}

/** What makes a binding this one and no other: bound twice, it is one. */
export interface BindingIdentity {
  /** The exchange that it sends records of. */
  readonly exchangeId: number;
  readonly target: Target;
  /**
   * A pattern in a topic exchange, a weight in a consistent-hash exchange; fanout and headers exchanges
   * do not look at it.
   */
  readonly routingKey: string;
  /** Only headers exchanges look at them, for which null is as good as no conditions. */
  readonly headers: HeaderConditions | null;
}

export interface Binding extends BindingIdentity {
  readonly bindingId: number;
}
