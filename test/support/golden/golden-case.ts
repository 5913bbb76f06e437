/** What a golden directory is made of, and the log that makes it. */
import { join } from 'node:path';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { RECORD_BYTES_MAX } from '../../../src/core/limits.ts';
import { appendRun } from '../../../src/log/append-run.ts';
import type { BatchTag } from '../../../src/log/batch-tag.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogOptions } from '../../../src/log/log-options.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { PreparedRecords } from '../../../src/log/prepared-records.ts';
import type { RecordInput } from '../../../src/log/record-input.ts';
import { contentOf } from '../disk-damage.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';

/** Relative path to bytes. */
export type GoldenFiles = ReadonlyMap<string, Uint8Array>;

/** A record that must be readable, as it was appended. */
export interface GoldenRecord {
  readonly offset: number;
  readonly input: RecordInput<string>;
}

export interface GoldenDirectory {
  readonly files: GoldenFiles;
  readonly records: readonly GoldenRecord[];
}

export interface GoldenCase {
  readonly name: string;
  /** One sentence for `expected.json`. */
  readonly what: string;
  readonly make: () => Promise<GoldenDirectory>;
  /** Its bytes depend on the zlib of the Node that made them: made once, then only read. */
  readonly isFrozen?: true;
}

const PATH = '/golden';
/** Not kept: the reserve is a mebibyte of zeros, LOCK says who made the directory. */
const LEFT_OUT: ReadonlySet<string> = new Set(['LOCK', 'reserve']);

/** A log on a disk in memory that remembers what was appended to it. */
export class GoldenLog {
  readonly fileSystem: FaultyFileSystem;
  readonly clock = new ManualClock();
  readonly #random: SeededRandom;
  readonly #appended: GoldenRecord[] = [];
  #log: Log<string> | null = null;

  constructor(seed: number, fileSystem?: FaultyFileSystem) {
    this.#random = new SeededRandom(seed);
    this.fileSystem = fileSystem ?? new FaultyFileSystem({ random: new SeededRandom(seed) });
  }

  /** Opens the log, again after `close`. */
  async open(options: Omit<LogOptions<string>, 'codec'> = {}): Promise<void> {
    this.#log = await openLog(PATH, {
      codec: utf8,
      segmentBytesMax: 4096,
      clock: this.clock,
      random: this.#random,
      ...options,
      fileSystem: this.fileSystem,
    });
  }

  /** Appends records in one batch, a second after the one before. */
  async append(...inputs: readonly RecordInput<string>[]): Promise<void> {
    if (this.#log === null) throw new Error('the log is open');
    this.clock.advance(1000);
    const { baseOffset } = await this.#log.appendBatch(inputs);
    this.#remember(baseOffset, inputs);
  }

  #remember(baseOffset: number, inputs: readonly RecordInput<string>[]): void {
    for (const [at, input] of inputs.entries()) {
      const { createTimeMs = this.clock.now() } = input;
      this.#appended.push({ offset: baseOffset + at, input: { ...input, createTimeMs } });
    }
  }

  /** Appends records as a run with a tag, in batches of their own. */
  async appendTagged(tag: BatchTag, ...inputs: readonly RecordInput<string>[]): Promise<void> {
    if (this.#log === null) throw new Error('the log is open');
    this.clock.advance(1000);
    const limits = { recordBytesMax: RECORD_BYTES_MAX };
    const prepared = new PreparedRecords({ codec: utf8, limits });
    const records = prepared.copies(inputs, this.clock.now());
    const { appender } = this.#log.forStore();
    const level = { durability: 'sync' } as const;
    const { baseOffset } = await appendRun(appender, { records, tag }, level);
    this.#remember(baseOffset, inputs);
  }

  /** Appends batches of 2 records until the log holds `count`. */
  async fill(count: number): Promise<void> {
    while (this.#appended.length < count) {
      const first = this.#appended.length;
      await this.append(fillerAt(first), fillerAt(first + 1));
    }
  }

  async sync(): Promise<void> {
    await this.#log?.sync();
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = null;
  }

  /** Path of the segment with this index. */
  async segment(at: number): Promise<string> {
    const names = (await this.fileSystem.list(PATH)).filter((name) => name.endsWith('.log')).sort();
    const name = names.at(at);
    if (name === undefined) throw new Error(`there is a segment ${at}`);
    return join(PATH, name);
  }

  /** The directory as it is now; `isKept` says which of the records must be readable in it. */
  async directory(isKept: (offset: number) => boolean = () => true): Promise<GoldenDirectory> {
    return {
      files: await collect(this.fileSystem, ''),
      records: this.#appended.filter(({ offset }) => isKept(offset)),
    };
  }
}

/** About 180 bytes on disk, with a key. */
function fillerAt(n: number): RecordInput<string> {
  return { key: `key-${n % 5}`, value: `record ${n} ${'-'.repeat(150)}` };
}

async function collect(fileSystem: FaultyFileSystem, folder: string): Promise<GoldenFiles> {
  const files = new Map<string, Uint8Array>();
  for (const name of (await fileSystem.list(join(PATH, folder))).sort()) {
    if (LEFT_OUT.has(name)) continue;
    const relative = join(folder, name);
    const path = join(PATH, relative);
    if ((await fileSystem.stat(path)).kind === 'directory') {
      for (const [inner, bytes] of await collect(fileSystem, relative)) files.set(inner, bytes);
    } else files.set(relative, contentOf(fileSystem, path));
  }
  return files;
}
