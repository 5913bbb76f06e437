/**
 * F7. Elsewhere: rebuilding the index from the data corrupted keys and lost messages (NATS#4842).
 *
 * Here: an index made again from the batches equals the one that the writer made, bit for bit, and
 * answers the same.
 *
 * Red when rebuilding leaves a batch out, takes another create time of it than the writer did, or
 * starts from another position.
 */
import { describe, expect, test } from 'vitest';

import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import type { Log } from '../../src/log/log.ts';
import { enterSegment, loadIndex } from '../../src/segment/segment-entry.ts';
import { Segment } from '../../src/segment/segment.ts';
import { cut, damage } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  faultyDisk,
  offsetsOf,
  openTextLog,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

const SEGMENT_BYTES = 32 * 1024;
const RECORDS = 900;

/** Falling, so that the first batch of a segment has the largest; later in no order. */
function createTimeOf(offset: number): number {
  return offset < RECORDS / 2 ? 5000 - offset : (offset * 7919) % 5003;
}

/** Segments of 32 KiB with create times in no order, so that each index has several entries. */
async function sealedLog() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { segmentBytesMax: SEGMENT_BYTES, durability: 'os' });
  while (log.endOffset < RECORDS) {
    const records = textsFrom(log.endOffset, log.endOffset + 3).map((value, at) => ({
      value,
      createTimeMs: createTimeOf(log.endOffset + at),
    }));
    await log.appendBatch(records);
  }
  await log.close();
  return { fileSystem, paths: (await segmentPaths(fileSystem)).slice(0, -1) };
}

async function indexOf(fileSystem: FaultyFileSystem, path: string, baseOffset: number) {
  const file = await fileSystem.open(path, 'read');
  try {
    const segment = new Segment(path, baseOffset, 0);
    await enterSegment(segment, file, { logId: 0, previous: null });
    return await loadIndex(segment, file);
  } finally {
    await file.close();
  }
}

async function answersOf(log: Log<string>): Promise<number[]> {
  const answers: number[] = [];
  for (let timestamp = 0; timestamp < 5010; timestamp += 97) {
    answers.push(...(await offsetsOf(log, { from: { timestamp }, limit: 1 })));
  }
  return answers;
}

describe('F7: a rebuilt index', () => {
  test('equals the sealed one bit for bit', async () => {
    const { fileSystem, paths } = await sealedLog();
    expect(paths.length).toBeGreaterThan(3);
    let entries = 0;
    for (const path of paths) {
      const { index, header, batches } = await walkSegment(fileSystem, path);
      if (index === null) throw new Error('a sealed segment ends in its index');
      cut(fileSystem, path, index.position);
      const rebuilt = await indexOf(fileSystem, path, header.baseOffset);
      const { logId, segmentId, epoch, position, baseOffset, appendTimeMs, syncedUpTo } =
        index.header;
      const place = { logId, segmentId, epoch, position, baseOffset, appendTimeMs, syncedUpTo };
      expect(Buffer.from(rebuilt.encode(place))).toEqual(Buffer.from(index.bytes));
      expect(baseOffset).toBe(batches.at(-1)?.nextOffset);
      entries += rebuilt.count;
    }
    expect(entries).toBeGreaterThan(15);
  });

  test('answers as the sealed one did, by offset and by time', async () => {
    const { fileSystem, paths } = await sealedLog();
    const log = await openTextLog(fileSystem, { readOnly: true });
    const answers = await answersOf(log);
    await log.close();
    for (const path of paths) {
      const { index } = await walkSegment(fileSystem, path);
      damage(fileSystem, path, (bytes) => bytes.subarray(0, index?.position));
    }
    const again = await openTextLog(fileSystem);
    expect(await answersOf(again)).toEqual(answers);
    for (let offset = 0; offset < RECORDS; offset += 13) {
      expect((await again.read(offset))?.value).toBe(textAt(offset));
    }
    await again.close();
    expect(answers.length).toBeGreaterThan(45);
  });

  test('damaged anywhere is made again, and nothing else changes', async () => {
    const { fileSystem, paths } = await sealedLog();
    const path = paths[1] ?? '';
    const { index } = await walkSegment(fileSystem, path);
    if (index === null) throw new Error('a sealed segment ends in its index');
    const whole = await openTextLog(fileSystem.crashImage(), { readOnly: true });
    const expected = await valuesOf(whole);
    await whole.close();
    for (let at = 0; at < index.bytes.length; at += 7) {
      const image = fileSystem.crashImage();
      damage(image, path, (bytes) => {
        bytes[index.position + at] = (bytes[index.position + at] ?? 0) ^ 0x55;
        return bytes;
      });
      const log = await openTextLog(image);
      const from = Math.floor((SEGMENT_HEADER_BYTES + at * 31) % RECORDS);
      expect(await valuesOf(log, { from })).toEqual(expected.slice(from));
      await log.close();
    }
  });
});
