/** `Log.records`: what an async generator promises, kept without one. */
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../../src/core/errors.ts';
import * as layout from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import type { Log } from '../../../src/log/log.ts';
import { damage } from '../../support/disk-damage.ts';
import { reseal } from '../../support/faults/forged-fields.ts';
import {
  appendTogether,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

const COUNT = 60;
const DONE = { done: true, value: undefined };

/** 60 records in batches of some nine, in several segments; closed. */
async function writtenDisk() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { batchBytesMax: 1024 });
  await appendTogether(log, COUNT);
  await log.close();
  return fileSystem;
}

async function writtenLog(): Promise<Log<string>> {
  return openTextLog(await writtenDisk(), { readOnly: true });
}

describe('records()', () => {
  test('asked many times at once answers in order, also over the ends of batches', async () => {
    const log = await writtenLog();
    const records = log.records();
    const asked = Array.from({ length: COUNT + 3 }, () => records.next());
    const results = await Promise.all(asked);
    expect(results.slice(0, COUNT).map(({ value }) => value?.value)).toEqual(textsFrom(0, COUNT));
    expect(results.slice(COUNT)).toEqual([DONE, DONE, DONE]);
    await log.close();
  });

  test('answers in the order of the calls, also of those that come while others wait', async () => {
    const log = await writtenLog();
    const records = log.records();
    const offsets: (number | undefined)[] = [];
    let calls = 0;
    const ask = async (): Promise<void> => {
      const call = calls++;
      const { value } = await records.next();
      offsets[call] = value?.offset;
      if (value !== undefined) await ask();
    };
    await Promise.all([ask(), ask(), ask()]);
    expect(offsets.slice(0, COUNT)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    await log.close();
  });

  test('hands out results that stay as they are', async () => {
    const log = await writtenLog();
    const records = log.records();
    const results = [];
    for (let n = 0; n < 20; n++) results.push(await records.next());
    expect(results.map(({ value }) => value?.value)).toEqual(textsFrom(0, 20));
    await records.return();
    await log.close();
  });

  test('that is left early lets go of its file, and is at its end', async () => {
    const fileSystem = await writtenDisk();
    const log = await openTextLog(fileSystem, { readOnly: true });
    const before = fileSystem.openFileCount;
    for await (const record of log.records()) {
      expect(fileSystem.openFileCount).toBeGreaterThan(before);
      if (record.offset === 4) break;
    }
    const records = log.records();
    await records.next();
    const [first, ended, behind] = await Promise.all([
      records.next(),
      records.return(),
      records.next(),
    ]);
    expect(first?.value?.offset).toBe(1);
    expect([ended, behind]).toEqual([DONE, DONE]);
    expect(await records.next()).toEqual(DONE);
    const error = new Error('enough');
    const thrown = log.records();
    await thrown.next();
    expect(await rejectionOf(thrown.throw(error))).toBe(error);
    expect(await thrown.next()).toEqual(DONE);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('that is never begun costs nothing, and says what is wrong when it begins', async () => {
    const log = await writtenLog();
    const wrong = log.records({ limit: -1 });
    expect(await rejectionOf(wrong.next())).toBeInstanceOf(RangeError);
    const unused = log.records();
    expect(await unused.return()).toEqual(DONE);
    expect(await unused.next()).toEqual(DONE);
    await log.close();
  });

  test('ends at a record that does not fit its batch, with the records before it', async () => {
    const fileSystem = await writtenDisk();
    const [path = ''] = await segmentPaths(fileSystem);
    damage(fileSystem, path, (bytes) => {
      const at = layout.SEGMENT_HEADER_BYTES;
      const view = viewOf(bytes);
      let record = at + layout.BATCH_HEADER_BYTES;
      for (let n = 0; n < 3; n++) record += view.getUint32(record, true) & layout.RECORD_SIZE_MASK;
      view.setUint32(record + layout.RECORD_SIZE_AND_FLAGS_AT, layout.RECORD_SIZE_MASK, true);
      reseal(bytes, { kind: 'batch', at, sizeBytes: 0 });
      return bytes;
    });
    const log = await openTextLog(fileSystem, { readOnly: true });
    const records = log.records();
    const offsets: number[] = [];
    const read = async () => {
      for await (const { offset } of records) offsets.push(offset);
    };
    expect(await rejectionOf(read())).toBeInstanceOf(CorruptLogError);
    expect(offsets).toEqual([0, 1, 2]);
    expect(await records.next()).toEqual(DONE);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });
});

test('a limit counts records, not batches, however they are read', async () => {
  const log = await writtenLog();
  for (const limit of [0, 1, 8, 9, 10, 25, COUNT - 1, COUNT, COUNT + 1]) {
    const expected = textsFrom(0, Math.min(limit, COUNT));
    expect(await valuesOf(log, { limit })).toEqual(expected);
    const seen: string[] = [];
    await using cursor = log.cursor({ limit });
    while (await cursor.nextBatch()) {
      while (cursor.next()) seen.push(Buffer.from(cursor.valueView() ?? []).toString());
      expect(cursor.next()).toBe(false);
    }
    expect(seen).toEqual(expected);
  }
  // What was left of a batch does not count against the limit.
  await using cursor = log.cursor({ limit: 5 });
  const seen: number[] = [];
  while (await cursor.nextBatch()) if (cursor.next()) seen.push(cursor.offset);
  expect(seen).toHaveLength(5);
  expect(new Set(seen).size).toBe(5);
  await log.close();
});
