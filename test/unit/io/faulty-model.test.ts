/**
 * The model of a disk against a slow and obvious twin: for every sector the list of contents that
 * the disk may hold, kept from the outside.
 */
import { expect, test } from 'vitest';

import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import type { Random } from '../../../src/core/random.ts';
import type { File } from '../../../src/io/file-system.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import type { SectorBytes } from '../../support/file-image.ts';

/** Of the one file: a few blocks. */
const FILE_BYTES_MAX = 20 * 1024;
const BLOCK_BYTES = 4096;
const SEEDS = 200;

/** What the disk may hold of one sector. */
interface Sector {
  /** More than one only past the end of the file, where nobody has looked. */
  durable: string[];
  /** What the cache held after each unsynced change. */
  unsynced: string[];
}

/** What the disk may hold of one file. */
class Twin {
  readonly #sectorBytes: number;
  readonly #sectors: Sector[];
  #durableSize: number;
  /** Of each unsynced change: the end that a write reached, or the cut of a truncate. */
  #sizes: { readonly end: number; readonly isCut: boolean }[] = [];

  /** `before`: the twin of the life that a power cut ended; the last block may keep its bytes. */
  constructor(sectorBytes: number, content: Uint8Array, before: Twin | null) {
    this.#sectorBytes = sectorBytes;
    this.#durableSize = content.length;
    const { length } = content;
    const isInLastBlock = (start: number): boolean =>
      start + sectorBytes > length && start < Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
    this.#sectors = Array.from({ length: FILE_BYTES_MAX / sectorBytes }, (_, i) => {
      const seen = this.#contentOf(content, i);
      const was = before === null ? undefined : before.#sectors[i];
      const known = was === undefined ? [] : [...was.durable, ...was.unsynced];
      const shown = Math.max(0, length - i * sectorBytes);
      const old = known.map((version) => seen.slice(0, shown) + version.slice(shown));
      const beyond = isInLastBlock(i * sectorBytes) ? old : [];
      return { durable: [...new Set([seen, ...beyond])], unsynced: [] };
    });
  }

  /** A write from byte `start` to byte `end`; the cache is `content` now. */
  wrote(content: Uint8Array, start: number, end: number): void {
    this.#changed(content, start, end);
    this.#sizes.push({ end, isCut: false });
  }

  /** A truncate; the cache is `content` now. */
  truncated(content: Uint8Array, sizeBefore: number): void {
    // To the end: after a lost truncate the disk may hold more than the cache shows.
    const start = Math.min(sizeBefore, content.length);
    this.#changed(content, start, FILE_BYTES_MAX);
    this.#sizes.push({ end: content.length, isCut: true });
  }

  /** The cache writes whole blocks back. */
  #changed(content: Uint8Array, start: number, end: number): void {
    const first = (Math.floor(start / BLOCK_BYTES) * BLOCK_BYTES) / this.#sectorBytes;
    const last = (Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES) / this.#sectorBytes;
    for (let i = first; i < last; i += 1) {
      this.#sectors[i]?.unsynced.push(this.#contentOf(content, i));
    }
  }

  synced(): void {
    for (const sector of this.#sectors) {
      if (sector.unsynced.length > 0) sector.durable = sector.unsynced.slice(-1);
      sector.unsynced = [];
    }
    for (const { end, isCut } of this.#sizes) {
      this.#durableSize = isCut ? end : Math.max(this.#durableSize, end);
    }
    this.#sizes = [];
  }

  syncFailed(): void {
    for (const sector of this.#sectors) sector.unsynced = [];
    this.#sizes = [];
  }

  /** What cannot be, in words. */
  complaints(content: Uint8Array): string[] {
    const complaints: string[] = [];
    const { length } = content;
    const cuts = this.#sizes.flatMap(({ end, isCut }) => (isCut ? [end] : []));
    const least = Math.min(this.#durableSize, ...cuts);
    const most = Math.max(this.#durableSize, ...this.#sizes.map(({ end }) => end));
    if (length < least || length > most) complaints.push(`size ${length}: ${least} to ${most}`);
    for (const [i, { durable, unsynced }] of this.#sectors.entries()) {
      const start = i * this.#sectorBytes;
      const seen = Buffer.from(content.subarray(start, start + this.#sectorBytes));
      const text = seen.toString('latin1');
      // The size may cut a version short.
      const isKnown = [...durable, ...unsynced].some((version) => version.startsWith(text));
      if (!isKnown) complaints.push(`sector ${i}: ${seen.toString('hex', 0, 20)}`);
    }
    return complaints;
  }

  #contentOf(content: Uint8Array, index: number): string {
    const start = index * this.#sectorBytes;
    const bytes = Buffer.alloc(this.#sectorBytes);
    bytes.set(content.subarray(start, start + this.#sectorBytes));
    return bytes.toString('latin1');
  }
}

interface World {
  readonly fs: FaultyFileSystem;
  readonly file: File;
  readonly twin: Twin;
  readonly random: Random;
}

async function open(fs: FaultyFileSystem, random: Random, before: Twin | null): Promise<World> {
  const { sectorBytes } = fs.disk.options;
  const file = await fs.open('/a', 'write');
  const twin = new Twin(sectorBytes, contentOf(fs, '/a'), before);
  return { fs, file, twin, random };
}

/** Appends mostly, as the engine does; cuts and overwrites now and then. */
async function step(world: World, value: number): Promise<void> {
  const { fs, file, twin, random } = world;
  const before = contentOf(fs, '/a').length;
  const chance = random.next();
  if (chance < 0.15) {
    const sizeBytes = randomBelow(random, FILE_BYTES_MAX);
    await file.truncate(sizeBytes);
    twin.truncated(contentOf(fs, '/a'), before);
  } else if (chance < 0.25) {
    await file.datasync();
    twin.synced();
  } else if (chance < 0.3) {
    fs.addFault({ errno: 'EIO', operations: ['datasync'] });
    await file.datasync().catch(() => twin.syncFailed());
  } else {
    const isAppend = random.next() < 0.7;
    const position = isAppend
      ? Math.min(before, FILE_BYTES_MAX - 1)
      : randomBelow(random, FILE_BYTES_MAX);
    const length = 1 + randomBelow(random, Math.min(3000, FILE_BYTES_MAX - position));
    await file.write(Buffer.alloc(length, value), position);
    twin.wrote(contentOf(fs, '/a'), Math.min(position, before), position + length);
  }
}

test.each<SectorBytes>([512, 4096])('power cuts with sectors of %i bytes', async (sectorBytes) => {
  let imageCount = 0;
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = new SeededRandom(seed);
    let fs = new FaultyFileSystem({ random, sectorBytes });
    await (await fs.open('/a', 'create')).close();
    await fs.syncDirectory('/');
    let twin: Twin | null = null;
    for (let life = 0; life < 3; life += 1) {
      const world = await open(fs, random, twin);
      for (let i = 0; i < 8; i += 1) {
        await step(world, 1 + i);
        const image = fs.crashImage();
        imageCount += 1;
        expect(world.twin.complaints(contentOf(image, '/a')), `SEED=${seed} step ${i}`).toEqual([]);
      }
      fs = fs.crashImage();
      twin = world.twin;
    }
  }
  expect(imageCount).toBe(SEEDS * 24);
});

test('kills change nothing but what is in flight, over several lives', async () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = new SeededRandom(seed);
    let fs = new FaultyFileSystem({ random });
    await (await fs.open('/a', 'create')).close();
    await fs.syncDirectory('/');
    let world = await open(fs, random, null);
    for (let life = 0; life < 4; life += 1) {
      for (let i = 0; i < 4; i += 1) await step(world, 1 + i);
      const killed = fs.killImage();
      expect(Buffer.compare(contentOf(killed, '/a'), contentOf(fs, '/a'))).toBe(0);
      fs = killed;
      // The same twin goes on: what is on the disk did not change by the kill.
      world = { ...world, fs, file: await fs.open('/a', 'write') };
      const image = contentOf(fs.crashImage(), '/a');
      expect(world.twin.complaints(image), `SEED=${seed} life ${life}`).toEqual([]);
    }
  }
});
