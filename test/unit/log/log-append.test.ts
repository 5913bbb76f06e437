import { describe, expect, test } from 'vitest';

import { bytes, json, utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { WrongOffsetError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import {
  appendEach,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

const KEY = Uint8Array.of(0xff, 0, 1);

describe('append', () => {
  test('gives offsets from 0, without gaps', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const results = await appendEach(log, 5);
    expect(results.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
    expect(log.endOffset).toBe(5);
    await log.close();
  });

  test('gives calls of one turn offsets in the order of the calls', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const results = await Promise.all(textsFrom(0, 200).map((value) => log.append({ value })));
    expect(results.map(({ offset }) => offset)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(await valuesOf(log)).toEqual(textsFrom(0, 200));
    await log.close();
  });

  test('keeps the order when it is mixed with appendBatch and appendNoWait', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const first = log.append({ value: 'a' });
    const batch = log.appendBatch([{ value: 'b' }, { value: 'c' }]);
    const offset = log.appendNoWait({ value: 'd' });
    const last = log.append({ value: 'e' });
    expect((await first).offset).toBe(0);
    expect(await batch).toEqual({ baseOffset: 1, recordCount: 2, durability: 'sync' });
    expect(offset).toBe(3);
    expect((await last).offset).toBe(4);
    expect(await valuesOf(log)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await log.close();
  });

  test('copies value, key and headers before it returns: the caller may change them', async () => {
    const log = await openLog(LOG_PATH, { codec: bytes, fileSystem: new MemoryFileSystem() });
    const value = Uint8Array.of(1, 2, 3);
    const key = Uint8Array.of(4, 5);
    const header = Uint8Array.of(6);
    const appended = log.append({ value, key, headers: { name: header } });
    value.fill(0);
    key.fill(0);
    header.fill(0);
    await appended;
    const record = await log.read(0);
    expect(record?.valueView()).toEqual(new Uint8Array([1, 2, 3]));
    expect(record?.keyView()).toEqual(new Uint8Array([4, 5]));
    expect(record?.headers.get('name')).toEqual(new Uint8Array([6]));
    await log.close();
  });

  test('appendBatch and appendNoWait copy as well', async () => {
    const log = await openLog(LOG_PATH, { codec: bytes, fileSystem: new MemoryFileSystem() });
    const value = Uint8Array.of(1);
    const appended = log.appendBatch([{ value }]);
    value[0] = 9;
    log.appendNoWait({ value });
    value[0] = 8;
    await appended;
    await log.flushed();
    expect((await log.read(0))?.value).toEqual(Uint8Array.of(1));
    expect((await log.read(1))?.value).toEqual(Uint8Array.of(9));
    await log.close();
  });

  test('keeps keys as text and as bytes, and tells an empty key from none', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.append({ value: 'text', key: 'käse' });
    await log.append({ value: 'bytes', key: KEY });
    await log.append({ value: 'empty', key: '' });
    await log.append({ value: 'null', key: null });
    await log.append({ value: 'none' });
    const keys: (Uint8Array | null)[] = [];
    for await (const record of log.records()) keys.push(record.keyView());
    expect(keys.map((key) => (key === null ? null : [...key]))).toEqual([
      [...Buffer.from('käse')],
      [...KEY],
      [],
      null,
      null,
    ]);
    expect((await log.read(0))?.key).toBe('käse');
    expect((await log.read(2))?.key).toBe('');
    expect((await log.read(3))?.key).toBeNull();
    await log.close();
  });

  test('takes a key and a value of the largest sizes', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { recordBytesMax: 128 * 1024 });
    const key = 'k'.repeat(65_534);
    const value = 'v'.repeat(128 * 1024 - 16 - key.length);
    await log.append({ key, value });
    const record = await log.read(0);
    expect(record?.key).toBe(key);
    expect(record?.value).toBe(value);
    expect(record?.sizeBytes).toBe(128 * 1024);
    await log.close();
  });

  test('tells a tombstone from an empty value', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.append({ key: 'gone', value: null });
    await log.append({ key: 'empty', value: '' });
    const [tombstone, empty] = [await log.read(0), await log.read(1)];
    expect(tombstone?.value).toBeNull();
    expect(tombstone?.valueView()).toBeNull();
    expect(empty?.value).toBe('');
    expect(empty?.valueView()).toHaveLength(0);
    await log.close();
  });

  test('keeps headers in order, as bytes, with empty names and values', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.append({ value: 'x', headers: { trace: 'abc', '': '', bin: KEY } });
    await log.append({ value: 'y', headers: {} });
    await log.append({ value: 'z', headers: null });
    const headers = (await log.read(0))?.headers;
    expect([...(headers ?? [])].map(([name, value]) => [name, [...value]])).toEqual([
      ['trace', [...Buffer.from('abc')]],
      ['', []],
      ['bin', [...KEY]],
    ]);
    expect((await log.read(1))?.headers.size).toBe(0);
    expect((await log.read(2))?.headers.size).toBe(0);
    expect((await log.read(0))?.value).toBe('x');
    await log.close();
  });

  test('a header named __proto__ is a header like any other', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const headers = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    await log.append({ value: 'v', headers });
    const found = (await log.read(0))?.headers;
    expect(found?.get('__proto__')).toEqual(new TextEncoder().encode('x'));
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    await log.close();
  });

  test('takes create times in any order, and the clock when there is none', async () => {
    const clock = new ManualClock(5000);
    const log = await openTextLog(new MemoryFileSystem(), { clock });
    await log.append({ value: 'late', createTimeMs: 9000 });
    await log.append({ value: 'early', createTimeMs: 0 });
    await log.append({ value: 'last', createTimeMs: 2 ** 48 - 1 });
    clock.advance(1);
    await log.append({ value: 'now' });
    const times: number[] = [];
    for await (const record of log.records()) times.push(record.createTimeMs);
    expect(times).toEqual([9000, 0, 2 ** 48 - 1, 5001]);
    await log.close();
  });

  test('stamps each batch with an append time that never goes back', async () => {
    const clock = new ManualClock(5000);
    const log = await openTextLog(new MemoryFileSystem(), { clock });
    await log.append({ value: 'a' });
    clock.jumpTo(1000);
    await log.append({ value: 'b' });
    clock.jumpTo(6000);
    await log.append({ value: 'c' });
    const times: number[] = [];
    for await (const record of log.records()) times.push(record.appendTimeMs);
    expect(times).toEqual([5000, 5000, 6000]);
    await log.close();
  });

  test('stores what the codec makes of the value', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openLog(LOG_PATH, { codec: json<{ n: number }>(), fileSystem });
    await log.append({ value: { n: 1 } });
    const record = await log.read(0);
    expect(record?.value).toEqual({ n: 1 });
    expect(Buffer.from(record?.valueView() ?? []).toString()).toBe('{"n":1}');
    await log.close();
    const raw = await openLog(LOG_PATH, { codec: utf8, fileSystem });
    expect((await raw.read(0))?.value).toBe('{"n":1}');
    await raw.close();
  });

  test('a record far above the segment size gets a segment of its own', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    const values = ['small', 'x'.repeat(40_000), 'small again'];
    for (const value of values) await log.append({ value });
    expect(log.stats().segmentCount).toBe(3);
    expect(await valuesOf(log)).toEqual(values);
    await log.close();
  });
});

