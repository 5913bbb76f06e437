import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { shouldRoll } from '../../../src/log/roll-policy.ts';
import {
  appendEach,
  appendTogether,
  openTextLog,
  segmentNames,
  segmentPaths,
} from '../../support/log-fixture.ts';

const POLICY = {
  segmentBytesMax: 1000,
  segmentAgeMsMax: 60,
  compaction: 'off',
  compactionLagMsMax: null,
} as const;
const ACTIVE = { sizeBytes: 600, ageMs: 10, isEmpty: false };

describe('shouldRoll', () => {
  test.each([
    ['a batch that fits exactly does not roll', {}, 400, false],
    ['one byte more does', {}, 401, true],
    ['an age below the limit does not', { ageMs: 59 }, 1, false],
    ['the age itself does', { ageMs: 60 }, 1, true],
    ['a clock that went back does not', { ageMs: -5000 }, 1, false],
    ['an empty segment never rolls: neither by size', { isEmpty: true }, 5000, false],
    ['nor by age', { isEmpty: true, ageMs: 1e9 }, 1, false],
  ])('%s', (_name, change, incomingBytes, expected) => {
    expect(shouldRoll({ ...ACTIVE, ...change }, incomingBytes, POLICY)).toBe(expected);
  });

  test('without an age limit no age rolls', () => {
    const policy = { ...POLICY, segmentAgeMsMax: Number.POSITIVE_INFINITY };
    expect(shouldRoll({ ...ACTIVE, ageMs: Number.MAX_VALUE }, 1, policy)).toBe(false);
  });
});

describe('what is to be compacted after a time', () => {
  const KEY = { ...POLICY, compaction: 'key' } as const;

  test.each([
    ['rolls at that age', { ...KEY, compactionLagMsMax: 40 }, 40, true],
    ['not before', { ...KEY, compactionLagMsMax: 40 }, 39, false],
    ['or earlier at that of segments', { ...KEY, compactionLagMsMax: 80 }, 60, true],
    ['without one at that alone', KEY, 59, false],
    ['not where nothing is compacted', { ...POLICY, compactionLagMsMax: 40 }, 59, false],
  ] as const)('%s', (_name, policy, ageMs, expected) => {
    expect(shouldRoll({ ...ACTIVE, ageMs }, 1, policy)).toBe(expected);
  });
});

describe('a log', () => {
  test('never lets the data of a segment exceed segmentBytesMax', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    while (log.endOffset < 500) {
      await appendEach(log, 3);
      await appendTogether(log, 17);
    }
    let sealedCount = 0;
    for (const path of (await segmentPaths(fileSystem)).slice(0, -1)) {
      const { sizeBytes } = await fileSystem.stat(path);
      const file = await fileSystem.open(path, 'read');
      const trailer = Buffer.alloc(4);
      await file.read(trailer, sizeBytes - 4);
      await file.close();
      const dataBytes = sizeBytes - trailer.readUInt32LE();
      expect(dataBytes).toBeLessThanOrEqual(4096);
      expect(dataBytes).toBeGreaterThan(4096 - 400); // Full, as far as the batches allow.
      sealedCount++;
    }
    expect(sealedCount).toBeGreaterThan(10);
    await log.close();
  });

  test('rolls by age at the next append, not before', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, segmentAgeMsMax: 1000 });
    await appendEach(log, 2);
    clock.advance(999);
    await appendEach(log, 1);
    expect(await segmentNames(fileSystem)).toHaveLength(1);
    clock.advance(100_000);
    expect(await segmentNames(fileSystem)).toHaveLength(1);
    await appendEach(log, 1);
    expect(await segmentNames(fileSystem)).toEqual([
      '00000000000000000000.log',
      '00000000000000000003.log',
    ]);
    await log.close();
  });

  test('counts the age from the creation of the segment, also after it was opened again', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, segmentAgeMsMax: 1000 });
    await appendEach(log, 1);
    await log.close();
    clock.advance(1000);
    const again = await openTextLog(fileSystem, { clock, segmentAgeMsMax: 1000 });
    await appendEach(again, 1);
    expect(await segmentNames(fileSystem)).toHaveLength(2);
    await again.close();
  });
});
