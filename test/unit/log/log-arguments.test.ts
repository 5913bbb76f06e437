import { describe, expect, test } from 'vitest';

import { OffsetOutOfRangeError, TooLargeError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { ReadOptions } from '../../../src/log/read-options.ts';
import type { RecordInput } from '../../../src/log/record-input.ts';
import {
  appendEach,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  thrownBy,
  valuesOf,
} from '../../support/log-fixture.ts';

const INVALID = 'ERR_VARVE_INVALID_ARGUMENT';

async function withThree(): Promise<Log<string>> {
  const log = await openTextLog(new MemoryFileSystem());
  await appendEach(log, 3);
  return log;
}

/** Whatever was refused must have left no trace: the next append gets the next offset. */
async function expectUntouched(log: Log<string>): Promise<void> {
  expect(log.endOffset).toBe(3);
  expect(log.stats()).toMatchObject({ state: 'open', queuedBytes: 0 });
  expect((await log.append({ value: 'next' })).offset).toBe(3);
  expect(await valuesOf(log, { from: 3 })).toEqual(['next']);
  await log.close();
}

const BAD_RECORDS: readonly [string, unknown, typeof TypeError | typeof RangeError][] = [
  ['no record', undefined, TypeError],
  ['null', null, TypeError],
  ['a bare value', 'text', TypeError],
  ['no value', {}, TypeError],
  ['a misspelt value', { vlaue: 'x' }, TypeError],
  ['an undefined value', { value: undefined }, TypeError],
  ['a value that the codec does not take', { value: 7 }, TypeError],
  ['a key that is a number', { value: 'x', key: 7 }, TypeError],
  ['a key that is an ArrayBuffer', { value: 'x', key: new ArrayBuffer(2) }, TypeError],
  ['a header value that is a number', { value: 'x', headers: { a: 1 } }, TypeError],
  ['headers that are text', { value: 'x', headers: 'trace' }, TypeError],
  ['headers that are a Map', { value: 'x', headers: new Map([['a', 'b']]) }, TypeError],
  ['a create time that is text', { value: 'x', createTimeMs: '5' }, TypeError],
  ['a negative create time', { value: 'x', createTimeMs: -1 }, RangeError],
  ['a broken create time', { value: 'x', createTimeMs: 1.5 }, RangeError],
  ['NaN as create time', { value: 'x', createTimeMs: Number.NaN }, RangeError],
  ['a create time of 2^48', { value: 'x', createTimeMs: 2 ** 48 }, RangeError],
];

describe('a bad record is refused at once, before any effect', () => {
  test.each(BAD_RECORDS)('append of %s', async (_name, record, ErrorClass) => {
    const log = await withThree();
    const error = thrownBy(() => log.append(record as RecordInput<string>));
    expect(error).toBeInstanceOf(ErrorClass);
    expect(error).toMatchObject({ code: INVALID });
    await expectUntouched(log);
  });

  test.each(BAD_RECORDS)('appendNoWait of %s', async (_name, record, ErrorClass) => {
    const log = await withThree();
    const error = thrownBy(() => log.appendNoWait(record as RecordInput<string>));
    expect(error).toBeInstanceOf(ErrorClass);
    expect(error).toMatchObject({ code: INVALID });
    await expectUntouched(log);
  });

  test.each(BAD_RECORDS)('appendBatch with %s', async (_name, record, ErrorClass) => {
    const log = await withThree();
    const records = [{ value: 'good' }, record as RecordInput<string>];
    const error = thrownBy(() => log.appendBatch(records));
    expect(error).toBeInstanceOf(ErrorClass);
    expect(error).toMatchObject({ code: INVALID });
    await expectUntouched(log);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['one record', { value: 'x' }],
    ['text', 'abc'],
  ])('appendBatch of %s, which is no array', async (_name, records) => {
    const log = await withThree();
    const error = thrownBy(() => log.appendBatch(records as unknown as RecordInput<string>[]));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: INVALID });
    await expectUntouched(log);
  });
});

describe('a record above a limit', () => {
  test.each<[string, RecordInput<string>, string]>([
    ['a value', { value: 'x'.repeat(2048 - 15) }, 'record'],
    ['key and value together', { key: 'k'.repeat(1024), value: 'x'.repeat(1024 - 15) }, 'record'],
    ['a key', { key: 'k'.repeat(65_535), value: '' }, 'key'],
    ['a key in UTF-8', { key: 'ä'.repeat(32_768), value: '' }, 'key'],
    ['a header name', { value: '', headers: { ['n'.repeat(256)]: '' } }, 'header name'],
    ['the headers', { value: '', headers: { a: 'x'.repeat(65_536) } }, 'header block'],
  ])('is refused at once for %s', async (_name, record, what) => {
    const log = await openTextLog(new MemoryFileSystem(), { recordBytesMax: 2048 });
    await appendEach(log, 3);
    const error = thrownBy(() => log.append(record));
    expect(error).toBeInstanceOf(TooLargeError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_TOO_LARGE', details: { what } });
    await expectUntouched(log);
  });

  test('the limit itself is allowed', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { recordBytesMax: 2048 });
    await log.append({ value: 'x'.repeat(2048 - 16) });
    await log.append({ value: '', headers: { ['n'.repeat(255)]: '' } });
    expect(log.endOffset).toBe(2);
    await log.close();
  });
});

