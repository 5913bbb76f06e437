/** `varve topics ls <store>`: the topics of a store, and how much they hold. */
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { listTopics, topicTable, type ListedTopic } from '../topic-table.ts';

interface TopicsLsOptions {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `"offsets" is how many there are from start to end in all partitions, as of the last checkpoints, which a
store at durability os or interval, or one that was killed, may be ahead of: varve topics describe
looks at the data. A "?" means that a partition has no valid checkpoint.`;

export const topicsLsVerb: Verb<TopicsLsOptions> = {
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
    for await (const listed of listTopics(store, signal)) {
      if (options.ndjson === true) output.write(`${JSON.stringify(listed)}\n`);
      else topics.push(listed);
      if (output.isFull) await output.drain();
    }
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, topics })}\n`);
  else if (topics.length > 0) output.write(topicTable(topics));
  else if (options.ndjson !== true) context.note(`no topic in ${path}`);
  return ExitCode.ok;
}
