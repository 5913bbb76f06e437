/**
 * F8. Elsewhere: a file system that became read-only reset state to 0, and the server went on with
 * an empty stream (NATS#6211, #6237).
 *
 * Here: EROFS or EIO at an append, a roll or a checkpoint stops the writer, and what is in memory
 * stays as it was; at an open it is an error, and not one byte changes. What cannot be read is never
 * taken for a log that is new.
 *
 * Red when a failed write or checkpoint is passed over, when a checkpoint or a directory that cannot
 * be read counts as missing, or when a failed open leaves something behind.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { FailedError, IoError, NotFoundError } from '../../src/core/errors.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { FaultRule, Operation } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  settle,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

/** What a read-only file system refuses. Unsynced pages it cannot write either. */
const CHANGING: readonly Operation[] = [
  'create',
  'lockDirectory',
  'makeDirectory',
  'removeDirectory',
  'rename',
  'truncate',
  'unlink',
  'write',
];
const FOREVER = { times: Number.POSITIVE_INFINITY } as const;

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Every file of the log with a digest of its bytes. */
async function contents(fileSystem: FaultyFileSystem): Promise<Map<string, string>> {
  fileSystem.clearFaults();
  const names = (await fileSystem.list(LOG_PATH)).filter((name) => name !== 'quarantine').sort();
  return new Map(names.map((name) => [name, digest(contentOf(fileSystem, join(LOG_PATH, name)))]));
}

const PLACES: readonly [string, Partial<FaultRule>][] = [
  ['the write of an append', { operations: ['write'], path: '.log' }],
  ['the creation of the next segment', { operations: ['create'], path: '.log' }],
  ['the header of the next segment', { operations: ['write'], path: /0(?!0+\.log)\d*\.log$/ }],
  ['the checkpoint', { operations: ['write'], path: 'checkpoint' }],
  ['everything that changes something', { operations: CHANGING }],
];

describe.each(['EROFS', 'EIO'])('F8: %s while a log is open', (errno) => {
  test.each(PLACES)('at %s stops the writer and resets nothing', async (_name, place) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 10);
    await log.deleteBefore(3);
    const acked: string[] = textsFrom(3, 10);
    fileSystem.addFault({ errno, ...FOREVER, ...place });
    let error: unknown = null;
    while (error === null && acked.length < 60) {
      const value = textAt(log.endOffset);
      error = await log.append({ value }).then(
        () => (acked.push(value), null),
        (reason: unknown) => reason,
      );
    }
    expect(error).toBeInstanceOf(FailedError);
    expect(error).toMatchObject({ cause: { details: { errno } } });
    const end = 3 + acked.length;
    expect(log.stats()).toMatchObject({
      state: 'failed',
      startOffset: 3,
      visibleOffset: end,
      lastError: { code: 'ERR_VARVE_FAILED', cause: { details: { errno } } },
    });
    expect(await rejectionOf(log.append({ value: 'later' }))).toBeInstanceOf(FailedError);
    expect(await valuesOf(log)).toEqual(acked);
    await rejectionOf(log.close());
    expect(fileSystem.openFileCount).toBe(0);
    for (const image of [fileSystem.crashImage({ data: 'none', names: 'none' }), fileSystem]) {
      image.clearFaults();
      const again = await openTextLog(image);
      expect(again.startOffset).toBe(3);
      expect((await valuesOf(again)).slice(0, acked.length)).toEqual(acked);
      await again.close();
    }
  });

  test('at the idle checkpoint of a quiet log is heard by the next append', async () => {
    const clock = new ManualClock();
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { clock, durability: 'os' });
    await appendEach(log, 4);
    fileSystem.addFault({ errno, ...FOREVER, operations: CHANGING });
    clock.advance(1000);
    await settle();
    expect(log.stats()).toMatchObject({ state: 'failed', endOffset: 4, visibleOffset: 4 });
    expect(await rejectionOf(log.append({ value: 'later' }))).toBeInstanceOf(FailedError);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 4));
    await rejectionOf(log.close());
  });
});

describe.each(['EROFS', 'EIO'])('F8: %s while a log is opened', (errno) => {
  test.each([
    ['all that changes something', CHANGING],
    ['the lock', ['lockDirectory']],
    ['every write', ['write']],
    ['the list', ['list']],
    ['every read', ['read']],
    ['every open', ['open']],
  ] as const)('at %s is an error, and changes not a byte', async (_name, operations) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 40);
    await log.close();
    const before = await contents(fileSystem);
    for (const onCorruption of ['fail', 'readonly', 'skip'] as const) {
      fileSystem.addFault({ errno, ...FOREVER, operations });
      const error = await rejectionOf(openTextLog(fileSystem, { onCorruption }));
      expect(error).toBeInstanceOf(IoError);
      expect(error).toMatchObject({ details: { errno } });
      expect(await contents(fileSystem)).toEqual(before);
      expect(fileSystem.openFileCount).toBe(0);
    }
    const again = await openTextLog(fileSystem);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 40));
    await again.close();
  });

  test('where there is no log makes none, not even in part', async () => {
    const fileSystem = await faultyDisk();
    fileSystem.addFault({ errno, ...FOREVER, operations: CHANGING });
    expect(await rejectionOf(openTextLog(fileSystem))).toMatchObject({ details: { errno } });
    expect(await rejectionOf(openTextLog(fileSystem, { readOnly: true }))).toBeInstanceOf(
      NotFoundError,
    );
    fileSystem.clearFaults();
    expect(await fileSystem.list(LOG_PATH)).toEqual([]);
  });
});

test('F8: a read-only file system can be read', async () => {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, 40);
  await log.append({ value: textAt(40) }, { durability: 'os' });
  const killed = fileSystem.killImage();
  killed.addFault({ errno: 'EROFS', ...FOREVER, operations: CHANGING });
  const reader = await openTextLog(killed, { readOnly: true });
  expect(await valuesOf(reader)).toEqual(textsFrom(0, 41));
  await reader.close();
  await log.close();
});
