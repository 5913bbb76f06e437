/**
 * Every disk that a power cut may leave of unsynced writes: each sector holds what it held after
 * one of the writes that touched it, or before them all, whatever the others hold.
 *
 * For moments at which nothing is in flight.
 */
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import { damage } from '../disk-damage.ts';
import type { FaultyFileSystem, NextOptions } from '../faulty-file-system.ts';
import type { FileImage, UnsyncedChange } from '../file-image.ts';
import type { CrashedDisk } from './crash-run.ts';

export interface MixOptions {
  readonly seed: number;
  /** Up to this many mixes all of them are made; of more, so many drawn at random. */
  readonly mixesMax: number;
  readonly drawnCount: number;
  readonly onCount?: (mixCount: number, isExhaustive: boolean) => void;
}

/** One thing that a power cut decides: which version of a sector, or which size. */
interface Dimension {
  readonly path: string;
  /** Position of the sector; null: the file's size. */
  readonly sectorAt: number | null;
  readonly choiceCount: number;
}

type Mix = ReadonlyMap<Dimension, number>;

/** Yields every mix of sectors and sizes, with the new names there, then missing. */
export function* sectorMixes(
  fileSystem: FaultyFileSystem,
  options: MixOptions,
): Generator<CrashedDisk> {
  if (fileSystem.waitingCount > 0) throw new Error('sector mixes are for quiet moments');
  const random = new SeededRandom(options.seed);
  const dimensions = dimensionsOf(fileSystem);
  const mixCount = dimensions.reduce((count, { choiceCount }) => count * choiceCount, 1);
  const isExhaustive = mixCount <= options.mixesMax;
  options.onCount?.(mixCount, isExhaustive);
  const mixes = isExhaustive
    ? allMixes(dimensions, mixCount)
    : randomMixes(dimensions, options.drawnCount, random);
  const hasNames = fileSystem.unsynced().some(({ kind }) => kind !== 'write');
  for (const mix of mixes) {
    const name = describe(mix);
    yield { name, mishap: 'power cut', fileSystem: mixed(fileSystem, mix, 'all') };
    if (!hasNames) continue;
    const without = mixed(fileSystem, mix, 'none');
    yield { name: `${name}, new names lost`, mishap: 'power cut', fileSystem: without };
  }
}

function dimensionsOf(fileSystem: FaultyFileSystem): Dimension[] {
  const sectors = new Map<string, Map<number, number>>();
  for (const change of fileSystem.unsynced()) {
    // Recovery's only, to the size that the file has: it changes no sector.
    if (change.kind === 'truncate') continue;
    if (!('sectors' in change)) continue;
    const versions = sectors.get(change.path) ?? new Map<number, number>();
    sectors.set(change.path, versions);
    for (const sectorAt of sectorsOf(change)) {
      versions.set(sectorAt, (versions.get(sectorAt) ?? 0) + 1);
    }
  }
  return [...sectors].flatMap(([path, versions]) => [
    ...[...versions].map(([sectorAt, count]) => ({ path, sectorAt, choiceCount: count + 1 })),
    { path, sectorAt: null, choiceCount: 2 },
  ]);
}

function sectorsOf(change: UnsyncedChange): number[] {
  const sectorBytes = change.sectors.length / change.sectorCount;
  return Array.from(
    { length: change.sectorCount },
    (_, index) => change.sectorsAt + index * sectorBytes,
  );
}

function* allMixes(dimensions: readonly Dimension[], mixCount: number): Generator<Mix> {
  for (let number = 0; number < mixCount; number++) {
    let rest = number;
    yield new Map(
      dimensions.map((dimension) => {
        const choice = rest % dimension.choiceCount;
        rest = Math.floor(rest / dimension.choiceCount);
        return [dimension, choice];
      }),
    );
  }
}

function* randomMixes(
  dimensions: readonly Dimension[],
  count: number,
  random: Random,
): Generator<Mix> {
  for (let number = 0; number < count; number++) {
    yield new Map(
      dimensions.map((dimension) => [dimension, randomBelow(random, dimension.choiceCount)]),
    );
  }
}

/** The disk of one mix. */
function mixed(fileSystem: FaultyFileSystem, mix: Mix, names: 'all' | 'none'): FaultyFileSystem {
  const next: NextOptions = { schedule: null, random: new SeededRandom(1), trace: null };
  const image = fileSystem.crashImage({ data: 'none', names }, next);
  const paths = new Set([...mix.keys()].map(({ path }) => path));
  for (const path of paths) {
    if (find(image, path) === null) continue;
    const file = find(fileSystem, path) as FileImage; // It has unsynced changes.
    damage(image, path, () => content(file, path, mix));
  }
  return image;
}

function content(file: FileImage, path: string, mix: Mix): Uint8Array {
  const chosen = new Map<number | null, number>();
  for (const [dimension, choice] of mix) {
    if (dimension.path === path) chosen.set(dimension.sectorAt, choice);
  }
  const isGrown = chosen.get(null) === 1;
  const versions = new Map<number, number>();
  const survivors = file.survivors({
    keepsTruncate: () => true,
    keepsSector(change, index) {
      const sectorAt = change.sectorsAt + index * file.sectorBytes;
      const version = (versions.get(sectorAt) ?? 0) + 1;
      versions.set(sectorAt, version);
      return version === chosen.get(sectorAt);
    },
    grownSize: (change, keptEnd) => (isGrown ? change.position + change.length : keptEnd),
  });
  return survivors.slice(0, survivors.sizeBytes);
}

function find(fileSystem: FaultyFileSystem, path: string): FileImage | null {
  const { disk } = fileSystem;
  try {
    return disk.file(disk.tree.findFile({ operation: 'find', path }));
  } catch {
    return null;
  }
}

function describe(mix: Mix): string {
  const parts = [...mix].map(([{ path, sectorAt }, choice]) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return sectorAt === null ? `${name} size ${choice}` : `${name}@${sectorAt} ${choice}`;
  });
  return `sectors ${parts.join(', ')}`;
}
