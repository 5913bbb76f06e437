/** What a read-only handle reads of a log that is compacted in another process, and to which nobody appends. */
import { expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import type { File, FileStat } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { LOG_PATH, offsetsOf, openTextLog, settle } from '../../support/log-fixture.ts';

const TOMBSTONE_RETENTION_MS = 60_000;
const DOTS = '.'.repeat(1000);

/** Files of one name have one number, as where that of a file that is gone is given to the next. */
class SameNumbers extends MemoryFileSystem {
  override async stat(path: string): Promise<FileStat> {
    return { ...(await super.stat(path)), identity: path };
  }

  override async open(...args: Parameters<MemoryFileSystem['open']>): Promise<File> {
    const file = await super.open(...args);
    const stat = file.stat.bind(file);
    file.stat = async () => ({ ...(await stat()), identity: file.path });
    return file;
  }
}

async function open(fileSystem: MemoryFileSystem) {
  const clock = new ManualClock();
  const options = {
    clock,
    compaction: 'key',
    compactionShareMin: 1,
    tombstoneRetentionMs: TOMBSTONE_RETENTION_MS,
  } as const;
  const writer = await openTextLog(fileSystem, options);
  onTestFinished(() => writer.close());
  const openReader = async (): Promise<Log<string>> => {
    const reader = await openTextLog(fileSystem, { readOnly: true });
    onTestFinished(() => reader.close());
    return reader;
  };
  return { clock, writer, openReader };
}

async function roll(log: Log<string>): Promise<void> {
  const { segmentCount } = log.stats();
  while (log.stats().segmentCount === segmentCount) await log.append({ value: DOTS });
}

async function keysIn(log: Log<string>): Promise<string[]> {
  const keys = new Set<string>();
  for await (const { key, value } of log.records()) {
    if (key !== null && value === null) keys.delete(key);
    else if (key !== null) keys.add(key);
  }
  return [...keys];
}

test('no key comes back whose tombstone went, from a file that was opened before', async () => {
  const { clock, writer, openReader } = await open(new MemoryFileSystem());
  await writer.appendBatch(['gone', 'there'].map((key) => ({ key, value: DOTS })));
  await roll(writer);
  await writer.append({ key: 'gone', value: null });
  await roll(writer);
  clock.advance(1000); // Whatever is still to be stated is.
  await settle();
  const reader = await openReader();
  expect((await reader.read(0))?.key).toBe('gone'); // It keeps the file of the first segment open.
  await writer.compact();
  clock.advance(TOMBSTONE_RETENTION_MS);
  expect(await writer.compact()).toMatchObject({ droppedTombstoneCount: 1 });
  expect(await keysIn(reader)).toEqual(['there']);
});

test('a segment that grew, and was rewritten since, is no damage where numbers of files are used again', async () => {
  const fileSystem = new SameNumbers();
  const { writer, openReader } = await open(fileSystem);
  await writer.append({ key: 'a', value: DOTS });
  const reader = await openReader();
  expect(await offsetsOf(reader)).toEqual([0]);
  reader.life.dropFiles(); // Whoever has a file open keeps its number from others.
  await writer.append({ key: 'a', value: DOTS });
  await roll(writer);
  await writer.compact();
  expect((await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log')).length).toBe(2);
  const offsets = await offsetsOf(writer);
  expect(offsets[0]).toBe(1);
  expect(await offsetsOf(reader)).toEqual(offsets);
});
