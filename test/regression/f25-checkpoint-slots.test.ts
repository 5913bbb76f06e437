/**
 * F25. Elsewhere: a corrupt checkpoint file kept the log from opening, or was taken at its word
 * (KAFKA-16541).
 *
 * Here: two slots with a sequence and a checksum each; the newest valid one counts. With one bad slot
 * nothing is lost; with both bad the log begins at its first segment, which is reported. A checkpoint
 * may shorten a scan or raise an alarm: it never takes data away.
 *
 * Red when the older slot wins, when a slot's checksum is not compared, when the start offset is in
 * one slot only, or when a log without a valid slot counts as new.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import {
  checkpointSlotPosition,
  encodeCheckpoint,
  parseCheckpointSlot,
} from '../../src/format/checkpoint.ts';
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
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const PATH = join(LOG_PATH, 'checkpoint');
const END = 60;
/** Inside of the first segment that is left. */
const START = 40;
const SLOT_BYTES = encodeCheckpoint({
  sequence: 1,
  logId: 1,
  startOffset: 0,
  syncedOffset: 0,
  visibleOffset: 0,
  hintSegment: 0,
  hintPosition: 0,
  epochs: [{ epoch: 1, startOffset: 0 }],
}).length;

type Ruin = (slot: Uint8Array) => void;

const RUINS: readonly [string, Ruin][] = [
  ['a flipped bit', (slot) => void (slot[40] = (slot[40] ?? 0) ^ 1)],
  ['its beginning lost', (slot) => void slot.fill(0, 0, 20)],
  ['its end lost', (slot) => void slot.fill(0, 40)],
  ['zeros', (slot) => void slot.fill(0)],
  ['ones', (slot) => void slot.fill(0xff)],
];

/** A closed log whose first segments are deleted, and the bytes of a checkpoint before that. */
async function trimmedLog() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, 20);
  const early = contentOf(fileSystem, PATH);
  await appendEach(log, END - 20);
  await log.deleteBefore(START);
  await log.close();
  const first = Number((await segmentNames(fileSystem))[0]?.slice(0, 20));
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(START);
  return { fileSystem, early, first };
}

function slotOf(bytes: Uint8Array, slot: number): Uint8Array {
  const at = checkpointSlotPosition(slot);
  return bytes.subarray(at, at + SLOT_BYTES);
}

function ruinSlot(fileSystem: FaultyFileSystem, slot: number, ruin: Ruin): void {
  damage(fileSystem, PATH, (bytes) => {
    ruin(slotOf(bytes, slot));
    return bytes;
  });
}

/** Opens, and expects everything from `start` on; a second open finds nothing to remark. */
async function expectWhole(
  fileSystem: FaultyFileSystem,
  start: number,
): Promise<readonly string[]> {
  const opening = openTextLog(fileSystem);
  await expect(opening, 'no alarm').resolves.toMatchObject({ startOffset: start });
  const log = await opening;
  expect(await valuesOf(log)).toEqual(textsFrom(start, END));
  const { offset } = await log.append({ value: textAt(END) });
  expect(offset).toBe(END);
  const { notes } = log.recovery;
  await log.close();
  const again = await openTextLog(fileSystem);
  expect(again.recovery).toMatchObject({ outcome: 'clean', notes: [] });
  expect(await valuesOf(again)).toEqual(textsFrom(start, END + 1));
  await again.close();
  expect(await quarantineNames(fileSystem)).toEqual([]);
  return notes;
}

describe.each([0, 1])('F25: slot %i', (slot) => {
  test.each(RUINS)('with %s: the other one counts', async (name, ruin) => {
    const { fileSystem } = await trimmedLog();
    ruinSlot(fileSystem, slot, ruin);
    const notes = await expectWhole(fileSystem, START);
    // An all-zero slot is one that was never written.
    expect(notes.filter((note) => note.includes(`slot ${slot}`))).toHaveLength(
      name === 'zeros' ? 0 : 1,
    );
  });

  test('that is older than the other does not count', async () => {
    const { fileSystem, early } = await trimmedLog();
    ruinSlot(fileSystem, slot, (bytes) => bytes.set(slotOf(early, slot)));
    const found = [0, 1].map((at) => {
      const bytes = contentOf(fileSystem, PATH);
      return parseCheckpointSlot(bytes, checkpointSlotPosition(at)).checkpoint?.startOffset;
    });
    expect(new Set(found)).toEqual(new Set([0, START]));
    expect(await expectWhole(fileSystem, START)).toEqual([]);
  });
});

describe('F25: both slots', () => {
  test('in each other’s place are as good', async () => {
    const { fileSystem } = await trimmedLog();
    damage(fileSystem, PATH, (bytes) => {
      const first = slotOf(bytes, 0).slice();
      slotOf(bytes, 0).set(slotOf(bytes, 1));
      slotOf(bytes, 1).set(first);
      return bytes;
    });
    expect(await expectWhole(fileSystem, START)).toEqual([]);
  });

  test.each(RUINS)(
    'with %s: nothing is lost, the start is the first segment',
    async (_name, ruin) => {
      const { fileSystem, first } = await trimmedLog();
      for (const slot of [0, 1]) ruinSlot(fileSystem, slot, ruin);
      const notes = await expectWhole(fileSystem, first);
      expect(notes).toContain('no valid checkpoint: the log starts at its first segment');
    },
  );

  test.each([
    [0, ['no valid checkpoint: the log starts at its first segment']],
    [SLOT_BYTES - 1, ['checkpoint slot 0:', 'no valid checkpoint:']],
    [4096, []],
    [4096 + SLOT_BYTES - 1, ['checkpoint slot 1:']],
  ])('cut to %i bytes of the file: nothing is lost', async (sizeBytes, expected) => {
    const { fileSystem, first } = await trimmedLog();
    damage(fileSystem, PATH, (bytes) => bytes.slice(0, sizeBytes));
    const notes = await expectWhole(fileSystem, sizeBytes < SLOT_BYTES ? first : START);
    expect(notes).toEqual(expected.map((note) => expect.stringContaining(note)));
  });

  test('of an older copy of the file: the missing segments are damage, never a shorter log', async () => {
    const { fileSystem, early, first } = await trimmedLog();
    damage(fileSystem, PATH, () => early);
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { kind: 'chain', firstOffset: 0, nextOffset: first },
    });
    const reader = await openTextLog(fileSystem, { onCorruption: 'readonly' });
    expect(await valuesOf(reader, { from: first })).toEqual(textsFrom(first, END));
    await reader.close();
  });

  test('of another log of the same shape are not believed', async () => {
    const { fileSystem } = await trimmedLog();
    damage(fileSystem, PATH, (bytes) => {
      for (const slot of [0, 1]) {
        const { checkpoint } = parseCheckpointSlot(bytes, checkpointSlotPosition(slot));
        if (checkpoint === null) throw new Error('a valid slot');
        slotOf(bytes, slot).set(encodeCheckpoint({ ...checkpoint, logId: checkpoint.logId + 1 }));
      }
      return bytes;
    });
    const before = await segmentNames(fileSystem);
    expect(await rejectionOf(openTextLog(fileSystem))).toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
      details: { kind: 'chain' },
    });
    expect(await segmentNames(fileSystem)).toEqual(before);
  });
});
