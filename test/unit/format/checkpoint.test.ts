import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import {
  CHECKPOINT_BYTES,
  checkpointSlotPosition,
  encodeCheckpoint,
  parseCheckpointFile,
  parseCheckpointSlot,
  type Checkpoint,
} from '../../../src/format/checkpoint.ts';
import { checksum } from '../../../src/format/checksum.ts';
import {
  CHECKPOINT_CRC_AT,
  CHECKPOINT_EPOCH_BYTES,
  CHECKPOINT_EPOCH_COUNT_AT,
  CHECKPOINT_EPOCHS_AT,
  CHECKPOINT_LOG_ID_AT,
  CHECKPOINT_MAGIC_AT,
  CHECKPOINT_SLOT_BYTES,
  CHECKPOINT_START_OFFSET_AT,
  CHECKPOINT_VERSION_AT,
} from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { anyCheckpoint } from '../../support/any-checkpoint.ts';

const CHECKPOINT: Checkpoint = {
  sequence: 9,
  logId: 77,
  startOffset: 3,
  syncedOffset: 20,
  visibleOffset: 21,
  hintSegment: 10,
  hintPosition: 500,
  epochs: [
    { epoch: 1, startOffset: 0 },
    { epoch: 4, startOffset: 15 },
  ],
};

/** A file with these two slots; null = zeros. */
function fileOf(...slots: readonly (Uint8Array | null)[]): Uint8Array {
  const bytes = new Uint8Array(CHECKPOINT_BYTES);
  for (const [slot, content] of slots.entries()) {
    if (content !== null) bytes.set(content, checkpointSlotPosition(slot));
  }
  return bytes;
}

/** The slot with a change, and its checksum made right again. */
function resealed(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeCheckpoint(CHECKPOINT);
  const view = viewOf(bytes);
  write(view);
  view.setUint32(CHECKPOINT_CRC_AT, checksum(bytes, CHECKPOINT_MAGIC_AT, bytes.length), true);
  return bytes;
}

describe('a slot', () => {
  test('comes back as it was written, from any position', () => {
    fc.assert(
      fc.property(anyCheckpoint, fc.nat(100), (checkpoint, at) => {
        const bytes = new Uint8Array(at + CHECKPOINT_SLOT_BYTES + 5).fill(0x55);
        bytes.set(encodeCheckpoint(checkpoint), at);
        expect(parseCheckpointSlot(bytes, at)).toEqual({ checkpoint, problem: null });
      }),
    );
  });

  test('is below one sector, and the two are a page apart', () => {
    expect(encodeCheckpoint(CHECKPOINT).length).toBeLessThan(512);
    expect(checkpointSlotPosition(1) - checkpointSlotPosition(0)).toBe(4096);
  });

  test('with any flipped bit is refused', () => {
    const slot = encodeCheckpoint(CHECKPOINT);
    for (let at = 0; at < slot.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = slot.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(parseCheckpointSlot(damaged, 0).checkpoint, `byte ${at} bit ${bit}`).toBeNull();
      }
    }
  });

  test('torn after any byte is refused, over zeros and over an older slot', () => {
    const slot = encodeCheckpoint(CHECKPOINT);
    const older = encodeCheckpoint({ ...CHECKPOINT, sequence: 7, syncedOffset: 12 });
    const used = slot.findLastIndex((byte) => byte !== 0) + 1;
    for (let length = 1; length < used; length++) {
      const overZeros = new Uint8Array(slot.length);
      overZeros.set(slot.subarray(0, length));
      expect(parseCheckpointSlot(overZeros, 0).checkpoint).toBeNull();
    }
    const differing = [...slot.keys()].filter((at) => slot[at] !== older[at]);
    for (let length = (differing[0] ?? 0) + 1; length <= (differing.at(-1) ?? 0); length++) {
      const overOlder = older.slice();
      overOlder.set(slot.subarray(0, length));
      expect(parseCheckpointSlot(overOlder, 0).checkpoint).toBeNull();
    }
  });

  test.each([
    [
      '0 epochs',
      (view: DataView) => view.setUint16(CHECKPOINT_EPOCH_COUNT_AT, 0, true),
      '0 epochs',
    ],
    [
      '17 epochs',
      (view: DataView) => view.setUint16(CHECKPOINT_EPOCH_COUNT_AT, 17, true),
      '17 epochs',
    ],
    [
      'log id 0',
      (view: DataView) => view.setBigUint64(CHECKPOINT_LOG_ID_AT, 0n, true),
      'log id is 0',
    ],
    [
      'a start offset of 2^53',
      (view: DataView) => view.setBigUint64(CHECKPOINT_START_OFFSET_AT, 2n ** 53n, true),
      'startOffset is beyond 2^53 - 1',
    ],
    [
      'epochs that do not ascend',
      (view: DataView) => view.setUint32(CHECKPOINT_EPOCHS_AT + 8, 4, true),
      'epoch 4 at offset 15 does not follow',
    ],
    [
      'an epoch that none can follow',
      (view: DataView) =>
        view.setUint32(CHECKPOINT_EPOCHS_AT + CHECKPOINT_EPOCH_BYTES + 8, 0xffff_ffff, true),
      'epoch 4294967295 at offset 15 does not follow',
    ],
    ['another magic', (view: DataView) => view.setUint32(CHECKPOINT_MAGIC_AT, 1, true), 'magic'],
  ])('with %s under a right checksum is refused', (_name, write, reason) => {
    const parsed = parseCheckpointSlot(resealed(write), 0);
    expect(parsed.checkpoint).toBeNull();
    expect(parsed.problem).toContain(reason);
  });

  test('is never written without an epoch, or with more than 16', () => {
    const epochs = Array.from({ length: 17 }, (_, epoch) => ({ epoch, startOffset: epoch }));
    expect(() => encodeCheckpoint({ ...CHECKPOINT, epochs })).toThrow(AssertionError);
    expect(() => encodeCheckpoint({ ...CHECKPOINT, epochs: [] })).toThrow(AssertionError);
  });
});

