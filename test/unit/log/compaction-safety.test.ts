/** What compaction relies on so that nothing is lost and nothing comes back: what is durable when, and in which order. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import type { CompactOptions } from '../../../src/log/compact-options.ts';
import type { Log } from '../../../src/log/log.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import {
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  type TextLogOptions,
} from '../../support/log-fixture.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of records that fill up a segment. */
const DOTS = '.'.repeat(1000);

async function open(
  fileSystem: FaultyFileSystem,
  clock: ManualClock,
  options: TextLogOptions = {},
): Promise<Log<string>> {
  const log = await openTextLog(fileSystem, {
    clock,
    compaction: 'key',
    compactionShareMin: 1,
    ...options,
  });
  onTestFinished(() => log.close().catch(() => undefined));
  return log;
}

/** Appends a record of each key, `-` behind it for a tombstone, and seals the segment. */
async function appendSegment(log: Log<string>, keys: string): Promise<void> {
  for (const name of keys.split(' ')) {
    const value = name.endsWith('-') ? null : `${name} at ${log.endOffset}`;
    await log.append({ key: name.replace('-', ''), value, createTimeMs: 0 });
  }
  const { segmentCount } = log.stats();
  while (log.stats().segmentCount === segmentCount) {
    await log.append({ key: 'filler', value: DOTS, createTimeMs: 0 });
  }
}

/** Keys with a value, as they are read from the start; or why they cannot be read. */
async function keysIn(log: Log<string>): Promise<readonly string[] | string> {
  const keys = new Set<string>();
  try {
    for await (const { key, value } of log.records()) {
      if (value === null) keys.delete(key ?? '');
      else if (key !== 'filler') keys.add(key ?? '');
    }
  } catch (error) {
    return String(error);
  }
  return [...keys].toSorted();
}

/** What a power cut right now leaves, or why it cannot be opened. */
async function keysAfterCut(fileSystem: FaultyFileSystem): Promise<readonly string[] | string> {
  const image = fileSystem.crashImage({ data: 'none', names: 'none' });
  try {
    return await keysIn(await open(image, new ManualClock()));
  } catch (error) {
    return String(error);
  }
}

/** Ends a compaction behind the first segment that it has rewritten. */
async function compactOne(log: Log<string>): Promise<void> {
  const ending = new AbortController();
  const onProgress: CompactOptions['onProgress'] = ({ phase, bytesDone }) => {
    if (phase === 'rewriting' && bytesDone > 0) ending.abort(new Error('enough'));
  };
  const { signal } = ending;
  expect(await rejectionOf(log.compact({ signal, onProgress }))).toBe(signal.reason);
}

describe('a power cut', () => {
  test('right behind a compaction leaves all that it kept, at each of its calls', async () => {
    const fileSystem = await faultyDisk();
    const log = await open(fileSystem, new ManualClock());
    await appendSegment(log, 'a b c');
    await appendSegment(log, 'a b- d');
    const seen: (readonly string[] | string)[] = [];
    const rename = fileSystem.rename.bind(fileSystem);
    fileSystem.rename = async (from, to) => {
      await rename(from, to);
      const image = fileSystem.crashImage({ data: 'none', names: 'all' });
      seen.push(await keysAfterCut(image));
    };
    await log.compact();
    seen.push(await keysAfterCut(fileSystem));
    expect(seen.length).toBeGreaterThan(2);
    for (const keys of seen) expect(keys).toEqual(['a', 'c', 'd']);
  });

  test('brings nothing back of which the successor was not durable', async () => {
    const fileSystem = await faultyDisk();
    let isStuck = false;
    const openFile = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) => {
      const file = await openFile(path, mode);
      const datasync = file.datasync.bind(file);
      const never = new Promise<void>(() => undefined);
      file.datasync = () => (isStuck && !path.endsWith('.tmp') ? never : datasync());
      return file;
    };
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, {
      clock,
      durability: 'os',
      compaction: 'key',
      compactionShareMin: 0.01,
    });
    await appendSegment(log, 'a b c');
    await log.sync();
    isStuck = true;
    await appendSegment(log, 'a b- d');
    await log.append({ key: 'filler', value: DOTS });
    await log.forStore().compactor.compactDue();
    expect(await keysAfterCut(fileSystem)).toEqual(['a', 'b', 'c']);
  });
});

describe('a compaction that was ended in the middle', () => {
  test('has done the oldest segments, and goes on: nothing comes back', async () => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await open(fileSystem, clock);
    for (const keys of ['a gone b', 'a c gone', 'gone- a d']) await appendSegment(log, keys);
    for (let round = 0; round < 4; round++) {
      await compactOne(log).catch(() => undefined); // The last ones have nothing to end.
      expect(await keysIn(log)).toEqual(['a', 'b', 'c', 'd']);
      clock.advance(2 * DAY_MS);
    }
    await log.compact();
    expect(await keysIn(log)).toEqual(['a', 'b', 'c', 'd']);
  });
});

test('what is clean is compared with what came later, before tombstones go', async () => {
  const fileSystem = await faultyDisk();
  const clock = new ManualClock();
  const log = await open(fileSystem, clock);
  await appendSegment(log, 'a gone b');
  await appendSegment(log, 'c d');
  expect(await log.compact()).toMatchObject({ passCount: 1 });
  await appendSegment(log, 'gone- a');
  expect(await log.compact()).toMatchObject({ passCount: 1 });
  clock.advance(2 * DAY_MS);
  expect(await log.compact()).toMatchObject({ droppedTombstoneCount: 1 });
  expect(await keysIn(log)).toEqual(['a', 'b', 'c', 'd']);
});

test('retention by age goes by when records of a compacted segment were appended, not by their times', async () => {
  const fileSystem = await faultyDisk();
  const clock = new ManualClock();
  const log = await open(fileSystem, clock, { retentionMs: HOUR_MS });
  await appendSegment(log, 'a b c');
  clock.advance(HOUR_MS / 2);
  await appendSegment(log, 'a b d');
  expect(await log.compact()).toMatchObject({ rewrittenSegmentCount: 2 });
  await log.retain();
  expect(log.startOffset).toBe(0);
  clock.advance(HOUR_MS / 2 + 1);
  await log.retain();
  expect(log.startOffset).toBeGreaterThan(0);
  await log.close();
  const again = await open(fileSystem, clock, { retentionMs: HOUR_MS });
  await again.retain();
  expect(await keysIn(again)).toEqual(['a', 'b', 'd']);
  expect(await segmentPaths(fileSystem)).toHaveLength(2);
});
