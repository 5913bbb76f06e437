/** `Log.read` by way of the calling thread, against the same log without it. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CorruptLogError, IoError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import {
  DIRECT_READ_PAUSE_MS,
  DIRECT_SCAN_BYTES_MAX,
  SLOW_READ_MS,
} from '../../../src/core/limits.ts';
import * as layout from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import type { Log } from '../../../src/log/log.ts';
import type { ReadOptions } from '../../../src/log/read-options.ts';
import { AVAILABLE_COMPRESSIONS } from '../../support/compressions.ts';
import { forbidDirectReads, ReadProbe } from '../../support/direct-reads.ts';
import { damage, flipBit, swapFiles } from '../../support/disk-damage.ts';
import { reseal } from '../../support/faults/forged-fields.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  settle,
  textAt,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';

interface Probed {
  readonly fileSystem: FaultyFileSystem;
  readonly probe: ReadProbe;
  readonly clock: ManualClock;
  readonly log: Log<string>;
}

/** Each batch stands in the index, and so in the cache where it is looked for. */
const LARGE_BATCHES = { together: 50, segmentBytesMax: 65_536 };

/** An open log of `recordCount` texts; nothing of it was read yet. */
async function probedLog(
  recordCount: number,
  options: TextLogOptions & { readonly together?: number } = {},
): Promise<Probed> {
  const { together = 1, ...set } = options;
  const probe = new ReadProbe();
  const fileSystem = await faultyDisk({ trace: probe.trace });
  const clock = new ManualClock();
  const log = await openTextLog(fileSystem, { clock, cacheBytes: 0, ...set });
  while (log.endOffset < recordCount) {
    await (together === 1 ? appendEach(log, 1) : appendTogether(log, together));
  }
  await settle();
  probe.take();
  return { fileSystem, probe, clock, log };
}

async function countOf(log: Log<string>, options: ReadOptions = {}): Promise<number> {
  let count = 0;
  for await (const batch of log.batches(options)) count += batch.recordCount;
  return count;
}

/** What a read came to, in a form to compare: the value, or what the error says. */
async function outcomeOf(log: Log<string>, offset: number): Promise<unknown> {
  try {
    const record = await log.read(offset);
    return record === null ? null : record.value;
  } catch (error) {
    if (!(error instanceof CorruptLogError) && !(error instanceof IoError)) throw error;
    const { code, message, details } = error;
    return { code, message, details };
  }
}

async function outcomesOf(log: Log<string>): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (let n = log.startOffset; n < log.visibleOffset; n++) outcomes.push(await outcomeOf(log, n));
  return outcomes;
}

