/** What is published to an exchange: whether it takes that, and where it goes as things are now. */
import { ConflictError } from '../core/errors.ts';
import { UnroutableError } from '../core/routing-errors.ts';
import { decodeHeaders, type HeaderBlock } from '../format/record-headers.ts';
import { routedHeaders } from '../format/routing-header.ts';
import { headersWithId } from '../topic/dedup-call.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { furtherKeysOf, routingKeyOf, type PublishOptions } from './publish-options.ts';
import type { RecordHeaders } from './router-type.ts';

type AddressInput = Pick<PublishOptions, 'routingKey' | 'cc' | 'bcc' | 'headers' | 'dedupId'>;

/** What of a record says where it goes. */
export interface Addressed {
  readonly routingKey: string;
  /** With the further ones. */
  readonly keys: readonly string[];
  /** Of the record, with its keys. */
  readonly headers: HeaderBlock;
}

export interface PublishRouterParts {
  readonly name: string;
  readonly exchangeId: number;
  readonly isInternal: boolean;
  readonly exchanges: ExchangeCatalog;
  /** Its one partition is the source of the exchange. */
  readonly sources: PartitionSet;
}

export class PublishRouter {
  readonly exchangeId: number;
  readonly exchanges: ExchangeCatalog;
  readonly sources: PartitionSet;
  readonly #name: string;
  readonly #isInternal: boolean;

  constructor({ name, exchangeId, isInternal, exchanges, sources }: PublishRouterParts) {
    this.exchangeId = exchangeId;
    this.exchanges = exchanges;
    this.sources = sources;
    this.#name = name;
    this.#isInternal = isInternal;
  }

  /** Another exchange may have the name by now. @throws ClosedError */
  checkThere(): void {
    this.exchanges.checkThere(this.exchangeId, this.#name);
  }

  /** @throws ClosedError; ConflictError for an internal exchange; as `Exchange.publish`, for what it looks at */
  address(input: AddressInput): Addressed {
    this.#checkTakes();
    const headers = this.mayHold(input)
      ? headersWithId(input, this.sources.settings)
      : input.headers;
    const routingKey = routingKeyOf(input);
    const further = furtherKeysOf(input);
    const block = routedHeaders(routingKey, headers ?? null, further);
    const keys = further === null ? [routingKey] : [routingKey, ...further.cc, ...further.bcc];
    return { routingKey, keys, headers: block };
  }

  /**
   * Where it goes as things are now: what is appended in the same step goes there.
   *
   * @returns ids of topics, in an array that others get too
   * @throws UnroutableError for what must not go nowhere, and does
   */
  route(
    { routingKey, keys, headers }: Addressed,
    { isMandatory }: { readonly isMandatory: boolean },
    index = 0,
  ): readonly number[] {
    const topicIds = this.exchanges.route(this.exchangeId, keys, () => headersOf(headers));
    if (!isMandatory || topicIds.length > 0) return topicIds;
    throw new UnroutableError({ exchange: this.#name, routingKey, index });
  }

  /** Whether a record may be in the source already. */
  mayHold(input: Pick<PublishOptions, 'dedupId'>): boolean {
    return input.dedupId !== undefined || this.sources.dedupsContent;
  }

  #checkTakes(): void {
    this.checkThere();
    if (!this.#isInternal) return;
    const what = { kind: 'exchange', name: this.#name };
    throw new ConflictError({ ...what, stored: 'internal', requested: 'a publish' });
  }
}

export function headersOf({ bytes }: HeaderBlock): RecordHeaders {
  return decodeHeaders(bytes, 0, bytes.length);
}
