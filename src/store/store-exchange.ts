/** Opens exchanges for their users, and keeps what is theirs alone. */
import { present } from '../core/assert.ts';
import { checkCodec, codecOr } from '../codec/codec.ts';
import { ConflictError } from '../core/errors.ts';
import { DefaultExchange } from '../routing/default-exchange.ts';
import { Exchange } from '../routing/exchange.ts';
import { conflictOf } from '../routing/exchange-conflicts.ts';
import {
  DEFAULT_DESCRIPTION,
  DEFAULT_EXCHANGE,
  defaultConflict,
} from '../routing/exchange-name.ts';
import {
  checkExchangeOptions,
  type ExchangeOptions,
  type OpenExchangeOptions,
} from '../routing/exchange-options.ts';
import type { KnownTopic } from '../routing/topology-document.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import type { Store } from './store.ts';

/** What exchanges of a store are made of. */
type ExchangeHome = Pick<Store, 'exchangeCatalog' | 'projector' | 'topic'>;

/**
 * @param topics  also while the store is being closed: who changed something hears what became of it
 * @throws as `Store.exchange`
 */
export async function openExchange<T, Input>(
  home: ExchangeHome,
  name: string,
  given: OpenExchangeOptions<T, Input>,
  topics: () => readonly KnownTopic[],
): Promise<Exchange<T, Input> | DefaultExchange<T, Input>> {
  const { codec, ...options } = given;
  if (codec !== undefined) checkCodec(codec);
  const { exchangeCatalog: exchanges, projector } = home;
  if (name === DEFAULT_EXCHANGE) {
    checkDefault(options);
    const { sources } = exchanges;
    const open = (topic: string) => home.topic(topic, { codec, create: false });
    return new DefaultExchange({ open, sources, codec: codecOr(codec) });
  }
  const description = await exchanges.open(name, options);
  exchanges.sources.checkOpen(); // It may be closed meanwhile.
  const made = exchanges.sources.topicOf(description.exchangeId);
  return new Exchange({
    description,
    sources: present(made, 'it was made with it'),
    codec: codecOr(codec),
    exchanges,
    projector,
    topics,
  });
}

/** @throws ConflictError for options that it does not have; TypeError, RangeError */
function checkDefault(given: ExchangeOptions): void {
  const options = checkExchangeOptions(given);
  const conflict = conflictOf(DEFAULT_DESCRIPTION, options);
  if (conflict !== null) throw conflict;
  if (options.source !== undefined) throw defaultConflict();
}

/** Whether a topic of that name is the source of an exchange. */
export function isSourceName(name: unknown): boolean {
  return typeof name === 'string' && name.startsWith(SOURCE_PREFIX);
}

/** @throws ConflictError for the source of an exchange, which is the exchange's to change */
export function checkNoSource(name: string, requested: string): void {
  if (isSourceName(name)) throw sourceConflict(name, requested);
}

export function sourceConflict(name: string, requested: string): ConflictError {
  return new ConflictError({ kind: 'topic', name, stored: 'the source of an exchange', requested });
}
