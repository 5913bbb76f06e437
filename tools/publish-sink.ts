/** Records to an exchange of a store, whoever has it: one request after the other, in order. */
import { isUtf8 } from 'node:buffer';
import { bytes, TooLargeError } from '../src/index.ts';
import type { DurabilityLevel, RecordInput } from '../src/index.ts';
import { UnroutableError } from '../src/core/routing-errors.ts';
import { checkRoutingKey, ROUTING_KEY_HEADER } from '../src/format/routing-header.ts';
import { emptyEncodable, prepareRecord } from '../src/log/record-input.ts';
import type { Confirmation } from '../src/routing/publish-options.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import { publishRecords, type PublishedRecord } from '../src/store/routing-verbs.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import type { RecordSink } from './line-appender.ts';
import { badField, isObject, parseObject, recordFromFields } from './record-json.ts';
import { takeRequest } from './record-requests.ts';
import { RequestPump } from './request-pump.ts';
import type { StoreDesk } from './store-desk.ts';

export interface PublishSinkOptions {
  readonly exchange: string;
  /** Undefined = as the exchange is set. */
  readonly durability: DurabilityLevel | undefined;
  readonly confirm: Confirmation;
  readonly isMandatory: boolean;
  /** Of the source log. */
  readonly recordBytesMax: number;
}

type Bytes = RecordInput<Uint8Array>;

export class PublishSink implements RecordSink {
  /** How many are stored. */
  endOffset = 0;
  /** Of a request that failed: some of them may be stored, too. */
  doubtfulCount = 0;
  /** Of the first record, in the source; others may have published in between. Null = there is none. */
  baseOffset: number | null = null;
  /** Behind the last. */
  nextOffset: number | null = null;
  /** Records that no binding matched. */
  unroutedCount = 0;
  /** How many copies each queue or topic gets. */
  readonly copyCounts = new Map<string, number>();
  readonly #desk: StoreDesk;
  readonly #options: PublishSinkOptions;
  readonly #scratch = emptyEncodable();
  readonly #pump = new RequestPump((queue, at) => this.#send(queue, at));

  constructor(desk: StoreDesk, options: PublishSinkOptions) {
    this.#desk = desk;
    this.#options = options;
  }

  appendBatch(records: readonly Bytes[]): Promise<void> {
    // Here, so that a line is named.
    for (const record of records) {
      checkKey(record);
      prepareRecord(record, 0, { codec: bytes, limits: this.#options }, this.#scratch);
    }
    return this.#pump.add(records);
  }

  flushed(): Promise<void> {
    return this.#pump.idle();
  }

  async #send(queue: readonly Bytes[], at: number): Promise<number> {
    const encoded = takeRequest(queue, at);
    const records = encoded.map(({ headers = [], ...record }, index) => ({
      ...record,
      headers: headers.filter(({ name }) => name !== ROUTING_KEY_HEADER),
      routingKey: routingKeyOf(queue[at + index]),
    }));
    try {
      await this.#publish(records);
    } catch (error) {
      const index = refusedIndex(error);
      if (index === null) throw error;
      this.doubtfulCount = 0; // None of them.
      // What stands in front of it, as of every input.
      if (index > 0) await this.#publish(records.slice(0, index));
      const { exchange } = this.#options;
      throw unroutable(exchange, { number: this.endOffset + 1, key: records[index]?.routingKey });
    }
    return records.length;
  }

  async #publish(records: readonly PublishedRecord[]): Promise<void> {
    const { exchange, durability, confirm, isMandatory } = this.#options;
    this.doubtfulCount = records.length;
    const args = { exchange, durability, confirm, isMandatory, records };
    const { baseOffset, recordCount, routes } = await this.#desk.ask(publishRecords, args);
    this.doubtfulCount = 0;
    this.endOffset += recordCount;
    this.baseOffset ??= baseOffset;
    this.nextOffset = baseOffset + recordCount;
    for (const { destinations, recordCount: count } of routes) {
      if (destinations.length === 0) this.unroutedCount += count;
      for (const name of destinations) {
        this.copyCounts.set(name, (this.copyCounts.get(name) ?? 0) + count);
      }
    }
  }
}

/**
 * As `recordFromJson`, with `"routingKey"`; without it, the header that the records of a source have.
 *
 * @throws UsageError naming the line
 */
export function publishedFromJson(line: Uint8Array, lineNumber: number): Bytes {
  const parsed = parseObject(line, lineNumber);
  const fields = { parsed, lineNumber };
  const record = recordFromFields(fields);
  const { routingKey } = parsed;
  if (routingKey === undefined) return record;
  if (typeof routingKey !== 'string') throw badField(fields, 'routingKey', 'to be a string');
  const { headers } = record;
  return {
    ...record,
    headers: { ...(isObject(headers) ? headers : {}), ...keyHeader(routingKey) },
  };
}

/** How a routing key travels with a record until it is published. */
export function keyHeader(routingKey: string): Readonly<Record<string, string>> {
  return { [ROUTING_KEY_HEADER]: routingKey };
}

function routingKeyOf(record: Bytes | undefined): string {
  const key = record?.headers;
  const found: unknown = isObject(key) ? key[ROUTING_KEY_HEADER] : undefined;
  if (typeof found === 'string') return found;
  return found instanceof Uint8Array ? Buffer.from(found).toString('utf8') : '';
}

function checkKey(record: Bytes): void {
  const { headers } = record;
  const found: unknown = isObject(headers) ? headers[ROUTING_KEY_HEADER] : undefined;
  if (found instanceof Uint8Array && !isUtf8(found)) {
    throw new UsageError('a routing key is text, and this one is not UTF-8');
  }
  checkKeyText(routingKeyOf(record));
}

/** @throws UsageError unless it may be the routing key of a record */
export function checkKeyText(key: string): void {
  try {
    checkRoutingKey('routing key', key);
  } catch (error) {
    throw error instanceof TooLargeError ? new UsageError(error.message) : error;
  }
}

/** The record of its batch that nothing takes; null = it is another error. */
function refusedIndex(error: unknown): number | null {
  if (error instanceof UnroutableError) return error.details.index;
  if (!(error instanceof OwnerError) || error.code !== 'ERR_VARVE_UNROUTABLE') return null;
  const { details } = error;
  return isObject(details) && typeof details['index'] === 'number' ? details['index'] : null;
}

function unroutable(
  exchange: string,
  { number, key = '' }: { readonly number: number; readonly key: string | undefined },
): CommandError {
  return new CommandError(
    ExitCode.failure,
    `no binding of exchange ${exchange} takes record ${number} of the input, with routing key ${JSON.stringify(key)}`,
    'varve route <store> <exchange> <key> says what matches; without --mandatory it would go nowhere',
  );
}
