/**
 * F2. Elsewhere: one flipped bit in the middle of the data dropped or reordered acknowledged
 * records without a word (NATS#7549).
 *
 * Here: the flip is reported with file, byte position and offsets; what lies behind it is kept and
 * readable past a reported gap; a flipped record is never returned.
 *
 * Red when the tail is cut at the first bad byte (rule R1), when a reader takes a bad checksum for
 * the end of the log, or when the checksum leaves a byte of the batch out.
 */
import { describe, expect, test } from 'vitest';

import { CorruptLogError } from '../../src/core/errors.ts';
import type { LogGap } from '../../src/log/recovery-report.ts';
import { contentOf, flipBit } from '../support/disk-damage.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  openTextLog,
  offsetsOf,
  quarantineNames,
  rejectionOf,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment, type WalkedBatch } from '../support/segment-walk.ts';

/** 120 records, some alone and some in batches, closed cleanly. */
async function closedLog() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  while (log.endOffset < 120) {
    await appendEach(log, 2);
    await appendTogether(log, 6);
  }
  await log.close();
  return { fileSystem, paths: await segmentPaths(fileSystem) };
}

/** Positions to flip: every field of the header of the first batch, and a few of each other. */
function placesIn(batch: WalkedBatch, at: number): number[] {
  const { position, endPosition } = batch;
  const fields = [0, 4, 8, 9, 10, 12, 16, 20, 24, 32, 40, 48, 52, 56, 64, 72, 80, 88, 96, 102, 104];
  const inside =
    at === 0 ? fields.map((field) => position + field) : [position + 12, position + 80];
  return [...inside, position + 111, Math.floor((position + endPosition) / 2), endPosition - 1];
}

describe('F2: a flipped bit in acknowledged data', () => {
  test('in the active segment: open fails with file, position and offsets, and changes nothing', async () => {
    const { fileSystem, paths } = await closedLog();
    const path = paths.at(-1) ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    expect(batches.length).toBeGreaterThan(2);
    let flips = 0;
    for (const [at, batch] of batches.entries()) {
      for (const position of placesIn(batch, at)) {
        const image = fileSystem.crashImage();
        flipBit(image, path, { position, bit: position % 8 });
        const before = contentOf(image, path);
        const error = await rejectionOf(openTextLog(image));
        expect(error).toBeInstanceOf(CorruptLogError);
        expect((error as CorruptLogError).details).toMatchObject({
          file: path,
          position: batch.position,
          kind: 'batch',
          firstOffset: batch.header.baseOffset,
          nextOffset: batch.nextOffset,
        });
        expect(Buffer.compare(contentOf(image, path), before)).toBe(0);
        expect(await quarantineNames(image)).toEqual([]);
        flips++;
      }
    }
    expect(flips).toBe(24 + (batches.length - 1) * 5);
  });

  test('in a sealed segment: a read says where, and with skip returns all the rest', async () => {
    const { fileSystem, paths } = await closedLog();
    const path = paths[1] ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    for (const batch of batches) {
      const image = fileSystem.crashImage();
      flipBit(image, path, { position: batch.position + 115 });
      const log = await openTextLog(image);
      const { baseOffset } = batch.header;
      const seen: (string | null)[] = [];
      const read = async () => {
        for await (const record of log.records()) seen.push(record.value);
      };
      const error = await rejectionOf(read());
      expect(error).toBeInstanceOf(CorruptLogError);
      expect((error as CorruptLogError).details).toMatchObject({
        file: path,
        position: batch.position,
        firstOffset: baseOffset,
        nextOffset: batch.nextOffset,
      });
      expect(seen).toEqual(textsFrom(0, baseOffset));
      expect(await rejectionOf(log.read(baseOffset))).toBeInstanceOf(CorruptLogError);
      const gaps: LogGap[] = [];
      const rest = await valuesOf(log, { onCorruption: 'skip', onGap: (gap) => gaps.push(gap) });
      expect(rest).toEqual([...textsFrom(0, baseOffset), ...textsFrom(batch.nextOffset, 120)]);
      expect(gaps).toEqual([
        {
          firstOffset: baseOffset,
          nextOffset: batch.nextOffset,
          file: path,
          position: batch.position,
        },
      ]);
      expect((await log.read(batch.nextOffset))?.value).toBe(textAt(batch.nextOffset));
      await log.close();
    }
  });

  test('opened with skip: a gap as long as the damage, the bytes in quarantine, appends go on', async () => {
    const { fileSystem, paths } = await closedLog();
    const path = paths.at(-1) ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    const batch = batches[1];
    if (batch === undefined) throw new Error('a batch in the middle');
    flipBit(fileSystem, path, { position: batch.position + 50 });
    const { baseOffset } = batch.header;
    const log = await openTextLog(fileSystem, { onCorruption: 'skip' });
    expect(log.recovery).toMatchObject({
      outcome: 'skipped',
      gaps: [{ firstOffset: baseOffset, nextOffset: batch.nextOffset, file: path }],
    });
    expect(await quarantineNames(fileSystem)).toHaveLength(1);
    await appendEach(log, 5);
    const expected = [...textsFrom(0, baseOffset), ...textsFrom(batch.nextOffset, 125)];
    expect(await valuesOf(log)).toEqual(expected);
    await log.close();
    const again = await openTextLog(fileSystem);
    expect(again.recovery.outcome).toBe('clean');
    expect(await valuesOf(again)).toEqual(expected);
    await again.close();
  });

  test('opened with readonly: everything before it can be read, nothing is written', async () => {
    const { fileSystem, paths } = await closedLog();
    const path = paths.at(-1) ?? '';
    const { batches } = await walkSegment(fileSystem, path);
    const batch = batches[1];
    if (batch === undefined) throw new Error('a batch in the middle');
    flipBit(fileSystem, path, { position: batch.position + 50 });
    const before = contentOf(fileSystem, path);
    const log = await openTextLog(fileSystem, { onCorruption: 'readonly' });
    expect(log.readOnly).toBe(true);
    const { baseOffset } = batch.header;
    expect(await offsetsOf(log, { to: baseOffset })).toHaveLength(baseOffset);
    expect(await rejectionOf(valuesOf(log))).toBeInstanceOf(CorruptLogError);
    expect(await valuesOf(log, { onCorruption: 'skip' })).toEqual([
      ...textsFrom(0, baseOffset),
      ...textsFrom(batch.nextOffset, 120),
    ]);
    await log.close();
    expect(contentOf(fileSystem, path)).toEqual(before);
  });
});
