/** Reads of a topic, of one of its partitions or of several. */
import { argumentError, checkArray, checkObject } from '../core/assert.ts';
import type { ReadOptions } from '../log/read-options.ts';
import type { RecordBatch } from '../log/record.ts';
import { mergeBatches } from './merge-batches.ts';
import type { TopicLogs } from './topic-logs.ts';
import { checkChosen } from './topic-options.ts';

export interface TopicReadOptions extends ReadOptions {
  /** Partitions to read, from 0; default all. `from` as an offset needs exactly one. */
  readonly partitions?: number | readonly number[] | undefined;
}

type TopicBatches<T> = AsyncGenerator<RecordBatch<T>, void, void>;

/** As `Topic.batches`. */
export function readBatches<T, Input>(
  logs: TopicLogs<T, Input>,
  options: TopicReadOptions,
): TopicBatches<T> {
  const { partitions, ...read } = checkObject('options', options);
  const set = logs.partitions;
  if (set.isGone) return failing(set.closedError());
  const chosen = chosenOf(partitions, set.count);
  const isOffset = typeof read.from === 'number' || hasOffset(read.from);
  if ((isOffset || read.to !== undefined) && chosen.length !== 1) {
    throw argumentError(TypeError, 'partitions', 'one partition, for an offset', partitions);
  }
  const [only] = chosen;
  if (chosen.length === 1 && only !== undefined) return batchesOf(logs, only, read);
  const open = (signal: AbortSignal) => {
    const own = { ...read, signal, keepsAlive: false };
    return chosen.map((partition) => batchesOf(logs, partition, own));
  };
  return mergeBatches(open, { read, clock: set.clock });
}

/** Of one partition, whose log stays open until it ends. */
async function* batchesOf<T, Input>(
  logs: TopicLogs<T, Input>,
  partition: number,
  options: ReadOptions,
): TopicBatches<T> {
  const used = logs.partitions.at(partition);
  const release = used.hold();
  try {
    yield* logs.own(await used.log(), partition).batches(options);
  } catch (error) {
    throw logs.partitions.toldOf(error);
  } finally {
    release();
  }
}

function chosenOf(
  partitions: number | readonly number[] | undefined,
  count: number,
): readonly number[] {
  if (partitions === undefined) return Array.from({ length: count }, (_, at) => at);
  const chosen = typeof partitions === 'number' ? [partitions] : partitions;
  checkArray('partitions', chosen);
  if (chosen.length === 0) throw argumentError(RangeError, 'partitions', 'not empty', chosen);
  for (const partition of chosen) checkChosen(partition, count);
  return [...new Set(chosen)];
}

// oxlint-disable-next-line require-yield -- it fails where others bring something
async function* failing(error: Error): AsyncGenerator<never, void, void> {
  throw error;
}

function hasOffset(from: ReadOptions['from']): boolean {
  return typeof from === 'object' && from !== null && 'offset' in from;
}
