import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { encodeGapBatch, GAP_BATCH_BYTES_MIN } from '../../../src/format/gap-batch.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogGap } from '../../../src/log/recovery-report.ts';
import { RecordBatch } from '../../../src/log/record.ts';
import type { ReadOptions } from '../../../src/log/read-options.ts';
import {
  appendEach,
  appendTogether,
  LOG_PATH,
  offsetsOf,
  openTextLog,
  rejectionOf,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

/** 150 records in several segments, alone and in batches of 10 in turns. */
async function mixedLog(fileSystem = new MemoryFileSystem()): Promise<Log<string>> {
  const log = await openTextLog(fileSystem);
  while (log.endOffset < 150) {
    await appendEach(log, 5);
    await appendTogether(log, 10);
  }
  expect(log.stats().segmentCount).toBeGreaterThan(3);
  return log;
}

async function offsetsOfBatches(log: Log<string>, options: ReadOptions): Promise<number[]> {
  const offsets: number[] = [];
  for await (const batch of log.batches(options)) {
    const own = [...batch].map(({ offset }) => offset);
    expect(own).toHaveLength(batch.recordCount);
    expect(own[0]).toBeGreaterThanOrEqual(batch.baseOffset);
    expect(own.at(-1)).toBeLessThan(batch.nextOffset);
    offsets.push(...own);
  }
  return offsets;
}

async function offsetsOfCursor(log: Log<string>, options: ReadOptions): Promise<number[]> {
  const offsets: number[] = [];
  await using cursor = log.cursor(options);
  while (await cursor.nextBatch()) while (cursor.next()) offsets.push(cursor.offset);
  return offsets;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, n) => start + n);
}

describe('where a read begins and ends', () => {
  test.each<[string, ReadOptions, number[]]>([
    ['by default: everything', {}, range(0, 150)],
    ['earliest', { from: 'earliest' }, range(0, 150)],
    ['latest: nothing yet', { from: 'latest' }, []],
    ['an offset', { from: 77 }, range(77, 150)],
    ['the end', { from: 150 }, []],
    ['the last 3', { from: { last: 3 } }, range(147, 150)],
    ['the last 0', { from: { last: 0 } }, []],
    ['the last of more than there are', { from: { last: 1000 } }, range(0, 150)],
    ['an upper bound', { to: 12 }, range(0, 12)],
    ['from and to within one batch', { from: 7, to: 9 }, [7, 8]],
    ['to at or below from', { from: 50, to: 50 }, []],
    ['to below from', { from: 50, to: 20 }, []],
    ['to beyond the end', { from: 140, to: 900 }, range(140, 150)],
    ['a limit', { limit: 7 }, range(0, 7)],
    ['a limit of 0', { limit: 0 }, []],
    ['a limit within a batch far behind', { from: 101, limit: 2 }, [101, 102]],
    ['limit before to', { from: 10, to: 40, limit: 4 }, range(10, 14)],
    ['to before limit', { from: 10, to: 14, limit: 40 }, range(10, 14)],
  ])('%s', async (_name, options, expected) => {
    const log = await mixedLog();
    expect(await offsetsOf(log, options)).toEqual(expected);
    expect(await offsetsOfBatches(log, options)).toEqual(expected);
    expect(await offsetsOfCursor(log, options)).toEqual(expected);
    await log.close();
  });

  test('every from, with every to and limit near it, equals a slice', async () => {
    const log = await mixedLog();
    let checked = 0;
    for (let from = 0; from <= 150; from += 7) {
      for (const to of [from, from + 1, from + 13, 150]) {
        for (const limit of [1, 5, 100]) {
          const expected = range(from, Math.min(to, from + limit, 150));
          expect(await offsetsOfCursor(log, { from, to, limit })).toEqual(expected);
          checked++;
        }
      }
    }
    expect(checked).toBe(22 * 12);
    await log.close();
  });

  test('records keep their values, whichever way they are read', async () => {
    const log = await mixedLog();
    expect(await valuesOf(log)).toEqual(textsFrom(0, 150));
    await using cursor = log.cursor({ from: 60, to: 90 });
    const texts: string[] = [];
    while (await cursor.nextBatch()) {
      while (cursor.next()) {
        texts.push(Buffer.from(cursor.valueView() ?? []).toString());
        expect(cursor.valueBytes).toBe(100);
        expect(cursor.keyBytes).toBe(-1);
        expect(cursor.keyView()).toBeNull();
      }
    }
    expect(texts).toEqual(textsFrom(60, 90));
    await log.close();
  });

  test('a record may be kept: it does not change when the read goes on', async () => {
    const log = await mixedLog();
    const kept = [];
    for await (const record of log.records()) kept.push(record);
    expect(kept.map(({ value }) => value)).toEqual(textsFrom(0, 150));
    await log.close();
  });

  test('without follow it ends where the log ended when it began', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 3);
    const seen: number[] = [];
    for await (const record of log.records()) {
      seen.push(record.offset);
      await log.append({ value: 'meanwhile' });
    }
    expect(seen).toEqual([0, 1, 2]);
    await log.close();
  });

  test('breaking off a read lets go of its file', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await mixedLog(fileSystem);
    for await (const record of log.records()) if (record.offset === 5) break;
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('an empty log reads as empty, from everywhere', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    for (const from of ['earliest', 'latest', 0, { last: 5 }, { timestamp: 0 }] as const) {
      expect(await offsetsOf(log, { from })).toEqual([]);
      expect(await offsetsOfCursor(log, { from })).toEqual([]);
    }
    expect(await rejectionOf(log.read(0))).toBeInstanceOf(OffsetOutOfRangeError);
    await log.close();
  });
});

