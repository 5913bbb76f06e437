/** Which keys a scan knows, where it ends, and how often it gives way. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { Pace } from '../../../src/core/pace.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { KeyScan, type KeyScanOptions } from '../../../src/log/key-scan.ts';
import type { ReadableLog } from '../../../src/log/readable-log.ts';
import { encodedBatch } from '../../support/batch-fixture.ts';
import { ClosedLog } from '../../support/closed-log.ts';
import { flipBit } from '../../support/disk-damage.ts';
import {
  faultyDisk,
  openTextLog,
  segmentPaths,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { CountedPace } from '../../support/rewriting.ts';

const SLOT_BYTES = 12;
const DOTS = '.'.repeat(100);

/** A closed log of records with these keys, batch by batch, in segments of 4 KiB. */
async function setup(
  batches: readonly (readonly (string | null)[])[],
  options: TextLogOptions = {},
) {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os', ...options });
  for (const keys of batches) await log.appendBatch(keys.map((key) => ({ key, value: DOTS })));
  await log.close();
  return { fileSystem, log: await ClosedLog.open(fileSystem) };
}

function newScan(log: ReadableLog, changes: Partial<KeyScanOptions> = {}) {
  const pace = new CountedPace();
  const read: number[] = [];
  const scan = new KeyScan({
    log,
    random: new SeededRandom(5),
    pace,
    mapBytesMax: 1_000_000,
    startOffset: 0,
    endOffset: log.marks.visibleOffset,
    onRead: (sizeBytes) => read.push(sizeBytes),
    ...changes,
  });
  return { scan, pace, read };
}

/** Of each key what the scan says. */
function lastOffsets(scan: KeyScan, keys: readonly string[]): number[] {
  const { bytes, header } = encodedBatch({ keys, values: keys });
  const cursor = new BatchCursor();
  cursor.reset(recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'a.log' }));
  return keys.map(() => (cursor.next() ? scan.lastOffsetOf(cursor) : NaN));
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `key ${n}`);
}

describe('a scan', () => {
  test('knows the last offset of each key, over all segments, and of no other', async () => {
    const batches = Array.from({ length: 30 }, (_, n) => ['a', `b${n}`, null, 'é', `c${n % 3}`]);
    const { log } = await setup(batches);
    expect(log.log.segments.all.length).toBeGreaterThan(3);
    const { scan, pace, read } = newScan(log.log);
    await scan.run();
    expect(scan).toMatchObject({ endOffset: 150, keyCount: 1 + 30 + 1 + 3, damage: null });
    expect(lastOffsets(scan, ['a', 'b0', 'b29', 'é', 'c0', 'none', ''])).toEqual([
      145, 1, 146, 148, 139, -1, -1,
    ]);
    expect(read.length).toBeGreaterThanOrEqual(30);
    expect(pace.bytes).toBe(read.reduce((sum, bytes) => sum + bytes, 0));
    await log.close();
  });

  test('takes what lies in its stretch alone, which begins and ends inside batches', async () => {
    const { log } = await setup(['abcd'.split(''), 'abcd'.split(''), 'abcd'.split('')]);
    const { scan } = newScan(log.log, { startOffset: 2, endOffset: 9 });
    await scan.run();
    expect(lastOffsets(scan, 'abcd'.split(''))).toEqual([8, 5, 6, 7]);
    await log.close();
  });

  test('ends at the record for which there is no room, and knows all in front of it', async () => {
    const keys = keysOf(100);
    const { log } = await setup([
      [...keys, 'key 0'],
      ['key 1', 'one more', ...keys],
    ]);
    const slots = 112; // Nine of ten: 100 keys.
    const { scan } = newScan(log.log, { mapBytesMax: slots * SLOT_BYTES });
    await scan.run();
    expect(scan).toMatchObject({ endOffset: 102, keyCount: 100 });
    expect(lastOffsets(scan, ['key 0', 'key 1', 'key 2', 'one more'])).toEqual([100, 101, 2, -1]);
    await log.close();
  });

  test('gives way within a batch, each 64 records, and then ends where it is full', async () => {
    const keys = keysOf(10_000);
    const large = 4 * 1024 * 1024;
    const options = { segmentBytesMax: large, batchBytesMax: large / 4, queuedBytesMax: large };
    const { log } = await setup([keys], options);
    const { scan, pace, read } = newScan(log.log, { mapBytesMax: 8000 * SLOT_BYTES });
    await scan.run();
    expect(scan.endOffset).toBe(7200);
    expect([read.length, pace.turns]).toEqual([1, Math.floor(7200 / 64)]);
    const all = newScan(log.log);
    await all.scan.run();
    const batches = 2; // Each ends with a turn, too.
    expect([all.read.length, all.pace.turns]).toEqual([batches, Math.floor(10_000 / 64) + batches]);
    expect(lastOffsets(all.scan, ['key 0', 'key 9999'])).toEqual([0, 9999]);
    await log.close();
  });

  test('ends in front of damage, and says what it is', async () => {
    const { fileSystem, log } = await setup(['abc'.split(''), 'def'.split(''), 'ghi'.split('')]);
    const [path] = await segmentPaths(fileSystem);
    flipBit(fileSystem, present(path, 'a segment'), { position: 128 + 112 + 400 + 300 });
    const { scan } = newScan(log.log);
    await scan.run();
    expect(scan.damage).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    expect(scan.nextOffset).toBe(3);
    await log.close();
  });

  test('goes on behind what retention took from under it', async () => {
    const batches = Array.from({ length: 60 }, (_, n) => [`a${n}`, 'b', 'c', 'd', 'e']);
    const { log } = await setup(batches);
    const bases = log.log.segments.all.map(({ baseOffset }) => baseOffset);
    const startOffset = present(bases.at(-2), 'some segments');
    let isTaken = false;
    const { scan } = newScan(log.log, {
      onRead: () => {
        if (isTaken) return;
        isTaken = true;
        log.log.marks.startOffset = startOffset;
        log.log.segments.remove(log.log.segments.whollyBelow(startOffset));
      },
    });
    await scan.run();
    expect(scan).toMatchObject({ endOffset: 300, damage: null });
    expect(lastOffsets(scan, ['a59', 'b', 'e'])).toEqual([295, 296, 299]);
    await log.close();
  });

  test('is ended by its pace, and keeps no file', async () => {
    const { fileSystem, log } = await setup(['abc'.split(''), 'def'.split('')]);
    const ending = new AbortController();
    const pace = new Pace({
      clock: new ManualClock(),
      bytesPerSecondMax: null,
      keepsAlive: true,
      signal: ending.signal,
    });
    ending.abort(new Error('enough'));
    const { scan } = newScan(log.log, { pace });
    await expect(scan.run()).rejects.toBe(ending.signal.reason);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('of nothing knows nothing', async () => {
    const { log } = await setup([['a']]);
    const { scan, read } = newScan(log.log, { startOffset: 1, endOffset: 1 });
    await scan.run();
    expect(scan).toMatchObject({ endOffset: 1, keyCount: 0 });
    expect(read).toEqual([]);
    await log.close();
  });
});
