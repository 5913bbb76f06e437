/**
 * F32. Elsewhere: a file missing or short between two others was read over as if nothing were there
 * (rocksdb#7701, #12918, #13226; Typhon#938).
 *
 * Here: each segment states the id, end offset and end checksum of the one before it. A hole between
 * segments is reported with its offsets by whoever reads there, and by open where the tail is; it is
 * never jumped over in silence. A hole that a power cut may leave (at `os`) ends the log before it.
 *
 * Red when a reader goes from one segment to the next without comparing offsets, when the backward
 * link is not checked, or when recovery adopts segments behind a short one.
 */
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../src/core/errors.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { sealBatch } from '../../src/format/batch-header.ts';
import { viewOf } from '../../src/format/u64.ts';
import type { LogGap } from '../../src/log/recovery-report.ts';
import { contentOf, cut, damage, swapFiles } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentNames,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

async function closedLog(seed = 1) {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { random: new SeededRandom(seed) });
  await appendEach(log, 100);
  await log.close();
  const paths = await segmentPaths(fileSystem);
  const bases = (await segmentNames(fileSystem)).map((name) => Number(name.slice(0, 20)));
  return { fileSystem, paths, bases };
}

describe('F32: a hole between sealed segments', () => {
  test('a missing one: reads say which offsets, and the rest is readable', async () => {
    const { fileSystem, paths, bases } = await closedLog();
    const [, second = 0, third = 0] = bases;
    await fileSystem.unlink(paths[1] ?? '');
    const log = await openTextLog(fileSystem);
    const error = await rejectionOf(valuesOf(log));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({ details: { firstOffset: second, nextOffset: third } });
    for (const offset of [second, third - 1]) {
      expect(await rejectionOf(log.read(offset))).toBeInstanceOf(CorruptLogError);
    }
    expect((await log.read(second - 1))?.value).toBe(textAt(second - 1));
    const behind = await valuesOf(log, { from: third, onCorruption: 'skip' });
    expect(behind).toEqual(textsFrom(third, 100));
    const gaps: LogGap[] = [];
    const rest = await valuesOf(log, { onCorruption: 'skip', onGap: (gap) => gaps.push(gap) });
    expect(rest).toEqual([...textsFrom(0, second), ...textsFrom(third, 100)]);
    expect(gaps).toMatchObject([{ firstOffset: second, nextOffset: third }]);
    await log.close();
  });

  test('a missing first one is told at open', async () => {
    const { fileSystem, paths, bases } = await closedLog();
    await fileSystem.unlink(paths[0] ?? '');
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({
      details: { kind: 'chain', firstOffset: 0, nextOffset: bases[1] },
    });
    const log = await openTextLog(fileSystem, { onCorruption: 'skip' });
    expect(log.recovery.gaps).toMatchObject([{ firstOffset: 0, nextOffset: bases[1] }]);
    expect(await valuesOf(log)).toEqual(textsFrom(bases[1] ?? 0, 100));
    await log.close();
  });

  test('a missing last one is told at open', async () => {
    const { fileSystem, paths, bases } = await closedLog();
    await fileSystem.unlink(paths.at(-1) ?? '');
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { firstOffset: bases.at(-1), nextOffset: 100 },
    });
  });

  test('one cut at any batch: the loss is told with its offsets', async () => {
    const { fileSystem, paths, bases } = await closedLog();
    const path = paths[1] ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    for (const { position, header } of batches) {
      const image = fileSystem.crashImage();
      cut(image, path, position);
      const log = await openTextLog(image);
      const error = await rejectionOf(valuesOf(log));
      expect(error).toMatchObject({
        code: 'ERR_VARVE_CORRUPT',
        details: { file: path, position, firstOffset: header.baseOffset, nextOffset: bases[2] },
      });
      await log.close();
    }
    expect(batches.length).toBeGreaterThan(10);
  });

  test('two that changed places, or one from another log: refused by header and chain', async () => {
    const { fileSystem, paths, bases } = await closedLog();
    const other = await closedLog(2);
    const swapped = fileSystem.crashImage();
    swapFiles(swapped, paths[1] ?? '', paths[2] ?? '');
    const foreign = fileSystem.crashImage();
    damage(foreign, paths[1] ?? '', () => contentOf(other.fileSystem, paths[1] ?? ''));
    for (const image of [swapped, foreign]) {
      const log = await openTextLog(image);
      const error = await rejectionOf(valuesOf(log));
      expect(error).toMatchObject({
        code: 'ERR_VARVE_CORRUPT',
        details: { file: paths[1], position: 0, kind: 'chain' },
      });
      expect(await valuesOf(log, { to: bases[1] ?? 0 })).toEqual(textsFrom(0, bases[1] ?? 0));
      await log.close();
    }
  });

  test('one put back from an older copy of the same log: its end does not link', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 10);
    const copied = contentOf(fileSystem, (await segmentPaths(fileSystem))[0] ?? '');
    await appendEach(log, 60);
    await log.close();
    const [first = '', second = ''] = await segmentPaths(fileSystem);
    damage(fileSystem, first, () => copied);
    const again = await openTextLog(fileSystem);
    const error = await rejectionOf(valuesOf(again));
    expect(error).toMatchObject({ code: 'ERR_VARVE_CORRUPT', details: { firstOffset: 10 } });
    expect((await walkSegment(fileSystem, second)).header.previousEndCrc).not.toBe(0);
    await again.close();
  });

  test('one of the same ids and offsets with another last batch: its checksum does not link', async () => {
    // As a copy that went another way after a power cut: only the end checksum tells.
    const { fileSystem, paths, bases } = await closedLog();
    const [first = '', second = ''] = paths;
    const border = bases[1] ?? 0;
    const { batches } = await walkSegment(fileSystem, first);
    const last = batches.at(-1);
    if (last === undefined) throw new Error('data');
    const bytes = Buffer.from(last.bytes);
    bytes.write('RECORD', bytes.indexOf('record'));
    sealBatch(bytes, viewOf(bytes), 0, { ...last.header });
    damage(fileSystem, first, (old) => {
      old.set(bytes, last.position);
      return old;
    });
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log, { from: border - 1, to: border })).toEqual([
      textAt(border - 1).replace('record', 'RECORD'),
    ]);
    expect(await rejectionOf(valuesOf(log))).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { file: second, kind: 'chain' },
    });
    await log.close();
  });
});

describe('F32: a hole in the unsynced tail', () => {
  test('ends the log before it: what follows is kept in quarantine, not served', async () => {
    let cutCount = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const fileSystem = await faultyDisk({ random: new SeededRandom(seed) });
      const log = await openTextLog(fileSystem, { durability: 'os' });
      await appendEach(log, 22); // Two segments, of which the first may not be synced yet.
      const image = fileSystem.crashImage();
      const again = await openTextLog(image);
      expect(await valuesOf(again)).toEqual(textsFrom(0, again.endOffset));
      if ((await quarantineNames(image)).length > 0) cutCount++;
      await appendEach(again, 30);
      expect(await valuesOf(again)).toEqual(textsFrom(0, again.endOffset));
      await again.close();
      await log.close();
    }
    expect(cutCount).toBeGreaterThan(1);
  });
});
