/**
 * F20. Elsewhere: a time index padded with zeros made every segment look expired, and retention
 * deleted it all (KAFKA-10207).
 *
 * Here: retention goes by the append times of checked batches. A damaged, zeroed or padded index is
 * not asked; a time of 0 is no time; damage never authorises a deletion.
 *
 * Red when retention takes the append time of an index batch without its checksum, takes 0 for a
 * time, takes an unreadable segment for an old one, or takes the file's modification time.
 */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { sealBatch } from '../../src/format/batch-header.ts';
import { viewOf } from '../../src/format/u64.ts';
import { damage } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  segmentNames,
  segmentPaths,
} from '../support/log-fixture.ts';
import { walkSegment, type WalkedBatch } from '../support/segment-walk.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);

type Ruin = (bytes: Uint8Array, index: WalkedBatch, batches: readonly WalkedBatch[]) => Uint8Array;

const RUINS: readonly [string, Ruin][] = [
  ['index zeroed', (bytes, index) => bytes.fill(0, index.position)],
  ['entries zeroed', (bytes, index) => bytes.fill(0, index.position + 112)],
  [
    'times in the index header zeroed',
    (bytes, index) => bytes.fill(0, index.position + 56, index.position + 64),
  ],
  ['file padded with zeros', (bytes) => Buffer.concat([bytes, new Uint8Array(4096)])],
  ['index missing', (bytes, index) => bytes.subarray(0, index.position)],
  ['index with a right checksum and the time 0', (bytes, index) => withTimes(bytes, [index], 0)],
  [
    'index and all batches with right checksums and the time 0',
    (bytes, index, batches) => withTimes(bytes, [...batches, index], 0),
  ],
  ['header zeroed', (bytes) => bytes.fill(0, 0, 128)],
  [
    'first batch damaged and index missing',
    (bytes, index) => bytes.fill(0xee, 200, 210).subarray(0, index.position),
  ],
];

/** Gives batches another append time, with right checksums. */
function withTimes(bytes: Uint8Array, batches: readonly WalkedBatch[], appendTimeMs: number) {
  for (const { header, position } of batches) {
    sealBatch(bytes, viewOf(bytes), position, { ...header, appendTimeMs });
  }
  return bytes;
}

/** Several segments appended now, each ruined but the last. */
async function ruinedLog(clock: ManualClock, ruin: Ruin): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { clock });
  await appendEach(log, 80);
  await log.close();
  for (const path of (await segmentPaths(fileSystem)).slice(0, -1)) {
    const { index, batches } = await walkSegment(fileSystem, path);
    if (index === null) throw new Error('a sealed segment ends in its index');
    damage(fileSystem, path, (bytes) => ruin(bytes, index, batches));
  }
  return fileSystem;
}

describe('F20: retention deletes nothing young', () => {
  test.each(RUINS)('%s', async (_name, ruin) => {
    const clock = new ManualClock(START_MS);
    const fileSystem = await ruinedLog(clock, ruin);
    const names = await segmentNames(fileSystem);
    expect(names.length).toBeGreaterThan(3);
    clock.jumpTo(START_MS + HOUR_MS - 1);
    const log = await openTextLog(fileSystem, { clock, retentionMs: HOUR_MS });
    expect(await log.retain()).toMatchObject({ startOffset: 0, deletedSegmentCount: 0 });
    await appendEach(log, 40); // Rolls, and each roll looks at retention.
    await log.retain();
    expect(await segmentNames(fileSystem)).toEqual(expect.arrayContaining(names));
    await log.close();
  });

  test.each(RUINS.slice(0, 5))('and deletes what is old all the same: %s', async (_name, ruin) => {
    const clock = new ManualClock(START_MS);
    const fileSystem = await ruinedLog(clock, ruin);
    const names = await segmentNames(fileSystem);
    clock.jumpTo(START_MS + 2 * HOUR_MS);
    const log = await openTextLog(fileSystem, { clock, retentionMs: HOUR_MS });
    expect((await log.retain()).deletedSegmentCount).toBe(names.length - 1);
    await log.close();
  });
});
