/** Positions of consumer groups as CSV rows `topic,partition,offset`, as Kafka's tool writes them. */
import type { CommitPosition } from '../src/index.ts';
import { AtomicFile } from './atomic-file.ts';
import { UsageError } from './command-error.ts';
import { readTextFile } from './text-file.ts';

/** Positions in one topic. */
export interface TopicPositions {
  readonly topic: string;
  readonly positions: readonly CommitPosition[];
}

const ROW = /^(?:"((?:[^"]|"")*)"|([^",]+)),(\d{1,9}),(\d{1,16})$/;

/** @param topic  whose rows are wanted; undefined: the only one that the file has @throws UsageError */
export async function readPositions(
  file: string,
  topic: string | undefined,
): Promise<TopicPositions> {
  const rows = (await readTextFile(file))
    .split(/\r?\n/)
    .flatMap((line, at) => rowOf(line, at, file));
  const [only, ...others] = topic === undefined ? new Set(rows.map((row) => row.topic)) : [topic];
  if (only === undefined) throw new UsageError(`${file} holds no position`);
  if (others.length > 0) {
    const topics = [only, ...others].join(', ');
    throw new UsageError(`${file} has rows for topics ${topics}`, 'choose one with --topic');
  }
  const own = rows.filter((row) => row.topic === only);
  if (own.length === 0) throw new UsageError(`${file} has no row for topic ${only}`);
  const partitions = new Set(own.map(({ partition }) => partition));
  if (partitions.size < own.length) {
    throw new UsageError(`${file} has two rows for one partition of topic ${only}`);
  }
  return { topic: only, positions: own.map(({ partition, offset }) => ({ partition, offset })) };
}

/** The file appears, or is replaced, when all of it is on disk. */
export async function writePositions(path: string, positions: TopicPositions): Promise<void> {
  const file = await AtomicFile.create(path);
  try {
    await file.write(positionsText(positions));
    await file.commit();
  } catch (error) {
    await file.discard().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

function positionsText({ topic, positions }: TopicPositions): string {
  const name = /[",]/.test(topic) ? `"${topic.replaceAll('"', '""')}"` : topic;
  return positions.map(({ partition, offset }) => `${name},${partition},${offset}\n`).join('');
}

interface Row extends CommitPosition {
  readonly topic: string;
}

/** None for a blank line. @throws UsageError naming the line, never its content */
function rowOf(line: string, at: number, file: string): readonly Row[] {
  if (line.trim() === '') return [];
  const [, quoted, plain, partition, digits] = ROW.exec(line.trim()) ?? [];
  const topic = quoted?.replaceAll('""', '"') ?? plain;
  const offset = Number(digits);
  if (topic === undefined || partition === undefined || !Number.isSafeInteger(offset)) {
    throw new UsageError(`line ${at + 1} of ${file} is not topic,partition,offset`);
  }
  return [{ topic, partition: Number(partition), offset }];
}
