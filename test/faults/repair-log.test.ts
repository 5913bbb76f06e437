import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { SeededRandom } from '../../src/core/random.ts';
import {
  BATCH_HEADER_BYTES,
  RECORD_SIZE_AND_FLAGS_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_OWNER_ID_AT,
} from '../../src/format/layout.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { openLog } from '../../src/log/open-log.ts';
import { repairLog } from '../../src/log/repair-log.ts';
import { crashStates } from '../support/crash-states.ts';
import { contentOf, damage, swapFiles } from '../support/disk-damage.ts';
import { readField, reseal, writeField } from '../support/faults/forged-fields.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { LOG_PATH } from '../support/faults/life.ts';
import { makeSoundLog, offsetsIn, type SoundSegment } from '../support/faults/sound-log.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  checkRepair,
  checkRepaired,
  damagedCopy,
  lostOffsets,
  repairOn,
} from '../support/repair-check.ts';

const sound = await makeSoundLog({ seed: 1, isClosed: true });
const { segments } = sound;
/** A prime, so that all fields of all batches come up. */
const FLIP_STEP_BYTES = 23;

function segmentAt(index: number): SoundSegment {
  const segment = segments.at(index);
  if (segment === undefined) throw new Error(`there is no segment ${index}`);
  return segment;
}

function invert(fileSystem: FaultyFileSystem, path: string, at: number): void {
  damage(fileSystem, path, (bytes) => {
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    return bytes;
  });
}

function offsetsOfSegments(...some: readonly SoundSegment[]): Set<number> {
  return new Set(some.flatMap((one) => [...offsetsIn(one, { from: 0, to: one.bytes.length })]));
}

/** A batch that is damaged in the middle of its records. */
function invertInBatch(fileSystem: FaultyFileSystem, segment: SoundSegment, index: number): void {
  const batch = segment.batches.at(index);
  if (batch === undefined) throw new Error(`there is no batch ${index}`);
  invert(fileSystem, segment.path, batch.position + BATCH_HEADER_BYTES + 20);
}

test('a sound log: nothing is damaged, lost or cut', async () => {
  const report = await checkRepair(
    sound,
    damagedCopy(sound, () => {}),
    new Set(),
  );
  expect(report).toMatchObject({ damage: [], gaps: [], cutBytes: 0, quarantined: [] });
  expect(report).toMatchObject({ startOffset: 0, endOffset: sound.records.length });
});

describe('one damaged place', () => {
  test.each(segments)('a byte of $path: only its batch is lost', async (segment) => {
    let caseCount = 0;
    for (let at = 0; at < segment.bytes.length; at += FLIP_STEP_BYTES) {
      const fileSystem = damagedCopy(sound, (copy) => invert(copy, segment.path, at));
      const inBatch = offsetsIn(segment, { from: at, to: at + 1 });
      const report = await checkRepair(sound, fileSystem, inBatch);
      expect(report.damage.length).toBeGreaterThan(0);
      expect(report.quarantined, `byte ${at} is kept`).not.toEqual([]);
      caseCount++;
    }
    expect(caseCount).toBeGreaterThan(15);
  });

  test.each(segments)(
    '$path cut at any batch, or a byte behind: what is left stays',
    async (segment) => {
      for (const { position } of segment.batches) {
        for (const length of [position, position + 1]) {
          const fileSystem = damagedCopy(sound, (copy) =>
            damage(copy, segment.path, (bytes) => bytes.subarray(0, length)),
          );
          const cutOff = offsetsIn(segment, { from: length, to: segment.bytes.length });
          const { endOffset } = await checkRepair(sound, fileSystem, cutOff);
          expect(endOffset).toBe(sound.records.length);
        }
      }
    },
  );

  test.each(segments)('$path is gone: exactly its records are lost', async (segment) => {
    const fileSystem = damagedCopy(sound, () => {});
    await fileSystem.unlink(segment.path);
    await fileSystem.syncDirectory(LOG_PATH);
    const lost = offsetsOfSegments(segment);
    const { gaps } = await checkRepair(sound, fileSystem, lost);
    expect(gaps).toHaveLength(1);
    expect((gaps[0]?.nextOffset ?? 0) - (gaps[0]?.firstOffset ?? 0)).toBe(lost.size);
  });

  test('both slots of the checkpoint: nothing is lost', async () => {
    const fileSystem = damagedCopy(sound, (copy) =>
      damage(copy, sound.checkpointPath, (bytes) => bytes.fill(0)),
    );
    const { damage: found, gaps } = await checkRepair(sound, fileSystem, new Set());
    expect({ kinds: found.map(({ kind }) => kind), gaps }).toEqual({
      kinds: ['checkpoint'],
      gaps: [],
    });
  });

  test('a record that does not fit under a right checksum: its batch becomes a gap', async () => {
    const segment = segmentAt(0);
    const [, batch] = segment.batches;
    if (batch === undefined) throw new Error('expected a second batch');
    const fileSystem = damagedCopy(sound, (copy) =>
      damage(copy, segment.path, (bytes) => {
        const at = batch.position + BATCH_HEADER_BYTES + RECORD_SIZE_AND_FLAGS_AT;
        writeField(bytes, at, 4, readField(bytes, at, 4) + 1n);
        reseal(bytes, { kind: 'batch', at: batch.position, sizeBytes: batch.sizeBytes });
        return bytes;
      }),
    );
    const lost = new Set([batch.firstOffset, batch.firstOffset + 1, batch.firstOffset + 2]);
    const { gaps } = await checkRepair(sound, fileSystem, lost);
    expect(gaps).toMatchObject([{ firstOffset: batch.firstOffset, nextOffset: batch.nextOffset }]);
  });
});