describe('from a timestamp', () => {
  test('begins at the first offset whose create time is at or after it', async () => {
    const clock = new ManualClock(1_000_000);
    const log = await openTextLog(new MemoryFileSystem(), { clock });
    for (let n = 0; n < 120; n++) {
      await log.append({ value: textAt(n), createTimeMs: 1000 + 10 * n });
    }
    expect(log.stats().segmentCount).toBeGreaterThan(2);
    for (const [timestamp, expected] of [
      [0, 0],
      [1000, 0],
      [1001, 1],
      [1500, 50],
      [1505, 51],
      [2190, 119],
    ] as const) {
      expect((await offsetsOf(log, { from: { timestamp }, limit: 1 }))[0]).toBe(expected);
    }
    expect(await offsetsOf(log, { from: { timestamp: 2191 } })).toEqual([]);
    await log.close();
  });

  test('with create times in any order equals a plain search', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    const times = Array.from({ length: 200 }, (_, n) => (n * 7919) % 1009);
    for (const [n, createTimeMs] of times.entries()) {
      await log.append({ value: textAt(n), createTimeMs });
    }
    await log.close();
    const again = await openTextLog(fileSystem, { readOnly: true });
    let found = 0;
    for (let timestamp = 0; timestamp < 1015; timestamp += 3) {
      const expected = times.findIndex((time) => time >= timestamp);
      const [first] = await offsetsOf(again, { from: { timestamp }, limit: 1 });
      expect(first ?? -1).toBe(expected);
      if (expected >= 0) found++;
    }
    expect(found).toBeGreaterThan(300);
    await again.close();
  });

  test('never begins below the start offset', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    for (let n = 0; n < 50; n++) await log.append({ value: textAt(n), createTimeMs: n });
    await log.deleteBefore(20);
    expect((await offsetsOf(log, { from: { timestamp: 5 }, limit: 1 }))[0]).toBe(20);
    await log.close();
  });
});

describe('read', () => {
  test('finds each record, forwards, backwards and again from memory', async () => {
    const log = await mixedLog();
    const order = [...range(0, 150), ...range(0, 150).reverse(), 75, 75];
    for (const offset of order) expect((await log.read(offset))?.value).toBe(textAt(offset));
    await log.close();
  });

  test('works without a cache', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await mixedLog(fileSystem)).close();
    const log = await openTextLog(fileSystem, { cacheBytes: 0 });
    for (const offset of [0, 149, 74, 74]) {
      expect((await log.read(offset))?.value).toBe(textAt(offset));
    }
    await log.close();
  });

  test('with an epoch: that of the record is fine, one that ended before it is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await openTextLog(fileSystem);
    await appendEach(first, 3);
    await first.close();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    expect(log.epoch).toBe(first.epoch + 1);
    expect((await log.read(2, { epoch: first.epoch }))?.epoch).toBe(first.epoch);
    expect((await log.read(4, { epoch: log.epoch }))?.epoch).toBe(log.epoch);
    const error = await rejectionOf(log.read(4, { epoch: first.epoch }));
    expect(error).toBeInstanceOf(OffsetOutOfRangeError);
    expect(error).toMatchObject({ details: { epoch: first.epoch, endOffset: 3 } });
    const from = { offset: 4, epoch: first.epoch };
    expect(await rejectionOf(valuesOf(log, { from }))).toBeInstanceOf(OffsetOutOfRangeError);
    expect(await offsetsOf(log, { from: { offset: 3, epoch: first.epoch } })).toEqual([3, 4, 5]);
    await log.close();
  });
});

