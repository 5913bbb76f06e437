/** A log that is compacted, and all that happens to it in a property test: each step is checked. */
import { expect } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import type { CompressionName } from '../../src/format/compression.ts';
import type { CompactionPlan, CompactionResult } from '../../src/log/compact-options.ts';
import type { CompactionSettings } from '../../src/log/compaction-options.ts';
import { ownHome } from '../../src/log/log-home.ts';
import { resolveLogOptions, type DurabilityLevel } from '../../src/log/log-options.ts';
import type { Log } from '../../src/log/log.ts';
import { openLogIn } from '../../src/log/open-log.ts';
import { CompactionOracle, SlowReader } from './compaction-oracle.ts';
import { LOG_PATH, settle } from './log-fixture.ts';

const SLOT_BYTES = 12;
const CHECK_MS = 10_000;
/** Each look at the clock takes so long: slices end often, and the event loop turns. */
const LOOK_MS = 1;

export interface CompactedLogOptions extends Omit<CompactionSettings, 'compaction'> {
  readonly durability: DurabilityLevel;
  readonly compression: CompressionName;
  readonly retentionBytes: number | null;
  /** Of the map: nine of ten are used. */
  readonly mapSlots: number;
  /** Whether it is compacted by itself, too. */
  readonly isByItself: boolean;
}

export interface AppendStep {
  readonly kind: 'append';
  readonly records: readonly {
    readonly key: string | null;
    readonly isTombstone: boolean;
    readonly valueBytes: number;
    readonly hasHeaders: boolean;
  }[];
}

export interface CompactStep {
  readonly kind: 'compact';
  /** First with a plan, which must come true. */
  readonly isPlanned: boolean;
  /** Looks at the clock after which it is ended; null = it is not. */
  readonly abortAfter: number | null;
  readonly beside: 'nothing' | 'reader' | 'append' | 'retain' | 'delete';
}

export type Step =
  | AppendStep
  | CompactStep
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'jump'; readonly ms: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'reader' }
  | { readonly kind: 'read'; readonly which: number; readonly count: number }
  | { readonly kind: 'delete'; readonly share: number };

/** Monotonic time passes by looking at it. */
class RestlessClock extends ManualClock {
  #looks = 0;
  /** Called at each look. */
  onLook: (() => void) | null = null;

  override monotonic(): number {
    this.onLook?.();
    return super.monotonic() + ++this.#looks * LOOK_MS;
  }
}

export class CompactedLog {
  removedCount = 0;
  droppedCount = 0;
  abortedCount = 0;
  readCount = 0;
  readonly #fileSystem = new MemoryFileSystem();
  readonly #clock = new RestlessClock();
  readonly #random: SeededRandom;
  readonly #options: CompactedLogOptions;
  readonly #oracle = new CompactionOracle();
  #readers: SlowReader[] = [];
  #log: Log<string> | null = null;
  /** No compaction has seen more. */
  #limitOffset = 0;
  #valueCount = 0;
  /** What has been a time of the log: of tombstones that are as old nothing is known. */
  #hasJumped = false;

  private constructor(options: CompactedLogOptions, seed: number) {
    this.#options = options;
    this.#random = new SeededRandom(seed);
  }

  static async open(options: CompactedLogOptions, seed: number): Promise<CompactedLog> {
    const log = new CompactedLog(options, seed);
    await log.#open();
    return log;
  }

  get log(): Log<string> {
    if (this.#log === null) throw new Error('it is closed');
    return this.#log;
  }

  async step(step: Step): Promise<void> {
    if (step.kind === 'append') await this.#append(step);
    else if (step.kind === 'time') await this.#pass(step.ms);
    else if (step.kind === 'jump') this.#jump(step.ms);
    else if (step.kind === 'compact') await this.#compact(step);
    else if (step.kind === 'reopen') await this.#reopen();
    else if (step.kind === 'reader') this.#addReader();
    else if (step.kind === 'read') await this.#read(step.which, step.count);
    else await this.#delete(step.share);
    await this.#check();
  }

  /** Nothing is left that should be gone; and once more changes nothing. */
  async rest(): Promise<void> {
    const { tombstoneRetentionMs, compactionLagMsMin } = this.#options;
    this.#clock.jumpTo(Math.max(this.#clock.now(), Date.UTC(2030, 0, 1))); // Ahead of every append.
    await this.#reopen();
    await this.#pass(compactionLagMsMin + 1);
    await this.log.compact();
    await this.#pass(tombstoneRetentionMs + 1);
    const last = await this.log.compact();
    this.#limitOffset = Math.max(this.#limitOffset, last.limitOffset);
    expect(await this.#oracle.leftover(this.log, last.limitOffset)).toBeNull();
    expect(last.tombstoneCount).toBe(last.droppedTombstoneCount);
    // Also where ages count: they were read from the disk.
    expect(last.limitedBy).not.toBe('lag');
    const files = await this.#files();
    const again = await this.log.compact();
    expect(again).toMatchObject({ passCount: 0, rewrittenSegmentCount: 0, supersededCount: 0 });
    expect(await this.#files()).toEqual(files);
    await this.#check();
    await this.#reopen();
    await this.#check();
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.end();
    this.#readers = [];
    await this.#log?.close();
    this.#log = null;
    expect(this.#fileSystem.openFileCount).toBe(0);
    expect(this.#clock.pendingTimerCount).toBe(0);
  }

  async #open(): Promise<void> {
    const { mapSlots, isByItself, ...options } = this.#options;
    const settings = resolveLogOptions<string, string>({
      codec: utf8,
      segmentBytesMax: 4096,
      batchBytesMax: 1024,
      compaction: 'key',
      retentionCheckMs: CHECK_MS,
      ...options,
      fileSystem: this.#fileSystem,
      clock: this.#clock,
      random: this.#random,
    });
    const seamed = { ...settings, compactionMapBytesMax: mapSlots * SLOT_BYTES };
    const home = { ...ownHome(settings), compactsByItself: isByItself };
    this.#log = await openLogIn(LOG_PATH, seamed, home);
  }

  async #reopen(): Promise<void> {
    await this.close();
    const names = await this.#fileSystem.list(LOG_PATH);
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await this.#open();
  }

  async #append({ records }: AppendStep): Promise<void> {
    const { log } = this;
    const timeMs = this.#clock.now();
    const first = log.endOffset;
    const inputs = records.map(({ key, isTombstone, valueBytes, hasHeaders }, at) => {
      const text = `${this.#valueCount++} ${'.'.repeat(valueBytes)}`;
      const value = isTombstone ? null : text;
      const headers: Record<string, string> = hasHeaders ? { number: String(first + at) } : {};
      const offset = first + at;
      this.#oracle.note({ offset, key, value, headers, createTimeMs: timeMs, timeMs });
      return { key, value, headers, createTimeMs: timeMs };
    });
    await log.appendBatch(inputs);
  }

  async #pass(ms: number): Promise<void> {
    this.#clock.advance(ms);
    await settle();
  }

  #jump(ms: number): void {
    this.#hasJumped = true;
    this.#clock.jumpTo(this.#clock.now() + ms);
  }

