/**
 * Damage planted in the files of a log at rest, and what it hits: found by comparing the bytes
 * before and after with the batches that were there before.
 */
import { join } from 'node:path';

import { randomBelow, type Random } from '../../../src/core/random.ts';
import { nextOffsetOf, type BatchHeader } from '../../../src/format/batch-header.ts';
import { CHECKPOINT_FILE } from '../../../src/format/file-names.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { copySector, cut, flipBit, zeroSector } from '../disk-damage.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { checkpointIn, filesUnder, segmentsIn, type DiskSegment } from './disk-reader.ts';
import type { OffsetRange } from './found-log.ts';
import { pick } from './plan.ts';

/** One thing that was whole before and is not any more, in reading order. */
export interface Hit extends OffsetRange {
  readonly file: string;
  readonly position: number;
  readonly kind: 'batch' | 'header';
  /** First offset behind what is read through it. */
  readonly reach: number;
}

export interface Damage {
  /** For a person. */
  readonly what: string;
  /** Batches and segment headers that are not what they were. */
  readonly hits: readonly Hit[];
  /** Whether the checkpoint lost a slot. */
  readonly isCheckpointHit: boolean;
  /** Highest offset that something which is still whole states to be synced. */
  readonly statedSynced: number;
}

const FLIPS_MAX = 3;

/** Damages the log of a file system; null when the draw changed nothing that anyone reads. */
export function plantDamage(
  fileSystem: FaultyFileSystem,
  path: string,
  random: Random,
): Damage | null {
  const filesBefore = filesUnder(fileSystem, path);
  const before = segmentsIn(filesBefore, path);
  const checkpointPath = join(path, CHECKPOINT_FILE);
  const what = damageSomething(fileSystem, { path, before, random });
  if (what === null) return null;
  const files = filesUnder(fileSystem, path);
  const hits = before.flatMap((segment) => hitsIn(segment, files.get(segment.path)));
  const isCheckpointHit = !isSame(filesBefore.get(checkpointPath), files.get(checkpointPath));
  return { what, hits, isCheckpointHit, statedSynced: statedSynced(files, { path, before, hits }) };
}

interface Target {
  readonly path: string;
  readonly before: readonly DiskSegment[];
  readonly random: Random;
}

function damageSomething(fileSystem: FaultyFileSystem, target: Target): string | null {
  const { before, random } = target;
  if (before.length === 0) return null;
  const segment = pick(random, before);
  const { bytes } = segment;
  const { sectorBytes } = fileSystem.disk.options;
  const sector = () => randomBelow(random, Math.ceil(bytes.length / sectorBytes));
  const flip = (file: string, position: number) => {
    flipBit(fileSystem, file, { position, bit: randomBelow(random, 8) });
    return `flip at ${position} of ${file}`;
  };
  switch (randomBelow(random, 8)) {
    case 0:
      return flip(segment.path, randomBelow(random, SEGMENT_HEADER_BYTES));
    case 1:
      return flip(
        join(target.path, CHECKPOINT_FILE),
        4096 * randomBelow(random, 2) + randomBelow(random, 256),
      );
    case 2: {
      const index = sector();
      zeroSector(fileSystem, segment.path, index);
      return `sector ${index} of ${segment.path} is zero`;
    }
    case 3: {
      const sectors = { from: sector(), to: sector() };
      copySector(fileSystem, segment.path, sectors);
      return `sector ${sectors.from} stands at ${sectors.to} in ${segment.path}`;
    }
    case 4: {
      const size = randomBelow(random, bytes.length);
      cut(fileSystem, segment.path, size);
      return `${segment.path} is cut to ${size} bytes`;
    }
    default: {
      const flips = Array.from({ length: 1 + randomBelow(random, FLIPS_MAX) }, () => {
        const { path, bytes: content } = pick(random, before);
        return content.length === 0 ? '' : flip(path, randomBelow(random, content.length));
      });
      return flips.join(', ');
    }
  }
}

function hitsIn(segment: DiskSegment, after: Uint8Array | undefined): Hit[] {
  const isWhole = (from: number, to: number): boolean =>
    after !== undefined &&
    after.length >= to &&
    Buffer.compare(segment.bytes.subarray(from, to), after.subarray(from, to)) === 0;
  const { path: file, baseOffset, batches, header } = segment;
  const hits: Hit[] = batches
    .filter(({ position, sizeBytes }) => !isWhole(position, position + sizeBytes))
    .map((batch) => hitOf(file, batch));
  if (header === null || isWhole(0, SEGMENT_HEADER_BYTES)) return hits;
  const place = { firstOffset: baseOffset, nextOffset: baseOffset, reach: segment.nextOffset };
  return [{ file, position: 0, kind: 'header', ...place }, ...hits];
}

function hitOf(file: string, batch: BatchHeader): Hit {
  const { position, baseOffset: firstOffset } = batch;
  const nextOffset = nextOffsetOf(batch);
  return { file, position, kind: 'batch', firstOffset, nextOffset, reach: nextOffset };
}

/** What R4 goes by, of what the damage left: the checkpoint, and every batch that is whole. */
function statedSynced(
  files: ReadonlyMap<string, Uint8Array>,
  { path, before, hits }: { path: string; before: readonly DiskSegment[]; hits: readonly Hit[] },
): number {
  const isHit = (file: string, position: number) =>
    hits.some((hit) => hit.file === file && hit.position === position && hit.kind === 'batch');
  const stated = before.flatMap((segment) =>
    segment.batches
      .filter(({ position }) => !isHit(segment.path, position))
      .map(({ syncedUpTo }) => syncedUpTo),
  );
  return Math.max(0, checkpointIn(files, path).checkpoint?.syncedOffset ?? 0, ...stated);
}

function isSame(before: Uint8Array | undefined, after: Uint8Array | undefined): boolean {
  return Buffer.compare(before ?? Buffer.alloc(0), after ?? Buffer.alloc(0)) === 0;
}
