/** `varve topics delete <store> <topic>`: a topic with all it holds; a dry run unless `--yes`. */
import { deleteTopic, listGroups } from '../../src/store/control-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic, changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { readTopicExtent } from '../topic-extent.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';

interface TopicsDeleteOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Its consumer groups go with it, and a topic of this name that is made later has nothing of it. Files in
its directories that are not Varve's stay, and are named. What is stopped half-way goes on by itself
when the store is opened the next time.`;

export const topicsDeleteVerb: Verb<TopicsDeleteOptions> = {
  description: 'Delete a topic: its records, its consumer groups, its files. There is no way back.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the topic' }],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Deleted; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics describe', 'delete-records', 'export'],
    examples: [
      { command: 'varve topics delete ./store orders', does: 'what would go?' },
      { command: 'varve topics delete ./store orders --yes', does: 'do it' },
      {
        command: "varve topics delete ./store orders --json | jq -r '.groups[]'",
        does: 'the consumer groups that would go with it',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly topic: string;
  readonly topicId: number;
  readonly isDryRun: boolean;
  readonly partitionCount: number;
  /** Null when a partition has no valid checkpoint. */
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
  readonly groups: readonly string[];
  /** Not Varve's; known when it is done. */
  readonly keptPaths: readonly string[];
}

async function run(
  context: CommandContext,
  path: string,
  options: TopicsDeleteOptions,
  [topic = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const look = async (desk: StoreDesk): Promise<Outcome> => {
    const description = await askForTopic(desk, path, topic);
    const { topicId, partitionCount } = description;
    const { offsetCount, sizeBytes } = await readTopicExtent({ path }, description);
    const own = (await desk.ask(listGroups, {})).filter((group) => group.topic === topic);
    const groups = own.map(({ name }) => name);
    const known = { path, topic, topicId, isDryRun, partitionCount };
    return { ...known, offsetCount, sizeBytes, groups, keptPaths: [] };
  };
  const found = await consultStore(context, path, look);
  const done = isDryRun
    ? null
    : await changeStore(context, path, (desk) => desk.ask(deleteTopic, { topic }));
  const { groups, keptPaths } = done ?? found; // Groups may have come meanwhile.
  const outcome = { ...found, groups, keptPaths };
  for (const kept of keptPaths) context.warn(`left alone, not ours: ${kept}`);
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome);
  return ExitCode.ok;
}

function writeText({ output }: CommandContext, outcome: Outcome): void {
  const { topic, isDryRun, partitionCount, offsetCount, sizeBytes, groups } = outcome;
  const offsets = offsetCount === null ? '?' : formatCount(offsetCount);
  const names = groups.map((group) => escapeText(group)).join(', ');
  const what =
    `topic ${escapeText(topic)}: ${formatPlural(partitionCount, 'partition')}, ` +
    `${offsets} offsets, ${formatBytes(sizeBytes)}, ` +
    (groups.length === 0 ? 'no groups' : `${formatPlural(groups.length, 'group')}: ${names}`);
  output.write(
    isDryRun
      ? `would delete ${what}; nothing was changed, --yes deletes it\n`
      : `deleted ${what}\n`,
  );
}
