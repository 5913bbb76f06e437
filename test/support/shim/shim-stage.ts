/** A log whose writers run under the shim, life after life, until the power is cut. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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
import { replayTrace, type Replayed, type ReplayOptions } from './replay.ts';

/** The log, seen from the traced directory. */
export const TRACED_LOG = '/log';
const WRITER = distPath('test', 'support', 'power', 'power-writer.js');

/** Which sync fails once, and from which on syncs lie; counted from 1, null for none. */
export interface SyncFaults {
  readonly eioAt: number | null;
  readonly lieFrom: number | null;
}

export const NO_FAULTS: SyncFaults = { eioAt: null, lieFrom: null };

export interface ShimLife extends SyncFaults {
  readonly random: Random;
  /** Killed after some acknowledgements (default); else it ends by itself. */
  readonly isDoomed?: boolean;
  /** What of the plan is not left to chance. */
  readonly plan?: Partial<WriterPlan>;
}

export class ShimStage {
  readonly testimony: Testimony;
  /** The directory that the shim watches; the log is in it. */
  readonly root: string;
  readonly #shim: BuiltShim;
  readonly #trace: string;
  readonly #doom: string;

  /** @param directory  empty, and the caller's to remove */
  constructor(shim: BuiltShim, directory: string, seed: number) {
    this.#shim = shim;
    this.testimony = new Testimony(seed);
    this.root = join(realpathSync(directory), 'disk');
    this.#trace = join(directory, 'trace');
    this.#doom = join(directory, 'doom');
    mkdirSync(this.root);
  }

  async live(life: ShimLife): Promise<void> {
    const { seed } = this.testimony;
    const fixed = { directory: join(this.root, 'log'), seed, sabotage: 'none' } as const;
    const plan = { ...randomPlan(life.random, fixed), ...life.plan };
    writeFileSync(this.#doom, '\0');
    const writer = startWriter(WRITER, plan, {
      LD_PRELOAD: this.#shim.library,
      SHIM_DIR: this.root,
      SHIM_TRACE: this.#trace,
      SHIM_DOOM: this.#doom,
      ...(life.eioAt === null ? {} : { SHIM_SYNC_EIO_AT: String(life.eioAt) }),
      ...(life.lieFrom === null ? {} : { SHIM_LIE_FROM: String(life.lieFrom) }),
    });
    if (life.isDoomed !== false) {
      await live(writer, life.random);
      writeFileSync(this.#doom, '1', { flag: 'r+' }); // Its next call kills it.
    }
    this.testimony.hear(await writer.lastWords);
  }

  replay(options: ReplayOptions): Replayed {
    return replayTrace(readFileSync(this.#trace), options);
  }

  /** Keeps the trace of a failed round. @returns where */
  keep(): string {
    const kept = mkdtempSync(join(tmpdir(), 'varve-power-kept-'));
    cpSync(this.#trace, join(kept, 'trace'));
    return kept;
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
