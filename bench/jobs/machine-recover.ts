/**
 * What the machine needs for the bytes that recovery must look at and write: `fs.read` in blocks of
 * 1 MiB and `zlib.crc32` over the active segment and over the tail before it; a write of the tail's
 * blocks to where they came from; one fdatasync for each file of the tail.
 *
 * The tail is what the checkpoint does not call synced. Each block is read once and written from
 * the same buffer, one call in flight: nothing here is done twice.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { copyImage, crashImage, type CrashImage } from '../crash/crash-image.ts';
import type { Job } from '../core/job.ts';
import { callback } from './callback.ts';
import { crcOfFile } from './raw-read.ts';
import type { RecoverParameters } from './recover.ts';

export async function openJob(directory: string, parameters: RecoverParameters): Promise<Job> {
  const image = await crashImage(directory, parameters);
  const path = join(directory, 'copy');
  const files = filesToRead(image);
  return {
    async run() {
      copyImage(image, path);
      let bytes = 0;
      let rewrittenBytes = 0;
      const startMs = performance.now();
      for (const { name, readFrom, writeFrom } of files) {
        const fd = fs.openSync(join(path, name), 'r+');
        bytes += await crcOfFile(fd, readFrom, async (block, position) => {
          const skipped = Math.max(0, writeFrom - position);
          if (skipped >= block.length) return;
          const length = block.length - skipped;
          await callback((done) => fs.write(fd, block, skipped, length, position + skipped, done));
          rewrittenBytes += length;
        });
        if (Number.isFinite(writeFrom)) await callback((done) => fs.fdatasync(fd, done));
        fs.closeSync(fd);
      }
      const ms = performance.now() - startMs;
      fs.rmSync(path, { recursive: true });
      return { bytes, records: files.length, ms, extra: { rewrittenBytes } };
    },
    close: () => Promise.resolve(),
  };
}

/** The active segment whole; of those before it, their part of the tail. */
function filesToRead({ segments, tail }: CrashImage) {
  const active = segments.at(-1);
  return segments.flatMap((name) => {
    const writeFrom = tail.find((range) => range.name === name)?.from ?? Number.POSITIVE_INFINITY;
    if (name === active) return [{ name, readFrom: 0, writeFrom }];
    return Number.isFinite(writeFrom) ? [{ name, readFrom: writeFrom, writeFrom }] : [];
  });
}
