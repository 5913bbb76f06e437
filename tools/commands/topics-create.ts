/** `varve topics create <store> <topic>`: a new topic; a dry run unless `--yes`. */
import { Option } from 'commander';
import type { CompressionName, DurabilityLevel } from '../../src/index.ts';
import { createTopic, listTopics } from '../../src/store/control-verbs.ts';
import { checkNoCompactedSource } from '../../src/topic/compaction-conflicts.ts';
import { checkNotUntilSettled } from '../../src/topic/dedup-options.ts';
import { checkName } from '../../src/topic/topic-names.ts';
import {
  checkPartitions,
  configOf as configOfSettings,
  newSettings,
} from '../../src/topic/topic-options.ts';
import { checkArchive } from '../../src/topic/unfinished-options.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { creationText } from '../creation-text.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { parseCount } from '../ranges.ts';
import { CHANGES_STORE, checkNewStorePath, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatPlural } from '../units.ts';
import {
  alterationOf,
  archivesIn,
  DEDUP_OPTIONS,
  durabilityOption,
  KEEPING_OPTIONS,
  LETTING_GO_OPTIONS,
  type DedupOptions,
  type LettingGoOptions,
} from '../topic-config.ts';

interface TopicsCreateOptions extends DedupOptions, LettingGoOptions {
  readonly partitions: number;
  readonly durability?: DurabilityLevel;
  readonly compression?: CompressionName;
  readonly retention?: number;
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
  readonly yes?: true;
  readonly json?: true;
}

const DURABILITY = 'sync';

export const topicsCreateVerb: Verb<TopicsCreateOptions> = {
  description:
    'Create a topic, and the store when there is none. A name is 1 to 255 bytes of UTF-8 without\n' +
    'control characters.',
  argument: { description: 'the directory of the store; created when missing' },
  moreArguments: [{ description: 'the name of the new topic' }],
  options: [
    new Option('-p, --partitions <count>', 'how many logs share its records')
      .argParser(parseCount)
      .default(1),
    durabilityOption(`what a stored record survives (default: ${DURABILITY})`),
    ...KEEPING_OPTIONS,
    ...DEDUP_OPTIONS,
    ...LETTING_GO_OPTIONS,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Created; or a dry run, and it could be.',
      1: 'There is a topic of this name; or something else went wrong.',
      2: true,
      3: 'There is no topic of the name that --archive-to gives.',
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics ls', 'topics describe'],
    examples: [
      { command: 'varve topics create ./store orders -p 4', does: 'would it work?' },
      { command: 'varve topics create ./store orders -p 4 --yes', does: 'do it' },
      {
        command: 'varve topics create ./store clicks --durability os --retention 7d --yes',
        does: 'fast, and forgotten after a week',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: TopicsCreateOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { partitions } = options;
  checkName('topic', name);
  checkPartitions(partitions);
  const settings = newSettings(alterationOf(options), { durability: DURABILITY });
  checkNotUntilSettled(settings);
  checkNoCompactedSource(name, settings);
  const config = configOfSettings(settings);
  const isNewStore = await checkNewStorePath(path);
  if (isNewStore) checkArchive(name, config, settings, archivesIn([])); // There is none to archive in.
  const isDryRun = options.yes !== true;
  const create = async (desk: StoreDesk): Promise<void> => {
    const topics = await desk.ask(listTopics, {});
    if (topics.some((topic) => topic.name === name)) throw topicExists(path, name);
    checkArchive(name, config, settings, archivesIn(topics));
    // Every option: what is left out would be as the process has it that has the store open.
    if (!isDryRun) await desk.ask(createTopic, { topic: name, partitions, options: config });
  };
  if (!isDryRun) await changeStore(context, path, create);
  else if (!isNewStore) await consultStore(context, path, create);
  if (options.json === true) {
    const document = { path, name, isDryRun, isNewStore, partitionCount: partitions };
    context.output.write(`${JSON.stringify({ ...document, options: settings })}\n`);
    return ExitCode.ok;
  }
  const what = `topic ${escapeText(name)} with ${formatPlural(partitions, 'partition')}`;
  const how = `durability ${settings.durability}, compression ${settings.compression}`;
  context.output.write(creationText({ path, isNewStore, isDryRun, what, how }));
  return ExitCode.ok;
}

function topicExists(path: string, name: string): CommandError {
  return new CommandError(
    ExitCode.failure,
    `there is a topic ${name} in ${path} already`,
    'varve topics describe shows its options',
  );
}
