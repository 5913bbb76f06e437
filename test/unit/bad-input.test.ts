/**
 * Bad input of every kind, and which test proves what becomes of it. The table is checked: a test
 * that is renamed or removed must be looked for again. What no other file covers is tested below.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { openLog } from '../../src/index.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  textAt,
  textsFrom,
  thrownBy,
  valuesOf,
} from '../support/log-fixture.ts';

const root = join(import.meta.dirname, '..');

/** Input; file below `test/`; a piece of that file's text: the title of the test, or its row. */
const PROVED: readonly (readonly [input: string, file: string, text: string])[] = [
  ['append of undefined, null or a bare value', 'unit/log/log-arguments', 'append of %s'],
  [
    'a record, key or header above its limit',
    'unit/log/log-arguments',
    'is refused at once for %s',
  ],
  ['a codec that throws or makes no bytes', 'unit/log/record-input', 'a codec that makes no bytes'],
  [
    'a buffer changed after append returned',
    'unit/log/log-append',
    'copies value, key and headers',
  ],
  ['append after close', 'unit/log/log-close', "'refuses %s'"],
  ['a second close', 'unit/log/log-close', 'a second close is the first one'],
  ['close during appends', 'unit/log/log-close', 'during appends: each one is answered'],
  [
    'offsets: -1, NaN, 1.5, 2^53, text',
    'unit/log/log-arguments',
    'refused by read and deleteBefore',
  ],
  [
    'offsets beyond the end, below the start',
    'unit/log/log-arguments',
    'says which offsets there are',
  ],
  ['a position ahead of the end', 'regression/f05-cursor-ahead-of-the-end', 'ahead of the end'],
  ['options: unknown keys', 'unit/log/log-options', 'an unknown key is an error that names it'],
  ['options: negative, "1gb", wrong types', 'unit/log/log-options', '%s does not take %j'],
  ['options: getters, changed later', 'unit/log/log-options', 'reads each option once'],
  ['options: out of range', 'unit/log/log-options', '%s goes from %i to %i'],
  ['options of a read', 'unit/log/log-arguments', 'is refused by batches, records and cursor'],
  ['cli: no directory', 'integration/cli', "missing required argument 'dir'"],
  [
    'cli: not a log',
    'integration/cli',
    "['cat', 'dump', 'export', 'info', 'repair', 'tail', 'verify']",
  ],
  ['cli: a misspelt option', 'integration/cli', 'Did you mean --limit?'],
  ['cli: a directory of somebody else', 'integration/cli', 'with files of somebody else'],
  ['cli: a locked directory', 'integration/cli-process', 'a second writer: exit 5'],
  ['cli: a pipe that closes', 'integration/cli-process', 'a reader that leaves early'],
  ['cli: control characters in names', 'integration/cli', 'names are escaped in messages'],
  [
    'cli: verbs that read write nothing',
    'integration/cli-damage',
    'no verb that reads writes anything',
  ],
  ['socket: hostile requests', 'unit/store/control-protocol', 'is answered, and changes nothing'],
  ['socket: half a request', 'unit/io/control-endpoint', 'gets no answer to half a request'],
  ['socket: an endless line', 'unit/io/control-endpoint', 'and not a byte more'],
  ['socket: silence', 'unit/io/control-endpoint', 'is let go after a while'],
  ['socket: too many clients', 'unit/io/control-endpoint', 'is turned away'],
  ['files: a length bomb', 'regression/f15-length-bomb', '2^32 - 1'],
  ['files: counts that do not fit', 'unit/format/batch-header', 'a count of 2^32 - 1'],
  ['files: forged headers, lengths, counts', 'faults/hostile-files', 'forged batch headers'],
  ['files: a bound on what is allocated', 'faults/hostile-files', 'nothing was allocated beyond'],
  ['files: any flipped byte', 'faults/byte-flips', 'every byte of $path matters'],
  [
    'files: offsets that go back or overlap',
    'unit/segment/segment-scanner',
    'a base offset that falls',
  ],
  ['files: a gap between segments', 'regression/f32-hole-between-segments', 'a missing one'],
  [
    'files: a name that is not the header’s offset',
    'unit/segment/segment-entry',
    'than the name says',
  ],
  [
    'files: a segment of another log',
    'regression/f32-hole-between-segments',
    'one from another log',
  ],
  ['files: a version to come', 'unit/segment/segment-entry', 'refuses a version to come by name'],
  ['files: a checkpoint of a version to come', 'unit/format/checkpoint', 'of a version to come'],
  ['msgpack: 200,000 levels', 'unit/codec/msgpack', '200,000 levels at once'],
  ['msgpack: bombs', 'unit/codec/msgpack', 'an array bomb'],
  ['msgpack: __proto__', 'unit/codec/msgpack', 'a __proto__ key'],
  ['msgpack: integers above 2^53', 'unit/codec/msgpack', 'without losing precision'],
  ['a header named __proto__', 'unit/log/log-append', 'a header named __proto__'],
  [
    'a linked directory',
    'integration/hostile-directory',
    'behind a symbolic link is the directory',
  ],
  [
    'a linked segment, checkpoint or LOCK',
    'integration/hostile-directory',
    'a symbolic link in place of',
  ],
  [
    'a fifo, directory or device as a segment',
    'integration/hostile-directory',
    'named like the next',
  ],
  ['foreign files, by the thousand', 'integration/hostile-directory', 'thousands of foreign files'],
  ['modes of what is created', 'integration/hostile-directory', 'for its owner alone'],
  ['few file descriptors', 'integration/hostile-directory', '100 file descriptors are enough'],
  ['payload in error messages', 'unit/log/record-input', 'error messages show no payload'],
  ['payload in diagnostics', 'integration/cli-damage', 'payload bytes appear in no diagnostics'],
];