describe('append options', () => {
  test.each([
    ['an unknown level', { durability: 'paranoid' }, TypeError],
    ['an expected offset of NaN', { expectedOffset: Number.NaN }, RangeError],
    ['a negative expected offset', { expectedOffset: -1 }, RangeError],
    ['a broken expected offset', { expectedOffset: 1.5 }, RangeError],
    ['an expected offset that is text', { expectedOffset: '3' }, TypeError],
    ['a misspelt name', { duribility: 'os' }, TypeError],
    ['an option of topics', { partition: 0 }, TypeError],
    ['null', null, TypeError],
    ['a level without its name', 'os', TypeError],
    ['an object that is no signal', { signal: {} }, TypeError],
    ['a controller', { signal: new AbortController() }, TypeError],
  ])('%s is refused at once', async (_name, options, ErrorClass) => {
    const log = await withThree();
    for (const call of [
      () => log.append({ value: 'x' }, options as object),
      () => log.appendBatch([{ value: 'x' }], options as object),
    ]) {
      const error = thrownBy(call);
      expect(error).toBeInstanceOf(ErrorClass);
      expect(error).toMatchObject({ code: INVALID });
    }
    await expectUntouched(log);
  });
});

test('a misspelt name is named', async () => {
  const log = await withThree();
  const options = thrownBy(() => log.append({ value: 'x' }, { duribility: 'os' } as object));
  expect(options).toMatchObject({
    message:
      'Expected `options` to be without an unknown key `duribility`, perhaps `durability`, got object',
  });
  const record = thrownBy(() => log.append({ vlaue: 'x' } as never));
  expect(record).toMatchObject({
    message: 'Expected `record` to be without an unknown key `vlaue`, got object',
  });
  await expectUntouched(log);
});

test('options that a polluted prototype adds are nobody’s mistake', async () => {
  const log = await withThree();
  const inherited: object = Object.create({ duribility: 'os' });
  expect(await log.append({ value: 'next' }, inherited)).toMatchObject({ offset: 3 });
  await log.close();
});

describe('offsets', () => {
  test.each([
    ['-1', -1, RangeError],
    ['NaN', Number.NaN, RangeError],
    ['1.5', 1.5, RangeError],
    ['2^53', 2 ** 53, RangeError],
    ['infinity', Number.POSITIVE_INFINITY, RangeError],
    ['text', '1', TypeError],
    ['a bigint', 1n, TypeError],
    ['nothing', undefined, TypeError],
  ])('%s is refused by read and deleteBefore', async (_name, offset, ErrorClass) => {
    const log = await withThree();
    for (const call of [
      () => log.read(offset as number),
      () => log.deleteBefore(offset as number),
    ]) {
      const error = await rejectionOf(call());
      expect(error).toBeInstanceOf(ErrorClass);
      expect(error).toMatchObject({ code: INVALID });
    }
    await expectUntouched(log);
  });

  test('read beyond the end and below the start says which offsets there are', async () => {
    const log = await withThree();
    await log.deleteBefore(1);
    for (const requested of [0, 3, 4, Number.MAX_SAFE_INTEGER]) {
      const error = await rejectionOf(log.read(requested));
      expect(error).toBeInstanceOf(OffsetOutOfRangeError);
      expect(error).toMatchObject({ details: { requested, startOffset: 1, endOffset: 3 } });
    }
    await expectUntouched(log);
  });

  test('a read from beyond the end or below the start is refused; from the end it is empty', async () => {
    const log = await withThree();
    await log.deleteBefore(1);
    for (const from of [0, 4]) {
      expect(await rejectionOf(valuesOf(log, { from }))).toBeInstanceOf(OffsetOutOfRangeError);
    }
    expect(await valuesOf(log, { from: 3 })).toEqual([]);
    await expectUntouched(log);
  });

  test('deleteBefore beyond the end is refused', async () => {
    const log = await withThree();
    expect(await rejectionOf(log.deleteBefore(4))).toBeInstanceOf(OffsetOutOfRangeError);
    expect(log.startOffset).toBe(0);
    await expectUntouched(log);
  });
});

describe('read options', () => {
  test.each<[string, object]>([
    ['an unknown word', { from: 'newest' }],
    ['a negative offset', { from: -1 }],
    ['null', { from: null }],
    ['a timestamp of NaN', { from: { timestamp: Number.NaN } }],
    ['a negative count', { from: { last: -1 } }],
    ['an empty object', { from: {} }],
    ['an end of 1.5', { to: 1.5 }],
    ['a negative limit', { limit: -1 }],
    ['a limit that is text', { limit: '3' }],
    ['an unknown onCorruption', { onCorruption: 'ignore' }],
  ])('%s is refused by batches, records and cursor', async (_name, options) => {
    const log = await withThree();
    const read = options as ReadOptions;
    expect(thrownBy(() => log.cursor(read))).toMatchObject({ code: INVALID });
    expect(await rejectionOf(log.batches(read).next())).toMatchObject({ code: INVALID });
    expect(await rejectionOf(log.records(read).next())).toMatchObject({ code: INVALID });
    await expectUntouched(log);
  });
});

describe('openLog', () => {
  test.each([[''], [undefined], [7], [null]])('refuses the path %j', async (path) => {
    const opened = openLog(path as string, { fileSystem: new MemoryFileSystem() });
    const error = await rejectionOf(opened);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: INVALID });
  });

  test('refuses wrong options before it touches the disk', async () => {
    const fileSystem = new MemoryFileSystem();
    const opened = openLog(LOG_PATH, { fileSystem, segmentBytesMax: 100 });
    expect(await rejectionOf(opened)).toMatchObject({ code: INVALID });
    expect(await fileSystem.list('/')).toEqual([]);
  });
});
