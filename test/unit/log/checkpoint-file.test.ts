import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import {
  CHECKPOINT_BYTES,
  checkpointSlotPosition,
  parseCheckpointSlot,
  type Checkpoint,
} from '../../../src/format/checkpoint.ts';
import {
  CheckpointFile,
  firstCheckpoint,
  readCheckpoint,
} from '../../../src/log/checkpoint-file.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import { crashStates } from '../../support/crash-states.ts';
import { contentOf, flipBit } from '../../support/disk-damage.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { faultyDisk, LOG_PATH, rejectionOf, thrownBy } from '../../support/log-fixture.ts';

const PATH = join(LOG_PATH, 'checkpoint');
const FIRST: Checkpoint = firstCheckpoint(new SeededRandom(1));

function stateAt(syncedOffset: number, startOffset = 0) {
  return {
    startOffset,
    syncedOffset,
    visibleOffset: syncedOffset,
    hintSegment: 0,
    hintPosition: 128,
  };
}

async function created(fileSystem: FaultyFileSystem): Promise<CheckpointFile> {
  const directory = new LogDirectory(fileSystem, LOG_PATH);
  await CheckpointFile.create(directory, FIRST);
  return CheckpointFile.open(directory, FIRST, 0);
}

async function stored(fileSystem: FaultyFileSystem): Promise<Checkpoint | null> {
  return (await readCheckpoint(new LogDirectory(fileSystem, LOG_PATH))).checkpoint;
}

describe('a new checkpoint file', () => {
  test('has two slots of which the first is in use', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    const bytes = contentOf(fileSystem, PATH);
    expect(bytes).toHaveLength(CHECKPOINT_BYTES);
    expect(parseCheckpointSlot(bytes, 0).checkpoint).toEqual(FIRST);
    expect(parseCheckpointSlot(bytes, checkpointSlotPosition(1)).checkpoint).toBeNull();
    const parsed = await readCheckpoint(new LogDirectory(fileSystem, LOG_PATH));
    expect(parsed).toEqual({ checkpoint: FIRST, slot: 0, problems: [], newerVersion: null });
    await file.close();
  });

  test('is whole or not there after a power cut at any call, and durable when create returned', async () => {
    const measured = await faultyDisk();
    const before = measured.callCount;
    await (await created(measured)).close();
    let wholeCount = 0;
    for (let call = before + 1; call <= measured.callCount; call++) {
      for (const when of ['before', 'inside', 'after'] as const) {
        const fileSystem = await faultyDisk();
        fileSystem.crashAt = { call, when };
        await fileSystem.drive(created(fileSystem));
        for (const { name, choice } of crashStates(fileSystem)) {
          const image = fileSystem.crashImage(choice);
          if (!(await image.list(LOG_PATH)).includes('checkpoint')) continue;
          expect(await stored(image), `${call} ${when}: ${name}`).toEqual(FIRST);
          wholeCount++;
        }
      }
    }
    expect(wholeCount).toBeGreaterThan(5);
    expect(await stored(measured.crashImage({ data: 'none', names: 'none' }))).toEqual(FIRST);
  });
});

