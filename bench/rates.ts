/** Measures appends and scans of a log beside the machine's own raw writes and reads. */
import fs from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { openLog, type DurabilityLevel, type RecordInput } from '../src/index.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Bytes and the milliseconds they took. */
export interface Rate {
  readonly bytes: number;
  readonly ms: number;
  readonly records: number;
}

/** MB/s. */
export function megabytesPerSecond({ bytes, ms }: Rate): number {
  return bytes / 1e6 / (ms / 1e3);
}

async function timed(records: number, action: () => Promise<number>): Promise<Rate> {
  const startMs = performance.now();
  const bytes = await action();
  return { bytes, ms: performance.now() - startMs, records };
}

/** *W* and *D*: prebuilt 1 MiB blocks to a new file, one in flight, with or without fdatasync each. */
export async function rawWrite(directory: string, blocks: number, sync: boolean): Promise<Rate> {
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const path = join(directory, `raw-${sync ? 'sync' : 'os'}`);
  const fd = fs.openSync(path, 'w');
  const rate = await timed(0, async () => {
    for (let at = 0; at < blocks; at++) {
      await callback((done) => fs.write(fd, block, 0, block.length, at * BLOCK_BYTES, done));
      if (sync) await callback((done) => fs.fdatasync(fd, done));
    }
    return blocks * BLOCK_BYTES;
  });
  fs.closeSync(fd);
  return rate;
}

/** *R*: 1 MiB reads of the file that `rawWrite` left, with `zlib.crc32` over them. */
export async function rawRead(directory: string): Promise<Rate> {
  const block = Buffer.alloc(BLOCK_BYTES);
  const fd = fs.openSync(join(directory, 'raw-os'), 'r');
  const { size } = fs.fstatSync(fd);
  const rate = await timed(0, async () => {
    for (let at = 0; at < size; at += BLOCK_BYTES) {
      await callback((done) => fs.read(fd, block, 0, BLOCK_BYTES, at, done));
      zlib.crc32(block);
    }
    return size;
  });
  fs.closeSync(fd);
  return rate;
}

/** *F*: 4 KiB + fdatasync on a growing file, one at a time; calls per second. */
export async function rawSmallSyncs(directory: string, calls: number): Promise<number> {
  const block = Buffer.alloc(4096, 0x5a);
  const fd = fs.openSync(join(directory, 'raw-small'), 'w');
  const startMs = performance.now();
  for (let at = 0; at < calls; at++) {
    await callback((done) => fs.write(fd, block, 0, block.length, at * block.length, done));
    await callback((done) => fs.fdatasync(fd, done));
  }
  const rate = calls / ((performance.now() - startMs) / 1e3);
  fs.closeSync(fd);
  return rate;
}

function callback(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

export interface AppendCell {
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  readonly recordsPerCall: number;
  readonly callsInFlight: number;
  readonly records: number;
}

/** Appends with a number of callers in flight; bytes as stored. */
export async function appendRate(directory: string, cell: AppendCell): Promise<Rate> {
  const { durability, valueBytes, recordsPerCall, callsInFlight, records } = cell;
  const log = await openLog(directory, { durability });
  const value = Buffer.alloc(valueBytes, 0x61);
  const batch: RecordInput<Uint8Array>[] = Array.from({ length: recordsPerCall }, (_, n) => ({
    key: `key-${String(n % 1000).padStart(12, '0')}`,
    value,
  }));
  let left = Math.ceil(records / recordsPerCall);
  const caller = async () => {
    while (left-- > 0) {
      if (recordsPerCall === 1) await log.append(batch[0] as RecordInput<Uint8Array>);
      else await log.appendBatch(batch);
    }
  };
  const rate = await timed(records, async () => {
    await Promise.all(Array.from({ length: callsInFlight }, caller));
    return log.stats().sizeBytes;
  });
  await log.close();
  return rate;
}

/** Scans the whole log by the cursor or batch by batch, every record visited. */
export async function scanRate(directory: string, how: 'cursor' | 'batches'): Promise<Rate> {
  const log = await openLog(directory, { readOnly: true });
  let records = 0;
  const rate = await timed(0, async () => {
    if (how === 'cursor') {
      const cursor = log.cursor();
      while (await cursor.nextBatch()) while (cursor.next()) records++;
      await cursor.close();
    } else {
      for await (const batch of log.batches())
        for (const record of batch) records += record.offset >= 0 ? 1 : 0;
    }
    return log.stats().sizeBytes;
  });
  await log.close();
  return { ...rate, records };
}
