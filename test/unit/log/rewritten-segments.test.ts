/** Segments that were rewritten, and what recovery, repair, verify and retention make of them. */
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CorruptLogError } from '../../../src/core/errors.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import {
  encodeSegmentHeader,
  parseSegmentHeader,
  type SegmentHeader,
} from '../../../src/format/segment-header.ts';
import { repairLog } from '../../../src/log/repair-log.ts';
import { verifyLog, type VerifyEvent } from '../../../src/log/verify.ts';
import { contentOf, cut, damage, flipBit } from '../../support/disk-damage.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { forgeGeneration } from '../../support/forged-generation.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  offsetsOf,
  openTextLog,
  rejectionOf,
} from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';

const RECORDS = 60;
const CHECKPOINT = join(LOG_PATH, 'checkpoint');

let fileSystem: FaultyFileSystem;
/** Paths of the segments, the active one last. */
let paths: string[];
/** Offsets of the records that are left. */
let left: number[];

const isKept = (offset: number) => offset % 4 === 1;

/** All sealed segments of a closed log are rewritten. */
beforeEach(async () => {
  fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, RECORDS);
  await log.close();
  const names = (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log'));
  paths = names.toSorted().map((name) => join(LOG_PATH, name));
  expect(paths.length).toBeGreaterThan(2);
  const activeFrom = Number(paths.at(-1)?.slice(-24, -4));
  for (const path of paths.slice(0, -1)) {
    await forgeGeneration(fileSystem, path, { keeps: ({ offset }) => isKept(offset) });
  }
  left = Array.from({ length: RECORDS }, (_, offset) => offset).filter(
    (offset) => offset >= activeFrom || isKept(offset),
  );
});

function at<T>(values: readonly T[], index: number): T {
  const value = values.at(index);
  if (value === undefined) throw new Error(`there is no ${index}`);
  return value;
}

function headerOf(path: string): SegmentHeader {
  const { header } = parseSegmentHeader(contentOf(fileSystem, path).slice(0, SEGMENT_HEADER_BYTES));
  if (header === null) throw new Error(`${path} has no header`);
  return header;
}

function restate(path: string, changes: Partial<SegmentHeader>): void {
  const header = { ...headerOf(path), ...changes };
  damage(fileSystem, path, (bytes) => {
    bytes.set(encodeSegmentHeader(header));
    return bytes;
  });
}

async function cutIndex(path: string): Promise<void> {
  cut(fileSystem, path, (await walkSegment(fileSystem, path)).index?.position ?? 0);
}

async function damageIndex(path: string): Promise<void> {
  const { index } = await walkSegment(fileSystem, path);
  flipBit(fileSystem, path, { position: (index?.position ?? 0) + 20 });
}

async function damageFound(): Promise<(VerifyEvent & { readonly type: 'damage' })['details'][]> {
  const found = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type === 'damage') found.push(event.details);
  }
  return found;
}

async function readable(): Promise<number[]> {
  const log = await openTextLog(fileSystem, { readOnly: true });
  try {
    return await offsetsOf(log);
  } finally {
    await log.close();
  }
}

