/**
 * Deduplication through the public API, with a window full of ids: its rate beside the same records without
 * ids, how long it takes until the first answer after opening, what it answers when all are duplicates, and
 * what memory the process takes.
 *
 * One store for all sides of a contest, made by the first (`shared-directory.ts`). Each run opens it, appends
 * one record, which has the ids found again, and leaves as many ids in the window as it found.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job, Sample } from '../core/job.ts';
import { fillDedup, withDedup, type AppendLoad, type DedupShape } from './dedup-filled.ts';
import { sharedDirectory } from './shared-directory.ts';

/**
 * What is timed: `append` and `duplicates`, from the first call to the last answer; `reopen`, opening and
 * one append; of `memory`, nothing.
 */
export type DedupParameters = DedupShape &
  AppendLoad & { readonly measured: 'append' | 'duplicates' | 'reopen' | 'memory' };

/** What the process of `memory` says. */
export type DedupMemory = {
  readonly rssBytes: number;
  readonly peakRssBytes: number;
};

const CHILD = fileURLToPath(new URL('../load/dedup-child.js', import.meta.url));

export async function openJob(directory: string, parameters: DedupParameters): Promise<Job> {
  const { ids, valueBytes, measured } = parameters;
  const name = `filled-${ids}-${valueBytes}`;
  const filled = await sharedDirectory(directory, name, (made) =>
    fillDedup(join(made, 'store'), parameters),
  );
  const path = join(filled, 'store');
  const run = { append, duplicates, reopen, memory }[measured];
  return { run: () => run(path, parameters), close: () => Promise.resolve() };
}

function append(path: string, parameters: DedupParameters): Promise<Sample> {
  const { records } = parameters;
  return withDedup(path, parameters, async (topic) => {
    await topic.appendFirst();
    const ms = await topic.append(topic.make(records), parameters);
    return sampleOf(parameters, ms);
  });
}

function duplicates(path: string, parameters: DedupParameters): Promise<Sample> {
  const { records } = parameters;
  return withDedup(path, parameters, async (topic) => {
    await topic.appendFirst();
    await topic.append(topic.make(records), parameters);
    return sampleOf(parameters, await topic.appendAgain(records, parameters));
  });
}

function reopen(path: string, parameters: DedupParameters): Promise<Sample> {
  const startMs = performance.now();
  return withDedup(path, parameters, async (topic) => {
    await topic.appendFirst();
    return { bytes: 0, records: 1, ms: performance.now() - startMs };
  });
}

/** In a process of its own: what one opening left behind would count in the next. */
function memory(path: string, parameters: DedupParameters): Promise<Sample> {
  const text = execFileSync(process.execPath, [CHILD, path, JSON.stringify(parameters)], {
    encoding: 'utf8',
  });
  const extra = JSON.parse(text) as DedupMemory;
  return Promise.resolve({ bytes: 0, records: parameters.records, ms: 1, extra });
}

function sampleOf({ records, valueBytes }: DedupParameters, ms: number): Sample {
  return { bytes: records * valueBytes, records, ms };
}
