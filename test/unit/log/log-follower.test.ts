/** A read-only handle beside a writer, as in another process: what it shows, and when. */
import { copyFile, cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { ConflictError, CorruptLogError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { File } from '../../../src/io/file-system.ts';
import { ioError } from '../../../src/io/io-error.ts';
import { LOCK_FILE } from '../../../src/format/file-names.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { LOG_PATH, openTextLog, textAt, textsFrom } from '../../support/log-fixture.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Its syncs can be kept waiting. */
class HeldSyncs extends MemoryFileSystem {
  #held: Promise<void> = Promise.resolve();
  letGo: () => void = () => undefined;

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  /** Listed, and gone when it is opened. */
  hiddenPath: string | null = null;

  override async open(...args: Parameters<MemoryFileSystem['open']>): Promise<File> {
    const [path] = args;
    if (path === this.hiddenPath) throw ioError('ENOENT', { operation: 'open', path });
    const file = await super.open(...args);
    const datasync = file.datasync.bind(file);
    file.datasync = () => this.#held.then(datasync);
    return file;
  }
}

interface Pair {
  readonly fileSystem: MemoryFileSystem;
  readonly writer: Log<string>;
  readonly reader: Log<string>;
}

/** A writer with `count` records, and a reader that was opened then. */
async function pair(count: number, options: Parameters<typeof openTextLog>[1] = {}): Promise<Pair> {
  const fileSystem = new MemoryFileSystem();
  const writer = await openTextLog(fileSystem, options);
  await append(writer, count);
  const reader = await openTextLog(fileSystem, { readOnly: true });
  return { fileSystem, writer, reader };
}

/** Appends the texts that belong at the next `count` offsets. */
async function append(log: Log<string>, count: number): Promise<void> {
  const start = log.endOffset;
  await log.appendBatch(textsFrom(start, start + count).map((value) => ({ value })));
}

async function valuesOf(log: Log<string>, from: number): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of log.records({ from })) values.push(value);
  return values;
}

