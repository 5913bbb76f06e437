import zlib from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CodecUnavailableError, CorruptLogError } from '../../../src/core/errors.ts';
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  Compression,
  UNCOMPRESSED_SIZE_BYTES,
} from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { dumpSegment, type DumpEvent } from '../../../src/log/segment-dump.ts';
import { verifyLog, type VerifyEvent } from '../../../src/log/verify.ts';
import { AVAILABLE_COMPRESSIONS, HAS_ZSTD } from '../../support/compressions.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';
import { reseal } from '../../support/faults/forged-fields.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  LOG_PATH,
  offsetsOf,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';

/** 20 batches of 10 texts, a second apart, then closed; about 4 segments. */
async function closedLog(options: TextLogOptions = {}): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const clock = new ManualClock(0);
  const log = await openTextLog(fileSystem, { clock, ...options });
  while (log.endOffset < 200) {
    clock.advance(1000);
    await appendTogether(log, 10);
  }
  await log.close();
  return fileSystem;
}

async function dumpOf(fileSystem: FaultyFileSystem): Promise<DumpEvent[]> {
  const events: DumpEvent[] = [];
  for (const path of await segmentPaths(fileSystem)) {
    for await (const event of dumpSegment(path, { fileSystem })) events.push(event);
  }
  return events;
}

async function verifyOf(fileSystem: FaultyFileSystem): Promise<VerifyEvent[]> {
  const events: VerifyEvent[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) events.push(event);
  return events;
}

async function sizeOf(fileSystem: FaultyFileSystem): Promise<number> {
  const paths = await segmentPaths(fileSystem);
  return paths.reduce((sum, path) => sum + contentOf(fileSystem, path).length, 0);
}

describe.each(AVAILABLE_COMPRESSIONS)('a log compressed with %s', (compression) => {
  test('is read like any other, by every way of reading', async () => {
    const fileSystem = await closedLog({ compression });
    const log = await openTextLog(fileSystem, { readOnly: true });
    expect(await valuesOf(log)).toEqual(textsFrom(0, 200));
    expect(await valuesOf(log, { from: 73, to: 95 })).toEqual(textsFrom(73, 95));
    expect(await valuesOf(log, { from: { last: 3 } })).toEqual(textsFrom(197, 200));
    expect(await offsetsOf(log, { from: { timestamp: 15_000 }, limit: 2 })).toEqual([140, 141]);
    for (const offset of [0, 9, 10, 111, 112, 5, 199]) {
      expect((await log.read(offset))?.value).toBe(textAt(offset));
    }
    await using cursor = log.cursor({ from: 8, limit: 25 });
    const texts: string[] = [];
    while (await cursor.nextBatch()) {
      while (cursor.next()) texts.push(Buffer.from(cursor.valueView() ?? []).toString());
    }
    expect(texts).toEqual(textsFrom(8, 33));
    await log.close();
  });

  test('takes less room, and all sizes are those of what is stored', async () => {
    const segmentBytesMax = 65_536;
    const plainBytes = await sizeOf(await closedLog({ segmentBytesMax }));
    const fileSystem = await closedLog({ compression, segmentBytesMax });
    const storedBytes = await sizeOf(fileSystem);
    expect(storedBytes).toBeLessThan(plainBytes / 3);
    const log = await openTextLog(fileSystem);
    expect(log.stats().sizeBytes).toBe(storedBytes);
    const batches = (await dumpOf(fileSystem)).filter((event) => event.type === 'batch');
    const data = batches.filter(({ header }) => header.recordCount > 0);
    expect(data).toHaveLength(20);
    for (const { header, compression: name, uncompressedBytes, records } of data) {
      expect(name).toBe(compression);
      expect(uncompressedBytes).toBe(BATCH_HEADER_BYTES + 10 * (16 + 100));
      expect(header.sizeBytes).toBeLessThan(400);
      expect(records).toHaveLength(10);
    }
    await log.close();
  });

  test('goes on after a kill: compressed batches are recovered, a torn one is cut', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { compression, durability: 'os' });
    for (let n = 0; n < 5; n++) await appendTogether(log, 10);
    const killed = fileSystem.killImage();
    const [path = ''] = await segmentPaths(killed);
    damage(killed, path, (bytes) => bytes.subarray(0, -1));
    const again = await openTextLog(killed, { compression });
    expect(again.recovery.cutBytes).toBeGreaterThan(100);
    await appendTogether(again, 10);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 50));
    await again.close();
    await log.close();
  });

  test('a full disk takes back whole compressed batches, and appends go on behind them', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { compression, segmentBytesMax: 65_536 });
    await appendTogether(log, 10);
    fileSystem.capacityBytes = fileSystem.disk.tree.usedBytes + 100;
    const error = await rejectionOf(
      log.appendBatch([{ value: 'x'.repeat(400) + Math.PI }, { value: textAt(0) }]),
    );
    expect(error).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(log.endOffset).toBe(10);
    fileSystem.capacityBytes = 2 ** 40;
    await appendTogether(log, 10);
    await log.close();
    const again = await openTextLog(fileSystem);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 20));
    expect((await verifyOf(fileSystem)).map(({ type }) => type)).not.toContain('damage');
    await again.close();
  });

  test('may be mixed with others from one opening to the next', async () => {
    const fileSystem = await faultyDisk();
    for (const name of [compression, 'none', 'gzip', compression] as const) {
      const log = await openTextLog(fileSystem, { compression: name });
      await appendTogether(log, 10);
      await appendEach(log, 2); // Too short, or just long enough.
      await log.close();
    }
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 48));
    const seen = (await dumpOf(fileSystem)).map((event) =>
      event.type === 'batch' ? event.compression : event.type,
    );
    expect(new Set(seen)).toEqual(new Set(['segment-header', 'none', 'gzip', compression]));
    await log.close();
  });
});

