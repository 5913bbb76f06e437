/** Runs that say what they are to producers and to dedup: appended, committed, cut into batches. */
import { describe, expect, test } from 'vitest';

import { TAGGED_RECORDS_MAX } from '../../../src/core/limits.ts';
import { BackpressureError, DiskFullError, WrongOffsetError } from '../../../src/core/errors.ts';
import { EXTENSION_BYTES_MAX } from '../../../src/format/extension.ts';
import {
  BASE_OFFSET_AT,
  BATCH_HEADER_BYTES,
  PRODUCER_ID_AT,
  SIZE_AT,
} from '../../../src/format/layout.ts';
import { setU64, viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { appendRun } from '../../../src/log/append-run.ts';
import type { BatchTag } from '../../../src/log/batch-tag.ts';
import type { Log } from '../../../src/log/log.ts';
import { runBytesOf, type RecordRun } from '../../../src/log/record-run.ts';
import { AVAILABLE_COMPRESSIONS } from '../../support/compressions.ts';
import {
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  textsFrom,
  valuesOf,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import {
  encodable,
  identifiedRun,
  plainRun,
  producedRun,
  tagsIn,
} from '../../support/tagged-runs.ts';

const PRODUCER = { producerId: 2 ** 53 - 1, producerEpoch: 2 ** 16 + 3, confirmed: 4 };
const OS = { durability: 'os' } as const;

async function openOn(options: TextLogOptions = {}) {
  const fileSystem = new MemoryFileSystem();
  return { fileSystem, log: await openTextLog(fileSystem, options) };
}

function records(count: number, from = 0) {
  return textsFrom(from, from + count).map((text) => encodable(text));
}

function append(log: Log<string>, run: RecordRun) {
  return appendRun(log.forStore().appender, run, { durability: 'sync' });
}

describe('a run with a tag', () => {
  test('is appended as other records are, and says in its batch what it is', async () => {
    const { fileSystem, log } = await openOn();
    const sent = [
      append(log, plainRun(records(2))),
      append(log, producedRun(records(2, 2), PRODUCER, 2 ** 32 + 7)),
      append(log, identifiedRun(records(2, 4), [[0xabc, 1], null])),
      append(log, plainRun(records(1, 6))),
    ];
    expect((await Promise.all(sent)).map(({ baseOffset }) => baseOffset)).toEqual([0, 2, 4, 6]);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 7));
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([2, 2, 2, 1]);
    const none = { producerId: 0, producerEpoch: 0, sequence: null, confirmed: null };
    const produced = { producerId: 2 ** 53 - 1, producerEpoch: 3, confirmed: 4, fingerprint: null };
    expect(said.map(({ value: _value, ...tag }) => tag)).toEqual([
      { offset: 0, ...none, fingerprint: null },
      { offset: 1, ...none, fingerprint: null },
      { offset: 2, ...produced, sequence: 2 ** 32 + 7 },
      { offset: 3, ...produced, sequence: 2 ** 32 + 8 },
      { offset: 4, ...none, fingerprint: '00000abc00000001' },
      { offset: 5, ...none, fingerprint: null },
      { offset: 6, ...none, fingerprint: null },
    ]);
  });

  test('ends a batch that is open, and is not joined by what follows', async () => {
    const { fileSystem, log } = await openOn();
    const all = [
      log.append({ value: 'a' }),
      append(log, producedRun([encodable('b')], PRODUCER, 5)),
      append(log, producedRun([encodable('c')], PRODUCER, 6)),
      log.append({ value: 'd' }),
      log.append({ value: 'e' }),
    ];
    await Promise.all(all);
    await log.close();
    const { batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map((one) => [one.recordCount, one.isTagged])).toEqual([
      [1, false],
      [1, true],
      [1, true],
      [2, false],
    ]);
  });

  test('is answered at the level that was asked for, and refused as others are', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { queuedBytesMax: 64 * 1024 });
    const { appender } = log.forStore();
    const run = producedRun(records(3), PRODUCER, 0);
    const result = await appendRun(appender, run, { durability: 'sync' });
    expect(result).toEqual({ baseOffset: 0, recordCount: 3, durability: 'sync' });
    expect(log.syncedOffset).toBe(3);
    const wrong = appendRun(appender, run, { ...OS, expectedOffset: 9 });
    expect(await rejectionOf(wrong)).toBeInstanceOf(WrongOffsetError);
    const reason = new Error('enough');
    const aborted = appendRun(appender, run, { ...OS, signal: AbortSignal.abort(reason) });
    expect(await rejectionOf(aborted)).toBe(reason);
    const nothing = await appendRun(appender, producedRun([], PRODUCER, 9), OS);
    expect(nothing).toEqual({ baseOffset: 3, recordCount: 0, durability: 'os' });
    const large = append(log, producedRun(records(1000), PRODUCER, 3));
    expect(await rejectionOf(append(log, run))).toBeInstanceOf(BackpressureError);
    await large;
    fileSystem.addFault({ operations: ['write'], path: /\.log$/, errno: 'ENOSPC' });
    const refused = appendRun(appender, run, { durability: 'sync' });
    expect(await rejectionOf(refused)).toBeInstanceOf(DiskFullError);
    expect(log.endOffset).toBe(1003);
    expect((await append(log, producedRun(records(1), PRODUCER, 1003))).baseOffset).toBe(1003);
    await log.close();
  });

  test.each([
    ['consecutive sequences', 600, (all: RecordRun['records']) => producedRun(all, PRODUCER, 0)],
    [
      'sequences with gaps',
      600,
      (all: RecordRun['records']) =>
        producedRun(
          all,
          PRODUCER,
          all.map((_, n) => n * 2 ** 20),
        ),
    ],
    [
      'fingerprints',
      600,
      (all: RecordRun['records']) =>
        identifiedRun(
          all,
          all.map((_, n) => [n, n + 1] as const),
        ),
    ],
  ])('is cut where batches are full, with %s', async (_what, count, runOf) => {
    const { fileSystem, log } = await openOn({
      batchBytesMax: 4096,
      segmentBytesMax: 16 * 1024,
    });
    await append(log, runOf(records(count)));
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(said.map(({ value }) => value)).toEqual(textsFrom(0, count));
    expect(Math.max(...batches.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(4096);
    const tagged = said.filter(
      ({ sequence, fingerprint }) => sequence !== null || fingerprint !== null,
    );
    expect(tagged).toHaveLength(count);
    expect(batches.length).toBeGreaterThan(10);
  });

  test('has a record in each batch, also where one is larger than a batch should be', async () => {
    const { fileSystem, log } = await openOn({ batchBytesMax: 1024 });
    const texts = ['a'.repeat(2000), 'b', 'c'.repeat(5000), 'd'.repeat(970)];
    await append(
      log,
      producedRun(
        texts.map((text) => encodable(text)),
        PRODUCER,
        1,
      ),
    );
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(said.map(({ value, sequence }) => [value, sequence])).toEqual(
      texts.map((text, n) => [text, n + 1]),
    );
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([1, 1, 1, 1]);
  });

  test('has at most 4096 records in a batch', async () => {
    const { fileSystem, log } = await openOn({
      batchBytesMax: 1024 * 1024,
      segmentBytesMax: 4 * 1024 * 1024,
    });
    const tiny = Array.from({ length: 2 * TAGGED_RECORDS_MAX + 10 }, () => encodable('x'));
    await append(log, producedRun(tiny, PRODUCER, 0));
    await append(
      log,
      identifiedRun(
        tiny,
        tiny.map((_, n) => [1, n] as const),
      ),
    );
    await log.close();
    const { batches } = await tagsIn(fileSystem, LOG_PATH);
    const counts = [TAGGED_RECORDS_MAX, TAGGED_RECORDS_MAX, 10];
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([...counts, ...counts]);
  });

  test('is cut where what it says would not fit, whatever says it', async () => {
    const { fileSystem, log } = await openOn({
      batchBytesMax: 1024 * 1024,
      segmentBytesMax: 4 * 1024 * 1024,
    });
    const tiny = Array.from({ length: 4000 }, () => encodable('x'));
    const wide: BatchTag = {
      producerId: 0,
      producerEpoch: 0,
      sequence: () => 0,
      isFixed: false,
      extensionBytesMax: (count) => 4 + 50 * count,
      // Of a type that nobody knows yet.
      extension: (from, to) => {
        const block = Buffer.alloc(4 + 50 * (to - from));
        block.writeUInt16LE(99, 0);
        block.writeUInt16LE(50 * (to - from), 2);
        return block;
      },
    };
    await append(log, { records: tiny, tag: wide });
    expect(await valuesOf(log)).toHaveLength(4000);
    await log.close();
    const { batches } = await tagsIn(fileSystem, LOG_PATH);
    const full = Math.floor((EXTENSION_BYTES_MAX - 4) / 50);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([
      full,
      full,
      full,
      4000 - 3 * full,
    ]);
  });

  test.each([
    ['after a key that is not ASCII', 'ö'],
    ['after none', 'o'],
  ])('keeps keys of any length in UTF-8, %s', async (_what, key) => {
    const { fileSystem, log } = await openOn({ batchBytesMax: 1024 });
    const keys = ['a', 'ä', '€', '😀', '\ud800'].map((letter, n) => letter.repeat(7 * n + 1));
    const keyed = () => Array.from({ length: 100 }, (_, n) => encodable(`${n}`, keys[n % 5] ?? ''));
    await log.append({ value: 'one', key });
    const sent = [
      append(log, producedRun(keyed(), PRODUCER, 0)),
      log.append({ value: 'two', key: 'ö' }),
      append(log, identifiedRun(keyed().slice(0, 1), [])),
      append(log, producedRun(keyed(), PRODUCER, 100)),
    ];
    expect((await Promise.all(sent)).length).toBe(4);
    const found: (string | null)[] = [];
    for await (const record of log.records()) found.push(record.key);
    const stored = keyed().map(({ key: own }) => Buffer.from(String(own)).toString());
    expect(found).toEqual([key, ...stored, 'ö', 'a', ...stored]);
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    const sequences = said.map(({ sequence }) => sequence).filter((one) => one !== null);
    expect(sequences).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(Math.max(...batches.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(1024);
  });

  test.each(AVAILABLE_COMPRESSIONS)('is compressed with %s, what it says is not', async (name) => {
    const { fileSystem, log } = await openOn({ compression: name });
    await append(log, producedRun(records(20), PRODUCER, 11));
    await append(
      log,
      identifiedRun(
        records(20),
        records(20).map((_, n) => [n, 5] as const),
      ),
    );
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map(({ compression }) => compression)).toEqual([name, name]);
    for (const { sizeBytes, uncompressedBytes } of batches) {
      expect(sizeBytes).toBeLessThan(uncompressedBytes / 2);
    }
    expect(said.slice(0, 20).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 20 }, (_, n) => 11 + n),
    );
    expect(said.at(-1)?.fingerprint).toBe('0000001300000005');
  });
});