test.each(PROVED)('%s: proved in %s', (_input, file, text) => {
  const isThere = readFileSync(join(root, `${file}.test.ts`), 'utf8').includes(text);
  expect(isThere, `${file}.test.ts has "${text}"`).toBe(true);
});

test('no kind of input stands in the table twice', () => {
  expect(new Set(PROVED.map(([input]) => input)).size).toBe(PROVED.length);
});

describe('options', () => {
  test.each(['__proto__', 'constructor', 'toString'])(
    'with an own key %s are refused',
    async (key) => {
      const fileSystem = await faultyDisk();
      const options = JSON.parse(`{"${key}": {"readOnly": true}}`) as object;
      const error = await rejectionOf(openLog(LOG_PATH, { fileSystem, ...withOwn(options, key) }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      expect(String(error)).toContain(`\`${key}\``);
      expect(await fileSystem.list(LOG_PATH)).toEqual([]);
    },
  );
});

test('what options inherit, nobody has asked for', async () => {
  const fileSystem = await faultyDisk();
  const polluted = Object.create({ readOnly: true, segmentBytesMax: -1 }) as object;
  const log = await openLog(LOG_PATH, Object.assign(polluted, { fileSystem }));
  expect(log.readOnly).toBe(false);
  await log.close();
});

test('a checkpoint of any size is read no further than its two slots', async () => {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, 3);
  await log.close();
  const checkpoint = await fileSystem.open(join(LOG_PATH, 'checkpoint'), 'write');
  await checkpoint.write(new Uint8Array([1]), 2 ** 20);
  await checkpoint.close();
  const open = fileSystem.open.bind(fileSystem);
  let largestRead = 0;
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    const read = file.read.bind(file);
    file.read = (into, position) => {
      if (path.endsWith('checkpoint')) largestRead = Math.max(largestRead, into.length);
      return read(into, position);
    };
    return file;
  };
  const again = await openTextLog(fileSystem);
  expect(await valuesOf(again)).toEqual(textsFrom(0, 3));
  expect(largestRead).toBe(8192);
  await again.close();
});

/** As a parsed file would hold it: a property, not a prototype. */
function withOwn(options: object, key: string): object {
  return { [key]: Reflect.get(options, key) as unknown };
}

describe('an iterator that is abandoned without return', () => {
  test('keeps nobody from appending, reading, deleting and closing', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 200);
    for (let offset = 0; offset < 200; offset++) {
      const abandoned = log.records({ from: offset, follow: offset % 2 === 0 });
      expect((await abandoned.next()).done).toBe(false);
    }
    // One file is shared by all who read a segment.
    expect(fileSystem.openFileCount).toBeLessThan(2 * log.stats().segmentCount + 5);
    expect((await log.append({ value: textAt(200) })).offset).toBe(200);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 201));
    await log.deleteBefore(150);
    expect(await valuesOf(log)).toEqual(textsFrom(150, 201));
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
    const again = await openTextLog(fileSystem);
    expect(await valuesOf(again)).toEqual(textsFrom(150, 201));
    await again.close();
  });
});

test('a record whose getters throw or change is read once, before any effect', async () => {
  const log = await openTextLog(await faultyDisk());
  let reads = 0;
  const changing = {
    get value() {
      return `read ${++reads} times`;
    },
  };
  await log.append(changing);
  expect(await valuesOf(log)).toEqual(['read 1 times']);
  const throwing = {
    get value(): string {
      throw new RangeError('mine');
    },
  };
  expect(thrownBy(() => log.append(throwing))).toMatchObject({ message: 'mine' });
  expect(log.endOffset).toBe(1);
  expect(log.stats()).toMatchObject({ state: 'open', queuedBytes: 0 });
  await log.close();
});