  async #compact(step: CompactStep): Promise<void> {
    const { log } = this;
    const plan = step.isPlanned ? await log.planCompaction() : null;
    const ending = new AbortController();
    let left = step.abortAfter ?? Infinity;
    this.#clock.onLook = () => {
      if (left-- === 0) ending.abort(new Error('enough'));
    };
    const running = log.compact({ signal: ending.signal }).catch((error: unknown) => {
      if (!ending.signal.aborted) throw error;
      expect(error).toBe(ending.signal.reason);
      return null;
    });
    await this.#beside(step);
    const result = await running;
    this.#clock.onLook = null;
    if (result === null) this.abortedCount++;
    else this.#took(result, step.beside === 'nothing' ? plan : null);
  }

  #took(result: CompactionResult, plan: CompactionPlan | null): void {
    this.removedCount += result.supersededCount;
    this.droppedCount += result.droppedTombstoneCount;
    expect(result.bytesAfter).toBeLessThanOrEqual(result.bytesBefore + 10 * 4096);
    if (plan === null || this.#options.isByItself) return;
    const { rewrittenSegmentCount: _, durationMs: __, ...done } = result;
    const { bytesAfter, neededFreeBytes } = done;
    const { bytesAfter: plannedBytes, neededFreeBytes: plannedFreeBytes } = plan;
    expect({ ...plan, bytesAfter, neededFreeBytes }).toEqual(done);
    expect(Math.abs(plannedFreeBytes - neededFreeBytes)).toBeLessThanOrEqual(1000);
    expect(Math.abs(plannedBytes - bytesAfter)).toBeLessThanOrEqual(1000 * result.segmentCount);
  }

  async #beside({ beside }: CompactStep): Promise<void> {
    const { log } = this;
    if (beside === 'reader') await this.#read(0, 30);
    else if (beside === 'retain') await log.retain();
    else if (beside === 'delete') await this.#delete(0.3);
    else if (beside === 'append') {
      const record = { key: 'a', isTombstone: false, valueBytes: 300, hasHeaders: false };
      await this.#append({ kind: 'append', records: Array.from({ length: 12 }, () => record) });
    }
  }

  #addReader(): void {
    this.#readers.push(new SlowReader(this.log, this.#clock.now()));
  }

  async #read(which: number, count: number): Promise<void> {
    const reader = this.#readers.at(which % Math.max(1, this.#readers.length));
    if (reader === undefined) return;
    const progress = await reader.step(count);
    if (progress === 'more') return;
    this.#readers = this.#readers.filter((other) => other !== reader);
    const isQuick = this.#clock.now() - reader.startMs < this.#options.tombstoneRetentionMs;
    if (progress === 'lost' || !isQuick || this.#hasJumped) return;
    this.readCount++;
    expect(reader.complaint(this.#oracle)).toBeNull();
  }

  /** All below a share of the log. */
  async #delete(share: number): Promise<void> {
    const { startOffset, visibleOffset } = this.log;
    const offset = startOffset + Math.floor((visibleOffset - startOffset) * share * 0.5);
    await this.log.deleteBefore(offset);
  }

  async #check(): Promise<void> {
    const { tombstoneRetentionMs } = this.#options;
    const tombstonesToMs = this.#hasJumped ? Infinity : this.#clock.now() - tombstoneRetentionMs;
    const limitOffset = await this.#activeOffset();
    const bounds = { limitOffset, tombstonesToMs };
    expect(await this.#oracle.complaint(this.log, bounds)).toBeNull();
  }

  /** Where the newest segment begins. */
  async #activeOffset(): Promise<number> {
    const names = await this.#fileSystem.list(LOG_PATH);
    return Math.max(
      0,
      ...names.filter((name) => name.endsWith('.log')).map((name) => parseInt(name, 10)),
    );
  }

  /** By name, what is in them. */
  async #files(): Promise<Map<string, string>> {
    const files = new Map<string, string>();
    for (const name of await this.#fileSystem.list(LOG_PATH)) {
      if (!name.endsWith('.log')) continue;
      const path = `${LOG_PATH}/${name}`;
      const file = await this.#fileSystem.open(path, 'read');
      const bytes = new Uint8Array((await file.stat()).sizeBytes);
      await file.read(bytes, 0);
      await file.close();
      files.set(name, Buffer.from(bytes).toString('latin1'));
    }
    return files;
  }
}
