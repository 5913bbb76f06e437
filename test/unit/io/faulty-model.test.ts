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

const SECTOR_COUNT = 24;
const SEEDS = 200;

/** What the disk may hold of one file. */
class Twin {
  readonly #sectorBytes: number;
  /** Of each sector: what is durable, then what it was after each unsynced change of it. */
  #versions: string[][];
  #durableSize: number;
  /** Of each unsynced change: the end that a write reached, or the cut of a truncate. */
  #sizes: { readonly end: number; readonly isCut: boolean }[] = [];

  constructor(sectorBytes: number, content: Uint8Array) {
    this.#sectorBytes = sectorBytes;
    this.#versions = Array.from({ length: SECTOR_COUNT }, (_, i) => [this.#sector(content, i)]);
    this.#durableSize = content.length;
  }

  /** A write from byte `start` to byte `end`; the cache is `content` now. */
  wrote(content: Uint8Array, start: number, end: number): void {
    this.#changed(content, start, end);
    this.#sizes.push({ end, isCut: false });
  }

  /** A truncate; the cache is `content` now. */
  truncated(content: Uint8Array): void {
    // The cut may find its sector at any earlier version: data and sizes go their own ways.
    const index = Math.floor(content.length / this.#sectorBytes);
    const kept = content.length % this.#sectorBytes;
    const versions = this.#versions[index] ?? [];
    const cut = versions.map((version) => version.slice(0, kept).padEnd(this.#sectorBytes, '\0'));
    versions.push(...new Set(cut));
    // To the end: after a lost truncate the disk may hold more than the cache shows.
    this.#changed(content, content.length, this.#sectorBytes * SECTOR_COUNT);
    this.#sizes.push({ end: content.length, isCut: true });
  }

  #changed(content: Uint8Array, start: number, end: number): void {
    const first = Math.floor(start / this.#sectorBytes);
    const last = Math.ceil(end / this.#sectorBytes);
    for (let i = first; i < last; i += 1) this.#versions[i]?.push(this.#sector(content, i));
  }

  synced(): void {
    this.#versions = this.#versions.map((versions) => versions.slice(-1));
    for (const { end, isCut } of this.#sizes) {
      this.#durableSize = isCut ? end : Math.max(this.#durableSize, end);
    }
    this.#sizes = [];
  }

  syncFailed(): void {
    this.#versions = this.#versions.map((versions) => versions.slice(0, 1));
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
    for (const [i, versions] of this.#versions.entries()) {
      const seen = content.subarray(i * this.#sectorBytes, (i + 1) * this.#sectorBytes);
      const isKnown = versions.some((version) =>
        // The size may cut a version short.
        version.startsWith(Buffer.from(seen).toString('latin1')),
      );
      if (!isKnown) complaints.push(`sector ${i}: ${Buffer.from(seen).toString('hex', 0, 20)}`);
    }
    return complaints;
  }

  #sector(content: Uint8Array, index: number): string {
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
  readonly bytesMax: number;
}

async function open(fs: FaultyFileSystem, random: Random): Promise<World> {
  const { sectorBytes } = fs.disk.options;
  const file = await fs.open('/a', 'write');
  const twin = new Twin(sectorBytes, contentOf(fs, '/a'));
  return { fs, file, twin, random, bytesMax: SECTOR_COUNT * sectorBytes };
}

/** Appends mostly, as the engine does; cuts and overwrites now and then. */
async function step(world: World, value: number): Promise<void> {
  const { fs, file, twin, random, bytesMax } = world;
  const before = contentOf(fs, '/a').length;
  const chance = random.next();
  if (chance < 0.15) {
    const sizeBytes = randomBelow(random, bytesMax);
    await file.truncate(sizeBytes);
    twin.truncated(contentOf(fs, '/a'));
  } else if (chance < 0.25) {
    await file.datasync();
    twin.synced();
  } else if (chance < 0.3) {
    fs.addFault({ errno: 'EIO', operations: ['datasync'] });
    await file.datasync().catch(() => twin.syncFailed());
  } else {
    const isAppend = random.next() < 0.7;
    const position = isAppend ? Math.min(before, bytesMax - 1) : randomBelow(random, bytesMax);
    const length = 1 + randomBelow(random, Math.min(3000, bytesMax - position));
    await file.write(Buffer.alloc(length, value), position);
    twin.wrote(contentOf(fs, '/a'), position, position + length);
  }
}

test.each<SectorBytes>([512, 4096])('power cuts with sectors of %i bytes', async (sectorBytes) => {
  let imageCount = 0;
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = new SeededRandom(seed);
    let fs = new FaultyFileSystem({ random, sectorBytes });
    await (await fs.open('/a', 'create')).close();
    await fs.syncDirectory('/');
    for (let life = 0; life < 3; life += 1) {
      const world = await open(fs, random);
      for (let i = 0; i < 8; i += 1) {
        await step(world, 1 + i);
        const image = fs.crashImage();
        imageCount += 1;
        expect(world.twin.complaints(contentOf(image, '/a')), `SEED=${seed} step ${i}`).toEqual([]);
      }
      fs = fs.crashImage();
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
    let world = await open(fs, random);
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
