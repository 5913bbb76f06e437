/** Logs on disk for tests of the command line, and what those tests ask of them. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openLog } from '../../src/index.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Name of the segment that begins at offset 0. */
export const FIRST_SEGMENT = '00000000000000000000.log';
/** A log of 200 records in several segments of small batches. */
export async function logOfSegments(): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  const log = await openLog(path, { segmentBytesMax: 8192, batchBytesMax: 1024 });
  for (let group = 0; group < 20; group++) {
    const records = Array.from({ length: 10 }, (_, index) => ({
      key: `key ${index}`,
      value: Buffer.from(`value ${group * 10 + index} `.repeat(10)),
      createTimeMs: group * 1000,
    }));
    await log.appendBatch(records);
  }
  await log.close();
  return path;
}

/** Inverts the byte at a position of a file. */
export async function flipByte(file: string, position: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[position] = (bytes[position] ?? 0) ^ 0xff;
  await writeFile(file, bytes);
}

/** Every file below a directory with its bytes: two equal ones prove that nothing was written. */
export async function contentsOf(directory: string): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for (const name of await readdir(directory, { recursive: true })) {
    const path = join(directory, name);
    if ((await stat(path)).isFile()) contents[name] = (await readFile(path)).toString('base64');
  }
  return contents;
}

/** The objects of JSON lines. */
export function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
