/**
 * Writes a log with `appendBatch(1000)`, 16 in flight, at `os`, and reads it back by `cursor()` and
 * by `batches()`, both over every record; the process's memory is watched all the time and compared
 * with what it had before it loaded Varve.
 *
 * The first run, the warm-up, does `firstRecords`, each later one `records` more, all in one process;
 * the figures are of the process so far. So each counted run's peak covers the large first one.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../src/index.ts';
import type { Job } from '../core/job.ts';
import { RssWatch } from '../load/rss-watch.ts';

export type MemoryParameters = {
  readonly firstRecords: number;
  readonly records: number;
  readonly valueBytes: number;
};

/** Reads of the page cache may not leave room for a timer. */
const BATCHES_PER_SAMPLE = 64;

export async function openJob(directory: string, parameters: MemoryParameters): Promise<Job> {
  const watch = new RssWatch();
  // Only now: what comes in here is part of the growth.
  const { openLog } = await import('../../src/index.ts');
  const { appendRecords } = await import('./records.ts');
  const path = join(directory, 'log');
  let records = parameters.firstRecords;
  return {
    async run() {
      const log = await openLog(path, { durability: 'os' });
      const startMs = performance.now();
      await appendRecords(log, records, parameters.valueBytes);
      const writtenPeakBytes = watch.figures().peakRssBytes;
      await readByCursor(log, watch);
      await readByBatches(log, watch);
      const ms = performance.now() - startMs;
      const bytes = log.stats().sizeBytes;
      const sample = { bytes, records, ms, extra: { ...watch.figures(), writtenPeakBytes } };
      await log.close();
      rmSync(path, { recursive: true });
      records = parameters.records;
      return sample;
    },
    close() {
      watch.stop();
      return Promise.resolve();
    },
  };
}

async function readByCursor(log: Log<Uint8Array>, watch: RssWatch): Promise<void> {
  let records = 0;
  let batches = 0;
  const cursor = log.cursor();
  while (await cursor.nextBatch()) {
    while (cursor.next()) records++;
    if (++batches % BATCHES_PER_SAMPLE === 0) watch.sample();
  }
  await cursor.close();
  checkCount('cursor', records, log.endOffset);
}

async function readByBatches(log: Log<Uint8Array>, watch: RssWatch): Promise<void> {
  let records = 0;
  let batches = 0;
  for await (const batch of log.batches()) {
    for (const { value } of batch) if (value !== null) records++;
    if (++batches % BATCHES_PER_SAMPLE === 0) watch.sample();
  }
  checkCount('batches', records, log.endOffset);
}

function checkCount(how: string, records: number, expected: number): void {
  if (records !== expected) throw new Error(`${how}: ${records} of ${expected} records`);
}
