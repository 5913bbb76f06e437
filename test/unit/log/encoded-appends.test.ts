import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { ClosedError, DiskFullError } from '../../../src/core/errors.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { nextOffsetOf } from '../../../src/format/batch-header.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { CopiedRecords } from '../../../src/format/copied-records.ts';
import { Compression } from '../../../src/format/layout.ts';
import {
  ProjectedExtension,
  projectedFrom,
  sourceOffsetOf,
} from '../../../src/format/projected-extension.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem, openLog, utf8, type LogOptions } from '../../../src/index.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { faultyDisk, rejectionOf } from '../../support/log-fixture.ts';
import { walkSegment, type WalkedBatch } from '../../support/segment-walk.ts';
import { appendEncoded } from '../../support/encoded-appends.ts';

const EXCHANGE_ID = 4711;
const NO_EXTENSION = new Uint8Array(0);

type Options = Omit<LogOptions<string>, 'codec' | 'fileSystem'>;

function open(fileSystem: FileSystem, path: string, options: Options = {}): Promise<Log<string>> {
  return openLog(path, { fileSystem, codec: utf8, clock: new ManualClock(), ...options });
}

/** 500 records of all shapes, in batches of about 2 KiB. */
async function sourceLog(fileSystem: FileSystem, options: Options = {}): Promise<Log<string>> {
  const log = await open(fileSystem, '/source', { batchBytesMax: 2048, ...options });
  for (let n = 0; n < 500; n += 50) {
    const records = Array.from({ length: 50 }, (_, at) => ({
      value: (n + at) % 11 === 10 ? null : `value ${n + at} `.repeat((n + at) % 13),
      key: (n + at) % 4 === 3 ? null : `schlüssel ${n + at}`,
      createTimeMs: 1_000_000 - 7 * (n + at),
      headers: (n + at) % 3 === 0 ? { header: `${n + at}` } : {},
    }));
    await log.appendBatch(records);
  }
  return log;
}

async function batchesOf(fileSystem: FileSystem, path: string): Promise<readonly WalkedBatch[]> {
  const names = await fileSystem.list(path);
  const segments = names.filter((name) => name.endsWith('.log')).sort();
  const walked = segments.map((name) => walkSegment(fileSystem, `${path}/${name}`));
  return (await Promise.all(walked)).flatMap(({ batches }) => [...batches]);
}

/** Copies every `nth` record from batch to batch, as routing does. */
async function copyEach(nth: number, batches: readonly WalkedBatch[], to: Log<string>) {
  const records = new CopiedRecords();
  const extension = new ProjectedExtension();
  const cursor = new BatchCursor();
  const copied: number[] = [];
  for (const { bytes, header } of batches) {
    records.clear();
    extension.clear();
    const from = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'source' });
    cursor.reset(from);
    while (cursor.next()) {
      if (cursor.offset % nth !== 0) continue;
      records.add(from, cursor.start, cursor.sizeBytes);
      extension.add(cursor.offset);
      copied.push(cursor.offset);
    }
    if (records.recordCount === 0) continue;
    const position = nextOffsetOf(header);
    const block = extension.encode({ exchangeId: EXCHANGE_ID, stream: 0, position });
    await appendEncoded(to.forStore().encoded, records.encoded(block));
  }
  return copied;
}

async function contentOf(log: Log<string>) {
  const content = [];
  for await (const { key, value, createTimeMs, headers } of log.records()) {
    content.push({ key, value, createTimeMs, headers: [...headers].map(String) });
  }
  return content;
}

describe('batches of encoded records', () => {
  test.each<[string, Options, Options]>([
    ['as they are', {}, {}],
    ['from compressed batches', { compression: 'gzip' }, {}],
    ['into a log that compresses', {}, { compression: 'gzip' }],
    ['into small segments', {}, { segmentBytesMax: 16 * 1024 }],
  ])(
    'are the same records elsewhere, and say where they come from: %s',
    async (_, source, target) => {
      const fileSystem = new MemoryFileSystem();
      const from = await sourceLog(fileSystem, source);
      await from.sync();
      const to = await open(fileSystem, '/target', target);
      const copied = await copyEach(3, await batchesOf(fileSystem, '/source'), to);
      const expected = (await contentOf(from)).filter((_each, offset) => offset % 3 === 0);
      expect(await contentOf(to)).toEqual(expected);
      expect(copied).toHaveLength(167);
      await to.close();

      const again = await open(fileSystem, '/target', { ...target, readOnly: true });
      expect(await contentOf(again)).toEqual(expected);
      await again.close();
      const batches = await batchesOf(fileSystem, '/target');
      let at = 0;
      for (const { bytes, header } of batches) {
        expect(projectedFrom(bytes, 0, header)?.exchangeId).toBe(EXCHANGE_ID);
        expect(header.baseOffset).toBe(at);
        for (let index = 0; index < header.recordCount; index++) {
          expect(sourceOffsetOf(bytes, 0, header, index)).toBe(copied[at++]);
        }
      }
      expect(at).toBe(copied.length);
      const isCompressed = batches.some(({ header }) => header.attributes === Compression.gzip);
      expect(isCompressed).toBe('compression' in target);
      const events = [];
      for await (const event of verifyLog('/target', { fileSystem })) events.push(event);
      expect(events.filter(({ type }) => type === 'damage')).toEqual([]);
      await from.close();
    },
  );

  test('stand between plain appends, in batches of their own', async () => {
    const fileSystem = new MemoryFileSystem();
    const from = await sourceLog(fileSystem);
    await from.sync();
    const [batch] = await batchesOf(fileSystem, '/source');
    const to = await open(fileSystem, '/target');
    const first = to.append({ value: 'before' });
    const copies = copyEach(1, batch === undefined ? [] : [batch], to);
    const last = to.append({ value: 'behind' });
    const offsets = (await copies).length;
    expect(offsets).toBeGreaterThan(10);
    expect([(await first).offset, (await last).offset]).toEqual([0, offsets + 1]);
    await to.sync();
    const projected = (await batchesOf(fileSystem, '/target')).map(({ bytes, header }) => [
      header.recordCount,
      projectedFrom(bytes, 0, header)?.position ?? null,
    ]);
    expect(projected).toEqual([
      [1, null],
      [offsets, offsets],
      [1, null],
    ]);
    await Promise.all([from.close(), to.close()]);
  });

  test('are refused by a log that takes nothing', async () => {
    const fileSystem = await faultyDisk();
    const to = await open(fileSystem, '/target');
    const from = await sourceLog(fileSystem);
    await from.sync();
    const [batch] = await batchesOf(fileSystem, '/source');
    const batches = batch === undefined ? [] : [batch];
    fileSystem.capacityBytes = fileSystem.disk.tree.usedBytes;
    expect(await rejectionOf(copyEach(1, batches, to))).toBeInstanceOf(DiskFullError);
    expect(to.endOffset).toBe(0);
    fileSystem.capacityBytes = 2 ** 40;
    await copyEach(1, batches, to);
    expect(to.endOffset).toBe(batch?.header.recordCount);
    const { encoded } = to.forStore();
    await to.close();
    const records = new CopiedRecords();
    const late = appendEncoded(encoded, records.encoded(NO_EXTENSION));
    expect(await rejectionOf(late)).toBeInstanceOf(ClosedError);
    await from.close();
  });
});
