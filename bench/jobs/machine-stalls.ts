/**
 * What the machine does to an event loop under the load of the job `stalls`, without a log: 1 MiB
 * `fs.write` calls, one in flight, to files of `segmentBytes`; beyond `retainedBytes` the oldest
 * file is unlinked, as the log does by a callback. Whatever stalls here is not the log's.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { StallWatch } from '../load/stall-watch.ts';
import { callback } from './callback.ts';

const BLOCK_BYTES = 1024 * 1024;
const SEED = 1;

export type MachineStallParameters = {
  /** Multiples of 1 MiB. */
  readonly segmentBytes: number;
  readonly retainedBytes: number;
  readonly bytes: number;
  /** Blocks per second; null: as fast as one at a time goes. */
  readonly blocksPerSecond: number | null;
};

export async function openJob(directory: string, parameters: MachineStallParameters): Promise<Job> {
  const { bytes, blocksPerSecond } = parameters;
  const blocks = bytes / BLOCK_BYTES;
  return {
    async run() {
      const files = new RollingFiles(directory, parameters);
      const startMs = performance.now();
      const watch = new StallWatch();
      if (blocksPerSecond === null) {
        for (let n = 0; n < blocks; n++) await files.write();
      } else {
        const arrivals = poissonArrivals(blocks, blocksPerSecond, new SeededRandom(SEED));
        let previous = Promise.resolve();
        await runOpenLoop({
          arrivals,
          call: () => (previous = previous.then(() => files.write())),
        });
      }
      const figures = watch.stop();
      const ms = performance.now() - startMs;
      const { rolls, deletedSegments } = files;
      files.remove();
      return { bytes, records: blocks, ms, extra: { ...figures, rolls, deletedSegments } };
    },
    close: () => Promise.resolve(),
  };
}

class RollingFiles {
  readonly #directory: string;
  readonly #blocksPerFile: number;
  readonly #filesKept: number;
  readonly #block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  #paths: string[] = [];
  #fd = -1;
  #blocks = 0;
  rolls = 0;
  deletedSegments = 0;

  constructor(directory: string, { segmentBytes, retainedBytes }: MachineStallParameters) {
    this.#directory = directory;
    this.#blocksPerFile = segmentBytes / BLOCK_BYTES;
    this.#filesKept = retainedBytes / segmentBytes + 1;
  }

  async write(): Promise<void> {
    const block = this.#blocks++;
    const at = block % this.#blocksPerFile;
    if (at === 0) await this.#roll(block);
    const position = at * BLOCK_BYTES;
    await callback((done) => fs.write(this.#fd, this.#block, 0, BLOCK_BYTES, position, done));
  }

  remove(): void {
    if (this.#fd !== -1) fs.closeSync(this.#fd);
    for (const path of this.#paths) fs.unlinkSync(path);
  }

  async #roll(block: number): Promise<void> {
    const full = this.#fd;
    const path = join(this.#directory, `blocks-${block}`);
    this.#fd = await new Promise<number>((resolve, reject) => {
      fs.open(path, 'wx', (error, fd) => (error === null ? resolve(fd) : reject(error)));
    });
    this.#paths.push(path);
    if (full !== -1) {
      this.rolls++;
      await callback((done) => fs.close(full, (error) => done(error ?? null)));
    }
    while (this.#paths.length > this.#filesKept) {
      const oldest = this.#paths.shift() as string;
      await callback((done) => fs.unlink(oldest, done));
      this.deletedSegments++;
    }
  }
}
