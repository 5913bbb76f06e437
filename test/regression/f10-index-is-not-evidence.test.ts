/**
 * F10. Elsewhere: the index had an entry and the segment had no such data; a missing segment, an
 * empty index; the server would not start (osiris#79, #87, #142, #168; RabbitMQ#12036, #12073).
 *
 * Here: an index is never evidence. One that lies, with a right checksum, sends a reader astray only
 * until the first batch it meets; missing or empty it is made again; none of it stops an open.
 *
 * Red when a reader believes the index without checking the batch it lands on (`#trustsIndex`), or
 * when recovery takes the base offset in an index batch for the end of a segment's data.
 */
import { describe, expect, test } from 'vitest';

import { emptyBatchHeader } from '../../src/format/batch-header.ts';
import { encodeIndexBatch } from '../../src/format/index-batch.ts';
import { damage } from '../support/disk-damage.ts';
import {
  faultyDisk,
  offsetsOf,
  openTextLog,
  segmentPaths,
  textAt,
  valuesOf,
  textsFrom,
} from '../support/log-fixture.ts';
import { walkSegment, type WalkedBatch, type WalkedSegment } from '../support/segment-walk.ts';

const RECORDS = 900;
const SEGMENT_BYTES = 32 * 1024;

async function makeLog() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { segmentBytesMax: SEGMENT_BYTES, durability: 'os' });
  for (let n = 0; n < RECORDS; n++) await log.append({ value: textAt(n), createTimeMs: 1000 + n });
  await log.close();
  const path = (await segmentPaths(fileSystem))[1] ?? '';
  const walked = await walkSegment(fileSystem, path);
  if (walked.index === null) throw new Error('a sealed segment ends in its index');
  return { fileSystem, path, walked, index: walked.index };
}

const made = makeLog();

/** The same log each time, on a disk of its own. */
async function sealedLog() {
  const { fileSystem, ...rest } = await made;
  return { fileSystem: fileSystem.crashImage({ data: 'all', names: 'all' }), ...rest };
}

interface Entry {
  readonly offset: number;
  readonly position: number;
  readonly maxCreateTimeMs: number;
}

/** An index batch with a right checksum and these entries. */
function lyingIndex(index: WalkedBatch, entries: readonly Entry[], change = {}): Uint8Array {
  const header = Object.assign(emptyBatchHeader(), index.header, change);
  return encodeIndexBatch(
    {
      count: entries.length,
      offsets: Float64Array.from(entries, ({ offset }) => offset),
      maxCreateTimes: Float64Array.from(entries, ({ maxCreateTimeMs }) => maxCreateTimeMs),
      positions: Uint32Array.from(entries, ({ position }) => position),
    },
    header,
  );
}

function entriesOf(walked: WalkedSegment, change: (batch: WalkedBatch) => Partial<Entry>): Entry[] {
  return walked.batches
    .filter((_, at) => at > 0 && at % 20 === 0)
    .map((batch) => ({
      offset: batch.header.baseOffset,
      position: batch.position,
      maxCreateTimeMs: batch.header.maxCreateTimeMs - 1,
      ...change(batch),
    }));
}

const LIES: readonly [string, (index: WalkedBatch, walked: WalkedSegment) => Uint8Array][] = [
  [
    'the true entries, as a control',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, () => ({})),
      ),
  ],
  ['no entry', (index) => lyingIndex(index, [])],
  [
    'positions inside of batches',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, ({ position }) => ({ position: position + 9 })),
      ),
  ],
  [
    'positions of later batches',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, ({ position, endPosition }) => ({
          position: position + 3 * (endPosition - position),
        })),
      ),
  ],
  [
    'positions beyond the end of the file',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, ({ position }) => ({ position: position + 10_000_000 })),
      ),
  ],
  [
    'offsets that are not there',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, ({ header }) => ({ offset: header.baseOffset - 15 })),
      ),
  ],
  [
    'another end offset',
    (index, walked) =>
      lyingIndex(
        index,
        entriesOf(walked, () => ({})),
        { baseOffset: index.header.baseOffset + 7 },
      ),
  ],
  ['zeros', (index) => new Uint8Array(index.bytes.length)],
  ['nothing at all', () => new Uint8Array(0)],
];

describe('F10: an index that does not fit the data', () => {
  test.each(LIES)('%s: every record is found all the same', async (_name, lie) => {
    const { fileSystem, path, walked, index } = await sealedLog();
    const bytes = lie(index, walked);
    damage(fileSystem, path, (old) => Buffer.concat([old.subarray(0, index.position), bytes]));
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(RECORDS);
    const { baseOffset } = walked.header;
    const end = walked.batches.at(-1)?.nextOffset ?? 0;
    for (let offset = baseOffset; offset < end; offset += 7) {
      await expect(log.read(offset)).resolves.toMatchObject({ value: textAt(offset) });
      expect(await offsetsOf(log, { from: offset, limit: 2 })).toEqual([offset, offset + 1]);
    }
    expect(await valuesOf(log)).toEqual(textsFrom(0, RECORDS));
    await log.close();
  });

  test('in the last segment: a valid index batch that lies does not hide or invent data', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    for (let n = 0; n < 10; n++) await log.append({ value: textAt(n) });
    await log.close();
    const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
    const { batches, header } = await walkSegment(fileSystem, path);
    const last = batches.at(-1);
    if (last === undefined) throw new Error('data');
    const index = lyingIndex(
      {
        ...last,
        header: { ...last.header, position: last.endPosition, baseOffset: 500 },
      },
      [{ offset: 400, position: 3000, maxCreateTimeMs: 0 }],
      { logId: header.logId, segmentId: header.segmentId },
    );
    damage(fileSystem, path, (old) => Buffer.concat([old, index]));
    const again = await openTextLog(fileSystem);
    expect(again.endOffset).toBe(10);
    expect((await again.append({ value: textAt(10) })).offset).toBe(10);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 11));
    await again.close();
  });
});