describe('without its first segment', () => {
  async function beheadedLog(): Promise<{ log: Log<string>; firstOffset: number }> {
    const fileSystem = new MemoryFileSystem();
    await (await mixedLog(fileSystem)).close();
    const [lost = '', first = ''] = await segmentPaths(fileSystem);
    await fileSystem.unlink(lost);
    const log = await openTextLog(fileSystem, { onCorruption: 'readonly' });
    return { log, firstOffset: Number(basename(first, '.log')) };
  }

  test('a read that skips damage reports the gap, and goes on behind it', async () => {
    const { log, firstOffset } = await beheadedLog();
    const gaps: LogGap[] = [];
    const skipping = { onCorruption: 'skip', onGap: (gap: LogGap) => void gaps.push(gap) } as const;
    expect(await offsetsOf(log, skipping)).toEqual(range(firstOffset, 150));
    expect(gaps).toMatchObject([{ firstOffset: 0, nextOffset: firstOffset, file: LOG_PATH }]);
    const missing = { ...skipping, from: 1, to: firstOffset };
    expect(await offsetsOf(log, missing)).toEqual([]);
    expect(await offsetsOfBatches(log, missing)).toEqual([]); // No batch at all: one holds records.
    expect(await offsetsOf(log, { ...skipping, from: { timestamp: 0 } })).toEqual(
      range(firstOffset, 150),
    );
    await log.close();
  });

  test('any other read says where records are missing', async () => {
    const { log, firstOffset } = await beheadedLog();
    const hole = { details: { kind: 'chain', firstOffset: 0, nextOffset: firstOffset } };
    expect(await rejectionOf(offsetsOf(log))).toMatchObject(hole);
    expect(await rejectionOf(offsetsOf(log, { from: { timestamp: 0 } }))).toMatchObject(hole);
    await log.close();
  });
});

describe('in a gap', () => {
  /** Offsets 0 to 2, a gap batch for 3 to 9, then 10 to 12. */
  async function gappedLog(): Promise<Log<string>> {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 3);
    await log.close();
    const reader = await openTextLog(fileSystem, { readOnly: true });
    const { value: batch } = await reader.batches().next();
    await reader.close();
    const [path] = await segmentPaths(fileSystem);
    const file = await fileSystem.open(path ?? '', 'write');
    const { sizeBytes } = await file.stat();
    const head = new Uint8Array(128);
    await file.read(head, 0);
    const view = new DataView(head.buffer);
    await file.write(
      encodeGapBatch({
        logId: Number(view.getBigUint64(16, true)),
        segmentId: Number(view.getBigUint64(24, true)),
        epoch: batch instanceof RecordBatch ? batch.epoch : 0,
        position: sizeBytes,
        baseOffset: 3,
        nextOffset: 10,
        appendTimeMs: batch instanceof RecordBatch ? batch.appendTimeMs : 0,
        sizeBytes: GAP_BATCH_BYTES_MIN,
        replacedEndCrc: null,
      }),
      sizeBytes,
    );
    await file.close();
    const again = await openTextLog(fileSystem);
    for (const n of [10, 11, 12]) await again.append({ value: textAt(n) });
    return again;
  }

  test('read answers null for an offset that no record has', async () => {
    const log = await gappedLog();
    for (let offset = 3; offset < 10; offset++) expect(await log.read(offset)).toBeNull();
    expect((await log.read(2))?.value).toBe(textAt(2));
    expect((await log.read(10))?.value).toBe(textAt(10));
    expect(log.endOffset).toBe(13);
    await log.close();
  });

  test('a read passes it, and one that begins in it begins behind it', async () => {
    const log = await gappedLog();
    expect(await offsetsOf(log)).toEqual([0, 1, 2, 10, 11, 12]);
    expect(await offsetsOf(log, { from: 5 })).toEqual([10, 11, 12]);
    expect(await offsetsOf(log, { from: 2, to: 8 })).toEqual([2]);
    expect(await offsetsOf(log, { from: 4, to: 9 })).toEqual([]);
    expect(await offsetsOf(log, { limit: 4 })).toEqual([0, 1, 2, 10]);
    expect(await offsetsOfCursor(log, {})).toEqual([0, 1, 2, 10, 11, 12]);
    await log.close();
  });
});
