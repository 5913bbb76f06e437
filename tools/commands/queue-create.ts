/** `varve queue create <store> <queue>`: a new queue; a dry run unless `--yes`. */
import { Option } from 'commander';
import type { DurabilityLevel } from '../../src/index.ts';
import { QUEUE_DEFAULTS } from '../../src/queue/queue-group.ts';
import { alteredShareSettings, newShareSettings } from '../../src/queue/share-settings.ts';
import { listTopics } from '../../src/store/control-verbs.ts';
import { createQueue } from '../../src/store/queue-setting-verbs.ts';
import { newDedupSettings } from '../../src/topic/dedup-options.ts';
import { checkName } from '../../src/topic/topic-names.ts';
import { checkPartitions } from '../../src/topic/topic-options.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { creationText } from '../creation-text.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { QUEUE_CONFIG_OPTIONS, queueConfigOf, type QueueConfigOptions } from '../queue-config.ts';
import { parseCount } from '../ranges.ts';
import { CHANGES_STORE, checkNewStorePath, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import {
  DEDUP_OPTIONS,
  dedupConfigOf,
  durabilityOption,
  type DedupOptions,
} from '../topic-config.ts';
import { formatPlural } from '../units.ts';

interface QueueCreateOptions extends QueueConfigOptions, DedupOptions {
  readonly partitions: number;
  readonly durability: DurabilityLevel;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `A queue is a topic with a share group of its own: what is left out is as store.queue has it, and the
queue of dead letters is made with the first of them.`;

export const queueCreateVerb: Verb<QueueCreateOptions> = {
  description:
    'Create a queue, and the store when there is none. A name is 1 to 255 bytes of UTF-8 without\n' +
    'control characters.',
  argument: { description: 'the directory of the store; created when missing' },
  moreArguments: [{ description: 'the name of the new queue' }],
  options: [
    new Option('-p, --partitions <count>', 'how many logs share its records')
      .argParser(parseCount)
      .default(1),
    durabilityOption('what a stored record survives').default('sync'),
    ...QUEUE_CONFIG_OPTIONS,
    ...DEDUP_OPTIONS,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Created; or a dry run, and it could be.',
      1: 'There is a queue or topic of this name; or something else went wrong.',
      2: true,
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue alter', 'queue ls', 'queue stats', 'topics create'],
    examples: [
      { command: 'varve queue create ./store email', does: 'would it work?' },
      {
        command: 'varve queue create ./store email --dead-letter email.dead --yes',
        does: 'do it; records that fail too often go to email.dead',
      },
      {
        command: 'varve queue create ./store jobs -p 4 --lease-ms 600000 --failures-max none --yes',
        does: 'leases of ten minutes, and no record is given up',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueueCreateOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { partitions, durability } = options;
  checkName('queue', name);
  checkPartitions(partitions);
  const defaults = newShareSettings({}, QUEUE_DEFAULTS);
  const settings = alteredShareSettings(defaults, queueConfigOf(options, name));
  const dedup = newDedupSettings(dedupConfigOf(options) ?? {});
  const isNewStore = await checkNewStorePath(path);
  const isDryRun = options.yes !== true;
  const create = async (desk: StoreDesk): Promise<void> => {
    const topics = await desk.ask(listTopics, {});
    if (topics.some((topic) => topic.name === name)) throw isThere(path, name);
    const wanted = { topic: name, partitions, durability, settings, dedup };
    if (!isDryRun) await desk.ask(createQueue, wanted);
  };
  if (!isDryRun) await changeStore(context, path, create);
  else if (!isNewStore) await consultStore(context, path, create);
  const document = { path, name, isDryRun, isNewStore, partitionCount: partitions, durability };
  if (options.json === true) {
    context.output.write(`${JSON.stringify({ ...document, settings, dedup })}\n`);
    return ExitCode.ok;
  }
  const what = `queue ${escapeText(name)} with ${formatPlural(partitions, 'partition')}`;
  context.output.write(creationText({ path, isNewStore, isDryRun, what, how: '' }));
  return ExitCode.ok;
}

function isThere(path: string, name: string): CommandError {
  return new CommandError(
    ExitCode.failure,
    `there is a queue or topic ${name} in ${path} already`,
    'varve queue alter changes the settings of a queue',
  );
}
