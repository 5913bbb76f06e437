/** A small log of texts on a file system of the tests, and what tests ask of it again and again. */
import { join } from 'node:path';
import { assert } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import type { AppendResult } from '../../src/log/append-result.ts';
import type { LogOptions } from '../../src/log/log-options.ts';
import type { Log } from '../../src/log/log.ts';
import { openLog } from '../../src/log/open-log.ts';
import type { ReadOptions } from '../../src/log/read-options.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';
import type { FaultyFileSystemOptions } from './faulty-file-system.ts';

/** Where the log of a test stands. */
export const LOG_PATH = '/data';

/** What `openTextLog` fills in: small segments, a clock that stands still, ids from a seed. */
export type TextLogOptions = Omit<LogOptions<string>, 'codec' | 'fileSystem'>;

/** Opens (or creates) the log of texts in `/data`. */
export function openTextLog(
  fileSystem: FileSystem,
  options: TextLogOptions = {},
): Promise<Log<string>> {
  return openLog(LOG_PATH, {
    codec: utf8,
    clock: new ManualClock(),
    random: new SeededRandom(1),
    segmentBytesMax: 4096,
    ...options,
    fileSystem,
  });
}

/** A disk with a page cache, on which `/data` is an empty directory that survives a power cut. */
export async function faultyDisk(
  options: Partial<FaultyFileSystemOptions> = {},
): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1), ...options });
  await fileSystem.makeDirectory(LOG_PATH);
  await fileSystem.syncDirectory('/');
  return fileSystem;
}

/** The same, but each call completes only when the disk is driven, in an order made from `seed`. */
export async function slowDisk(seed: number): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  return fileSystem.killImage({}, { schedule: { random: new SeededRandom(seed) } });
}

/** What `work` resolves to on a disk that must be driven; fails the test when it does not. */
export async function driven<T>(
  fileSystem: FaultyFileSystem,
  work: Promise<T>,
  clock?: ManualClock,
): Promise<T> {
  const onIdle = () => {
    if (clock === undefined || clock.pendingTimerCount === 0) return false;
    clock.advance(10);
    return true;
  };
  const outcome = await fileSystem.drive(work, { onIdle });
  if (outcome.status === 'done') return outcome.value;
  throw outcome.status === 'failed' ? outcome.error : new Error('the machine crashed');
}

/** The value that a test gives to the record at `offset`: 100 bytes, all different. */
export function textAt(offset: number): string {
  return `record ${String(offset).padStart(6, '0')} ${'.'.repeat(86)}`;
}

/** `textAt` of [`start`, `end`). */
export function textsFrom(start: number, end: number): string[] {
  return Array.from({ length: end - start }, (_, n) => textAt(start + n));
}

/** Appends `count` texts one after the other, so that each is a batch and a sync of its own. */
export async function appendEach(log: Log<string>, count: number): Promise<AppendResult[]> {
  const results: AppendResult[] = [];
  for (let n = 0; n < count; n++) {
    results.push(await log.append({ value: textAt(log.endOffset) }));
  }
  return results;
}

/** Appends `count` texts in one call: they share batches and a sync. */
export async function appendTogether(log: Log<string>, count: number): Promise<void> {
  const start = log.endOffset;
  await log.appendBatch(textsFrom(start, start + count).map((value) => ({ value })));
}

/** All values of a read. */
export async function valuesOf(
  log: Log<string>,
  options: ReadOptions = {},
): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const record of log.records(options)) values.push(record.value);
  return values;
}

/** All offsets of a read. */
export async function offsetsOf<T>(log: Log<T>, options: ReadOptions = {}): Promise<number[]> {
  const offsets: number[] = [];
  for await (const record of log.records(options)) offsets.push(record.offset);
  return offsets;
}

/** Why `promise` was rejected; fails the test when it was not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('expected a rejection');
}

/** What `call` throws at once; fails the test when it does not. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return assert.fail('expected a throw');
}

/** Names of the segment files, ascending. */
export async function segmentNames(fileSystem: FileSystem): Promise<string[]> {
  const names = await fileSystem.list(LOG_PATH);
  return names.filter((name) => name.endsWith('.log')).sort();
}

/** Paths of the segment files, ascending. */
export async function segmentPaths(fileSystem: FileSystem): Promise<string[]> {
  return (await segmentNames(fileSystem)).map((name) => join(LOG_PATH, name));
}

/** Names in `quarantine/`, ascending; none when there is no such directory. */
export async function quarantineNames(fileSystem: FileSystem): Promise<string[]> {
  if (!(await fileSystem.list(LOG_PATH)).includes('quarantine')) return [];
  return (await fileSystem.list(join(LOG_PATH, 'quarantine'))).sort();
}

/** Lets everything run that can run without time passing. */
export async function settle(): Promise<void> {
  await turns(5);
}

/** Lets so many turns of the event loop pass: a disk that is driven completes a call in each. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