describe('a checkpoint file', () => {
  const newer = { ...CHECKPOINT, sequence: 10, syncedOffset: 30 };

  test('takes the valid slot with the higher sequence, wherever it stands', () => {
    const old = encodeCheckpoint(CHECKPOINT);
    const fresh = encodeCheckpoint(newer);
    expect(parseCheckpointFile(fileOf(old, fresh))).toMatchObject({ checkpoint: newer, slot: 1 });
    expect(parseCheckpointFile(fileOf(fresh, old))).toMatchObject({ checkpoint: newer, slot: 0 });
  });

  test('takes the other slot when the newer one is damaged, and says so', () => {
    const damaged = encodeCheckpoint(newer);
    damaged[30] = 0xff;
    const parsed = parseCheckpointFile(fileOf(encodeCheckpoint(CHECKPOINT), damaged));
    expect(parsed).toMatchObject({ checkpoint: CHECKPOINT, slot: 0, newerVersion: null });
    expect(parsed.problems).toHaveLength(1);
    expect(parsed.problems[0]).toMatch(/slot 1: crc stored=0x/);
  });

  test('says nothing of a slot that was never written', () => {
    const parsed = parseCheckpointFile(fileOf(encodeCheckpoint(CHECKPOINT), null));
    expect(parsed).toMatchObject({ checkpoint: CHECKPOINT, slot: 0, problems: [] });
  });

  test.each([
    [0, null],
    [1, null],
    [255, null],
    [256, CHECKPOINT],
    [4096, CHECKPOINT],
    [4351, CHECKPOINT],
    [4352, newer],
    [8191, newer],
  ])('of %i bytes is read as far as it goes', (length, expected) => {
    const whole = fileOf(encodeCheckpoint(CHECKPOINT), encodeCheckpoint(newer));
    const parsed = parseCheckpointFile(whole.subarray(0, length));
    expect(parsed.checkpoint).toEqual(expected);
  });

  test('of a version to come is told apart from damage', () => {
    const future = resealed((view) => view.setUint16(CHECKPOINT_VERSION_AT, 2, true));
    expect(parseCheckpointFile(fileOf(future, null))).toMatchObject({
      checkpoint: null,
      newerVersion: 2,
    });
    const damaged = future.slice();
    damaged[40] = 0xff;
    expect(parseCheckpointFile(fileOf(damaged, null)).newerVersion).toBeNull();
  });
});
