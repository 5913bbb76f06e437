/** `varve topics ls <store>`: the topics of a store, and how much they hold. */
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { formatTable } from '../table.ts';
import { readTopicExtent } from '../topic-extent.ts';
import { formatBytes, formatCount, formatTime } from '../units.ts';

interface TopicsLsOptions {
  readonly json?: true;
  readonly ndjson?: true;
}

/** A topic, as `--json` prints it; the keys are a documented contract. */
interface ListedTopic {
  readonly name: string;
  readonly topicId: number;
  readonly partitionCount: number;
  /** Of all partitions; null when one has no valid checkpoint. */
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
  readonly durability: string;
  readonly createdTimeMs: number;
}

const NOTES = `"offsets" is how many there are from start to end in all partitions, as of the last checkpoints, which a
store at durability os or interval, or one that was killed, may be ahead of: varve topics describe
looks at the data. A "?" means that a partition has no valid checkpoint.`;

export const topicsLsVerb: Verb<TopicsLsOptions> = {
  name: 'topics ls',
  summary: 'list the topics of a store',
  description:
    'List the topics of a store: partitions, offsets, sizes. Reads the journal, names, sizes and\n' +
    'checkpoints.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION, NDJSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: 'Done; also when there is no topic.', 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['topics describe', 'topics create', 'groups ls', 'stats'],
    examples: [
      { command: 'varve topics ls ./store', does: 'a table' },
      { command: "varve topics ls ./store --json | jq '.topics | length'", does: 'how many?' },
      {
        command: `varve topics ls ./store --ndjson | jq -r 'select(.partitionCount == 1) | .name'`,
        does: 'those of one partition',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: TopicsLsOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const topics: ListedTopic[] = [];
  await lookAtStore(path, async (store) => {
    for (const topic of store.topics()) {
      signal.throwIfAborted();
      const { name, topicId, partitionCount, createdTimeMs } = topic;
      const { durability } = topic.options;
      const extent = await readTopicExtent(store.path, topic);
      const listed = { name, topicId, partitionCount, ...extent, durability, createdTimeMs };
      if (options.ndjson === true) output.write(`${JSON.stringify(listed)}\n`);
      else topics.push(listed);
      if (output.isFull) await output.drain();
    }
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, topics })}\n`);
  else if (topics.length > 0) output.write(table(topics));
  else if (options.ndjson !== true) context.note(`no topic in ${path}`);
  return ExitCode.ok;
}

function table(topics: readonly ListedTopic[]): string {
  return formatTable(
    [
      { title: 'topic' },
      { title: 'partitions', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'durability' },
      { title: 'created' },
    ],
    topics.map((topic) => [
      topic.name,
      formatCount(topic.partitionCount),
      topic.offsetCount === null ? '?' : formatCount(topic.offsetCount),
      formatBytes(topic.sizeBytes),
      topic.durability,
      formatTime(topic.createdTimeMs),
    ]),
  );
}