describe('a rewritten segment that is the last one', () => {
  test.each([
    ['whole', () => undefined],
    ['without an index batch', cutIndex],
    ['with a damaged index batch', damageIndex],
  ])('is not appended to, %s: a new one begins at the end that it states', async (_, change) => {
    const last = at(paths, -2);
    const dataBytes = (await walkSegment(fileSystem, last)).index?.position ?? 0;
    await change(last);
    await fileSystem.unlink(at(paths, -1));
    await fileSystem.unlink(CHECKPOINT);
    const before = contentOf(fileSystem, last);
    const { endOffset } = headerOf(last);
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(endOffset);
    expect((await log.append({ value: 'next' })).offset).toBe(endOffset);
    await log.close();
    const after = contentOf(fileSystem, last);
    expect(after.length).toBeLessThanOrEqual(before.length);
    expect(Buffer.compare(after.slice(0, dataBytes), before.slice(0, dataBytes))).toBe(0);
    expect((await damageFound()).filter(({ kind }) => kind !== 'index')).toEqual([]);
    expect(await readable()).toEqual([...left.filter((offset) => offset < endOffset), endOffset]);
  });

  test('states how far its log was synced: what is cut off it is damage', async () => {
    const last = at(paths, -2);
    const { batches } = await walkSegment(fileSystem, last);
    await fileSystem.unlink(at(paths, -1));
    await fileSystem.unlink(CHECKPOINT);
    cut(fileSystem, last, at(batches, -1).position);
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect((await damageFound()).map(({ kind }) => kind)).toEqual(['checkpoint', 'length']);
    const log = await openTextLog(fileSystem, { onCorruption: 'skip' });
    const { endOffset } = headerOf(last);
    const firstOffset = at(batches, -1).header.baseOffset;
    expect(log.recovery.gaps).toMatchObject([{ firstOffset, nextOffset: endOffset }]);
    expect(log.endOffset).toBe(endOffset);
    await log.close();
    expect(await damageFound()).toEqual([]);
  });

  test('gets back no more than it had: what is lost behind it has a segment of its own', async () => {
    const last = at(paths, -2);
    const { batches } = await walkSegment(fileSystem, last);
    await fileSystem.unlink(at(paths, -1));
    cut(fileSystem, last, at(batches, -1).position);
    const { endOffset } = headerOf(last);
    const { gaps } = await repairLog(LOG_PATH, { fileSystem });
    expect(gaps).toMatchObject([
      { firstOffset: at(batches, -1).header.baseOffset, nextOffset: endOffset },
      { firstOffset: endOffset, nextOffset: RECORDS },
    ]);
    expect(await damageFound()).toEqual([]);
  });

  test('is not made longer by a repair: what is lost behind it has a segment of its own', async () => {
    const last = at(paths, -2);
    await fileSystem.unlink(at(paths, -1));
    const before = contentOf(fileSystem, last);
    const { endOffset } = headerOf(last);
    const report = await repairLog(LOG_PATH, { fileSystem });
    expect(report.gaps).toMatchObject([{ firstOffset: endOffset, nextOffset: RECORDS }]);
    expect(Buffer.from(contentOf(fileSystem, last))).toEqual(Buffer.from(before));
    expect(await damageFound()).toEqual([]);
    expect(await readable()).toEqual(left.filter((offset) => offset < endOffset));
  });
});