test('what does not become smaller is stored as it is, between batches that do', async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await openTextLog(fileSystem, { compression: 'gzip' });
  const values = [textAt(0), 'short', textAt(2), 'abcdefghijklmnopqrstuvwxyz'];
  for (const value of values) await log.append({ value });
  const [path = ''] = await segmentPaths(fileSystem);
  const { batches } = await walkSegment(fileSystem, path);
  expect(batches.map(({ header }) => header.attributes)).toEqual([1, 0, 1, 0]);
  expect(await valuesOf(log)).toEqual(values);
  await log.close();
});

test('asked for zstd, a Node without it refuses to write, and has done nothing', async () => {
  const fileSystem = new MemoryFileSystem();
  if (HAS_ZSTD) {
    const log = await openTextLog(fileSystem, { compression: 'zstd', compressionLevel: 19 });
    await appendTogether(log, 10);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 10));
    await log.close();
    return;
  }
  const error = await rejectionOf(openTextLog(fileSystem, { compression: 'zstd' }));
  expect(error).toBeInstanceOf(CodecUnavailableError);
  expect(error).toMatchObject({ code: 'ERR_VARVE_CODEC_UNAVAILABLE', retryable: false });
  expect(await fileSystem.list('/')).toEqual([]);
});

interface Forged {
  readonly fileSystem: FaultyFileSystem;
  readonly path: string;
  readonly position: number;
}

/** `closedLog`, in which the batch of offsets 20 to 29 was changed and got a right checksum. */
async function forge(change: (batch: Uint8Array) => void): Promise<Forged> {
  const fileSystem = await closedLog({ compression: 'gzip', segmentBytesMax: 65_536 });
  const [path = ''] = await segmentPaths(fileSystem);
  const batch = (await walkSegment(fileSystem, path)).batches[2];
  if (batch === undefined) throw new Error('there is a third batch');
  const { position, endPosition } = batch;
  damage(fileSystem, path, (bytes) => {
    change(bytes.subarray(position, endPosition));
    reseal(bytes, { kind: 'batch', at: position, sizeBytes: endPosition - position });
    return bytes;
  });
  return { fileSystem, path, position };
}

