/** `varve topics alter <store> <topic>`: other options for a topic; a dry run unless `--yes`. */
import type { TopicDescription } from '../../src/index.ts';
import { alterTopic, listTopics } from '../../src/store/control-verbs.ts';
import { describeShareGroup, listShareGroups } from '../../src/store/queue-verbs.ts';
import { checkCompaction } from '../../src/topic/compaction-conflicts.ts';
import { checkNotUntilSettled } from '../../src/topic/dedup-options.ts';
import { alteredSettings } from '../../src/topic/topic-options.ts';
import type { TopicConfig } from '../../src/topic/topic-options.ts';
import { TOPIC_OPTION_NAMES, type TopicSettings } from '../../src/topic/topic-state.ts';
import { checkArchive } from '../../src/topic/unfinished-options.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic, changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { ALTER_OPTIONS, alterationOf, archivesIn, type AlterOptions } from '../topic-config.ts';

interface TopicsAlterOptions extends AlterOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is left out stays as it is. The next append, roll, or look at retention goes by what is new; records
that are stored stay as they are: a new --compression counts for new batches.`;

export const topicsAlterVerb: Verb<TopicsAlterOptions> = {
  description: 'Change how the records of a topic are kept. Prints the old and the new values.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the topic' }],
  options: [...ALTER_OPTIONS, YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Done; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics describe', 'topics create', 'delete-records'],
    examples: [
      { command: 'varve topics alter ./store orders --retention 7d', does: 'what would change?' },
      { command: 'varve topics alter ./store orders --retention 7d --yes', does: 'do it' },
      {
        command: 'varve topics alter ./store orders --retention none --compression gzip --yes',
        does: 'keep records for ever, and compress new ones',
      },
    ],
  },
  run,
};

interface OptionChange {
  readonly option: string;
  readonly from: string | number | null;
  readonly to: string | number | null;
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly topic: string;
  readonly isDryRun: boolean;
  readonly changes: readonly OptionChange[];
}

async function run(
  context: CommandContext,
  path: string,
  options: TopicsAlterOptions,
  [topic = '']: readonly string[],
): Promise<ExitCode> {
  const config = alterationOf(options);
  if (Object.values(config).every((value) => value === undefined)) {
    throw new UsageError('no option to change was given', 'varve topics alter --help lists them');
  }
  const isDryRun = options.yes !== true;
  const changes = await consultStore(context, path, async (desk) => {
    const before = await askForTopic(desk, path, topic);
    const after = alteredSettings(before.options, config);
    await checkAlteration(desk, before, { config, after });
    return changesBetween(before.options, after);
  });
  if (!isDryRun && changes.length > 0) {
    await changeStore(context, path, (desk) => desk.ask(alterTopic, { topic, options: config }));
  }
  const { output } = context;
  if (options.json === true) {
    const outcome: Outcome = { path, topic, isDryRun, changes };
    output.write(`${JSON.stringify(outcome)}\n`);
    return ExitCode.ok;
  }
  if (changes.length > 0) output.write(table(changes));
  const name = `topic ${escapeText(topic)}`;
  if (changes.length === 0) output.write(`${name} is like that already; nothing was changed\n`);
  else if (isDryRun) {
    output.write(`${name} would be altered; nothing was changed, --yes alters it\n`);
  } else output.write(`${name} is altered\n`);
  return ExitCode.ok;
}

interface Alteration {
  readonly config: TopicConfig;
  readonly after: TopicSettings;
}

/** As the store does it, also for a dry run. */
async function checkAlteration(
  desk: StoreDesk,
  { name, keyMaps }: TopicDescription,
  { config, after }: Alteration,
): Promise<void> {
  const groups = (await desk.ask(listShareGroups, {})).filter(({ topic }) => topic === name);
  if (!groups.some(({ isQueue }) => isQueue)) checkNotUntilSettled(config);
  const topics = await desk.ask(listTopics, {});
  checkArchive(name, config, after, archivesIn(topics));
  const settledGroup = after.compaction === 'key' ? await settledOf(desk, name, groups) : null;
  checkCompaction({ name, keyMaps, settledGroup }, after);
}

async function settledOf(
  desk: StoreDesk,
  topic: string,
  groups: readonly { readonly name: string }[],
): Promise<string | null> {
  for (const { name: group } of groups) {
    const { settings } = await desk.ask(describeShareGroup, { topic, group, leasesMax: 0 });
    if (settings.retention === 'settled') return group;
  }
  return null;
}

function changesBetween(before: TopicSettings, after: TopicSettings): OptionChange[] {
  return TOPIC_OPTION_NAMES.filter((option) => before[option] !== after[option]).map((option) => ({
    option,
    from: before[option],
    to: after[option],
  }));
}

function table(changes: readonly OptionChange[]): string {
  return formatTable(
    [{ title: 'option' }, { title: 'from' }, { title: 'to' }],
    changes.map(({ option, from, to }) => [option, String(from ?? 'none'), String(to ?? 'none')]),
  );
}
