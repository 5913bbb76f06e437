/**
 * F15. Elsewhere: after unsynced data was lost, a garbage length was believed: "max entry size
 * exceeded", and the server did not start (etcd#14098).
 *
 * Here: a length is compared with the bytes that are left and with the limit before anything is
 * allocated or read; a wrong one in the tail is a torn write, and in synced data it is damage.
 *
 * Red when `headerProblem` does not bound the length by `bytesLeft` and the limit, or when a bad
 * length throws instead of ending the tail.
 */
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../src/core/errors.ts';
import { BATCH_HEADER_BYTES, SIZE_AT } from '../../src/format/layout.ts';
import type { Call } from '../support/fault-plan.ts';
import { damage } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

const LENGTHS: readonly [string, (rest: number) => number][] = [
  ['2^32 - 1', () => 0xffff_ffff],
  ['2^31', () => 0x8000_0000],
  ['16 MiB, the largest batch', () => 16 * 1024 * 1024],
  ['16 MiB and one', () => 16 * 1024 * 1024 + 1],
  ['one byte more than is left', (rest) => rest + 1],
  ['0', () => 0],
  ['1', () => 1],
  ['a header less one', () => BATCH_HEADER_BYTES - 1],
  ['a header', () => BATCH_HEADER_BYTES],
];

describe('F15: a garbage length', () => {
  test.each(LENGTHS)('of %s in the unsynced tail is a torn write', async (_name, length) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches, bytes } = await walkSegment(fileSystem, path);
    const last = batches.at(-1);
    if (last === undefined) throw new Error('data');
    const reads: Call[] = [];
    const trace = (_number: number, call: Call) => {
      if (call.operation === 'read') reads.push(call);
    };
    const image = fileSystem.killImage({}, { trace });
    damage(image, path, (old) => {
      Buffer.from(old.buffer, old.byteOffset).writeUInt32LE(
        length(last.endPosition - last.position),
        last.position + SIZE_AT,
      );
      return old;
    });
    const again = await openTextLog(image);
    expect(await valuesOf(again)).toEqual(textsFrom(0, 9));
    expect(again.recovery.cutBytes).toBe(last.endPosition - last.position);
    // Never more was asked for than the file has, but for the reserve of one read window.
    expect(reads.length).toBeGreaterThan(3);
    const asked = reads.filter((call) => call.path === path).map((call) => call.length ?? 0);
    expect(Math.max(...asked)).toBeLessThanOrEqual(Math.max(bytes.length, 1024 * 1024));
    expect((await again.append({ value: 'next' })).offset).toBe(9);
    await again.close();
    await log.close();
  });

  test.each(LENGTHS)('of %s in synced data is damage at its position', async (_name, length) => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 10);
    await log.close();
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, path);
    const batch = batches[4];
    if (batch === undefined) throw new Error('data');
    damage(fileSystem, path, (old) => {
      Buffer.from(old.buffer, old.byteOffset).writeUInt32LE(
        length(old.length - batch.position),
        batch.position + SIZE_AT,
      );
      return old;
    });
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({
      details: { file: path, position: batch.position, firstOffset: 4, nextOffset: 5 },
    });
  });
});
