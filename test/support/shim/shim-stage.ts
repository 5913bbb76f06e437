/** A log whose writers run under the shim, life after life, until the power is cut. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../../src/core/random.ts';
import { pathsOn } from '../faults/image-key.ts';
import { contentOf } from '../disk-damage.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { live, startWriter } from '../power/doomed-writer.ts';
import { Testimony } from '../power/testimony.ts';
import { randomPlan, type WriterPlan } from '../power/writer-plan.ts';
import { distPath } from '../run-cli.ts';
import type { BuiltShim } from './build-shim.ts';
import type { Replayed, ReplayOptions } from './replay.ts';
import { ShimDisk, type SyncFaults } from './shim-disk.ts';

/** The log, seen from the traced directory. */
export const TRACED_LOG = '/log';
const WRITER = distPath('test', 'support', 'power', 'power-writer.js');

export interface ShimLife extends SyncFaults {
  readonly random: Random;
  /** Killed after some acknowledgements (default); else it ends by itself. */
  readonly isDoomed?: boolean;
  /** What of the plan is not left to chance. */
  readonly plan?: Partial<WriterPlan>;
}

export class ShimStage {
  readonly testimony: Testimony;
  readonly #disk: ShimDisk;

  /** @param directory  empty, and the caller's to remove */
  constructor(shim: BuiltShim, directory: string, seed: number) {
    this.#disk = new ShimDisk(shim, directory);
    this.testimony = new Testimony(seed);
  }

  /** The directory that the shim watches; the log is in it. */
  get root(): string {
    return this.#disk.root;
  }

  async live(life: ShimLife): Promise<void> {
    const { seed } = this.testimony;
    const fixed = { directory: join(this.root, 'log'), seed, sabotage: 'none' } as const;
    const plan = { ...randomPlan(life.random, fixed), ...life.plan };
    const writer = startWriter(WRITER, plan, this.#disk.environment(life));
    if (life.isDoomed !== false) {
      await live(writer, life.random);
      this.#disk.doom();
    }
    this.testimony.hear(await writer.lastWords);
  }

  replay(options: ReplayOptions): Replayed {
    return this.#disk.replay(options);
  }

  /** Keeps the trace of a failed round. @returns where */
  keep(): string {
    return this.#disk.keep();
  }
}

/** Writes the files of an image below a real directory that exists. */
export async function materialize(image: FaultyFileSystem, directory: string): Promise<void> {
  for (const path of pathsOn(image)) {
    const node = image.disk.tree.find({ operation: 'materialize', path });
    if (node.kind === 'directory') await mkdir(join(directory, path), { mode: 0o700 });
    else await writeFile(join(directory, path), contentOf(image, path), { mode: 0o600 });
  }
}