describe('appendBatch', () => {
  test('answers the first offset and the count, over more than one segment', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.append({ value: 'before' });
    const result = await log.appendBatch(textsFrom(1, 101).map((value) => ({ value })));
    expect(result).toEqual({ baseOffset: 1, recordCount: 100, durability: 'sync' });
    expect(log.stats().segmentCount).toBeGreaterThan(2);
    expect(await valuesOf(log, { from: 1 })).toEqual(textsFrom(1, 101));
    await log.close();
  });

  test('of nothing resolves at once and appends nothing', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const result = await log.appendBatch([]);
    expect(result).toEqual({ baseOffset: 0, recordCount: 0, durability: 'sync' });
    expect(log.endOffset).toBe(0);
    expect(log.stats().segmentCount).toBe(0);
    await log.close();
  });

  test('with one bad record appends none of them', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const records = [{ value: 'good' }, { value: 7 as unknown as string }];
    expect(() => log.appendBatch(records)).toThrow(TypeError);
    expect(log.endOffset).toBe(0);
    await log.append({ value: 'next' });
    expect(await valuesOf(log)).toEqual(['next']);
    await log.close();
  });
});

describe('expectedOffset', () => {
  test('appends when the record gets that offset', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 3);
    expect((await log.append({ value: 'x' }, { expectedOffset: 3 })).offset).toBe(3);
    const batch = await log.appendBatch([{ value: 'y' }, { value: 'z' }], { expectedOffset: 4 });
    expect(batch.baseOffset).toBe(4);
    await log.close();
  });

  test('appends nothing and says both offsets when it would get another one', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 3);
    for (const expectedOffset of [2, 4]) {
      const error = await rejectionOf(log.append({ value: 'x' }, { expectedOffset }));
      expect(error).toBeInstanceOf(WrongOffsetError);
      expect(error).toMatchObject({ details: { expected: expectedOffset, actual: 3 } });
    }
    expect(log.endOffset).toBe(3);
    await log.close();
  });

  test('of two callers with the same expectation in one turn only the first wins', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const first = log.append({ value: 'first' }, { expectedOffset: 0 });
    const second = rejectionOf(log.append({ value: 'second' }, { expectedOffset: 0 }));
    expect((await first).offset).toBe(0);
    expect(await second).toBeInstanceOf(WrongOffsetError);
    expect(await valuesOf(log)).toEqual(['first']);
    await log.close();
  });
});

describe('signal', () => {
  test('aborted before: rejects with the reason and appends nothing', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const reason = { why: 'because' };
    const appended = log.append({ value: 'x' }, { signal: AbortSignal.abort(reason) });
    expect(await rejectionOf(appended)).toBe(reason);
    expect(log.endOffset).toBe(0);
    await log.close();
  });

  test('aborted while waiting: rejects with the reason, the record stays appended', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const controller = new AbortController();
    const appended = rejectionOf(log.append({ value: 'x' }, { signal: controller.signal }));
    controller.abort('enough');
    expect(await appended).toBe('enough');
    await log.flushed();
    expect(await valuesOf(log)).toEqual(['x']);
    await log.close();
  });
});

test('appends of one turn share their create time, up to 64; a later turn has its own', async () => {
  const clock = new ManualClock(1_000_000);
  const log = await openTextLog(new MemoryFileSystem(), { clock, durability: 'os' });
  const appended: Promise<unknown>[] = [];
  for (let n = 0; n < 100; n++) {
    if (n % 2 === 0) log.appendNoWait({ value: 'x' });
    else appended.push(log.append({ value: 'x' }));
    clock.advance(1);
  }
  await Promise.all(appended);
  clock.advance(500);
  await log.append({ value: 'a turn of its own' });
  clock.advance(7);
  await log.append({ value: 'and another' });
  await log.append({ value: 'whose time is given', createTimeMs: 5 });
  const times: number[] = [];
  for await (const { createTimeMs } of log.records()) times.push(createTimeMs - 1_000_000);
  expect(times.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, n) => (n < 64 ? 0 : 64)));
  expect(times.slice(100)).toEqual([600, 607, 5 - 1_000_000]);
  await log.close();
});
