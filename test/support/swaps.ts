/** Sealed segments of an open log, and next generations to be put in their place. */
import { present } from '../../src/core/assert.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import type { Log } from '../../src/log/log.ts';
import type { MadeSegment } from '../../src/log/segment-swap.ts';
import type { Segment } from '../../src/segment/segment.ts';
import { forgeTemporary, type Forgery } from './forged-generation.ts';
import { openTextLog, type TextLogOptions } from './log-fixture.ts';

/** Several entries of the sparse index in each segment. */
export const SEGMENT_BYTES = 16 * 1024;
const VALUE_BYTES = 1000;
/** What the create time of a record is more than its offset. */
export const TIME_OF_FIRST = 5000;

/** Opens the log of texts in `/data`, with segments of 14 records or so of 1000 bytes. */
export function openSwappable(
  fileSystem: FileSystem,
  options: TextLogOptions = {},
): Promise<Log<string>> {
  return openTextLog(fileSystem, { segmentBytesMax: SEGMENT_BYTES, ...options });
}

/** The value at an offset; all are as long, so that what is left of a segment lies where others lay. */
export function valueAt(offset: number): string {
  return `value ${offset} `.padEnd(VALUE_BYTES, '.');
}

/** Appends `count` of them, each a batch of its own, with create times that ascend with the offsets. */
export async function appendValues(
  log: Log<string>,
  count: number,
  keyOf: (offset: number) => string = (offset) => `key ${offset}`,
): Promise<void> {
  for (let n = 0; n < count; n++) {
    const offset = log.endOffset;
    const createTimeMs = TIME_OF_FIRST + offset;
    await log.append({ key: keyOf(offset), value: valueAt(offset), createTimeMs });
  }
}

/** The segments that may be swapped, oldest first: all but the last. */
export function sealedOf(log: Log<string>): readonly Segment[] {
  return log.forStore().segments.all.slice(0, -1);
}

/** Makes the next generation of a sealed segment, under its temporary name. */
export async function makeNext(
  fileSystem: FileSystem,
  old: Segment,
  forgery: Forgery,
): Promise<MadeSegment> {
  const { segment, temporaryPath } = await forgeTemporary(fileSystem, old.path, forgery);
  return { old, segment, temporaryPath };
}

/** That of the segment at a place among the sealed ones. */
export function makeNextAt(
  fileSystem: FileSystem,
  log: Log<string>,
  at: number,
  forgery: Forgery,
): Promise<MadeSegment> {
  return makeNext(fileSystem, present(sealedOf(log)[at], 'it is there'), forgery);
}

/** Swaps all sealed segments, oldest first. */
export async function swapAll(
  fileSystem: FileSystem,
  log: Log<string>,
  forgery: Forgery,
): Promise<void> {
  for (const old of sealedOf(log)) {
    const isDone = await log.forStore().swap.swap(await makeNext(fileSystem, old, forgery));
    if (!isDone) throw new Error(`${old.path} was not swapped`);
  }
}
