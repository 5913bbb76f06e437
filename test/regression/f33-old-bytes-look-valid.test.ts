/**
 * F33. Elsewhere: a recycled or preallocated file showed old records with right checksums
 * (pebble#580), and a checksum of 0 could not be told from zeros (redpanda#4113).
 *
 * Here: files are never reused; a batch counts only at its own position, in its own segment, in its
 * own log, with a high enough epoch; and a stored checksum is masked, so zeros never match.
 *
 * Red when the scanner does not compare log id, segment id or position, when CRC_MASK is 0, or when
 * the epoch of a batch may fall.
 */
import { describe, expect, test } from 'vitest';

import { bytes as bytesCodec } from '../../src/codec/codec.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { emptyBatchHeader, headerProblem } from '../../src/format/batch-header.ts';
import { checksum } from '../../src/format/checksum.ts';
import { BATCH_HEADER_BYTES, RECORD_HEADER_BYTES } from '../../src/format/layout.ts';
import { viewOf } from '../../src/format/u64.ts';
import { openLog } from '../../src/log/open-log.ts';
import { encodedBatch } from '../support/batch-fixture.ts';
import { damage, flipBit } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  segmentNames,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

async function logOf(count: number, seed: number): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { random: new SeededRandom(seed) });
  await appendEach(log, count);
  await log.close();
  return fileSystem;
}

/** Puts bytes behind the data of the last segment, at `position` or right at its end. */
async function addBehind(fileSystem: FaultyFileSystem, bytes: Uint8Array, position?: number) {
  const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
  damage(fileSystem, path, (old) => {
    const at = position ?? old.length;
    const grown = Buffer.alloc(Math.max(old.length, at + bytes.length));
    grown.set(old);
    grown.set(bytes, at);
    return grown;
  });
}

/** Opens twice, appends, and expects exactly `count` records of ours before the new one. */
async function expectOnly(fileSystem: FaultyFileSystem, count: number): Promise<void> {
  const log = await openTextLog(fileSystem);
  expect(log.endOffset).toBe(count);
  await appendEach(log, 1);
  await log.close();
  const again = await openTextLog(fileSystem);
  expect(await valuesOf(again)).toEqual(textsFrom(0, count + 1));
  await again.close();
}

describe('F33: bytes that look like records', () => {
  test('a batch of another log with the same offsets and position', async () => {
    const ours = await logOf(5, 1);
    const other = await logOf(9, 2);
    const [path = ''] = await segmentPaths(other);
    const { batches } = await walkSegment(other, path);
    for (const batch of batches.slice(5)) await addBehind(ours, batch.bytes, batch.position);
    await expectOnly(ours, 5);
  });

  test('a batch of an earlier segment of the same log, right where the next is expected', async () => {
    const fileSystem = await logOf(40, 1);
    const paths = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, paths.at(-1) ?? '');
    const end = batches.at(-1)?.endPosition ?? 0;
    const old = await walkSegment(fileSystem, paths[0] ?? '');
    const same = old.batches.find(({ position }) => position === end);
    expect(same?.position).toBe(end); // As in a recycled file: it stands at its own position.
    await addBehind(fileSystem, same?.bytes ?? new Uint8Array(), end);
    await expectOnly(fileSystem, 40);
  });

  test('a copy of the last batch behind itself', async () => {
    const fileSystem = await logOf(5, 1);
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, path);
    await addBehind(fileSystem, batches.at(-1)?.bytes ?? new Uint8Array());
    await expectOnly(fileSystem, 5);
  });

  test('a tail that an earlier recovery cut off and a lost truncation brought back', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 5);
    await log.sync();
    await appendEach(log, 5);
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, path);
    const image = fileSystem.crashImage({ data: 'none', names: 'none' });
    const again = await openTextLog(image); // A new epoch begins at offset 5.
    expect(again.endOffset).toBe(5);
    await again.close();
    for (const batch of batches.slice(5)) await addBehind(image, batch.bytes, batch.position);
    await expectOnly(image, 5);
    await log.close();
  });

  test('preallocated zeros, of any length, are cut without a copy', async () => {
    for (const zeros of [1, 100, 111, 112, 113, 4096, 100_000]) {
      const fileSystem = await logOf(5, 1);
      await addBehind(fileSystem, new Uint8Array(zeros));
      const log = await openTextLog(fileSystem);
      expect(log.recovery).toMatchObject({ cutBytes: zeros, quarantined: [] });
      await log.close();
      await expectOnly(fileSystem, 5);
    }
  });

  test('a segment file of another log under the name that comes next is never served', async () => {
    const ours = await logOf(40, 1);
    const other = await logOf(60, 2);
    const names = await segmentNames(other);
    const next = names.find((name) => Number(name.slice(0, 20)) === 34);
    expect(next).toBe('00000000000000000034.log');
    const foreign = await walkSegment(other, `/data/${next ?? ''}`);
    const last = (await segmentPaths(ours)).at(-1) ?? '';
    damage(ours, last, () => foreign.bytes);
    const opened = await openTextLog(ours).then(
      () => 'opened',
      (error: unknown) => error,
    );
    expect(opened).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { file: last, position: 0, kind: 'chain' },
    });
  });
});

describe('F33: a whole batch inside the value of a torn record', () => {
  // Its syncedUpTo would turn the torn tail into an alarm, if it counted.
  test.each([
    ['of another log', { logId: 1 }],
    ['of another segment', { segmentId: 1 }],
    ['that stood elsewhere', { position: 128 }],
    ['that calls its own offsets synced', { syncedUpTo: 900 }],
  ])('%s is no evidence', async (_name, change) => {
    const fileSystem = await faultyDisk();
    const options = { fileSystem, random: new SeededRandom(1), codec: bytesCodec } as const;
    const log = await openLog(LOG_PATH, { ...options, durability: 'os' });
    for (let n = 0; n < 3; n++) await log.append({ value: Buffer.from(`value ${n}`) });
    const [path = ''] = await segmentPaths(fileSystem);
    const { header, batches } = await walkSegment(fileSystem, path);
    const end = batches.at(-1)?.endPosition ?? 0;
    const inner = encodedBatch({
      values: ['evidence'],
      logId: header.logId,
      segmentId: header.segmentId,
      position: end + BATCH_HEADER_BYTES + RECORD_HEADER_BYTES,
      epoch: header.epoch,
      baseOffset: 800,
      syncedUpTo: 700,
      ...change,
    });
    await log.append({ value: inner.bytes });
    const image = fileSystem.killImage();
    await log.close();
    flipBit(image, path, { position: end + 60 });
    const again = await openLog(LOG_PATH, { ...options, fileSystem: image });
    expect(again.endOffset).toBe(3);
    expect(again.recovery).toMatchObject({ outcome: 'recovered', gaps: [] });
    await again.close();
  });
});

describe('F33: zeros', () => {
  test('never carry their own checksum, at any length', () => {
    for (let length = 0; length < 2000; length++) {
      expect(checksum(new Uint8Array(length), 0, length)).not.toBe(0);
    }
    for (const length of [4096, 65_536, 1_048_576]) {
      expect(checksum(new Uint8Array(length), 0, length)).not.toBe(0);
    }
  });

  test('are no batch header', () => {
    const place = { logId: 0, segmentId: 0, position: 0, bytesLeft: 4096 };
    const view = viewOf(new Uint8Array(4096));
    expect(headerProblem(view, 0, place, emptyBatchHeader())).toContain('magic');
  });
});
