/** One partition of a topic as an import needs it, whoever has the store. */
import type { DurabilityLevel, Log, LogRecord, RecordInput } from '../src/index.ts';
import { present } from '../src/core/assert.ts';
import type { PlaceableLog } from '../src/log/placement.ts';
import { appendRecords, settlePartition } from '../src/store/record-verbs.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { openToRead } from './read-log.ts';
import { takeRequest } from './record-requests.ts';
import type { StoreDesk } from './store-desk.ts';

export interface TopicLogOptions {
  /** Directory of the partition. */
  readonly path: string;
  readonly topic: string;
  readonly partition: number;
  readonly durability: DurabilityLevel;
}

export class TopicLog implements PlaceableLog {
  readonly path: string;
  startOffset = 0;
  endOffset = 0;
  readonly #desk: StoreDesk;
  readonly #options: TopicLogOptions;
  #reader: Log<Uint8Array> | null = null;

  private constructor(desk: StoreDesk, options: TopicLogOptions) {
    this.#desk = desk;
    this.#options = options;
    this.path = options.path;
  }

  /** Close it. */
  static async open(desk: StoreDesk, options: TopicLogOptions): Promise<TopicLog> {
    const log = new TopicLog(desk, options);
    await log.sync();
    return log;
  }

  /** Also finds out where it begins and ends: others may append. */
  async sync(): Promise<void> {
    const { topic, partition } = this.#options;
    const extent = await this.#desk.ask(settlePartition, { topic, partition });
    this.startOffset = extent.startOffset;
    this.endOffset = extent.endOffset;
  }

  /** What is synced is in the files. */
  async *records(range: {
    readonly from: number;
    readonly to: number;
  }): AsyncGenerator<LogRecord<Uint8Array>, void, void> {
    this.#reader ??= await openToRead(this.path, { onCorruption: 'fail' });
    yield* this.#reader.records(range);
  }

  /**
   * Request by request, each behind the one before.
   *
   * @throws CommandError when others append to the partition, too; as `Log.appendBatch`
   */
  async appendBatch(
    records: readonly RecordInput<Uint8Array>[],
    { expectedOffset: baseOffset }: { readonly expectedOffset: number },
  ): Promise<{
    readonly baseOffset: number;
    readonly recordCount: number;
    readonly durability: DurabilityLevel;
  }> {
    const { topic, partition, durability } = this.#options;
    for (let at = 0; at < records.length;) {
      const request = takeRequest(records, at);
      const args = { topic, partition, expectedOffset: baseOffset + at, durability };
      const answer = this.#desk.ask(appendRecords, { ...args, records: request });
      const { placements } = await answer.catch((error: unknown) => {
        throw isWrongOffset(error) ? this.#notAlone() : error;
      });
      const { recordCount } = present(placements[0], 'records of one partition have one place');
      at += recordCount;
      this.endOffset = baseOffset + at;
    }
    return { baseOffset, recordCount: records.length, durability };
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  #notAlone(): CommandError {
    const { topic, partition } = this.#options;
    return new CommandError(
      ExitCode.failure,
      `something else was appended to partition ${partition} of topic ${topic} meanwhile`,
      'an import can be resumed only where its records stand together: stop who else appends, or\n' +
        'store them by varve cat <dir> --json | varve append <store> --topic <name> --ndjson',
    );
  }
}

function isWrongOffset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_VARVE_WRONG_OFFSET';
}
