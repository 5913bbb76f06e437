/** One process that uses a log: every call it makes and every answer it gets reaches the oracle. */
import { ManualClock } from '../../../src/core/clock.ts';
import { IoError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/log.ts';
import type { DurabilityLevel, LogOptions } from '../../../src/log/log-options.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import type { Found, FoundRecord, Oracle } from './oracle.ts';

export type Options = Omit<LogOptions<string>, 'fileSystem' | 'clock' | 'random' | 'codec'>;

/** Two levels: a log makes the directories above it too. */
export const LOG_PATH = '/data/log';

/** Opens the log of a test's file system. `life` makes ids and times differ from other lives. */
export function openOn(
  fileSystem: FaultyFileSystem,
  options: Options,
  life: { readonly number: number; readonly clock?: ManualClock },
): Promise<Log<string>> {
  const clock = life.clock ?? new ManualClock(Date.UTC(2026, 0, 1 + life.number));
  const random = new SeededRandom(1000 + life.number);
  return openLog(LOG_PATH, { ...options, codec: utf8, fileSystem, clock, random });
}

/** All that an open log shows. */
export async function readAll(log: Log<string>): Promise<Found> {
  const { startOffset, visibleOffset, epoch } = log;
  const records: FoundRecord[] = [];
  for await (const batch of log.batches()) {
    for (const { offset, value } of batch) records.push({ offset, value });
  }
  return { startOffset, endOffset: visibleOffset, epoch, records };
}

export class Life {
  readonly fileSystem: FaultyFileSystem;
  readonly oracle: Oracle;
  readonly clock = new ManualClock();
  /** What was refused, in order: none is expected where no fault is injected. */
  readonly errors: unknown[] = [];
  /** Handles opened so far, and of each acknowledged append its handle and place among all. */
  openCount = 0;
  readonly acks: { readonly handle: number; readonly submission: number }[] = [];
  #log: Log<string> | null = null;
  #valueCount: number;

  constructor(fileSystem: FaultyFileSystem, oracle: Oracle) {
    this.fileSystem = fileSystem;
    this.oracle = oracle;
    this.#valueCount = oracle.submittedCount;
  }

  get log(): Log<string> {
    if (this.#log === null) throw new Error('the workload has no open log');
    return this.#log;
  }

  get isOpen(): boolean {
    return this.#log !== null;
  }

  /** Opens the log and tells the oracle what it shows. False when opening failed. */
  async open(options: Options): Promise<boolean> {
    const { fileSystem, clock, oracle } = this;
    this.openCount += 1;
    return this.#attempt(async () => {
      const log = await openOn(fileSystem, options, { number: this.openCount, clock });
      this.#log = log;
      const found = await readAll(log);
      if (fileSystem.isCrashed || log.readOnly) return;
      const problems = oracle.problems(found, 'kill');
      if (found.epoch <= oracle.epoch) problems.push(`epoch ${found.epoch} again`);
      if (problems.length > 0) throw new Error(problems.join('; '));
      oracle.opened(found);
    });
  }

  /** Appends a record of `valueBytes` bytes that is like no other. Never rejects. */
  async append(valueBytes: number, durability?: DurabilityLevel): Promise<boolean> {
    const { log, oracle, fileSystem } = this;
    const value = this.#value(valueBytes);
    const offset = log.endOffset;
    oracle.submitted(offset, value); // Before the call: it may be the last one.
    const appended = log.append({ value }, durability === undefined ? {} : { durability });
    const ack = { handle: this.openCount, submission: oracle.submittedCount };
    return this.#attempt(
      async () => {
        const result = await appended;
        if (fileSystem.isCrashed) return;
        if (result.offset !== offset)
          throw new Error(`offset ${result.offset}, expected ${offset}`);
        oracle.acked(offset, value, result.durability);
        this.acks.push(ack);
      },
      (error) => oracle.refused(offset, value, error),
    );
  }

  /** Appends several records with one call. Never rejects. */
  async appendBatch(sizes: readonly number[]): Promise<boolean> {
    const { log, oracle, fileSystem } = this;
    const values = sizes.map((valueBytes) => this.#value(valueBytes));
    const base = log.endOffset;
    values.forEach((value, index) => oracle.submitted(base + index, value));
    const appended = log.appendBatch(values.map((value) => ({ value })));
    const ack = { handle: this.openCount, submission: oracle.submittedCount };
    return this.#attempt(
      async () => {
        const { durability } = await appended;
        if (fileSystem.isCrashed) return;
        values.forEach((value, index) => oracle.acked(base + index, value, durability));
        this.acks.push(ack);
      },
      (error) => {
        const appendedCount = error instanceof IoError ? (error.details.appendedCount ?? 0) : 0;
        values.forEach((value, index) => {
          if (index >= appendedCount) oracle.refused(base + index, value, error);
        });
      },
    );
  }

  async sync(): Promise<boolean> {
    const { log, oracle, fileSystem } = this;
    const endOffset = log.endOffset;
    return this.#attempt(async () => {
      await log.sync();
      if (!fileSystem.isCrashed) oracle.synced(endOffset);
    });
  }

  async deleteBefore(offset: number): Promise<boolean> {
    this.oracle.startMoves(offset);
    return this.#attempt(async () => {
      await this.log.deleteBefore(offset);
      if (!this.fileSystem.isCrashed) this.oracle.startMoved(offset);
    });
  }

  async retain(): Promise<boolean> {
    this.oracle.startMoves(this.log.endOffset);
    return this.#attempt(async () => {
      const { startOffset } = await this.log.retain();
      if (!this.fileSystem.isCrashed) this.oracle.startMoved(startOffset);
    });
  }

  /** Closes the log, whatever becomes of it. */
  async close(): Promise<boolean> {
    const { log, oracle, fileSystem } = this;
    const { endOffset } = log;
    this.#log = null;
    return this.#attempt(async () => {
      await log.close();
      if (!fileSystem.isCrashed && !log.readOnly) oracle.synced(endOffset);
    });
  }

  /** Lets time pass, and what it sets off come to rest. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.fileSystem.runUntilIdle();
  }

  async #attempt(
    action: () => Promise<void>,
    onError: (error: unknown) => void = () => undefined,
  ): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      // What a dying process makes of the crash has not happened.
      if (this.fileSystem.isCrashed) return new Promise(() => undefined);
      onError(error);
      this.errors.push(error);
      return false;
    }
  }

  #value(valueBytes: number): string {
    this.#valueCount += 1;
    const name = `record ${this.#valueCount} `;
    return name.padEnd(valueBytes, name);
  }
}
