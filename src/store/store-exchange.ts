/** Opens exchanges for their users, and keeps what is theirs alone. */
import { present } from '../core/assert.ts';
import { checkCodec, codecOr, type Codec } from '../codec/codec.ts';
import { ConflictError } from '../core/errors.ts';
import { Exchange } from '../routing/exchange.ts';
import type { ExchangeOptions } from '../routing/exchange-options.ts';
import type { KnownTopic } from '../routing/topology-document.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import { knownTopics } from './store-topology.ts';
import type { Store } from './store.ts';

/** What exchanges of a store are made of. */
type ExchangeHome = Pick<Store, 'exchangeCatalog' | 'projector' | 'topics' | 'queues'>;

/** @throws as `Store.exchange` */
export async function openExchange<T, Input>(
  store: ExchangeHome,
  name: string,
  given: ExchangeOptions & { readonly codec?: Codec<T, Input> | undefined },
): Promise<Exchange<T, Input>> {
  const { exchangeCatalog: exchanges, projector } = store;
  const { codec, ...options } = given;
  if (codec !== undefined) checkCodec(codec);
  const description = await exchanges.open(name, options);
  const source = present(exchanges.sources.of(description.exchangeId), 'it was made with it');
  const topics = (): readonly KnownTopic[] => knownTopics(store);
  return new Exchange({
    description,
    source,
    codec: codecOr(codec),
    exchanges,
    projector,
    topics,
  });
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