describe('a commit with runs', () => {
  const runs = [
    plainRun(records(2)),
    producedRun(records(2, 2), PRODUCER, 70),
    plainRun(records(1, 4)),
    plainRun(records(1, 5)),
    identifiedRun(records(2, 6), [null, [1, 2]]),
  ];

  test('holds batches of which each says what its run does', async () => {
    const { fileSystem, log } = await openOn();
    const { appender } = log.forStore();
    const held = appender.commits.hold(runs);
    expect([held.baseOffset, held.nextOffset]).toEqual([0, 8]);
    await held.ready();
    held.release();
    await held.ended;
    held.show();
    expect(await valuesOf(log)).toEqual(textsFrom(0, 8));
    await log.close();
    const { records: said, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([2, 2, 2, 2]);
    const tags = said.map(({ sequence, fingerprint }) => sequence ?? fingerprint);
    expect(tags).toEqual([null, null, 70, 71, null, null, null, '0000000100000002']);
  });

  test('takes the bytes that are counted for it, of batches of one record too', async () => {
    const { log } = await openOn({ segmentBytesMax: 64 * 1024 });
    const single = Array.from({ length: 50 }, (_, n) =>
      producedRun([encodable('x', 'ä')], PRODUCER, n),
    );
    const full = [identifiedRun(records(30), []), producedRun(records(30), PRODUCER, 50)];
    for (const some of [single, full]) {
      const held = log.forStore().appender.commits.hold(some);
      const bytes = held.batches.reduce((sum, { length }) => sum + length, 0);
      expect(runBytesOf(some)).toBe(bytes); // Keys were counted meanwhile.
      held.release();
      await held.ended;
      held.show();
    }
    await log.close();
  });

  test.each(['none' as const, ...AVAILABLE_COMPRESSIONS])(
    'is placed again as it was, from the producer in the header on (%s)',
    async (compression) => {
      const { log } = await openOn({ compression });
      const held = log.forStore().appender.commits.hold(runs);
      const batches = batchesIn(held.batches);
      held.refuse(new Error('the power went'));
      await held.ended;
      await log.close();
      const other = await openOn();
      await other.log.append({ value: 'x' });
      await other.log.close();
      const again = await openTextLog(other.fileSystem);
      const { appender } = again.forStore();
      for (const batch of batches) {
        const moved = Uint8Array.from(batch);
        setU64(viewOf(moved), BASE_OFFSET_AT, appender.nextOffset);
        appender.commits.place(moved);
      }
      await appender.commits.placed();
      await again.close();
      const bytes = await wholeSegment(other.fileSystem);
      const { records: said } = await tagsIn(other.fileSystem, LOG_PATH);
      expect(said.map(({ value }) => value)).toEqual(['x', ...textsFrom(0, 8)]);
      expect(said[3]).toMatchObject({ sequence: 70, producerId: 2 ** 53 - 1, producerEpoch: 3 });
      expect(said[8]?.fingerprint).toBe('0000000100000002');
      let at = bytes.length;
      for (const batch of batches.toReversed()) {
        at -= batch.length;
        const stored = bytes.subarray(at + PRODUCER_ID_AT, at + batch.length);
        expect(Buffer.compare(stored, batch.subarray(PRODUCER_ID_AT))).toBe(0);
        expect(stored.length).toBeGreaterThan(BATCH_HEADER_BYTES - PRODUCER_ID_AT);
      }
    },
  );
});

function batchesIn(chunks: readonly Uint8Array[]): Uint8Array[] {
  return chunks.flatMap((chunk) => {
    const all: Uint8Array[] = [];
    const view = viewOf(chunk);
    for (let at = 0; at < chunk.length;) {
      const end = at + view.getUint32(at + SIZE_AT, true);
      all.push(Uint8Array.from(chunk.subarray(at, end)));
      at = end;
    }
    return all;
  });
}

async function wholeSegment(fileSystem: MemoryFileSystem): Promise<Uint8Array> {
  const file = await fileSystem.open(`${LOG_PATH}/00000000000000000000.log`, 'read');
  const bytes = new Uint8Array((await file.stat()).sizeBytes);
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}
