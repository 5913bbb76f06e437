/** A directory below which processes run under the shim, one after the other, until the power is cut. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuiltShim } from './build-shim.ts';
import {
  replayMoments,
  replayTrace,
  type Moment,
  type Replayed,
  type ReplayOptions,
} from './replay.ts';

/** Which sync fails once, and from which on syncs lie; counted from 1, null for none. */
export interface SyncFaults {
  readonly eioAt: number | null;
  readonly lieFrom: number | null;
}

export const NO_FAULTS: SyncFaults = { eioAt: null, lieFrom: null };

export class ShimDisk {
  /** The directory that the shim watches. */
  readonly root: string;
  readonly #shim: BuiltShim;
  readonly #trace: string;
  readonly #doom: string;

  /** @param directory  empty, and the caller's to remove */
  constructor(shim: BuiltShim, directory: string) {
    this.#shim = shim;
    this.root = join(realpathSync(directory), 'disk');
    this.#trace = join(directory, 'trace');
    this.#doom = join(directory, 'doom');
    mkdirSync(this.root);
  }

  /** What the next process is to be started with: it is not doomed yet. */
  environment({ eioAt, lieFrom }: SyncFaults = NO_FAULTS): Readonly<Record<string, string>> {
    writeFileSync(this.#doom, '\0');
    return {
      LD_PRELOAD: this.#shim.library,
      SHIM_DIR: this.root,
      SHIM_TRACE: this.#trace,
      SHIM_DOOM: this.#doom,
      ...(eioAt === null ? {} : { SHIM_SYNC_EIO_AT: String(eioAt) }),
      ...(lieFrom === null ? {} : { SHIM_LIE_FROM: String(lieFrom) }),
    };
  }

  /** The next call of the process kills it. */
  doom(): void {
    writeFileSync(this.#doom, '1', { flag: 'r+' });
  }

  replay(options: ReplayOptions): Replayed {
    return replayTrace(readFileSync(this.#trace), options);
  }

  moments(options: ReplayOptions): Generator<Moment, void, void> {
    return replayMoments(readFileSync(this.#trace), options);
  }

  /** Keeps the trace of a failed round. @returns where */
  keep(): string {
    const kept = mkdtempSync(join(tmpdir(), 'varve-power-kept-'));
    cpSync(this.#trace, join(kept, 'trace'));
    return kept;
  }
}
