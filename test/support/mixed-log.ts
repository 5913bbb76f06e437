/** A log in `/data` whose segments hold all that a batch may hold, and what each of its records is. */
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom, randomBelow, type Random } from '../../src/core/random.ts';
import { BatchCursor } from '../../src/format/batch-cursor.ts';
import { recordsOf } from '../../src/format/batch-records.ts';
import { BatchKind } from '../../src/format/layout.ts';
import { ProjectedExtension } from '../../src/format/projected-extension.ts';
import { viewOf } from '../../src/format/u64.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { appendRun } from '../../src/log/append-run.ts';
import type { Log } from '../../src/log/log.ts';
import { dumpSegment } from '../../src/log/segment-dump.ts';
import { repairLog } from '../../src/log/repair-log.ts';
import { flipBit } from './disk-damage.ts';
import { encodedTexts } from './encoded-texts.ts';
import type { FaultyFileSystem } from './faulty-file-system.ts';
import { LOG_PATH, openTextLog, segmentPaths, type TextLogOptions } from './log-fixture.ts';
import { walkSegment } from './segment-walk.ts';
import { encodable, identifiedRun, producedRun } from './tagged-runs.ts';

/** One step of the program that fills a log. */
export type MixedStep =
  'plain' | 'tombstones' | 'large' | 'identified' | 'produced' | 'projected' | 'reopened';

const KEYS = ['a', 'b', 'c', 'ключ'];
const CAUSED = { headers: { 'varve-cause': 'before/0/1', other: 'x' } };

/** Fills a log, step by step. */
export class MixedLog {
  readonly #fileSystem: FileSystem;
  readonly #options: TextLogOptions;
  readonly #random: Random;
  readonly #ids = new SeededRandom(1);
  readonly #clock = new ManualClock();
  readonly #extension = new ProjectedExtension();
  #log: Log<string> | null = null;
  #count = 0;
  #sequence = 0;

  constructor(fileSystem: FileSystem, random: Random, options: TextLogOptions = {}) {
    this.#fileSystem = fileSystem;
    this.#random = random;
    this.#options = options;
  }

  async run(step: MixedStep): Promise<void> {
    this.#clock.advance(7);
    if (step === 'reopened') return this.close();
    const log = await this.#open();
    const { appender } = log.forStore();
    const count = 1 + randomBelow(this.#random, 9);
    if (step === 'identified') {
      const ids = this.#texts(count).map((_, n) =>
        this.#isOneIn(3) ? null : ([n, this.#count] as const),
      );
      const run = identifiedRun(this.#encodable(count), ids);
      await appendRun(appender, run, { durability: 'sync' });
    } else if (step === 'produced') {
      const producer = { producerId: 7, producerEpoch: 1, confirmed: 0 };
      const run = producedRun(this.#encodable(count), producer, this.#sequence);
      this.#sequence += count;
      await appendRun(appender, run, { durability: 'sync' });
    } else if (step === 'projected') await this.#project(log, count);
    else await log.appendBatch(this.#inputs(step, count));
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = null;
  }

  async #open(): Promise<Log<string>> {
    this.#log ??= await openTextLog(this.#fileSystem, {
      ...this.#options,
      clock: this.#clock,
      random: this.#ids,
    });
    return this.#log;
  }

