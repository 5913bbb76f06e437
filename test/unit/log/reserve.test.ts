import { describe, expect, test } from 'vitest';

import { LogDirectory } from '../../../src/log/log-directory.ts';
import { ensureReserve, freeReserve } from '../../../src/log/reserve.ts';
import { contentOf } from '../../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../../support/log-fixture.ts';

const MIB = 1024 * 1024;

describe('the reserve', () => {
  test('is a mebibyte of blocks that are really taken', async () => {
    const fileSystem = await faultyDisk();
    const directory = new LogDirectory(fileSystem, LOG_PATH);
    const free = (await fileSystem.space(LOG_PATH)).freeBytes;
    await ensureReserve(directory, false);
    expect(contentOf(fileSystem, directory.reservePath)).toHaveLength(MIB);
    expect(free - (await fileSystem.space(LOG_PATH)).freeBytes).toBe(MIB);
    expect(await freeReserve(directory)).toBe(true);
    expect((await fileSystem.space(LOG_PATH)).freeBytes).toBe(free);
    expect(await freeReserve(directory)).toBe(false);
  });

  test('that a power cut left under both of its names gives all of its room back', async () => {
    const fileSystem = await faultyDisk();
    const directory = new LogDirectory(fileSystem, LOG_PATH);
    const free = (await fileSystem.space(LOG_PATH)).freeBytes;
    await ensureReserve(directory, false);
    const file = await fileSystem.open(`${directory.reservePath}.tmp`, 'create');
    await file.write(new Uint8Array(MIB), 0);
    await file.close();
    expect(await freeReserve(directory)).toBe(true);
    expect((await fileSystem.space(LOG_PATH)).freeBytes).toBe(free);
    expect(await fileSystem.list(LOG_PATH)).toEqual([]);
  });

  test('without room for it is not made, and leaves nothing behind', async () => {
    const fileSystem = await faultyDisk({ capacityBytes: MIB - 1 });
    await ensureReserve(new LogDirectory(fileSystem, LOG_PATH), false);
    expect(await fileSystem.list(LOG_PATH)).toEqual([]);
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('that exists is left alone', async () => {
    const fileSystem = await faultyDisk();
    const { callCount } = fileSystem;
    await ensureReserve(new LogDirectory(fileSystem, LOG_PATH), true);
    expect(fileSystem.callCount).toBe(callCount);
  });

  test('another failure than a full disk is not hidden', async () => {
    const fileSystem = await faultyDisk();
    fileSystem.addFault({ errno: 'EROFS', operations: ['create'] });
    const made = ensureReserve(new LogDirectory(fileSystem, LOG_PATH), false);
    expect(await rejectionOf(made)).toMatchObject({ details: { errno: 'EROFS' } });
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('lets a torn tail be cut and kept on a full disk, and is made again when there is room', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    const image = fileSystem.killImage();
    const [path = ''] = await segmentPaths(image);
    const file = await image.open(path, 'write');
    await file.write(Buffer.from('torn'.repeat(100)), (await file.stat()).sizeBytes);
    await file.close();
    image.capacityBytes -= (await image.space(LOG_PATH)).freeBytes;
    expect((await image.space(LOG_PATH)).freeBytes).toBe(0);
    const again = await openTextLog(image);
    expect(again.readOnly).toBe(false);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 10));
    expect(await quarantineNames(image)).toHaveLength(1);
    await again.close();
    image.capacityBytes += 10 * MIB;
    await (await openTextLog(image)).close();
    expect(await image.list(LOG_PATH)).toContain('reserve');
    await log.close();
  });

  test('gone already: no room for the quarantine opens read-only, and space mends it', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    const image = fileSystem.killImage();
    const [path = ''] = await segmentPaths(image);
    const file = await image.open(path, 'write');
    await file.write(Buffer.from('torn'.repeat(100)), (await file.stat()).sizeBytes);
    await file.close();
    await freeReserve(new LogDirectory(image, LOG_PATH));
    image.capacityBytes -= (await image.space(LOG_PATH)).freeBytes;
    const before = contentOf(image, path);
    const reader = await openTextLog(image);
    expect(reader.readOnly).toBe(true);
    expect(reader.recovery.notes.join()).toContain('no room');
    expect(await valuesOf(reader)).toEqual(textsFrom(0, 10));
    await reader.close();
    expect(contentOf(image, path)).toEqual(before);
    image.capacityBytes += 10 * MIB;
    const again = await openTextLog(image);
    expect(again.recovery).toMatchObject({ outcome: 'recovered', cutBytes: 400 });
    await appendEach(again, 1);
    await again.close();
    await log.close();
  });
});