describe('read', () => {
  test('goes to memory, or to the calling thread once the segment is known', async () => {
    const { log, probe } = await probedLog(1200, { ...LARGE_BATCHES, cacheBytes: 1 << 20 });
    expect(log.stats().segmentCount).toBeGreaterThan(1);
    expect((await log.read(60))?.value).toBe(textAt(60));
    expect(probe.take()).toBe('pooled');
    for (const offset of [0, 499, 260, 130]) {
      expect((await log.read(offset))?.value).toBe(textAt(offset));
      expect(probe.take()).toBe('direct');
      for (const near of [offset, 50 * Math.floor(offset / 50) + 7]) {
        expect((await log.read(near))?.value).toBe(textAt(near));
        expect(probe.take()).toBe('none');
      }
    }
    await log.close();
  });

  test('goes to the thread pool while the disk is slow, and only then', async () => {
    const { log, probe, clock } = await probedLog(10);
    await log.read(0);
    probe.take();
    const seen: string[] = [];
    const look = async (kind: string) => {
      expect((await log.read(5))?.value).toBe(textAt(5));
      seen.push(`${kind}: ${probe.take()}`);
    };
    await look('fast');
    probe.onRead = () => clock.advance(SLOW_READ_MS + 1);
    await look('slow');
    await look('slow, in the pause'); // What the thread pool takes is nobody's loss.
    probe.onRead = () => undefined;
    await look('in the pause');
    clock.advance(DIRECT_READ_PAUSE_MS - (SLOW_READ_MS + 1) - 1);
    await look('1 ms before its end');
    clock.advance(1);
    await look('at its end');
    expect(seen).toEqual([
      'fast: direct',
      'slow: direct',
      'slow, in the pause: pooled',
      'in the pause: pooled',
      '1 ms before its end: pooled',
      'at its end: direct',
    ]);
    await log.close();
  });

  test('answers from memory also while the disk is slow', async () => {
    const { log, probe, clock } = await probedLog(200, { ...LARGE_BATCHES, cacheBytes: 1 << 20 });
    await log.read(0);
    probe.onRead = () => clock.advance(1000);
    await log.read(105);
    probe.take();
    expect((await log.read(105))?.value).toBe(textAt(105));
    expect(probe.take()).toBe('none');
    expect((await log.read(155))?.value).toBe(textAt(155));
    expect(probe.take()).toBe('pooled');
    await log.close();
  });

  test('keeps of small batches no more than themselves: a log that fits the cache is in it', async () => {
    const options = { segmentBytesMax: 1 << 20, cacheBytes: 150_000 };
    const { log, probe } = await probedLog(400, options);
    expect(log.stats().sizeBytes).toBeLessThan(100_000);
    for (let round = 0; round < 3; round++) {
      probe.take();
      for (let offset = 0; offset < 400; offset++) await log.read(offset);
    }
    expect(probe.take()).toBe('none');
    await log.close();
  });

  test('pauses the reads of its own log alone', async () => {
    const one = await probedLog(5);
    const other = await probedLog(5);
    for (const { log } of [one, other]) await log.read(0);
    one.probe.onRead = () => one.clock.advance(1000);
    await one.log.read(3);
    other.probe.take();
    await other.log.read(3);
    expect(other.probe.take()).toBe('direct');
    await one.log.close();
    await other.log.close();
  });

  test('tells of a record that is not there as ever', async () => {
    const { log, probe } = await probedLog(10);
    await log.read(0);
    await log.deleteBefore(5);
    probe.take();
    for (const offset of [4, 10]) {
      expect(await rejectionOf(log.read(offset))).toBeInstanceOf(OffsetOutOfRangeError);
    }
    expect(probe.take()).toBe('none');
    await log.close();
    expect(await rejectionOf(log.read(7))).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  });
});

describe('a read that fails', () => {
  test('is made again by way of the thread pool, and its caller hears nothing', async () => {
    const { log, probe, fileSystem } = await probedLog(10);
    await log.read(0);
    probe.take();
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], times: 2 }); // The scan's, too.
    expect((await log.read(5))?.value).toBe(textAt(5));
    expect(probe.take()).toBe('both');
    await log.read(5);
    expect(probe.take()).toBe('direct'); // A failure is no slowness.
    await log.close();
  });

  test.each(['EIO', 'EBADF', 'EAGAIN'])('for good says so with %s, as ever', async (errno) => {
    const { log, fileSystem } = await probedLog(10);
    await log.read(0);
    fileSystem.addFault({ errno, operations: ['read'], times: Number.POSITIVE_INFINITY });
    const error = await rejectionOf(log.read(5));
    expect(error).toBeInstanceOf(IoError);
    expect(error).toMatchObject({ details: { errno, operation: 'read' } });
    fileSystem.clearFaults();
    expect((await log.read(5))?.value).toBe(textAt(5));
    await log.close();
  });
});