describe('write', () => {
  test('uses the slots in turn, and the newer one counts', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    const slots: (number | undefined)[][] = [];
    for (const offset of [5, 7, 9]) {
      file.write(stateAt(offset));
      const bytes = contentOf(fileSystem, PATH);
      slots.push(
        [0, 1].map((slot) => {
          const parsed = parseCheckpointSlot(bytes, checkpointSlotPosition(slot));
          return parsed.checkpoint?.syncedOffset;
        }),
      );
      expect((await stored(fileSystem))?.syncedOffset).toBe(offset);
    }
    expect(slots).toEqual([
      [0, 5],
      [7, 5],
      [7, 9],
    ]);
    expect((await stored(fileSystem))?.sequence).toBe(FIRST.sequence + 3);
    await file.close();
  });

  test('goes on behind the slot that was read, never over it', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    file.write(stateAt(5)); // Slot 1.
    await file.close();
    const directory = new LogDirectory(fileSystem, LOG_PATH);
    const parsed = await readCheckpoint(directory);
    expect(parsed.slot).toBe(1);
    const again = await CheckpointFile.open(directory, parsed.checkpoint ?? FIRST, parsed.slot);
    again.write(stateAt(6));
    const slot1 = parseCheckpointSlot(contentOf(fileSystem, PATH), checkpointSlotPosition(1));
    expect(slot1.checkpoint?.syncedOffset).toBe(5);
    expect((await stored(fileSystem))?.syncedOffset).toBe(6);
    await again.close();
  });

  test('torn anywhere leaves the one before', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    file.write(stateAt(5));
    await file.sync();
    file.write(stateAt(9));
    const found = new Set<number | undefined>();
    for (const { choice } of crashStates(fileSystem)) {
      found.add((await stored(fileSystem.crashImage(choice)))?.syncedOffset);
    }
    expect(found).toEqual(new Set([5, 9]));
    await file.close();
  });

  test('says when nothing could be written', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], shortBytes: 40 });
    expect(thrownBy(() => file.write(stateAt(5)))).toBeInstanceOf(DiskFullError);
    expect((await stored(fileSystem))?.syncedOffset).toBe(0);
    fileSystem.clearFaults();
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'] });
    file.write(stateAt(6));
    expect(await rejectionOf(file.sync())).toMatchObject({ details: { errno: 'EIO' } });
    await file.close();
  });

  test('is written again where a full disk tore it: the one before stays until it is whole', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    file.write(stateAt(5));
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], shortBytes: 40 });
    expect(thrownBy(() => file.write(stateAt(9)))).toBeInstanceOf(DiskFullError);
    fileSystem.clearFaults();
    file.write(stateAt(9));
    const bytes = contentOf(fileSystem, PATH);
    const offsets = [0, 1].map(
      (slot) => parseCheckpointSlot(bytes, checkpointSlotPosition(slot)).checkpoint?.syncedOffset,
    );
    expect(offsets).toEqual([9, 5]);
    await file.close();
  });

  test('knows whether something waits for a sync', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    expect(file.isDirty).toBe(false);
    file.write(stateAt(1));
    expect(file.isDirty).toBe(true);
    await file.sync();
    expect(file.isDirty).toBe(false);
    await file.close();
  });
});

describe('writeBothSynced', () => {
  test('leaves the state in both slots: one damaged slot does not move the start back', async () => {
    const fileSystem = await faultyDisk();
    const file = await created(fileSystem);
    await file.writeBothSynced(() => stateAt(50, 40));
    await file.close();
    for (const slot of [0, 1]) {
      const image = fileSystem.crashImage({ data: 'none', names: 'none' });
      flipBit(image, PATH, { position: checkpointSlotPosition(slot) + 30 });
      const parsed = await readCheckpoint(new LogDirectory(image, LOG_PATH));
      expect(parsed.checkpoint).toMatchObject({ startOffset: 40, syncedOffset: 50 });
      expect(parsed.problems).toHaveLength(1);
      expect(parsed.problems[0]).toContain(`slot ${slot}`);
    }
  });

  test('never leaves a state before the old one, wherever the power fails', async () => {
    const measured = await faultyDisk();
    const measuredFile = await created(measured);
    const before = measured.callCount;
    await measuredFile.writeBothSynced(() => stateAt(50, 40));
    const starts = new Set<number | undefined>();
    for (let call = before + 1; call <= measured.callCount; call++) {
      const fileSystem = await faultyDisk();
      const file = await created(fileSystem);
      fileSystem.crashAt = { call, when: 'inside' };
      await fileSystem.drive(file.writeBothSynced(() => stateAt(50, 40)));
      for (const { choice } of crashStates(fileSystem)) {
        starts.add((await stored(fileSystem.crashImage(choice)))?.startOffset);
      }
    }
    expect(starts).toEqual(new Set([0, 40]));
  });
});

describe('readCheckpoint', () => {
  test('takes a missing file for one without a valid slot', async () => {
    const directory = new LogDirectory(await faultyDisk(), LOG_PATH);
    expect(await readCheckpoint(directory)).toMatchObject({ checkpoint: null, problems: [] });
  });

  test('never takes a read error for a missing file', async () => {
    const fileSystem = await faultyDisk();
    await (await created(fileSystem)).close();
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: 'checkpoint' });
    const read = readCheckpoint(new LogDirectory(fileSystem, LOG_PATH));
    expect(await rejectionOf(read)).toMatchObject({ code: 'ERR_VARVE_IO' });
  });
});
