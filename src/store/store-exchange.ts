/** Opens exchanges for their users. */
import { present } from '../core/assert.ts';
import { checkCodec, codecOr, type Codec } from '../codec/codec.ts';
import { Exchange } from '../routing/exchange.ts';
import type { ExchangeCatalog } from '../routing/exchange-catalog.ts';
import type { ExchangeOptions } from '../routing/exchange-options.ts';
import type { Projector } from '../routing/projector.ts';

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