describe('beside a live writer a read-only handle', () => {
  test('shows what became visible since it was opened, over several new segments', async () => {
    const { writer, reader } = await pair(3);
    await append(writer, 200);
    expect(writer.stats().segmentCount).toBeGreaterThan(4);
    expect(reader.visibleOffset).toBe(3); // Until the next look.
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 203));
    expect(reader).toMatchObject({ visibleOffset: 203, durableOffset: 203, endOffset: 203 });
    await reader.close();
    await writer.close();
  });

  test('finds a segment that the checkpoint does not hint at, because it is not synced yet', async () => {
    const clock = new ManualClock();
    const fileSystem = new HeldSyncs();
    const writer = await openTextLog(fileSystem, { clock, durability: 'os' });
    await append(writer, 3);
    await writer.sync();
    const reader = await openTextLog(fileSystem, { readOnly: true });
    expect(reader.visibleOffset).toBe(3);
    fileSystem.hold();
    await append(writer, 57); // Into the second segment.
    expect(writer.stats()).toMatchObject({ visibleOffset: 60, syncedOffset: 3, segmentCount: 2 });
    clock.advance(100); // The checkpoint is written.
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 60));
    fileSystem.letGo();
    await reader.close();
    await writer.close();
  });

  test('hides what a sync log has written and not synced', async () => {
    const clock = new ManualClock();
    const { writer, reader } = await pair(3, { clock });
    await writer.append({ value: textAt(3) }, { durability: 'os' }); // Written; no timer fires.
    await reader.refresh();
    expect(reader.visibleOffset).toBe(3);
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 3));
    await writer.sync();
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 4));
    await reader.close();
    await writer.close();
  });

  test('that is opened while bytes wait for their sync hides them too', async () => {
    const { fileSystem, writer } = await pair(3);
    await writer.append({ value: textAt(3) }, { durability: 'os' });
    const reader = await openTextLog(fileSystem, { readOnly: true });
    expect(reader.visibleOffset).toBe(3);
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 3));
    await reader.close();
    await writer.close();
  });

  test('finds single records behind its last look, and none behind the end', async () => {
    const { writer, reader } = await pair(3);
    await append(writer, 50);
    expect((await reader.read(52))?.value).toBe(textAt(52));
    await expect(reader.read(53)).rejects.toThrow(OffsetOutOfRangeError);
    await append(writer, 100);
    expect((await reader.read(140))?.value).toBe(textAt(140));
    await reader.close();
    await writer.close();
  });

  test('finds records by time in a segment that grows', async () => {
    const { writer, reader } = await pair(0, { segmentBytesMax: 1024 * 1024 });
    const at = async (timestamp: number) => {
      for await (const { offset } of reader.records({ from: { timestamp }, limit: 1 })) {
        return offset;
      }
      return null;
    };
    for (let n = 0; n < 300; n++) await writer.append({ value: textAt(n), createTimeMs: 1000 + n });
    expect(await at(1250)).toBe(250);
    for (let n = 300; n < 600; n++)
      await writer.append({ value: textAt(n), createTimeMs: 1000 + n });
    expect(await at(1250)).toBe(250);
    expect(await at(1599)).toBe(599);
    expect(await at(1600)).toBeNull();
    await reader.close();
    await writer.close();
  });

  test('follows with `follow`, woken by its own clock', async () => {
    const { fileSystem, writer } = await pair(3);
    const clock = new ManualClock();
    const reader = await openTextLog(fileSystem, { readOnly: true, clock, pollMs: 70 });
    const records = reader.records({ follow: true });
    for (let n = 0; n < 3; n++) expect((await records.next()).value?.offset).toBe(n);
    const next = records.next();
    await waitForTimer(clock);
    await append(writer, 1);
    clock.advance(69);
    expect(clock.pendingTimerCount).toBe(1); // Not yet.
    clock.advance(1);
    expect((await next).value?.value).toBe(textAt(3));
    await records.return();
    expect(clock.pendingTimerCount).toBe(0);
    await reader.close();
    await writer.close();
  });

  test('stops following on close and on an abort, leaving no timer', async () => {
    const { fileSystem, writer } = await pair(1);
    const clock = new ManualClock();
    const reader = await openTextLog(fileSystem, { readOnly: true, clock });
    const controller = new AbortController();
    const aborted = reader.records({ from: 1, follow: true, signal: controller.signal }).next();
    await waitForTimer(clock);
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(clock.pendingTimerCount).toBe(0);
    const closed = reader.records({ from: 1, follow: true }).next();
    await waitForTimer(clock);
    await reader.close();
    await expect(closed).rejects.toThrow('closed');
    expect(clock.pendingTimerCount).toBe(0);
    await writer.close();
  });

  test('is told where the log starts when retention passed it, never that a file is missing', async () => {
    const { writer, reader } = await pair(200);
    const records = reader.records();
    expect((await records.next()).value?.offset).toBe(0);
    await append(writer, 50);
    await writer.deleteBefore(240);
    await expect(
      (async () => {
        for (;;) await records.next();
      })(),
    ).rejects.toMatchObject({ details: { startOffset: 240 } });
    expect(await valuesOf(reader, 240)).toEqual(textsFrom(240, 250));
    await expect(reader.read(100)).rejects.toThrow(OffsetOutOfRangeError);
    expect(reader.startOffset).toBe(240);
    await reader.close();
    await writer.close();
  });

  test('goes on with the next writer and knows its epoch', async () => {
    const { fileSystem, writer, reader } = await pair(10);
    const { epoch } = writer;
    await writer.close();
    const next = await openTextLog(fileSystem);
    await append(next, 10);
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 20));
    expect(reader.epoch).toBe(epoch + 1);
    await reader.close();
    await next.close();
  });

  test('refuses to go on when the directory holds another log', async () => {
    const { fileSystem, writer, reader } = await pair(10);
    await writer.close();
    const files = (await fileSystem.list(LOG_PATH)).filter((name) => name !== LOCK_FILE);
    for (const name of files) await fileSystem.unlink(join(LOG_PATH, name));
    const other = await openLog(LOG_PATH, { fileSystem, codec: utf8 });
    await append(other, 5);
    await expect(reader.refresh()).rejects.toThrow(ConflictError);
    await reader.close();
    await other.close();
  });

  test('still reports damage below its end, after a second look', async () => {
    const { fileSystem, writer, reader } = await pair(200);
    const [first] = (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log'));
    const file = await fileSystem.open(join(LOG_PATH, first ?? ''), 'write');
    await file.write(new Uint8Array([1]), 300);
    await file.close();
    await expect(valuesOf(reader, 0)).rejects.toThrow(CorruptLogError);
    await reader.close();
    await writer.close();
  });
});

test('a writer that comes while a follower looks for the end ends no read', async () => {
  const fileSystem = new HeldSyncs();
  const writer = await openTextLog(fileSystem);
  await append(writer, 3);
  const reader = await openTextLog(fileSystem, { readOnly: true });
  await writer.close();
  // The follower sees no writer, lists, and finds a segment gone: the next writer has moved it.
  fileSystem.hiddenPath = join(LOG_PATH, '00000000000000000000.log');
  await reader.refresh();
  await reader.refresh();
  fileSystem.hiddenPath = null;
  expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 3));
  await reader.close();
});