test('opening with onCorruption: skip writes a lost header again so that the chain holds', async () => {
  for (const { path } of segments) {
    const fileSystem = damagedCopy(sound, (copy) => invert(copy, path, 40));
    const options = { codec: utf8, fileSystem, onCorruption: 'skip' } as const;
    const isLast = path === segmentAt(-1).path;
    const log = await openLog(LOG_PATH, options);
    expect(log.recovery).toMatchObject({ gaps: [], damage: null });
    await log.close();
    // Opening looks at the tail only: the other headers are a repair's.
    if (isLast) await checkRepaired(sound, fileSystem, new Set());
    else await checkRepair(sound, fileSystem, new Set());
  }
});

describe('several damaged places', () => {
  test('in two sealed segments and in the synced tail: a gap for each', async () => {
    const fileSystem = damagedCopy(sound, (copy) => {
      invertInBatch(copy, segmentAt(0), 1);
      invertInBatch(copy, segmentAt(0), 4);
      invertInBatch(copy, segmentAt(1), 1); // The last of its segment, before the index.
      invertInBatch(copy, segmentAt(-1), 0);
    });
    const lost = new Set([3, 4, 5, 12, 13, 14, 21, 22, 23, 27, 28, 29]);
    const { gaps, damage: found } = await checkRepair(sound, fileSystem, lost);
    expect(gaps.map(({ firstOffset }) => firstOffset)).toEqual([3, 12, 21, 27]);
    expect(found.length).toBeGreaterThanOrEqual(4);
  });

  test('two segments changed places: both are kept aside whole', async () => {
    const [first, second] = [segmentAt(0), segmentAt(1)];
    const fileSystem = damagedCopy(sound, (copy) => swapFiles(copy, first.path, second.path));
    const { quarantined } = await checkRepair(sound, fileSystem, offsetsOfSegments(first, second));
    const sizes = quarantined.map(({ sizeBytes }) => sizeBytes);
    expect(sizes).toEqual(expect.arrayContaining([first.bytes.length, second.bytes.length]));
  });

  test('the damaged bytes themselves are in quarantine/', async () => {
    const segment = segmentAt(0);
    const fileSystem = damagedCopy(sound, (copy) => invertInBatch(copy, segment, 1));
    const [, batch] = segment.batches;
    const from = batch?.position ?? 0;
    const damaged = contentOf(fileSystem, segment.path).slice(from, from + (batch?.sizeBytes ?? 0));
    const { quarantined } = await repairOn(fileSystem);
    const kept = quarantined.map(({ path }) => Buffer.from(contentOf(fileSystem, path)));
    expect(kept.some((bytes) => bytes.equals(damaged))).toBe(true);
  });
});