  #inputs(step: MixedStep, count: number) {
    const createTimeMs = randomBelow(this.#random, 5000);
    return this.#texts(count, step === 'large' ? 3000 : 400).map((text) => ({
      ...(this.#isOneIn(3) ? {} : { key: this.#key() }),
      ...(this.#isOneIn(4) ? CAUSED : {}),
      value: step === 'tombstones' && this.#isOneIn(2) ? null : text,
      createTimeMs,
    }));
  }

  async #project(log: Log<string>, count: number): Promise<void> {
    this.#extension.clear();
    for (let n = 0; n < count; n++) this.#extension.add(1000 * this.#count + 100 * n);
    const from = { exchangeId: 2 ** 40, stream: 0, position: 1000 * this.#count + 1000 };
    const extension = this.#extension.encode(from).slice();
    const records = { ...encodedTexts(this.#texts(count), 1234), extension };
    const { encoded } = log.forStore();
    await new Promise((resolve, reject) => {
      const refusal = encoded.append(records, { complete: resolve, fail: reject });
      if (refusal !== null) reject(refusal);
      encoded.write();
    });
  }

  #encodable(count: number) {
    return this.#texts(count).map((text) => encodable(text, this.#key()));
  }

  #texts(count: number, sizeBytesMax = 400): string[] {
    return Array.from({ length: count }, () => {
      const padding = randomBelow(this.#random, sizeBytesMax);
      return `record ${this.#count++} `.padEnd(padding, '.');
    });
  }

  #key(): string {
    return KEYS[randomBelow(this.#random, KEYS.length)] ?? '';
  }

  #isOneIn(count: number): boolean {
    return randomBelow(this.#random, count) === 0;
  }
}

/** Has a repair put gaps in the place of batches of the closed log: `which` of them, of how many there are. */
export async function makeGaps(
  fileSystem: FaultyFileSystem,
  which: readonly number[],
): Promise<void> {
  const places: { readonly path: string; readonly position: number }[] = [];
  for (const path of await segmentPaths(fileSystem)) {
    const { batches } = await walkSegment(fileSystem, path);
    places.push(...batches.map(({ endPosition }) => ({ path, position: endPosition - 1 })));
  }
  for (const one of which) {
    const place = places[one % places.length];
    if (place !== undefined) flipBit(fileSystem, place.path, place);
  }
  if (which.length > 0) await repairLog(LOG_PATH, { fileSystem });
}

/** All that a log says of one record; bytes as hex. */
export interface ToldRecord {
  readonly offset: number;
  readonly bytes: string;
  readonly isTombstone: boolean;
  readonly epoch: number;
  readonly appendTimeMs: number;
  readonly topologyVersion: number;
  readonly fingerprint: string | null;
  /** Offset of the record that it is a copy of. */
  readonly source: number | null;
}

export interface ToldSegment {
  readonly records: readonly ToldRecord[];
  /** Offsets that were given up, each with the one behind them. */
  readonly gaps: readonly (readonly [number, number])[];
  readonly compressions: readonly number[];
}

/** What stands in a segment of a log that nobody has open. */
export async function tellSegment(fileSystem: FileSystem, path: string): Promise<ToldSegment> {
  const records: ToldRecord[] = [];
  const gaps: (readonly [number, number])[] = [];
  const fingerprints = await fingerprintsIn(fileSystem, path);
  const { batches } = await walkSegment(fileSystem, path);
  const compressions: number[] = [];
  const cursor = new BatchCursor();
  for (const { header, bytes, nextOffset } of batches) {
    if (header.kind === BatchKind.gap) {
      gaps.push([header.baseOffset, nextOffset]);
      continue;
    }
    if (header.recordCount > 0) compressions.push(header.attributes);
    const stored = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: path });
    const { epoch, appendTimeMs, topologyVersion } = header;
    cursor.reset(stored);
    for (let number = 0; cursor.next(); number++) {
      const { offset, start, sizeBytes } = cursor;
      records.push({
        offset,
        bytes: Buffer.from(stored.subarray(start, start + sizeBytes)).toString('hex'),
        isTombstone: cursor.isTombstone,
        epoch,
        appendTimeMs,
        topologyVersion,
        fingerprint: fingerprints.get(offset) ?? null,
        source: stored.sources?.at(number) ?? null,
      });
    }
  }
  return { records, gaps, compressions };
}

async function fingerprintsIn(
  fileSystem: FileSystem,
  path: string,
): Promise<Map<number, string | null>> {
  const found = new Map<number, string | null>();
  for await (const event of dumpSegment(path, { fileSystem })) {
    if (event.type !== 'batch') continue;
    for (const [at, { offset }] of event.records.entries()) {
      found.set(offset, event.fingerprints?.[at] ?? null);
    }
  }
  return found;
}
