/**
 * Cuts the power of a real file system again and again, and prints what was found, as JSON: run
 * from dist as root in a mount namespace of its own (`unshare -m`).
 *
 * A round: a writer appends to a log on a loop-mounted image; at a random moment it is stopped or
 * killed, in some rounds the kernel is made to write later pages back before earlier ones, and the
 * image is copied. The copy is mounted (the journal is replayed), its log is judged, and it is the
 * disk of the next round, up to `LIVES` times.
 *
 * `node dist/test/support/power/loop-cuts.js OPTIONS`, a `LoopCutOptions` as JSON.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { cpSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import {
  copyImage,
  makeImage,
  mountImage,
  mountMemory,
  run,
  writeBack,
  type DiskType,
} from '../loop-images.ts';
import { kill, live, startWriter } from './doomed-writer.ts';
import { judge, Violation, type Verdict, type ViolationKind } from './power-oracle.ts';
import type { Sabotage } from './sabotage.ts';
import { copyAtRest, stopProcess } from './stopped-copy.ts';
import { Testimony } from './testimony.ts';
import { randomPlan } from './writer-plan.ts';

export interface LoopCutOptions {
  /** Empty; the image and all mounts are in it. */
  readonly directory: string;
  readonly type: DiskType;
  readonly rounds: number;
  readonly seed: number;
  readonly sabotage: Sabotage;
}

export interface LoopCutReport {
  rounds: number;
  /** Acknowledgements at level `sync`. */
  acks: number;
  /** Rounds in which records were gone that a kill alone would have kept. */
  roundsWithLostWrites: number;
  lostWrittenRecords: number;
  /** Rounds in which recovery cut off a torn tail. */
  tornTails: number;
  /** Rounds in which a page of zeros stood before valid data. */
  holes: number;
  /** Rounds with torn index batches. */
  /** Of a sabotaged writer; else the run ends at the first. */
  violations: ViolationKind[];
  /** Null when the promise was kept. */
  failure: string | null;
}

const WRITER = join(import.meta.dirname, 'power-writer.js');
const LIVES = 3;
const KILL_SHARE = 0.3;
const REORDER_SHARE = 0.6;
const RANGES_MAX = 3;
const PAGE = 4096;
/** How far from the end of a file later pages are written back early. */
const REORDERED_PAGES = 24;

class LoopCuts {
  readonly report: LoopCutReport = {
    rounds: 0,
    acks: 0,
    roundsWithLostWrites: 0,
    lostWrittenRecords: 0,
    tornTails: 0,
    holes: 0,
    violations: [],
    failure: null,
  };
  readonly #options: LoopCutOptions;
  readonly #memory: string;
  readonly #live: string;
  readonly #copy: string;
  #testimony = new Testimony(0);