describe('a repair that is stopped', () => {
  /** Damage that needs every kind of step: gap, cut, header, index, a whole file moved. */
  function wrecked(): FaultyFileSystem {
    return damagedCopy(sound, (copy) => {
      invertInBatch(copy, segmentAt(0), 1);
      invertInBatch(copy, segmentAt(1), 1);
      invert(copy, segmentAt(2).path, 40);
      invertInBatch(copy, segmentAt(-1), -1);
    });
  }

  async function outcomeOf(fileSystem: FaultyFileSystem): Promise<Set<number>> {
    const copy = fileSystem.killImage({ inFlight: 'none' }, { random: new SeededRandom(3) });
    const { gaps } = await repairOn(copy);
    const lost = new Set<number>();
    for (const gap of gaps) for (let at = gap.firstOffset; at < gap.nextOffset; at++) lost.add(at);
    return lost;
  }

  async function callCount(): Promise<number> {
    const fileSystem = wrecked();
    await repairOn(fileSystem);
    return fileSystem.callCount;
  }

  test('at any call, by a kill or a power cut: run again, it ends in the same state', async () => {
    const lost = await outcomeOf(wrecked());
    expect(lost.size).toBeGreaterThan(5);
    const seen = new Set<string>();
    const calls = await callCount();
    for (let call = 1; call <= calls; call++) {
      const fileSystem = wrecked();
      fileSystem.crashAt = { call, when: 'inside' };
      const outcome = await fileSystem.drive(repairOn(fileSystem));
      expect(outcome.status).toBe('crashed');
      const next = { random: new SeededRandom(call) };
      const images = [
        ...crashStates(fileSystem).map(({ choice }) => fileSystem.crashImage(choice, next)),
        fileSystem.killImage({ inFlight: 'none' }, next),
        fileSystem.killImage({ inFlight: 'all' }, next),
      ];
      for (const image of images) {
        const key = imageKey(image);
        if (seen.has(key)) continue;
        seen.add(key);
        const { gaps, earlierGaps } = await repairOn(image);
        await checkRepaired(sound, image, lost);
        // What the first run gave up is in the account of the second.
        expect(new Set(lostOffsets({ gaps: [...earlierGaps, ...gaps] }))).toEqual(lost);
      }
    }
    expect(calls).toBeGreaterThan(100);
    expect(seen.size).toBeGreaterThan(50);
  });

  test('by an error of any call: nothing is lost, and run again it succeeds', async () => {
    const lost = await outcomeOf(wrecked());
    const calls = await callCount();
    let failureCount = 0;
    for (let call = 1; call <= calls; call++) {
      const fileSystem = wrecked();
      fileSystem.addFault({ errno: 'EIO', fromCall: call });
      const failed = await repairOn(fileSystem).then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'ERR_VARVE_IO' });
          return true;
        },
      );
      if (failed) failureCount++;
      fileSystem.clearFaults();
      const image = fileSystem.killImage({ inFlight: 'none' });
      await repairOn(image);
      await checkRepaired(sound, image, lost);
    }
    expect(failureCount).toBeGreaterThan(calls / 2);
  });

  test('by a full disk: it says so, and changes nothing that it could not keep', async () => {
    const fileSystem = wrecked();
    const used = fileSystem.capacityBytes - (await fileSystem.space(LOG_PATH)).freeBytes;
    fileSystem.capacityBytes = used + 100;
    await expect(repairOn(fileSystem)).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    const lost = await outcomeOf(wrecked());
    fileSystem.capacityBytes = 2 ** 40;
    await repairOn(fileSystem);
    await checkRepaired(sound, fileSystem, lost);
  });
});

describe('refused', () => {
  test('where there is no log, nothing is created', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory('/empty');
    const missing = { code: 'ERR_VARVE_NOT_FOUND' };
    await expect(repairLog('/missing', { fileSystem })).rejects.toMatchObject(missing);
    await expect(repairLog('/empty', { fileSystem })).rejects.toMatchObject(missing);
    expect(await fileSystem.list('/empty')).toEqual([]);
  });

  test('while somebody writes: ERR_VARVE_LOCKED', async () => {
    const fileSystem = damagedCopy(sound, () => {});
    const lock = await fileSystem.lockDirectory(LOG_PATH);
    await expect(repairOn(fileSystem)).rejects.toMatchObject({ code: 'ERR_VARVE_LOCKED' });
    await lock.release();
  });

  test('when a store owns the log: ERR_VARVE_CONFLICT, dry or not, and nothing is written', async () => {
    const fileSystem = damagedCopy(sound, (copy) => {
      damage(copy, segmentAt(-1).path, (bytes) => {
        writeField(bytes, SEGMENT_OWNER_ID_AT, 8, 42n);
        reseal(bytes, { kind: 'segment header', at: 0, sizeBytes: SEGMENT_HEADER_BYTES });
        return bytes;
      });
    });
    const before = imageKey(fileSystem);
    const conflict = { code: 'ERR_VARVE_CONFLICT' };
    await expect(repairOn(fileSystem, true)).rejects.toMatchObject(conflict);
    await expect(repairOn(fileSystem)).rejects.toMatchObject(conflict);
    expect(imageKey(fileSystem)).toBe(before);
  });
});
