/**
 * A program that fills a log with keys and tombstones and compacts it in several passes, while it is appended to,
 * read slowly and trimmed; and what must be true of every disk that it leaves.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import type { CompactionResult } from '../../../src/log/compact-options.ts';
import { ownHome } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { CompactionOracle, SlowReader, type AppendedRecord } from '../compaction-oracle.ts';
import { contentOf } from '../disk-damage.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { faultyDisk, LOG_PATH, segmentNames } from '../log-fixture.ts';

/** Records by offset: a key, `-` behind it for a tombstone; `.` = without a key. Each value says its offset. */
const RECORDS = [
  'a b- c d e f . g a- h b c- i j- d a e- k b f- l . c m n- o', // There before the program begins.
  'g- a c p h- b l- . d- q e r b b s t', // What it appends.
]
  .join(' ')
  .split(' ');
export const PREPARED = 26;
const VALUE_BYTES = 420;
/** Fewer keys than are compared at once, so a pass ends within a segment, and another one follows. */
const MAP_BYTES_MAX = 12 * 11;

const TOMBSTONE_RETENTION_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 1);
/** The first compaction: tombstones are older by then than they have to stay once all before them is gone. */
const FIRST_MS = START_MS + 10 * TOMBSTONE_RETENTION_MS;
const SECOND_MS = FIRST_MS + TOMBSTONE_RETENTION_MS;

/** What the program was told before it stopped, and what it had asked for. */
export interface Known {
  /** First offset that nobody has tried to append. */
  readonly triedOffset: number;
  /** First that was not acknowledged. */
  readonly endOffset: number;
  /** The start is not below this, and not above that. */
  readonly startOffset: number;
  readonly triedStartOffset: number;
  readonly nowMs: number;
}

/** The record that is appended at an offset. */
export function recordAt(offset: number): AppendedRecord {
  const name = RECORDS[offset] ?? `z${offset % 3}`;
  const key = name === '.' ? null : name.replace('-', '');
  const value = name.endsWith('-') ? null : `value ${offset} `.padEnd(VALUE_BYTES, '.');
  const timeMs = offset < PREPARED ? START_MS : FIRST_MS;
  return { offset, key, value, headers: {}, createTimeMs: START_MS + offset, timeMs };
}

/** An oracle that knows of all that was tried below an offset. */
export function oracleOf(triedOffset: number): CompactionOracle {
  const oracle = new CompactionOracle();
  for (let offset = 0; offset < triedOffset; offset++) oracle.note(recordAt(offset));
  return oracle;
}

export function openCompactable(
  fileSystem: FileSystem,
  clock: ManualClock,
  options: { readonly readOnly?: boolean } = {},
): Promise<Log<string>> {
  const settings = resolveLogOptions<string, string>({
    codec: utf8,
    segmentBytesMax: 4096,
    batchBytesMax: 2048,
    compaction: 'key',
    tombstoneRetentionMs: TOMBSTONE_RETENTION_MS,
    freeBytesMin: 0,
    ...options,
    fileSystem,
    clock,
    random: new SeededRandom(1),
  });
  const seamed = { ...settings, compactionMapBytesMax: MAP_BYTES_MAX };
  return openLogIn(LOG_PATH, seamed, { ...ownHome(settings), compactsByItself: false });
}

/** A closed log that was never compacted, all of it on the disk. */
export async function compactableDisk(): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const program = new CompactionProgram(fileSystem, START_MS);
  await program.open();
  await program.append(PREPARED);
  await program.close();
  return fileSystem;
}

export class CompactionProgram {
  readonly #fileSystem: FaultyFileSystem;
  readonly #clock: ManualClock;
  #log: Log<string> | null = null;
  #triedOffset: number;
  #endOffset: number;
  #startOffset = 0;
  #triedStartOffset = 0;
  readonly results: CompactionResult[] = [];

  constructor(fileSystem: FaultyFileSystem, nowMs = FIRST_MS) {
    this.#fileSystem = fileSystem;
    this.#clock = new ManualClock(nowMs);
    this.#triedOffset = nowMs === START_MS ? 0 : PREPARED;
    this.#endOffset = this.#triedOffset;
  }

