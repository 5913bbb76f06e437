/**
 * Bounds the bytes that all logs of a store have together: what would pass it is refused, as on a
 * full disk, and appends go on by themselves when there is room.
 *
 * Counted in steps: between two counts writes take their bytes from a quarter of what was left. So
 * the files may pass the bound by what is being written at the moment of a count.
 */
import type { Clock } from '../core/clock.ts';
import { ioErrorOf, type IoError } from '../core/errors.ts';
import { SPACE_ASKED_MS } from '../core/limits.ts';

/** What a log asks before it writes. */
export interface Room {
  /** Takes so many bytes from what is known to be there; false = `refusal` must be asked. */
  admits(sizeBytes: number): boolean;
  /** Why so many bytes must not be written now; null when they may. @param path  of the log */
  refusal(sizeBytes: number, path: string): Promise<IoError | null>;
}

/** Where the bytes are. */
export interface CappedBytes {
  /** Bytes of all files of all logs. @throws IoError */
  count(): Promise<number>;
  /** Lets go of what retention no longer wants; failures are told elsewhere. */
  retain(): Promise<void>;
}

export interface ByteCapOptions {
  readonly bytesMax: number;
  readonly clock: Clock;
}

export class ByteCap implements Room {
  /** Since when writes are refused, ms since the Unix epoch; null = they are not. */
  refusedSinceMs: number | null = null;
  /** Called when it begins to refuse. Must not throw. */
  onRefused: () => void = () => undefined;
  readonly bytesMax: number;
  readonly #clock: Clock;
  #bytes: CappedBytes | null = null;
  /** Found by the last count, and not taken since. */
  #roomBytes = 0;
  /** What may be taken of it before the next one. */
  #leftBytes = 0;
  #retainedMs = Number.NEGATIVE_INFINITY;
  /** Of writes that found no room at the same time, all wait for one count. */
  #counting: Promise<void> | null = null;

  constructor({ bytesMax, clock }: ByteCapOptions) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
  }

  /** Before it, everything is admitted: the logs that it counts are still being opened. */
  attach(bytes: CappedBytes): void {
    this.#bytes = bytes;
  }

  admits(sizeBytes: number): boolean {
    if (this.#bytes === null) return true;
    if (sizeBytes > this.#leftBytes) return false;
    this.#leftBytes -= sizeBytes;
    return true;
  }

  async refusal(sizeBytes: number, path: string): Promise<IoError | null> {
    if (await this.#finds(sizeBytes)) {
      this.refusedSinceMs = null;
      return null;
    }
    if (this.refusedSinceMs === null) {
      this.refusedSinceMs = this.#clock.now();
      this.onRefused();
    }
    return this.#refusal('append', path);
  }

  /** For what can wait: it is refused as appends are, which nobody hears of, and lets nothing go. */
  forWork(): Room {
    return {
      admits: (sizeBytes) => this.admits(sizeBytes),
      refusal: async (sizeBytes, path) =>
        (await this.#countAndTake(sizeBytes)) ? null : this.#refusal('rewrite', path),
    };
  }

  /** For a log whose entries free space in the end, or are few: they count, and are never refused. */
  counting(): Room {
    return {
      admits: (sizeBytes) => {
        this.#leftBytes -= sizeBytes;
        return true;
      },
      refusal: () => Promise.resolve(null),
    };
  }

  #refusal(operation: string, path: string): IoError {
    const { bytesMax } = this;
    return ioErrorOf({ path, operation, position: null, errno: 'EDQUOT', bytesMax });
  }

  async #finds(sizeBytes: number): Promise<boolean> {
    if (await this.#countAndTake(sizeBytes)) return true;
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#retainedMs < SPACE_ASKED_MS) return false;
    this.#retainedMs = nowMs;
    await this.#bytes?.retain();
    return this.#countAndTake(sizeBytes);
  }

  async #countAndTake(sizeBytes: number): Promise<boolean> {
    await this.#count();
    if (sizeBytes > this.#roomBytes) return false;
    this.#roomBytes -= sizeBytes;
    this.#leftBytes = Math.floor(this.#roomBytes / 4);
    return true;
  }

  #count(): Promise<void> {
    this.#counting ??= this.#recount().finally(() => (this.#counting = null));
    return this.#counting;
  }

  async #recount(): Promise<void> {
    const usedBytes = (await this.#bytes?.count()) ?? 0;
    this.#roomBytes = this.bytesMax - usedBytes;
    this.#leftBytes = 0;
  }
}
