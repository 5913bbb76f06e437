/**
 * F23. Elsewhere: a file of a compaction that a crash had cut short took the place of whole segments, which left
 * a hole, and hours of starting (KAFKA-12520, KAFKA-7401).
 *
 * Here: what is not finished has a name that is never read, `<segment>.log.tmp`, whatever is in it. A writer's
 * opening removes it, a reader leaves it alone, and the segments that it was made from serve.
 *
 * Red when files are taken for segments by how their names begin, when an opening finishes what another process
 * began, or when it leaves it there.
 */
import { describe, expect, test } from 'vitest';

import { writeFully } from '../../src/io/transfer.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { forgeTemporary } from '../support/forged-generation.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const RECORDS = 60;

/** A closed log, and beside each of its sealed segments a whole next generation in which nothing is left. */
async function prepared(): Promise<{ fileSystem: FaultyFileSystem; temporaries: string[] }> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, RECORDS);
  await log.close();
  const temporaries: string[] = [];
  for (const path of (await segmentPaths(fileSystem)).slice(0, -1)) {
    const { temporaryPath } = await forgeTemporary(fileSystem, path, { keeps: () => false });
    temporaries.push(temporaryPath);
  }
  await fileSystem.syncDirectory(LOG_PATH);
  expect(temporaries.length).toBeGreaterThan(2);
  return { fileSystem, temporaries };
}

async function put(fileSystem: FaultyFileSystem, path: string, bytes: Uint8Array): Promise<void> {
  await fileSystem.unlink(path);
  const file = await fileSystem.open(path, 'create');
  await writeFully(file, bytes, 0);
  await file.datasync();
  await file.close();
  await fileSystem.syncDirectory(LOG_PATH);
}

const namesOf = async (fileSystem: FaultyFileSystem) =>
  (await fileSystem.list(LOG_PATH)).toSorted();

/** A reader leaves all as it is, a writer removes it; both show every record. */
async function expectOriginals(fileSystem: FaultyFileSystem): Promise<void> {
  const before = await namesOf(fileSystem);
  const reader = await openTextLog(fileSystem, { readOnly: true });
  expect(await valuesOf(reader)).toEqual(textsFrom(0, RECORDS));
  await reader.close();
  expect(await namesOf(fileSystem)).toEqual(before);
  const log = await openTextLog(fileSystem);
  expect(await valuesOf(log)).toEqual(textsFrom(0, RECORDS));
  expect(log.recovery).toMatchObject({ outcome: 'clean', gaps: [], damage: null });
  await appendEach(log, 1);
  await log.close();
  const after = before.filter((name) => !name.endsWith('.tmp'));
  expect(await namesOf(fileSystem)).toEqual(after);
  expect(after.length).toBeLessThan(before.length);
}

describe('F23: an unfinished file of a compaction', () => {
  test('that is whole and valid is removed: nobody said that it may be swapped', async () => {
    const { fileSystem } = await prepared();
    await expectOriginals(fileSystem);
  });

  test('that was cut short anywhere is removed', async () => {
    const { fileSystem, temporaries } = await prepared();
    const path = temporaries[1] ?? '';
    const whole = contentOf(fileSystem, path);
    for (const sizeBytes of [0, 1, 127, 128, 129, 240, whole.length - 1]) {
      const image = fileSystem.killImage();
      await put(image, path, whole.subarray(0, sizeBytes));
      await expectOriginals(image);
    }
  });

  test('that is of another segment or of another log is removed', async () => {
    const { fileSystem, temporaries } = await prepared();
    const [first = '', second = ''] = temporaries;
    const swapped = fileSystem.killImage();
    await put(swapped, first, contentOf(fileSystem, second));
    await expectOriginals(swapped);
    const foreign = fileSystem.killImage();
    await put(
      foreign,
      first,
      Buffer.from('not a segment, but longer than its header would be'.repeat(9)),
    );
    await expectOriginals(foreign);
  });

  test('for a segment that is not there any more is removed, and does not bring it back', async () => {
    const { fileSystem } = await prepared();
    const log = await openTextLog(fileSystem.killImage());
    const { startOffset } = log;
    await log.close();
    expect(startOffset).toBe(0);
    const trimmed = fileSystem.killImage();
    const writer = await openTextLog(trimmed);
    const second = Number((await segmentPaths(trimmed))[1]?.slice(-24, -4));
    await writer.deleteBefore(second);
    await writer.close();
    const left = `${String(0).padStart(20, '0')}.log.tmp`;
    const file = await trimmed.open(`${LOG_PATH}/${left}`, 'create');
    await writeFully(file, contentOf(fileSystem, `${LOG_PATH}/${left}`), 0);
    await file.close();
    const again = await openTextLog(trimmed);
    expect(again.startOffset).toBe(second);
    expect(await valuesOf(again)).toEqual(textsFrom(second, RECORDS));
    expect(await namesOf(trimmed)).not.toContain(left);
    await again.close();
  });
});
