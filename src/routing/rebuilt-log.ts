/** A destination log that is made again beside the old one, record by record. */
import { present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import type { BatchCursor } from '../format/batch-cursor.ts';
import type { BatchRecords } from '../format/batch-records.ts';
import { LogReplacement } from '../log/log-replacement.ts';
import type { Log } from '../log/log.ts';
import { openLogIn } from '../log/open-log.ts';
import type { Partition } from '../topic/partition.ts';
import { Outbox } from './outbox.ts';
import { COMMON_STREAM } from './projection-state.ts';

/** On the way to the disk: beyond it the next record waits. */
const IN_FLIGHT_BYTES_MAX = 4 * MIB;

/** Of records in one batch: at most so long apart. */
const AGE_MS_MAX = 1000;

export class RebuiltLog {
  readonly #partition: Partition;
  readonly #replacement: LogReplacement;
  readonly #log: Log<Uint8Array>;
  readonly #clock: PastClock;
  readonly #exchangeId: number;
  readonly #box = new Outbox();
  /** When the first record of the box was published. */
  #boxTimeMs = 0;
  #inFlightBytes = 0;
  #failure: Error | null = null;
  #onLanded: (() => void) | null = null;
  #isClosed = false;

  private constructor(
    partition: Partition,
    exchangeId: number,
    made: { readonly replacement: LogReplacement; readonly log: Log<Uint8Array>; clock: PastClock },
  ) {
    this.#partition = partition;
    this.#exchangeId = exchangeId;
    this.#replacement = made.replacement;
    this.#log = made.log;
    this.#clock = made.clock;
  }

  /** Makes an empty one. Finish or discard it. @throws as `openLog` */
  static async begin(partition: Partition, exchangeId: number): Promise<RebuiltLog> {
    const { path, logId, settings, home } = partition.place();
    const { fileSystem, random } = settings;
    const clock = new PastClock(settings.clock);
    const replacement = new LogReplacement(fileSystem, path);
    partition.isBeingReplaced = true;
    try {
      const ownerId = present(home.ownerId, 'it is a log of a store');
      await replacement.begin({ logId, ownerId }, { random, clock });
      const log = await openLogIn(replacement.path, { ...settings, clock }, home);
      return new RebuiltLog(partition, exchangeId, { replacement, log, clock });
    } catch (error) {
      partition.isBeingReplaced = false;
      throw error;
    }
  }

  /**
   * Records that are added from here on are as old as this: retention and readers go by the age of a
   * batch, so one holds records of one time.
   *
   * @param position  of the source, below all of them
   */
  passTo(timeMs: number, position: number): void {
    if (timeMs - this.#boxTimeMs > AGE_MS_MAX) this.#flush(position);
    if (this.#box.recordCount === 0) this.#boxTimeMs = timeMs;
    this.#clock.timeMs = timeMs;
  }

  /**
   * Adds the record at which the cursor stands. `copy` comes before the batch of the cursor changes.
   *
   * @returns null = the next may follow at once
   */
  add(records: BatchRecords, cursor: BatchCursor): Promise<void> | null {
    const box = this.#box;
    box.add(records, cursor);
    if (!box.isFull) return null;
    this.#flush(cursor.offset + 1);
    return this.#inFlightBytes > IN_FLIGHT_BYTES_MAX ? this.#landed() : null;
  }

  /** Copies what was added. */
  copy(): void {
    this.#box.copy();
  }

  /**
   * Makes what was added durable, and closes the log.
   *
   * @param position  everything of the source below is in it, as far as it belongs there
   * @returns its end offset
   */
  async finish(position: number): Promise<number> {
    this.#flush(position);
    await this.#landed();
    await this.#log.sync();
    const { endOffset } = this.#log;
    this.#isClosed = true;
    await this.#log.close();
    return endOffset;
  }

  /** Puts it in the place of the old one, which is closed. It is finished. @throws IoError */
  async replace(startOffset: number, lastEpoch: number): Promise<void> {
    await this.#replacement.seal(startOffset, lastEpoch);
    await this.#replacement.commit();
  }

  /** Leaves nothing behind of what did not replace the old one. The first failure is the one to hear of. */
  async end(): Promise<void> {
    if (!this.#isClosed) await this.#log.close().catch(() => undefined);
    try {
      await this.#replacement.discard();
    } catch {
      // The next opening of the old one tries again.
    } finally {
      this.#partition.isBeingReplaced = false;
    }
  }

  #flush(position: number): void {
    const box = this.#box;
    if (this.#failure !== null) throw this.#failure;
    if (box.recordCount === 0) return;
    const { sizeBytes } = box;
    const from = { exchangeId: this.#exchangeId, stream: COMMON_STREAM, position };
    const landed = (failure: Error | null): void => {
      this.#inFlightBytes -= sizeBytes;
      this.#failure ??= failure;
      this.#onLanded?.();
    };
    this.#inFlightBytes += sizeBytes;
    const refusal = this.#log.forStore().encoded.append(box.encoded(from), {
      complete: () => landed(null),
      fail: landed,
    });
    box.clear();
    if (refusal !== null) throw refusal;
  }

  async #landed(): Promise<void> {
    this.#log.forStore().encoded.write();
    while (this.#inFlightBytes > 0 && this.#failure === null) {
      await new Promise<void>((resolve) => (this.#onLanded = resolve));
    }
    if (this.#failure !== null) throw this.#failure;
  }
}

/** Tells when records were published: as old they are for retention, as the copies before were. */
class PastClock implements Clock {
  timeMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.timeMs;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimer(...timer: Parameters<Clock['setTimer']>): ReturnType<Clock['setTimer']> {
    return this.#clock.setTimer(...timer);
  }
}
