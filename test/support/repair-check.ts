/** Repairs a damaged copy of a sound log and compares every record that is left. */
import { basename } from 'node:path';
import { expect } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openLog } from '../../src/log/open-log.ts';
import { repairLog, type RepairReport } from '../../src/log/repair-log.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { imageKey } from './faults/image-key.ts';
import { LOG_PATH } from './faults/life.ts';
import { textOf, type SoundLog } from './faults/sound-log.ts';
import type { FaultyFileSystem } from './faulty-file-system.ts';

/** Runs the repair with ids from a seed, so that two runs make the same bytes. */
export function repairOn(fileSystem: FaultyFileSystem, dryRun = false): Promise<RepairReport> {
  return repairLog(LOG_PATH, { fileSystem, random: new SeededRandom(7), dryRun });
}

/** The same disk, with `damage` done to it. */
export function damagedCopy(
  { fileSystem }: SoundLog,
  damage: (fileSystem: FaultyFileSystem) => void,
): FaultyFileSystem {
  const copy = fileSystem.killImage({ inFlight: 'none' }, { random: new SeededRandom(3) });
  damage(copy);
  return copy;
}

/**
 * The dry run changes nothing and says what the repair then does; the repaired log is sound; what
 * the repair calls lost may be lost, and every other record is there with the same bytes.
 */
export async function checkRepair(
  sound: SoundLog,
  fileSystem: FaultyFileSystem,
  mayBeLost: ReadonlySet<number>,
): Promise<RepairReport> {
  const before = imageKey(fileSystem);
  const planned = await repairOn(fileSystem, true);
  expect(imageKey(fileSystem), 'a dry run changes nothing').toBe(before);
  const report = await repairOn(fileSystem);
  expect(report).toEqual(planned);
  expect(lostOffsets(report).filter((offset) => !mayBeLost.has(offset))).toEqual([]);
  await checkRepaired(sound, fileSystem, new Set(lostOffsets(report)));
  const again = await repairOn(fileSystem);
  expect(again).toMatchObject({ damage: [], gaps: [], cutBytes: 0, quarantined: [] });
  expect(lostOffsets({ gaps: again.earlierGaps })).toEqual(lostOffsets(report));
  expect(fileSystem.openFileCount).toBe(0);
  return report;
}

/** The log is sound and holds every record but the lost ones, byte for byte, at its offset. */
export async function checkRepaired(
  sound: SoundLog,
  fileSystem: FaultyFileSystem,
  lost: ReadonlySet<number>,
): Promise<void> {
  expect(await damageOf(fileSystem)).toEqual([]);
  const log = await openLog(LOG_PATH, { codec: utf8, fileSystem, readOnly: true });
  const texts: string[] = [];
  for await (const record of log.records()) texts.push(textOf(record));
  await log.close();
  const kept = sound.records.filter((_record, offset) => !lost.has(offset));
  expect(texts).toEqual(kept.flatMap((record) => record?.text ?? []));
}

async function damageOf(fileSystem: FaultyFileSystem): Promise<string[]> {
  const found: string[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type !== 'damage') continue;
    const { file, position, kind, reason } = event.details;
    found.push(`${kind} at ${position} of ${basename(file)}: ${reason}`);
  }
  return found;
}

/** Every offset in a gap. */
export function lostOffsets({ gaps }: Pick<RepairReport, 'gaps'>): number[] {
  return gaps.flatMap(({ firstOffset, nextOffset }) =>
    Array.from({ length: nextOffset - firstOffset }, (_, index) => firstOffset + index),
  );
}
