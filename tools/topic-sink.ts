/** Records into a topic of a store, whoever has it: one request after the other, in order. */
import { bytes } from '../src/index.ts';
import type { DurabilityLevel } from '../src/index.ts';
import { emptyEncodable, prepareRecord } from '../src/log/record-input.ts';
import { appendRecords } from '../src/store/record-verbs.ts';
import type { CommandContext } from './command.ts';
import { withIdHeader } from './dedup-ids.ts';
import { DuplicateTally } from './duplicate-tally.ts';
import type { InputRecord, RecordSink } from './line-appender.ts';
import { takeRequest } from './record-requests.ts';
import { RequestPump } from './request-pump.ts';
import type { StoreDesk } from './store-desk.ts';
import { formatPlural } from './units.ts';

export interface TopicSinkOptions {
  readonly topic: string;
  /** Null = as the topic's partitioner chooses. */
  readonly partition: number | null;
  readonly durability: DurabilityLevel;
  /** Of the topic. */
  readonly recordBytesMax: number;
}

/** What one partition got; others may have appended in between. */
export interface PartitionShare {
  readonly partition: number;
  readonly recordCount: number;
  readonly baseOffset: number;
  /** Behind the last of them. */
  readonly nextOffset: number;
}

export class TopicSink implements RecordSink {
  /** Of the input, how many were answered, duplicates among them: it goes on behind these. */
  endOffset = 0;
  /** Of their values. */
  storedBytes = 0;
  readonly duplicates = new DuplicateTally();
  /** Of a request that failed: some of them may be stored, too. */
  doubtfulCount = 0;
  readonly #desk: StoreDesk;
  readonly #options: TopicSinkOptions;
  readonly #scratch = emptyEncodable();
  readonly #shares = new Map<number, PartitionShare>();
  readonly #pump = new RequestPump((queue, at) => this.#send(queue, at));

  constructor(desk: StoreDesk, options: TopicSinkOptions) {
    this.#desk = desk;
    this.#options = options;
  }

  /** How many are stored: duplicates are not. */
  get recordCount(): number {
    return this.endOffset - this.duplicates.count;
  }

  /** By partition. */
  get shares(): readonly PartitionShare[] {
    return [...this.#shares.values()].toSorted((one, two) => one.partition - two.partition);
  }

  /** The offset is that of the input: one request follows the other, so it is always right. */
  appendBatch(records: readonly InputRecord[]): Promise<void> {
    // Here, so that a line is named: a topic would have stored those of other partitions.
    for (const record of records) {
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

  /** How many went. */
  async #send(queue: readonly InputRecord[], at: number): Promise<number> {
    const { topic, partition, durability } = this.#options;
    const records = takeRequest(queue, at);
    this.doubtfulCount = records.length;
    const args = { topic, partition, expectedOffset: null, durability, records };
    const { placements, duplicates } = await this.#desk.ask(appendRecords, args);
    this.doubtfulCount = 0;
    for (const placed of placements) this.#note(placed);
    const known = new Set(duplicates.map(({ index }) => index));
    this.duplicates.add(
      this.endOffset,
      duplicates.map((found) => ({ ...found, topic })),
    );
    this.endOffset += records.length;
    for (let index = 0; index < records.length; index++) {
      if (known.has(index)) continue;
      this.storedBytes += queue[at + index]?.value?.length ?? 0;
    }
    return records.length;
  }

  #note({
    partition,
    baseOffset,
    recordCount,
  }: {
    readonly partition: number;
    readonly baseOffset: number;
    readonly recordCount: number;
  }): void {
    const before = this.#shares.get(partition) ?? { baseOffset, recordCount: 0 };
    this.#shares.set(partition, {
      partition,
      recordCount: before.recordCount + recordCount,
      baseOffset: before.baseOffset,
      nextOffset: baseOffset + recordCount,
    });
  }
}

/** Says that what was asked for last may be stored. */
export function noteDoubtful(
  context: CommandContext,
  { doubtfulCount }: { readonly doubtfulCount: number },
): void {
  if (doubtfulCount === 0) return;
  context.note(`up to ${formatPlural(doubtfulCount, 'record')} more may be stored`);
}

/** Where records went, for people; empty when none did. */
export function placeOf(topic: string, shares: readonly PartitionShare[]): string {
  const [only, ...others] = shares;
  if (only === undefined) return '';
  if (others.length > 0) return ` to ${shares.length} partitions of ${topic}`;
  const { partition, baseOffset, nextOffset } = only;
  return ` to partition ${partition} of ${topic}, at offsets ${baseOffset} to ${nextOffset - 1}`;
}