/** Every way to read the record at `offset`, each with the error that it meets. */
async function readErrors(log: Log<string>, offset: number): Promise<unknown[]> {
  return Promise.all([
    rejectionOf(valuesOf(log, { from: offset })),
    rejectionOf(valuesOf(log, { onCorruption: 'skip' })),
    rejectionOf(log.read(offset)),
    rejectionOf(offsetsOf(log, { from: { timestamp: (offset / 10) * 1000 + 500 } })),
    rejectionOf(
      (async () => {
        await using cursor = log.cursor({ from: offset });
        await cursor.nextBatch();
      })(),
    ),
  ]);
}

const SIZE_AT = BATCH_HEADER_BYTES;
const STREAM_AT = BATCH_HEADER_BYTES + UNCOMPRESSED_SIZE_BYTES;

describe('a compressed batch that lies, under a right checksum', () => {
  test.each<[string, (batch: Uint8Array) => void]>([
    ['one byte more than there is', (batch) => addTo(batch, 1)],
    ['one byte less', (batch) => addTo(batch, -1)],
    ['a hundred times as much', (batch) => addTo(batch, 40_000)],
    ['the right size of another stream', (batch) => void batch.fill(0x55, STREAM_AT + 12)],
    ['the right size of no stream', (batch) => void batch.fill(0, STREAM_AT)],
  ])('stating %s: damage at its place, and all around it is read', async (_name, change) => {
    const { fileSystem, path, position } = await forge(change);
    const log = await openTextLog(fileSystem);
    expect(log.recovery.outcome).toBe('clean');
    for (const error of await readErrors(log, 20)) {
      expect(error).toBeInstanceOf(CorruptLogError);
      expect(error).toMatchObject({
        details: { file: path, position, kind: 'record', firstOffset: 20, nextOffset: 30 },
      });
    }
    expect(await valuesOf(log, { to: 20 })).toEqual(textsFrom(0, 20));
    expect(await valuesOf(log, { from: 30 })).toEqual(textsFrom(30, 200));
    await log.close();
    const found = (await verifyOf(fileSystem)).filter(({ type }) => type === 'damage');
    expect(found).toMatchObject([{ details: { position, kind: 'record', firstOffset: 20 } }]);
    const dumped = (await dumpOf(fileSystem)).filter(({ type }) => type === 'damage');
    expect(dumped).toMatchObject([{ details: { position, kind: 'record' } }]);
  });

  test.each<[string, number]>([
    ['above what the compressed bytes can give', 1_000_000],
    ['above a batch', 0x0100_0001],
    ['of 2^32 - 1', 0xffff_ffff],
    ['of 0', 0],
  ])('stating a size %s is not believed at all', async (_name, size) => {
    const forged = await forge((batch) => viewOf(batch).setUint32(SIZE_AT, size, true));
    const error = await rejectionOf(openTextLog(forged.fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({ details: { position: forged.position, kind: 'batch' } });
    expect((error as Error).message).toContain(`uncompressed size is ${size}`);
  });
});

function addTo(batch: Uint8Array, bytes: number): void {
  const view = viewOf(batch);
  view.setUint32(SIZE_AT, view.getUint32(SIZE_AT, true) + bytes, true);
}

describe('a batch that only another version, or another Node, can decompress', () => {
  const unknown = (batch: Uint8Array) => viewOf(batch).setUint16(ATTRIBUTES_AT, 5, true);

  test('is refused by name, with its place, by every way of reading; never skipped', async () => {
    const { fileSystem, path, position } = await forge(unknown);
    const log = await openTextLog(fileSystem, { readOnly: true, onCorruption: 'readonly' });
    for (const error of await readErrors(log, 20)) {
      expect(error).toBeInstanceOf(CodecUnavailableError);
      expect(error).toMatchObject({
        code: 'ERR_VARVE_CODEC_UNAVAILABLE',
        details: { codec: 'compression 5', offset: 20, file: path, position },
      });
      expect((error as Error).message).toContain(`byte ${position} of ${path}`);
    }
    await log.close();
  });

  test('is walked over by its header: counted, and in nobody else’s way', async () => {
    const { fileSystem } = await forge(unknown);
    const log = await openTextLog(fileSystem, { readOnly: true });
    expect(await valuesOf(log, { from: 30 })).toEqual(textsFrom(30, 200));
    expect(await offsetsOf(log, { from: { timestamp: 3500 }, limit: 1 })).toEqual([30]);
    expect((await log.read(30))?.value).toBe(textAt(30));
    const counts: number[] = [];
    for await (const batch of log.batches()) counts.push(batch.recordCount);
    expect(counts).toEqual(Array.from({ length: 20 }, () => 10));
    await log.close();
  });

  test.each(['fail', 'readonly', 'skip'] as const)(
    'opening for writing with onCorruption %s cuts, moves and changes nothing',
    async (onCorruption) => {
      const { fileSystem, path } = await forge(unknown);
      const before = contentOf(fileSystem, path);
      const log = await openTextLog(fileSystem, { onCorruption, segmentBytesMax: 65_536 });
      expect(log.recovery).toMatchObject({ outcome: 'clean', cutBytes: 0, gaps: [] });
      expect((await log.append({ value: textAt(200) })).offset).toBe(200);
      expect(await valuesOf(log, { from: 30 })).toEqual(textsFrom(30, 201));
      expect((await readErrors(log, 20))[0]).toBeInstanceOf(CodecUnavailableError);
      await log.close();
      const after = contentOf(fileSystem, path).subarray(0, before.length);
      expect(Buffer.compare(after, before)).toBe(0);
      expect(await quarantineNames(fileSystem)).toEqual([]);
    },
  );

  test('in a torn tail it is kept: it is whole', async () => {
    const { fileSystem } = await forge(unknown);
    damage(fileSystem, `${LOG_PATH}/checkpoint`, (bytes) => bytes.fill(0)); // Nothing is synced now.
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(200);
    expect(log.recovery.cutBytes).toBe(0);
    await log.deleteBefore(30);
    expect(await valuesOf(log)).toEqual(textsFrom(30, 200));
    await log.close();
  });

  test('is noted by verify, and shown by dump without its records: no damage', async () => {
    const { fileSystem, position } = await forge(unknown);
    const events = await verifyOf(fileSystem);
    expect(events.filter(({ type }) => type === 'damage')).toEqual([]);
    const notes = events.filter((event) => event.type === 'note');
    expect(notes.map(({ message }) => message).join()).toContain(
      'the records in 1 batch were not looked into, checksums are right: compression 5',
    );
    expect(events.find(({ type }) => type === 'segment')).toMatchObject({ recordCount: 200 });
    const dump = (await dumpOf(fileSystem)).filter((event) => event.type === 'batch');
    const batch = dump.find(({ header }) => header.position === position);
    expect(batch).toMatchObject({
      compression: 'compression 5',
      uncompressedBytes: null,
      records: [],
    });
    expect(batch?.unavailable).toContain('compression 5');
    expect(dump.filter(({ unavailable }) => unavailable !== null)).toHaveLength(1);
  });
});

test('the numbers that are known are those that have names', () => {
  expect(Compression).toEqual({ none: 0, gzip: 1, zstd: 2 });
});

describe('a compressor that fails', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function failWith(code: string): void {
    vi.spyOn(zlib, 'gzipSync').mockImplementation(() => {
      throw Object.assign(new Error('injected'), { code });
    });
  }

  test('for want of memory leaves the batch as it is', async () => {
    failWith('Z_MEM_ERROR');
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { compression: 'gzip' });
    await appendTogether(log, 10);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 10));
    await log.close();
    const batches = (await dumpOf(fileSystem)).filter((event) => event.type === 'batch');
    expect(batches.map((batch) => batch.compression)).toEqual(['none']);
  });

  test('for another reason ends the writer, and the event loop goes on', async () => {
    failWith('ERR_UNHEARD_OF');
    const log = await openTextLog(await faultyDisk(), { compression: 'gzip' });
    const error = await rejectionOf(log.append({ value: textAt(0) }));
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', cause: { message: 'injected' } });
    await new Promise((resolve) => setImmediate(resolve)); // No next tick after the other keeps it.
    expect(await rejectionOf(log.close())).toMatchObject({ code: 'ERR_VARVE_FAILED' });
  });
});
