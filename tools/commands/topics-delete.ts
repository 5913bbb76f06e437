/** `varve topics delete <store> <topic>`: a topic with all it holds; a dry run unless `--yes`. */
import { destinationName } from '../../src/routing/topology-document.ts';
import { deleteTopic, listGroups } from '../../src/store/control-verbs.ts';
import { listShareGroups } from '../../src/store/queue-verbs.ts';
import { topologyOf } from '../../src/store/store-topology.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic, changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { readTopicExtent } from '../topic-extent.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';

interface TopicsDeleteOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Its groups go with it, and the bindings that lead to it, and a topic of this name that is made
later has nothing of it. Files in its directories that are not Varve's stay, and are named. What is
stopped half-way goes on by itself when the store is opened the next time.`;

export const topicsDeleteVerb: Verb<TopicsDeleteOptions> = {
  description: 'Delete a topic: its records, its groups, its files. There is no way back.',
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
        does: 'the groups that would go with it',
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
  /** Consumer groups and share groups. */
  readonly groups: readonly string[];
  /** Whose bindings lead to it. */
  readonly exchanges: readonly string[];
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
    const all = [...(await desk.ask(listGroups, {})), ...(await desk.ask(listShareGroups, {}))];
    const groups = all.filter((group) => group.topic === topic).map(({ name }) => name);
    const exchanges = await exchangesTo(path, topic);
    const known = { path, topic, topicId, isDryRun, partitionCount };
    return { ...known, offsetCount, sizeBytes, groups, exchanges, keptPaths: [] };
  };
  const found = await consultStore(context, path, look);
  const done = isDryRun
    ? null
    : await changeStore(context, path, (desk) => desk.ask(deleteTopic, { topic }));
  const { groups, exchanges, keptPaths } = done ?? found; // Groups may have come meanwhile.
  const outcome = { ...found, groups, exchanges, keptPaths };
  for (const kept of keptPaths) context.warn(`left alone, not ours: ${kept}`);
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome);
  return ExitCode.ok;
}

/** Names of the exchanges with bindings that lead to a topic. */
async function exchangesTo(path: string, topic: string): Promise<readonly string[]> {
  const { bindings } = await lookAtStore(path, async (store) => topologyOf(store));
  const leading = bindings.filter(({ destination }) => {
    const { kind, name } = destinationName(destination);
    return kind === 'topic' && name === topic;
  });
  return [...new Set(leading.map(({ exchange }) => exchange))];
}

function writeText({ output }: CommandContext, outcome: Outcome): void {
  const { topic, isDryRun, partitionCount, offsetCount, sizeBytes, groups, exchanges } = outcome;
  const offsets = offsetCount === null ? '?' : formatCount(offsetCount);
  const what =
    `topic ${escapeText(topic)}: ${formatPlural(partitionCount, 'partition')}, ` +
    `${offsets} offsets, ${formatBytes(sizeBytes)}, ` +
    (groups.length === 0 ? 'no groups' : named('group', groups)) +
    (exchanges.length === 0 ? '' : `, bindings of ${named('exchange', exchanges)}`);
  output.write(
    isDryRun
      ? `would delete ${what}; nothing was changed, --yes deletes it\n`
      : `deleted ${what}\n`,
  );
}

/** `2 groups: billing, queue` */
function named(kind: string, names: readonly string[]): string {
  const text = names.map((name) => escapeText(name)).join(', ');
  return `${formatPlural(names.length, kind)}: ${text}`;
}