  constructor(options: LoopCutOptions) {
    this.#options = options;
    this.#memory = join(options.directory, 'memory');
    this.#live = join(this.#memory, 'live');
    this.#copy = join(this.#memory, 'copy');
    mountMemory(this.#memory, '1200m');
  }

  async run(): Promise<void> {
    const { rounds, seed, sabotage } = this.#options;
    for (let round = 0; round < rounds && this.report.failure === null; round++) {
      const lives = sabotage === 'none' ? LIVES : 1;
      // A failing life is repeated from its log's first: its seed is the one to know.
      const first = seed + round - (round % lives);
      if (round === 0 || round % lives === 0) this.#newDisk(first);
      await this.#round(new SeededRandom(seed + round)).catch((error: unknown) => {
        this.report.failure = `SEED=${first}, life ${(round % lives) + 1}: ${String(error)}`;
      });
      this.report.rounds++;
    }
  }

  #newDisk(seed: number): void {
    rmSync(join(this.#memory, 'disk.img'), { force: true });
    makeImage(this.#memory, this.#options.type);
    this.#testimony = new Testimony(seed);
  }

  async #round(random: Random): Promise<void> {
    const image = join(this.#memory, 'disk.img');
    const crashed = join(this.#memory, 'crashed.img');
    mountImage(image, this.#live, this.#options.type);
    try {
      await this.#cutPower(random, { image, crashed });
    } finally {
      run('umount', this.#live);
    }
    copyImage(crashed, image); // The crashed one stays as it is, to be kept if anything is wrong.
    mountImage(image, this.#copy, this.#options.type);
    try {
      if (hasHole(join(this.#copy, 'log'))) this.report.holes++;
      await this.#judge(crashed);
    } finally {
      run('umount', this.#copy);
    }
  }

  async #cutPower(
    random: Random,
    { image, crashed }: { readonly image: string; readonly crashed: string },
  ): Promise<void> {
    const { sabotage } = this.#options;
    const told = this.#testimony;
    const directory = join(this.#live, 'log');
    const ackCountBefore = told.ackCount;
    const plan = randomPlan(random, { directory, seed: told.seed, sabotage });
    const writer = startWriter(WRITER, plan);
    const isKilled = random.next() < KILL_SHARE;
    await live(writer, random);
    if (isKilled) told.hear(await kill(writer));
    else await stopProcess(writer.process.pid ?? 0);
    if (sabotage === 'none' && random.next() < REORDER_SHARE) this.#reorder(random, directory);
    copyAtRest(image, crashed, this.#live);
    if (!isKilled) told.hear(await kill(writer));
    this.report.acks += told.ackCount - ackCountBefore;
  }

  /** Some late pages reach the disk, and the journal is committed: what may happen at any time. */
  #reorder(random: Random, directory: string): void {
    for (const name of segmentsIn(directory).slice(-2)) {
      const path = join(directory, name);
      const pages = Math.ceil(statSync(path).size / PAGE);
      const rangeCount = 1 + randomBelow(random, RANGES_MAX);
      for (let range = 0; range < rangeCount; range++) {
        const page = Math.max(0, pages - 1 - randomBelow(random, REORDERED_PAGES));
        writeBack(path, { start: page * PAGE, length: PAGE * (1 + randomBelow(random, 3)) });
      }
    }
    const other = openSync(join(this.#live, `other-${randomBelow(random, 2 ** 31)}`), 'w');
    fsyncSync(other);
    closeSync(other);
  }

  async #judge(crashed: string): Promise<void> {
    const place = { fileSystem: nodeFileSystem, path: join(this.#copy, 'log') };
    try {
      this.#count(await judge(place, this.#testimony));
    } catch (error) {
      if (this.#options.sabotage !== 'none' && error instanceof Violation) {
        this.report.violations.push(error.kind);
        return;
      }
      const kept = mkdtempSync(join(tmpdir(), 'varve-power-kept-'));
      cpSync(crashed, join(kept, 'disk.img'));
      throw new Error(`disk kept in ${kept}: ${String(error)}`, { cause: error });
    }
  }

  #count({ endOffset, lostWrittenCount, cutBytes }: Verdict): void {
    const { report } = this;
    report.lostWrittenRecords += lostWrittenCount;
    if (lostWrittenCount > 0) report.roundsWithLostWrites++;
    if (cutBytes > 0) report.tornTails++;
    if (endOffset === null) throw new Error('only a lying disk may be found damaged');
    this.#testimony.settle(endOffset);
  }
}

function segmentsIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .toSorted();
}

/** Whether a segment has a page of zeros before one that is not: no record has a zero in it. */
function hasHole(directory: string): boolean {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return false;
  return segmentsIn(directory).some((name) => {
    const content = readFileSync(join(directory, name));
    let isZeroBefore = false;
    for (let at = 0; at < content.length; at += PAGE) {
      const isZero = content.subarray(at, at + PAGE).every((byte) => byte === 0);
      if (isZeroBefore && !isZero) return true;
      isZeroBefore ||= isZero;
    }
    return false;
  });
}

const cuts = new LoopCuts(JSON.parse(process.argv[2] ?? '') as LoopCutOptions);
await cuts.run();
process.stdout.write(JSON.stringify(cuts.report));