  get log(): Log<string> {
    if (this.#log === null) throw new Error('it is not open');
    return this.#log;
  }

  get isOpen(): boolean {
    return this.#log !== null;
  }

  get known(): Known {
    return {
      triedOffset: this.#triedOffset,
      endOffset: this.#endOffset,
      startOffset: this.#startOffset,
      triedStartOffset: this.#triedStartOffset,
      nowMs: this.#clock.now(),
    };
  }

  async run(): Promise<void> {
    await this.open();
    const reader = new SlowReader(this.log, this.#clock.now());
    await reader.step(9);
    await Promise.all([this.compact(), this.append(8)]);
    await reader.step(9);
    this.#clock.advance(SECOND_MS - FIRST_MS - 1);
    assert.equal(await reader.step(RECORDS.length), 'end');
    assert.equal(reader.complaint(oracleOf(this.#triedOffset)), null);
    this.#clock.advance(1);
    await Promise.all([this.compact(), this.append(6), this.deleteBefore(5)]);
    await this.close();
  }

  async open(): Promise<void> {
    this.#log = await openCompactable(this.#fileSystem, this.#clock);
  }

  async compact(): Promise<void> {
    this.results.push(await this.log.compact());
  }

  /** In batches of two, so that batches lose records in part. */
  async append(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 2) {
      const { endOffset } = this.log;
      const records = [recordAt(endOffset), recordAt(endOffset + 1)];
      this.#triedOffset = endOffset + 2;
      await this.log.appendBatch(
        records.map(({ key, value, createTimeMs }) => ({ key, value, createTimeMs })),
      );
      this.#endOffset = endOffset + 2;
    }
  }

  async deleteBefore(offset: number): Promise<void> {
    this.#triedStartOffset = offset;
    await this.log.deleteBefore(offset);
    this.#startOffset = offset;
  }

  /** Tombstones whose time began may go now. */
  passTombstoneRetention(): void {
    this.#clock.advance(TOMBSTONE_RETENTION_MS);
  }

  async close(): Promise<void> {
    const { log } = this;
    this.#log = null;
    await log.close();
  }

  /** Compacts until nothing is left that may go. @throws Error that says what is wrong then */
  async rest(): Promise<void> {
    const { log } = this;
    await this.append(8);
    await log.compact();
    this.#clock.advance(2 * TOMBSTONE_RETENTION_MS);
    const last = await log.compact();
    const oracle = oracleOf(this.#triedOffset);
    const bounds = { limitOffset: last.limitOffset, tombstonesToMs: Infinity };
    assert.equal(await oracle.complaint(log, bounds), null);
    assert.equal(await oracle.leftover(log, last.limitOffset), null);
    assert.equal(last.tombstoneCount, last.droppedTombstoneCount);
    const activeOffset = await lastBase(this.#fileSystem);
    assert.equal(last.limitOffset, activeOffset, 'the last segment alone is left out');
  }
}

/**
 * Opens what a crash left, looks at it, and goes on with it until nothing is left that may go.
 *
 * @param rested  segments with which it was gone on already: what becomes of equal ones is equal
 * @throws Error that says what is wrong
 */
export async function checkCompaction(
  image: FaultyFileSystem,
  known: Known,
  rested: Set<string>,
): Promise<void> {
  const clock = new ManualClock(known.nowMs);
  const glimpsed = await openCompactable(image, clock, { readOnly: true });
  const seen = await offsetsIn(glimpsed);
  await glimpsed.close();
  const log = await openCompactable(image, clock);
  assert.deepEqual(await offsetsIn(log), seen, 'a read-only look is the same');
  await checkLog(log, image, known);
  await log.close();
  await checkFiles(image);
  await checkSecondOpening(image, clock);
  const mixture = `${known.nowMs} ${[...(await contentsOf(image)).values()].map(hashOf).join(' ')}`;
  if (rested.has(mixture)) return;
  rested.add(mixture);
  const program = new CompactionProgram(image, Math.max(known.nowMs, SECOND_MS));
  await program.open();
  await program.rest();
  await program.close();
}

/** Before the second compaction no tombstone is due, and in that none that the first did not meet. */
function goneTo({ nowMs }: Known): number {
  if (nowMs > SECOND_MS) return Number.POSITIVE_INFINITY;
  return nowMs < SECOND_MS ? START_MS - 1 : START_MS;
}

/** Each record that is there, or why it is not. */
async function checkLog(log: Log<string>, image: FaultyFileSystem, known: Known): Promise<void> {
  const { visibleOffset, startOffset } = log;
  assert.ok(visibleOffset >= known.endOffset, `ends at ${visibleOffset}, not ${known.endOffset}`);
  assert.ok(visibleOffset <= known.triedOffset, `ends at ${visibleOffset}`);
  assert.ok(startOffset >= known.startOffset, `starts at ${startOffset}`);
  assert.ok(startOffset <= known.triedStartOffset, `starts at ${startOffset}`);
  const limitOffset = await lastBase(image);
  const bounds = { limitOffset, tombstonesToMs: goneTo(known) };
  assert.equal(await oracleOf(known.triedOffset).complaint(log, bounds), null);
}

/** Unfinished files are gone, and all others are in order. */
async function checkFiles(image: FaultyFileSystem): Promise<void> {
  const names = await image.list(LOG_PATH);
  assert.deepEqual(
    names.filter((name) => name.endsWith('.tmp')),
    [],
  );
  for await (const event of verifyLog(LOG_PATH, { fileSystem: image })) {
    if (event.type === 'damage') assert.fail(`verify: ${JSON.stringify(event)}`);
  }
  assert.equal(image.openFileCount, 0);
  assert.deepEqual(image.violations, []);
}

async function checkSecondOpening(image: FaultyFileSystem, clock: ManualClock): Promise<void> {
  const before = await contentsOf(image);
  const log = await openCompactable(image, clock);
  await log.close();
  assert.deepEqual(await contentsOf(image), before, 'a second opening changes nothing');
}

async function offsetsIn(log: Log<string>): Promise<readonly (number | string | null)[][]> {
  const found: (number | string | null)[][] = [[log.startOffset, log.visibleOffset]];
  for await (const { offset, key, value } of log.records()) found.push([offset, key, value]);
  return found;
}

async function lastBase(fileSystem: FileSystem): Promise<number> {
  return Number((await segmentNames(fileSystem)).at(-1)?.slice(0, 20) ?? 0);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64');
}

async function contentsOf(image: FaultyFileSystem): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = await segmentNames(image);
  return new Map(names.map((name) => [name, contentOf(image, join(LOG_PATH, name))]));
}
