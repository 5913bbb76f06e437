/** A log as a plain array, and the commands that do the same to both and compare. */
import { deepStrictEqual, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { utf8 } from '../../src/codec/codec.ts';
import type { CompressionName } from '../../src/format/compression.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import type { Log } from '../../src/log/log.ts';
import type { LogOptions } from '../../src/log/log-options.ts';
import { openLog } from '../../src/log/open-log.ts';
import type { ReadOptions } from '../../src/log/read-options.ts';
import type { LogRecord } from '../../src/log/record.ts';

export interface ModelRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly createTimeMs: number;
}

/** All records ever appended, by offset, and where the log starts. */
export interface LogModel {
  readonly records: ModelRecord[];
  startOffset: number;
}

/** The real log, which some commands close and open again. */
export class RealLog {
  readonly fileSystem = new MemoryFileSystem();
  readonly clock = new ManualClock();
  readonly #options: LogOptions<string>;
  readonly #compressions: readonly CompressionName[];
  #openCount = 0;
  #log: Log<string> | null = null;

  /** @param compressions  what one opening after the other compresses with, then from the beginning */
  constructor(options: LogOptions<string>, compressions: readonly CompressionName[]) {
    const { fileSystem, clock } = this;
    this.#compressions = compressions;
    this.#options = { ...options, codec: utf8, fileSystem, clock, random: new SeededRandom(1) };
  }

  async log(): Promise<Log<string>> {
    if (this.#log !== null) return this.#log;
    const compression = this.#compressions[this.#openCount++ % this.#compressions.length];
    this.#log = await openLog('/log', { ...this.#options, compression });
    return this.#log;
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = null;
    deepStrictEqual(this.fileSystem.openFileCount, 0);
    deepStrictEqual(this.clock.pendingTimerCount, 0);
  }
}

type Command = fc.AsyncCommand<LogModel, RealLog>;
type Check = (model: LogModel, log: Log<string>, real: RealLog) => Promise<void>;

function command(name: string, run: Check): Command {
  return {
    check: () => true,
    run: async (model, real) => run(model, await real.log(), real),
    toString: () => name,
  };
}

async function compareRead(log: Log<string>, options: ReadOptions, expected: readonly Numbered[]) {
  const found: Numbered[] = [];
  for await (const record of log.records(options)) found.push(numbered(record));
  deepStrictEqual(found, expected);
}

type Numbered = ModelRecord & { readonly offset: number };

function numbered({ offset, key, value, createTimeMs }: LogRecord<string>): Numbered {
  return { offset, key, value, createTimeMs };
}

/** The records in [`from`, end) that can be read. */
function readable({ records, startOffset }: LogModel, from: number): Numbered[] {
  return records
    .map((record, offset) => ({ ...record, offset }))
    .slice(Math.max(from, startOffset));
}

/** An offset from the start to the end of the log, chosen by a share of it. */
function offsetAt({ records, startOffset }: LogModel, share: number): number {
  return startOffset + Math.floor((records.length - startOffset) * share);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const time = fc.integer({ min: 0, max: 1000 });
/** Every other one is what a compressor likes. */
const value = fc.option(
  fc.oneof(
    fc.string({ maxLength: 400 }),
    fc.nat(400).map((length) => '{"from":"OSL","to":"BGO"},'.repeat(16).slice(0, length)),
  ),
);
const record = fc.record({
  key: fc.option(fc.string({ maxLength: 8 })),
  value,
  createTimeMs: time,
});
const limit = fc.option(fc.nat(20), { nil: undefined });

/** Everything that a caller may do, in random order. */
export const logCommands: fc.Arbitrary<Command>[] = [
  record.map((input) =>
    command(`append(${JSON.stringify(input)})`, async (model, log) => {
      const { offset, durability } = await log.append(input);
      deepStrictEqual({ offset, durability }, { offset: model.records.length, durability: 'sync' });
      model.records.push(input);
    }),
  ),
  fc.array(record, { maxLength: 30 }).map((inputs) =>
    command(`appendBatch(${inputs.length} records)`, async (model, log) => {
      const { baseOffset, recordCount } = await log.appendBatch(inputs);
      deepStrictEqual([baseOffset, recordCount], [model.records.length, inputs.length]);
      model.records.push(...inputs);
    }),
  ),
  fc.array(record, { maxLength: 10 }).map((inputs) =>
    command(`appendNoWait(${inputs.length} times)`, async (model, log) => {
      for (const input of inputs) {
        deepStrictEqual(log.appendNoWait(input), model.records.length);
        model.records.push(input);
      }
      await log.flushed();
    }),
  ),
  fc.tuple(share, limit).map(([at, max]) =>
    command(`read from ${at}, limit ${max ?? 'none'}`, async (model, log) => {
      const from = offsetAt(model, at);
      await compareRead(log, { from, limit: max }, readable(model, from).slice(0, max));
    }),
  ),
  fc.tuple(share, share).map(([one, other]) =>
    command(`read from ${one} to ${other}`, async (model, log) => {
      const [from, to] = [offsetAt(model, one), offsetAt(model, other)];
      const expected = readable(model, from).filter(({ offset }) => offset < to);
      await compareRead(log, { from, to }, expected);
    }),
  ),
  time.map((timestamp) =>
    command(`read from time ${timestamp}`, async (model, log) => {
      const all = readable(model, 0);
      const first = all.findIndex(({ createTimeMs }) => createTimeMs >= timestamp);
      await compareRead(log, { from: { timestamp } }, first < 0 ? [] : all.slice(first));
    }),
  ),
  fc.nat(30).map((last) =>
    command(`read the last ${last}`, async (model, log) => {
      await compareRead(log, { from: { last } }, readable(model, model.records.length - last));
    }),
  ),
  share.map((at) =>
    command(`read one at ${at}`, async (model, log) => {
      const offset = offsetAt(model, at);
      if (offset === model.records.length) {
        await rejects(log.read(offset), { code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE' });
        return;
      }
      const found = await log.read(offset);
      deepStrictEqual(found === null ? null : numbered(found), readable(model, offset)[0]);
    }),
  ),
  share.map((at) =>
    command(`delete before ${at}`, async (model, log) => {
      model.startOffset = offsetAt(model, at);
      await log.deleteBefore(model.startOffset);
    }),
  ),
  fc.constant(
    command('check the marks', async (model, log) => {
      const { startOffset, endOffset, visibleOffset, syncedOffset } = log;
      const end = model.records.length;
      deepStrictEqual(
        { startOffset, endOffset, visibleOffset, syncedOffset },
        {
          startOffset: model.startOffset,
          endOffset: end,
          visibleOffset: end,
          syncedOffset: end,
        },
      );
    }),
  ),
  fc.constant(
    command('close and open again', async (_model, log, real) => {
      const { epoch } = log;
      await real.close();
      const again = await real.log();
      const { outcome, cutBytes, gaps, notes } = again.recovery;
      deepStrictEqual(
        { outcome, cutBytes, gaps, notes },
        { outcome: 'clean', cutBytes: 0, gaps: [], notes: [] },
      );
      deepStrictEqual(again.epoch, epoch + 1);
    }),
  ),
  fc.nat(1000).map((ms) =>
    command(`wait ${ms} ms`, async (_model, _log, real) => {
      real.clock.advance(ms);
    }),
  ),
];