describe('a repair', () => {
  test('makes the header of a rewritten segment again, with the end that the next one names', async () => {
    const path = at(paths, 1);
    const before = headerOf(path);
    flipBit(fileSystem, path, { position: 40 });
    expect(await damageFound()).toMatchObject([{ file: path, kind: 'header' }]); // It alone.
    expect(await repairLog(LOG_PATH, { fileSystem })).toMatchObject({ gaps: [] });
    const { endOffset, endCrc, ownerId } = before;
    const known = { endOffset, endCrc, ownerId, generation: 1, compactedTo: 0, cleanedTimeMs: 0 };
    const { lastAppendTimeMs, ...header } = headerOf(path);
    expect(header).toMatchObject({ ...known, recordCount: null, tombstoneCount: null });
    expect(lastAppendTimeMs).toBeGreaterThanOrEqual(before.lastAppendTimeMs);
    expect(await readable()).toEqual(left);
  });

  test('keeps what a header says of its generation when only its link is wrong', async () => {
    const path = at(paths, 1);
    restate(path, { generation: 5, compactedTo: 40, cleanedTimeMs: 1234 });
    const before = headerOf(path);
    restate(path, { previousEndCrc: 1 });
    expect((await damageFound()).map(({ kind }) => kind)).toEqual(['chain']);
    expect(await repairLog(LOG_PATH, { fileSystem })).toMatchObject({ gaps: [] });
    expect(headerOf(path)).toEqual(before);
    expect(await readable()).toEqual(left);
  });

  test('gives up a damaged batch alone, and its segment may count more than is left', async () => {
    const path = at(paths, 1);
    const { batches } = await walkSegment(fileSystem, path);
    const { header, position, nextOffset } = at(batches, 1);
    flipBit(fileSystem, path, { position: position + 120 });
    const { gaps } = await repairLog(LOG_PATH, { fileSystem });
    expect(gaps).toMatchObject([{ firstOffset: header.baseOffset, nextOffset }]);
    expect(await damageFound()).toEqual([]);
    const isLost = (offset: number) => offset >= header.baseOffset && offset < nextOffset;
    expect(await readable()).toEqual(left.filter((offset) => !isLost(offset)));
  });

  test.each([
    ['records', { recordCount: 1, tombstoneCount: 0 }],
    ['tombstones', { tombstoneCount: 1 }],
  ])('has a header that counts %s wrong count nothing', async (_, wrong) => {
    const path = at(paths, 0);
    restate(path, wrong);
    expect(await damageFound()).toMatchObject([{ file: path, kind: 'header', position: 0 }]);
    expect(await repairLog(LOG_PATH, { fileSystem })).toMatchObject({ gaps: [] });
    expect(headerOf(path)).toMatchObject({ recordCount: null, tombstoneCount: null });
    expect(await damageFound()).toEqual([]);
    expect(await readable()).toEqual(left);
  });
});

describe('a header that lies', () => {
  test.each([
    ['how it ended', { endCrc: 7 }],
    ['where it ended', { endOffset: 1000 }],
  ])('about %s does not fit the next segment', async (_, wrong) => {
    restate(at(paths, 0), wrong);
    expect((await damageFound()).map(({ kind }) => kind)).toContain('chain');
    const log = await openTextLog(fileSystem, { readOnly: true });
    expect(await rejectionOf(offsetsOf(log))).toBeInstanceOf(CorruptLogError);
    await log.close();
  });
});

/** A closed log of some segments, of which the first holds batches from 1000000 and from 1005000 on. */
async function aged(clock: ManualClock) {
  const disk = await faultyDisk();
  const log = await openTextLog(disk, { clock });
  await appendEach(log, 10);
  clock.advance(5000);
  await appendEach(log, 20);
  await log.close();
  const names = (await disk.list(LOG_PATH)).filter((name) => name.endsWith('.log')).toSorted();
  const files = names.map((name) => join(LOG_PATH, name));
  const secondFrom = Number(names[1]?.slice(0, 20));
  expect(secondFrom).toBeGreaterThan(11);
  const first = at(files, 0);
  await forgeGeneration(disk, first, { keeps: ({ offset }) => offset === 0 });
  cut(disk, first, (await walkSegment(disk, first)).index?.position ?? 0); // It says so too.
  return { disk, files, secondFrom };
}

test('retention by age goes by what the segment held last, not by what is left of it', async () => {
  const clock = new ManualClock(1_000_000);
  const { disk, secondFrom } = await aged(clock);
  const log = await openTextLog(disk, { clock, retentionMs: 5000 });
  clock.advance(4000);
  expect((await log.retain()).startOffset).toBe(0);
  clock.advance(1001);
  expect((await log.retain()).startOffset).toBe(secondFrom);
  await log.close();
});

test('append times go on behind what the segment held last', async () => {
  const { disk, files, secondFrom } = await aged(new ManualClock(1_000_000));
  for (const path of [...files.slice(1), CHECKPOINT]) await disk.unlink(path);
  const log = await openTextLog(disk, { clock: new ManualClock(1_000_000) });
  expect((await log.append({ value: 'next' })).offset).toBe(secondFrom);
  const times = [];
  for await (const { appendTimeMs } of log.batches()) times.push(appendTimeMs);
  expect(times).toEqual([1_000_000, 1_005_000]);
  await log.close();
});