describe('a scan', () => {
  test('of the segment that grows reads on the calling thread what is small', async () => {
    const { log, probe, clock } = await probedLog(10);
    const valuesOf = async () => {
      const values: (string | null)[] = [];
      for await (const { value } of log.records()) values.push(value);
      return values;
    };
    const texts = Array.from({ length: 10 }, (_, offset) => textAt(offset));
    expect(await valuesOf()).toEqual(texts);
    expect(probe.take()).toBe('direct');
    probe.onRead = () => clock.advance(SLOW_READ_MS + 1);
    expect(await valuesOf()).toEqual(texts);
    expect(probe.take()).toBe('direct');
    expect(await valuesOf()).toEqual(texts); // The disk is slow: in the pause.
    expect(probe.take()).toBe('pooled');
    await log.close();
  });

  test('of what is large, or of a sealed segment, never does', async () => {
    const { log, probe } = await probedLog(12, { segmentBytesMax: 1 << 20 });
    await log.append({ value: 'x'.repeat(DIRECT_SCAN_BYTES_MAX) });
    expect(await countOf(log)).toBe(13);
    expect(probe.take()).toBe('pooled');
    while (log.stats().segmentCount === 1) {
      await log.append({ value: 'x'.repeat(DIRECT_SCAN_BYTES_MAX / 2) });
    }
    await settle();
    probe.take();
    expect(await countOf(log, { to: 12 })).toBe(12);
    expect(probe.take()).toBe('pooled');
    await log.close();
  });
});

