/** Records to an exchange of a store, whoever has it: one request after the other, in order. */
import { bytes } from '../src/index.ts';
import type { DurabilityLevel } from '../src/index.ts';
import { present } from '../src/core/assert.ts';
import { UnroutableError } from '../src/core/routing-errors.ts';
import { emptyEncodable, prepareRecord } from '../src/log/record-input.ts';
import { DEFAULT_EXCHANGE } from '../src/routing/exchange-name.ts';
import type { Confirmation } from '../src/routing/publish-options.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import { publishRecords, type PublishedRecord } from '../src/store/routing-verbs.ts';
import { CommandError, UsageError } from './command-error.ts';
import { withIdHeader } from './dedup-ids.ts';
import { DuplicateTally } from './duplicate-tally.ts';
import { ExitCode } from './exit-codes.ts';
import type { InputRecord, RecordSink } from './line-appender.ts';
import { isObject } from './record-json.ts';
import { takeRequest } from './record-requests.ts';
import { RequestPump } from './request-pump.ts';
import { checkKeys, isKeyHeader, keysOf } from './routing-keys.ts';
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

const ONE_KEY = 'the default exchange takes one routing key: cc and bcc are for others';

export class PublishSink implements RecordSink {
  /** Of the input, how many were answered, duplicates among them: it goes on behind these. */
  endOffset = 0;
  readonly duplicates = new DuplicateTally();
  /** Of a request that failed: some of them may be stored, too. */
  doubtfulCount = 0;
  /**
   * Of the first record, in the source; others may have published in between. Null = there is no
   * record, or, for the default exchange, no source.
   */
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

  /** How many are published: duplicates are not. */
  get recordCount(): number {
    return this.endOffset - this.duplicates.count;
  }

  appendBatch(records: readonly InputRecord[]): Promise<void> {
    // Here, so that a line is named.
    for (const record of records) {
      const keys = keysOf(record);
      checkKeys(keys);
      const isMany = keys.cc !== undefined || keys.bcc !== undefined;
      if (isMany && this.#options.exchange === DEFAULT_EXCHANGE) throw new UsageError(ONE_KEY);
      prepareRecord(
        withIdHeader(record),
        0,
        { codec: bytes, limits: this.#options },
        this.#scratch,
      );
    }
    return this.#pump.add(records);
  }

  flushed(): Promise<void> {
    return this.#pump.idle();
  }

  async #send(queue: readonly InputRecord[], at: number): Promise<number> {
    const encoded = takeRequest(queue, at);
    const records = encoded.map(({ headers = [], ...record }, index) => ({
      ...record,
      headers: headers.filter((header) => !isKeyHeader(header)),
      ...keysOf(present(queue[at + index], 'it was taken from there')),
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
      const number = this.endOffset + 1;
      throw unroutable(exchange, { number, key: records[index]?.routingKey });
    }
    return records.length;
  }

  async #publish(records: readonly PublishedRecord[]): Promise<void> {
    const { exchange, durability, confirm, isMandatory } = this.#options;
    this.doubtfulCount = records.length;
    const args = { exchange, durability, confirm, isMandatory, records };
    const answer = await this.#desk.ask(publishRecords, args);
    const { baseOffset, recordCount, routes, duplicates } = answer;
    this.doubtfulCount = 0;
    this.duplicates.add(this.endOffset, duplicates);
    this.endOffset += records.length;
    if (baseOffset !== null && recordCount > 0) {
      this.baseOffset ??= baseOffset;
      this.nextOffset = baseOffset + recordCount;
    }
    for (const { destinations, recordCount: count } of routes) {
      if (destinations.length === 0) this.unroutedCount += count;
      for (const name of destinations) {
        this.copyCounts.set(name, (this.copyCounts.get(name) ?? 0) + count);
      }
    }
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
  if (exchange === DEFAULT_EXCHANGE) {
    return new CommandError(
      ExitCode.failure,
      `nothing is called ${JSON.stringify(key)}, the routing key of record ${number} of the input`,
      'varve topics ls <store> lists queues and topics; without --mandatory it would go nowhere',
    );
  }
  return new CommandError(
    ExitCode.failure,
    `no binding of exchange ${exchange} takes record ${number} of the input, with routing key ${JSON.stringify(key)}`,
    'varve route <store> <exchange> <key> says what matches; without --mandatory it would go nowhere',
  );
}
