/**
 * F11. Elsewhere: a zero-length or blank WAL file kept the server from starting (ra#170,
 * LogCabin#191, etcd#6515).
 *
 * Here: a last segment that is empty, all zeros, or cut inside its header holds nothing: the log ends
 * before it, opens, and goes on. That is no damage as long as nothing synced is missing.
 *
 * Red when a short or zero header is taken for damage, or when the blank file is left in the way of
 * the segment that is created next under the same name.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../src/core/errors.ts';
import { contentOf, damage } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentNames,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const BLANKS: readonly [string, (header: Uint8Array) => Uint8Array, number][] = [
  ['no byte', () => new Uint8Array(0), 0],
  ['one zero', () => new Uint8Array(1), 0],
  ['a header of zeros', () => new Uint8Array(128), 0],
  ['a page of zeros', () => new Uint8Array(4096), 0],
  ['a mebibyte of zeros and more', () => new Uint8Array(1024 * 1024 + 77), 0],
  ['half a header', (header) => header.slice(0, 64), 1],
  ['a header but for its last byte', (header) => header.slice(0, 127), 1],
  [
    'a header with its first sector lost',
    (header) => new Uint8Array(128).fill(7).fill(header[127] ?? 0, 100),
    1,
  ],
];

/** 60 records closed cleanly, and the header of its last segment. */
async function closedLog(records = 60) {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, records);
  await log.close();
  const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
  return { fileSystem, header: contentOf(fileSystem, path).slice(0, 128) };
}

async function addFile(fileSystem: FaultyFileSystem, name: string, bytes: Uint8Array) {
  const file = await fileSystem.open(join(LOG_PATH, name), 'create');
  if (bytes.length > 0) await file.write(bytes, 0);
  await file.close();
}

const nameOf = (baseOffset: number): string => `${String(baseOffset).padStart(20, '0')}.log`;

describe('F11: a blank last segment', () => {
  test.each(BLANKS)('of %s behind whole ones', async (_name, make, quarantined) => {
    const { fileSystem, header } = await closedLog();
    const names = await segmentNames(fileSystem);
    await addFile(fileSystem, nameOf(60), make(header));
    const reader = await openTextLog(fileSystem, { readOnly: true });
    expect(await valuesOf(reader)).toEqual(textsFrom(0, 60));
    await reader.close();
    for (let life = 0; life < 3; life++) {
      const log = await openTextLog(fileSystem);
      expect(log.endOffset).toBe(60 + life * 40);
      await appendEach(log, 40);
      await log.close();
    }
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 180));
    await log.close();
    expect((await segmentNames(fileSystem)).slice(0, names.length)).toEqual(names);
    expect(await quarantineNames(fileSystem)).toHaveLength(quarantined);
  });

  test.each(BLANKS)('of %s as the only one, before anything was appended', async (_name, make) => {
    const { header } = await closedLog(1);
    const fileSystem = await faultyDisk();
    await (await openTextLog(fileSystem)).close();
    await addFile(fileSystem, nameOf(0), make(header));
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(0);
    await appendEach(log, 40);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 40));
    await log.close();
  });

  test('with a whole header and no batch: empty, and appended to', async () => {
    const { fileSystem } = await closedLog(1);
    const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
    const whole = contentOf(fileSystem, path);
    const fresh = await faultyDisk();
    await fresh.makeDirectory(LOG_PATH);
    await addFile(fresh, 'checkpoint', contentOf(fileSystem, join(LOG_PATH, 'checkpoint')));
    // The checkpoint of a clean close says that offset 0 was synced: that is damage, and said so.
    await addFile(fresh, nameOf(0), whole.slice(0, 128));
    expect(await rejectionOf(openTextLog(fresh))).toBeInstanceOf(CorruptLogError);
    // Without a checkpoint nothing says so: the log is empty.
    await fresh.unlink(join(LOG_PATH, 'checkpoint'));
    const log = await openTextLog(fresh);
    expect(log.endOffset).toBe(0);
    await appendEach(log, 40);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 40));
    await log.close();
  });

  test.each(BLANKS)('of %s where synced data was is damage, never empty', async (_name, make) => {
    const { fileSystem, header } = await closedLog();
    const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
    damage(fileSystem, path, () => make(header));
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({ details: { file: path, position: 0, nextOffset: 60 } });
    expect(Buffer.compare(contentOf(fileSystem, path), make(header))).toBe(0);
  });
});