describe('damage', () => {
  const BATCHES = 12;

  /** What every offset reads as after `harm` of the first segment, with direct reads or without. */
  async function harmed(
    isDirect: boolean,
    harm: (fileSystem: FaultyFileSystem, path: string) => void | Promise<void>,
    options: TextLogOptions = {},
  ): Promise<unknown[]> {
    const { fileSystem, log, probe } = await probedLog(BATCHES * 10, { together: 10, ...options });
    if (!isDirect) forbidDirectReads(fileSystem);
    await outcomesOf(log); // Opens all, indexes all.
    const [path = ''] = await segmentPaths(fileSystem);
    await harm(fileSystem, path);
    probe.take();
    const outcomes = await outcomesOf(log);
    expect(probe.direct.length > 0).toBe(isDirect);
    await log.close();
    return outcomes;
  }

  async function firstBatches(): Promise<readonly { position: number; sizeBytes: number }[]> {
    const { fileSystem, log } = await probedLog(BATCHES * 10, { together: 10 });
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, path);
    await log.close();
    return batches.map(({ position, header }) => ({ position, sizeBytes: header.sizeBytes }));
  }

  const places: readonly [string, number][] = [
    ['its checksum', layout.CRC_AT],
    ['its magic', layout.MAGIC_AT],
    ['its version', layout.VERSION_AT],
    ['its kind', layout.KIND_AT],
    ['its attributes', layout.ATTRIBUTES_AT],
    ['its length', layout.SIZE_AT],
    ['its length, high', layout.SIZE_AT + 3],
    ['its position', layout.POSITION_AT],
    ['its log id', layout.LOG_ID_AT],
    ['its segment id', layout.SEGMENT_ID_AT],
    ['its base offset', layout.BASE_OFFSET_AT],
    ['its base offset, high', layout.BASE_OFFSET_AT + 7],
    ['its last offset', layout.LAST_OFFSET_DELTA_AT],
    ['its record count', layout.RECORD_COUNT_AT],
    ['its extension length', layout.EXTENSION_BYTES_AT],
    ['a record header', layout.BATCH_HEADER_BYTES + 2],
    ['a value', layout.BATCH_HEADER_BYTES + 60],
  ];

  test.each(places)('to %s of a batch is that of its records alone', async (_name, at) => {
    const batches = await firstBatches();
    expect(batches.length).toBeGreaterThan(2);
    for (const [number, { position }] of batches.entries()) {
      if (number % 2 === 1) continue;
      const harm = (fileSystem: FaultyFileSystem, path: string) =>
        flipBit(fileSystem, path, { position: position + at, bit: 6 });
      const outcomes = await harmed(true, harm);
      expect(outcomes).toEqual(await harmed(false, harm));
      for (const [offset, outcome] of outcomes.entries()) {
        const isHarmed = Math.floor(offset / 10) === number;
        if (isHarmed) expect(outcome).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
        else expect(outcome).toBe(textAt(offset));
      }
    }
  });

  test.each<[string, (fileSystem: FaultyFileSystem, path: string) => void | Promise<void>]>([
    ['the segment is cut', (f, path) => damage(f, path, (bytes) => bytes.subarray(0, 2000))],
    ['the segment is empty', (f, path) => damage(f, path, () => new Uint8Array())],
    ['the segment is zeros', (f, path) => damage(f, path, (bytes) => bytes.fill(0))],
    ['its end is zeros', (f, path) => damage(f, path, (bytes) => bytes.fill(0, 1500))],
    ['its beginning is', (f, path) => damage(f, path, (bytes) => bytes.fill(0, 0, 1500))],
    ['all is moved by a byte', (f, path) => damage(f, path, (bytes) => bytes.copyWithin(129, 128))],
    ['the file’s name is gone', (f, path) => f.unlink(path)],
    ['another segment stands there', async (f, path) => swapFiles(f, path, await secondOf(f))],
    ['another file has its name', async (f, path) => f.rename(await secondOf(f), path)],
  ])('is told of as ever, when %s', async (_name, harm) => {
    const outcomes = await harmed(true, harm);
    expect(outcomes).toEqual(await harmed(false, harm));
    for (const [offset, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') expect(outcome).toBe(textAt(offset));
      else expect(outcome).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    }
  });

  async function secondOf(fileSystem: FaultyFileSystem): Promise<string> {
    return (await segmentPaths(fileSystem))[1] ?? '';
  }

  test.each(AVAILABLE_COMPRESSIONS)('in %s under a right checksum is too', async (compression) => {
    const harm = (fileSystem: FaultyFileSystem, path: string) =>
      damage(fileSystem, path, (bytes) => {
        const at = layout.SEGMENT_HEADER_BYTES;
        const packed = bytes.subarray(
          at + layout.BATCH_HEADER_BYTES + layout.UNCOMPRESSED_SIZE_BYTES,
        );
        packed.set([0xff, 0xff, 0xff], 0);
        reseal(bytes, { kind: 'batch', at, sizeBytes: 0 });
        return bytes;
      });
    const outcomes = await harmed(true, harm, { compression });
    expect(outcomes).toEqual(await harmed(false, harm, { compression }));
    expect(outcomes[3]).toMatchObject({ code: 'ERR_VARVE_CORRUPT', details: { kind: 'record' } });
    expect(outcomes.slice(10)).toEqual(Array.from({ length: 110 }, (_, n) => textAt(10 + n)));
  });

  test('by a record length under a right checksum is too', async () => {
    const harm = (fileSystem: FaultyFileSystem, path: string) =>
      damage(fileSystem, path, (bytes) => {
        const at = layout.SEGMENT_HEADER_BYTES;
        const view = viewOf(bytes);
        view.setUint8(
          at + layout.BATCH_HEADER_BYTES,
          1 + view.getUint8(at + layout.BATCH_HEADER_BYTES),
        );
        reseal(bytes, { kind: 'batch', at, sizeBytes: 0 });
        return bytes;
      });
    const outcomes = await harmed(true, harm);
    expect(outcomes).toEqual(await harmed(false, harm));
    expect(outcomes[3]).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
  });
});

describe('a compressed log', () => {
  test.each(AVAILABLE_COMPRESSIONS)(
    'is read on the calling thread too: %s',
    async (compression) => {
      const { log, probe } = await probedLog(100, { together: 10, compression });
      await log.read(0);
      probe.take();
      for (const offset of [5, 9]) {
        expect((await log.read(offset))?.value).toBe(textAt(offset));
        expect(probe.take()).toBe('direct');
      }
      await log.close();
    },
  );
});

describe('a read-only handle', () => {
  test('never reads on the calling thread, beside a writer or alone', async () => {
    const { log, probe, fileSystem } = await probedLog(60);
    const reader = await openTextLog(fileSystem, { readOnly: true, cacheBytes: 0 });
    const readAll = async () => {
      for (let offset = 0; offset < 60; offset++) {
        expect((await reader.read(offset))?.value).toBe(textAt(offset));
        expect(probe.take()).not.toBe('direct');
      }
    };
    for (let round = 0; round < 2; round++) await readAll();
    await log.close();
    for (let round = 0; round < 2; round++) await readAll();
    await reader.close();
  });
});
