/** `varve topics describe <store> <topic>`: a topic's options and partitions. */
import type { Topic, TopicDescription } from '../../src/index.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { toFinding, type Finding } from '../finding.ts';
import { readLogExtent } from '../log-files.ts';
import { damageLine, openInSpiteOfDamage } from '../read-log.ts';
import {
  BESIDE_STORE,
  lookAtStore,
  STORE_ARGUMENT,
  STORE_FILES,
  topicOf,
} from '../store-access.ts';
import { formatPairs, formatTable } from '../table.ts';
import { unfinishedLine } from '../unfinished-text.ts';
import { formatBytes, formatCount, formatPlural, formatTime } from '../units.ts';

interface TopicsDescribeOptions {
  readonly json?: true;
}

export const topicsDescribeVerb: Verb<TopicsDescribeOptions> = {
  description:
    'Show the options of a topic, its consumer groups, and the offsets, sizes and directories of its\n' +
    'partitions. Damage in the tail of one exits 4; varve verify on its directory checks all.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the topic' }],
  options: [JSON_OPTION],
  help: {
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_FILES,
    seeAlso: ['topics ls', 'groups describe', 'cat', 'verify'],
    examples: [
      { command: 'varve topics describe ./store orders', does: 'a table' },
      {
        command: 'varve topics describe ./store orders --json | jq .options.retentionMs',
        does: 'how long records are kept',
      },
      {
        command:
          "varve cat $(varve topics describe ./store orders --json | jq -r '.partitions[0].path')",
        does: 'the records of its first partition',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface DescribedPartition {
  readonly partition: number;
  readonly path: string;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly offsetCount: number;
  readonly sizeBytes: number;
  readonly segmentCount: number;
  /** Why its tail cannot be trusted; null when it can. */
  readonly damage: Finding | null;
}

interface Described {
  readonly topic: TopicDescription;
  readonly groups: readonly string[];
  readonly partitions: readonly DescribedPartition[];
}

async function run(
  context: CommandContext,
  path: string,
  options: TopicsDescribeOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const described = await lookAtStore(path, async (store): Promise<Described> => {
    const topic = await topicOf(store, name);
    const groups = store.groups().filter((group) => group.topic === name);
    return {
      topic: store.describeTopic(name),
      groups: groups.map((group) => group.name),
      partitions: await describePartitions(context, topic),
    };
  });
  const { topic, groups, partitions } = described;
  if (options.json === true) {
    context.output.write(`${JSON.stringify({ ...topic, groups, partitions })}\n`);
  } else writeText(context, described);
  return partitions.every(({ damage }) => damage === null) ? ExitCode.ok : ExitCode.corrupt;
}

async function describePartitions(
  context: CommandContext,
  topic: Topic<Uint8Array>,
): Promise<DescribedPartition[]> {
  const described: DescribedPartition[] = [];
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    context.signal.throwIfAborted();
    const { path } = topic.partitions.at(partition);
    const { log, damage } = await openInSpiteOfDamage(path);
    const { startOffset, endOffset } = log;
    await log.close();
    if (damage !== null) context.warn(`partition ${partition}: ${damageLine(damage)}`);
    const { segments, sizeBytes } = await readLogExtent(path);
    described.push({
      partition,
      path,
      startOffset,
      endOffset,
      offsetCount: endOffset - startOffset,
      sizeBytes,
      segmentCount: segments.length,
      damage: damage === null ? null : toFinding(damage),
    });
  }
  return described;
}

function writeText({ output }: CommandContext, { topic, groups, partitions }: Described): void {
  const { name, topicId, createdTimeMs, alteredTimeMs, options, keyMaps } = topic;
  const passed = topic.unfinishedCounts.map(unfinishedLine);
  const moved = keyMaps.slice(1).map(({ partitionCount, timeMs }) => {
    return `${formatPlural(partitionCount, 'partition')} since ${formatTime(timeMs)}`;
  });
  output.write(
    formatPairs([
      ['topic', name],
      ['id', String(topicId)],
      ['created', formatTime(createdTimeMs)],
      ...(alteredTimeMs === createdTimeMs
        ? []
        : ([['altered', formatTime(alteredTimeMs)]] as const)),
      ...moved.map((text) => ['keys moved', text] as const),
      ['groups', groups.length === 0 ? 'none' : groups.join(', ')],
      ...passed.map((text) => ['passed', text] as const),
      ...Object.entries(options).map(([key, value]) => [key, String(value ?? '-')] as const),
    ]),
  );
  output.write(`\n${table(partitions)}`);
}

function table(partitions: readonly DescribedPartition[]): string {
  return formatTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'start', align: 'right' },
      { title: 'end', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'segments', align: 'right' },
      { title: 'directory' },
    ],
    partitions.map((one) => [
      String(one.partition),
      formatCount(one.startOffset),
      formatCount(one.endOffset),
      formatCount(one.offsetCount),
      formatBytes(one.sizeBytes),
      formatCount(one.segmentCount),
      one.path,
    ]),
  );
}
