/** What must be true of the files of a log that was just opened: A12, A13, A16. */
import { basename } from 'node:path';

import { SeededRandom } from '../../../src/core/random.ts';
import { compressionOf } from '../../../src/format/batch-header.ts';
import { CHECKPOINT_FILE, LOCK_FILE, TEMPORARY_SUFFIX } from '../../../src/format/file-names.ts';
import { decodeIndexBatch } from '../../../src/format/index-batch.ts';
import { enterSegment, loadIndex } from '../../../src/segment/segment-entry.ts';
import { Segment } from '../../../src/segment/segment.ts';
import type { IndexColumns } from '../../../src/format/index-batch.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { referenceIndex, type ReferenceIndex } from '../reference/segment-index.ts';
import { filesUnder, segmentsIn, type DiskSegment } from './disk-reader.ts';
import type { LogTallyKey } from './tally.ts';
import type { World } from './world.ts';

/** A disk with a log on it, and who is to be told what is wrong there. */
export interface CheckedDisk {
  readonly seed: number;
  readonly fileSystem: FaultyFileSystem;
  readonly plan: { readonly path: string };
  readonly injector: { readonly hasFailedSync: boolean };
  readonly oracle: { fault(promise: string, what: string): void };
  readonly tally: { add(key: LogTallyKey, count?: number): void };
}

/** An image for looking at: no faults, no reordering, no trace, and a chance of its own. */
export function quietly(seed: number) {
  return { trace: null, schedule: null, random: new SeededRandom(seed) };
}

/** A16: nothing unfinished is left over. */
export function checkNoLeftovers(world: CheckedDisk): void {
  for (const path of filesUnder(world.fileSystem, world.plan.path).keys()) {
    if (path.endsWith(TEMPORARY_SUFFIX)) world.oracle.fault('A16', `${path} is left over`);
  }
}

/** A12: the index batch of each segment is what its batches give. */
export function checkIndexBatches(world: CheckedDisk): void {
  const { fileSystem, plan } = world;
  for (const segment of segmentsIn(filesUnder(fileSystem, plan.path), plan.path)) {
    if (segment.index !== null) checkIndexBatch(world, segment, referenceIndex(segment.batches));
    const compressed = segment.batches.filter((batch) => compressionOf(batch) !== 0);
    world.tally.add('batches', segment.batches.length);
    world.tally.add('compressedBatches', compressed.length);
  }
}

/** A12: so is what a reader gets, from the index batch or made again. */
export async function checkLoadedIndexes(world: CheckedDisk): Promise<void> {
  const { path } = world.plan;
  const image = world.fileSystem.killImage({ inFlight: 'none' }, quietly(world.seed));
  for (const segment of segmentsIn(filesUnder(image, path), path)) {
    const expected = referenceIndex(segment.batches);
    const loaded = await loadedIndex(image, segment);
    if (!isEqual(loaded, expected) || loaded.maxCreateTimeMs !== expected.maxCreateTimeMs) {
      world.oracle.fault('A12', `the index of ${segment.path} is not what its batches give`);
    }
    world.tally.add('indexes');
  }
}

function checkIndexBatch(world: CheckedDisk, segment: DiskSegment, expected: ReferenceIndex): void {
  const { bytes, endPosition, index, nextOffset, path } = segment;
  if (index === null) return;
  const columns = decodeIndexBatch(
    bytes.subarray(endPosition, endPosition + index.sizeBytes),
    index,
  );
  const isRight =
    columns !== null &&
    isEqual(columns, expected) &&
    index.baseOffset === nextOffset &&
    index.maxCreateTimeMs === expected.maxCreateTimeMs;
  if (!isRight) world.oracle.fault('A12', `the index batch of ${path} differs from its batches`);
  // A truncate that a failed sync lost brings debris back, which does not count.
  if (endPosition + index.sizeBytes !== bytes.length && !world.injector.hasFailedSync) {
    world.oracle.fault('A12', `bytes follow the index batch of ${path}`);
  }
}

async function loadedIndex(image: FaultyFileSystem, { path, baseOffset, bytes }: DiskSegment) {
  const file = await image.open(path, 'read');
  try {
    const segment = new Segment(path, baseOffset, bytes.length);
    await enterSegment(segment, file, { logId: 0, previous: null });
    return await loadIndex(segment, file);
  } finally {
    await file.close();
  }
}

function isEqual(columns: IndexColumns, { rows }: ReferenceIndex): boolean {
  const { count, offsets, maxCreateTimes, positions } = columns;
  if (count !== rows.length) return false;
  return rows.every(
    ([offset, maxCreateTime, position], slot) =>
      offsets[slot] === offset &&
      maxCreateTimes[slot] === maxCreateTime &&
      positions[slot] === position,
  );
}

/**
 * A13: what opening made of the directory is final. Killed, or cut off from its power, right after,
 * it is opened again, and every file is what it was, byte for byte, but for those that say who
 * holds the log (LOCK) and that a further epoch began (checkpoint); the reserve need not survive.
 */
export async function checkSecondRecovery(world: World, isPowerCut: boolean): Promise<void> {
  const { path } = world.plan;
  const before = filesUnder(world.fileSystem, path);
  const next = quietly(world.seed);
  const image = isPowerCut
    ? world.fileSystem.crashImage({ data: 'none', names: 'none' }, next)
    : world.fileSystem.killImage({ inFlight: 'none' }, next);
  const log = await world.openCopy(image);
  const after = filesUnder(image, path);
  const { cutBytes, quarantined, gaps } = log.recovery;
  if (cutBytes > 0 || quarantined.length > 0 || gaps.length > 0) {
    world.oracle.fault('A13', `a second recovery did more: ${JSON.stringify(log.recovery)}`);
  }
  for (const file of new Set([...before.keys(), ...after.keys()])) {
    if ([LOCK_FILE, CHECKPOINT_FILE].includes(basename(file))) continue;
    const problem = differenceOf(before.get(file), after.get(file));
    if (problem !== null) {
      world.oracle.fault('A13', `${file} ${problem} after a second recovery`);
    }
  }
  await log.close();
  world.tally.add('secondRecoveries');
}

export function differenceOf(
  before: Uint8Array | undefined,
  after: Uint8Array | undefined,
): string | null {
  if (before === undefined) return 'appeared';
  if (after === undefined) return 'is gone';
  return Buffer.compare(before, after) === 0 ? null : 'changed';
}
