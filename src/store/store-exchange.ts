/** Opens exchanges for their users, and keeps what is theirs alone. */
import { present } from '../core/assert.ts';
import { checkCodec, codecOr, type Codec } from '../codec/codec.ts';
import { ConflictError } from '../core/errors.ts';
import { Exchange } from '../routing/exchange.ts';
import type { ExchangeCatalog } from '../routing/exchange-catalog.ts';
import type { ExchangeOptions } from '../routing/exchange-options.ts';
import type { Projector } from '../routing/projector.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';

/** What exchanges of a store are made of. */
interface ExchangeHome {
  readonly exchangeCatalog: ExchangeCatalog;
  readonly projector: Projector;
}

/** @throws as `Store.exchange` */
export async function openExchange<T, Input>(
  { exchangeCatalog: exchanges, projector }: ExchangeHome,
  name: string,
  given: ExchangeOptions & { readonly codec?: Codec<T, Input> | undefined },
): Promise<Exchange<T, Input>> {
  const { codec, ...options } = given;
  if (codec !== undefined) checkCodec(codec);
  const description = await exchanges.open(name, options);
  const source = present(exchanges.sources.of(description.exchangeId), 'it was made with it');
  return new Exchange({ description, source, codec: codecOr(codec), exchanges, projector });
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