describe('without a writer a read-only handle', () => {
  test('shows every whole batch, also those that a killed writer did not state', async () => {
    const directory = await temporaryDirectory();
    const [live, killed] = [join(directory, 'live'), join(directory, 'killed')];
    const clock = new ManualClock(); // The checkpoint is never written behind the first records.
    const writer = await openLog(live, { codec: utf8, clock, durability: 'os' });
    await append(writer, 5);
    await cp(live, killed, { recursive: true });
    await rm(join(killed, LOCK_FILE)); // It names this process, which lives.
    const reader = await openLog(killed, { codec: utf8, readOnly: true });
    expect(reader).toMatchObject({ visibleOffset: 5, durableOffset: 0 });
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 5));
    await reader.close();
    await writer.close();
  });

  test('shows more than one beside the same writer does: what the next recovery will keep', async () => {
    const { fileSystem, writer, reader } = await pair(3);
    await writer.append({ value: textAt(3) }, { durability: 'os' });
    const image = await imageWithoutLock(fileSystem);
    const beside = await openTextLog(image, { readOnly: true });
    expect(await valuesOf(beside, 0)).toEqual(textsFrom(0, 4));
    expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 3));
    await beside.close();
    await reader.close();
    await writer.close();
  });
});

test.each([
  ['', 0],
  [', also once the end of their segment is known', 60],
])('bytes that were read before they became visible are read again%s', async (_, more) => {
  const directory = await temporaryDirectory();
  const [shown, other] = [join(directory, 'shown'), join(directory, 'other')];
  const options = { codec: utf8, clock: new ManualClock(), segmentBytesMax: 4096 };
  const first = await openLog(shown, options);
  await append(first, 10);
  await first.close();
  await cp(shown, other, { recursive: true });
  const writer = await openLog(shown, options);
  await writer.append({ value: 'written here, never visible' }, { durability: 'os' });
  const reader = await openLog(shown, { ...options, readOnly: true, clock: new ManualClock() });
  const cursor = reader.cursor({ follow: true });
  expect(await cursor.nextBatch()).toBe(true); // One read took in all of the file.
  const replacement = await openLog(other, options);
  await replacement.append({ value: 'the one that counts' });
  await append(replacement, more); // With more of them the segment is sealed.
  await replacement.close();
  for (const name of await readdir(other)) {
    if (name !== LOCK_FILE && name !== 'reserve') {
      await copyFile(join(other, name), join(shown, name));
    }
  }
  await reader.refresh();
  expect((await reader.read(3))?.value).toBe(textAt(3)); // Loads the index, if there is one.
  expect(await cursor.nextBatch()).toBe(true);
  expect(cursor.next()).toBe(true);
  expect(utf8.decode(cursor.valueView() ?? new Uint8Array())).toBe('the one that counts');
  await cursor.close();
  await reader.close();
  await writer.close().catch(() => undefined); // Its files were written over.
});

test('a segment that another file took the place of is entered again', async () => {
  const directory = await temporaryDirectory();
  const [shown, other] = [join(directory, 'shown'), join(directory, 'other')];
  const options = { codec: utf8, segmentBytesMax: 4096 };
  const first = await openLog(shown, options);
  await append(first, 20);
  await first.close();
  await cp(shown, other, { recursive: true });
  for (const path of [shown, other]) {
    const writer = await openLog(path, { ...options, random: new SeededRandom(path.length) });
    await append(writer, 40);
    await writer.close();
  }
  const reader = await openLog(shown, { ...options, readOnly: true });
  expect(await valuesOf(reader, 35)).toEqual(textsFrom(35, 60)); // Ends in the second segment.
  for (const name of await readdir(other)) {
    if (name.endsWith('.log')) await copyFile(join(other, name), join(shown, name));
  }
  expect((await reader.read(59))?.value).toBe(textAt(59));
  const times: number[] = [];
  const from = { timestamp: 0 };
  for await (const { offset } of reader.records({ from })) times.push(offset);
  expect(times).toHaveLength(60);
  expect(await valuesOf(reader, 0)).toEqual(textsFrom(0, 60));
  await reader.close();
});

/** The same files on another disk, where nobody holds the lock. */
async function imageWithoutLock(fileSystem: MemoryFileSystem): Promise<MemoryFileSystem> {
  const image = new MemoryFileSystem();
  await image.makeDirectory(LOG_PATH);
  for (const name of await fileSystem.list(LOG_PATH)) {
    const from = await fileSystem.open(join(LOG_PATH, name), 'read');
    const to = await image.open(join(LOG_PATH, name), 'create');
    const bytes = new Uint8Array((await from.stat()).sizeBytes);
    await to.write(bytes.subarray(0, await from.read(bytes, 0)), 0);
    await from.close();
    await to.close();
  }
  return image;
}

async function waitForTimer(clock: ManualClock): Promise<void> {
  while (clock.pendingTimerCount === 0) await new Promise((resolve) => setImmediate(resolve));
}
