/** Records of an export into a log: in order, once, and the same when it is done again. */
import { CorruptLogError } from '../src/index.ts';
import type { RecordInput } from '../src/index.ts';
import { placeAt, type PlaceableLog } from '../src/log/placement.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/** Bytes and records that are appended together and acknowledged before the next. */
const GROUP_BYTES_MAX = 1024 * 1024;
const GROUP_RECORDS_MAX = 10_000;

/**
 * Puts records at consecutive offsets from `baseOffset` on. Those that the log already holds are
 * compared, not appended: so an import that was interrupted can be run again from the beginning.
 */
export class RecordImporter {
  /** Where the first record of the input stands in the log. */
  readonly baseOffset: number;
  /** Records that are acknowledged, or were there before. */
  placedCount = 0;
  /** Of those, how many were there before. */
  readonly heldCount: number;
  readonly #log: PlaceableLog;
  #group: RecordInput<Uint8Array>[] = [];
  #groupBytes = 0;

  /** @throws UsageError when the log ends below `baseOffset`: what is between was never imported */
  constructor(log: PlaceableLog, baseOffset: number) {
    if (baseOffset > log.endOffset) {
      throw new UsageError(
        `--at ${baseOffset} is above the end of the log, offset ${log.endOffset}`,
        'give the offset that the first record of the input has in this log',
      );
    }
    this.#log = log;
    this.baseOffset = baseOffset;
    this.heldCount = log.endOffset - baseOffset;
  }

  /** Takes a record; returns when it is in a group or acknowledged. */
  async add(record: RecordInput<Uint8Array>): Promise<void> {
    this.#group.push(record);
    this.#groupBytes += sizeOf(record);
    const isFull = this.#groupBytes >= GROUP_BYTES_MAX || this.#group.length >= GROUP_RECORDS_MAX;
    if (isFull) await this.flush();
  }

  /**
   * Appends what was taken and waits until it is acknowledged.
   *
   * @throws CommandError when the log holds another record; and what the log rejects with
   */
  async flush(): Promise<void> {
    const group = this.#group;
    if (group.length === 0) return;
    this.#group = [];
    this.#groupBytes = 0;
    const offset = this.baseOffset + this.placedCount;
    try {
      await placeAt(this.#log, offset, group);
    } catch (error) {
      throw isOtherRecord(error, this.#log) ? otherRecord(error.details.firstOffset) : error;
    }
    this.placedCount += group.length;
  }
}

/** About as many bytes as the record takes in memory. */
function sizeOf({ value, key, headers }: RecordInput<Uint8Array>): number {
  const headerBytes = Object.entries(headers ?? {}).reduce(
    (sum, [name, content]) => sum + name.length + content.length,
    0,
  );
  return (value?.length ?? 0) + (key?.length ?? 0) + headerBytes;
}

/** What `placeAt` throws when the log has something else there; damage names a segment. */
function isOtherRecord(error: unknown, log: PlaceableLog): error is CorruptLogError {
  return error instanceof CorruptLogError && error.details.file === log.path;
}

function otherRecord(offset: number | null): CommandError {
  return new CommandError(
    ExitCode.failure,
    `offset ${offset} of the log holds another record than the input`,
    '--at says where the first record of the input stands in this log',
  );
}
