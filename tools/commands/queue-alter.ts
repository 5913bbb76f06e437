/** `varve queue alter <store> <queue>`: other settings for a queue; a dry run unless `--yes`. */
import { checkRetention, groupLabel } from '../../src/queue/queue-group.ts';
import { alteredShareSettings, type ShareSettings } from '../../src/queue/share-settings.ts';
import { alterTopic } from '../../src/store/control-verbs.ts';
import { alterShareGroup } from '../../src/store/queue-setting-verbs.ts';
import { DEDUP_OPTION_NAMES, type DedupConfig } from '../../src/topic/dedup-options.ts';
import { alteredSettings } from '../../src/topic/topic-options.ts';
import type { ShareGroupListing } from '../../src/index.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  describeQueue,
  findQueue,
  labelOf,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  refOf,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import { QUEUE_CONFIG_OPTIONS, queueConfigOf, type QueueConfigOptions } from '../queue-config.ts';
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { askForTopic, changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { DEDUP_OPTIONS, dedupConfigOf, type DedupOptions } from '../topic-config.ts';

interface QueueAlterOptions extends QueueConfigOptions, DedupOptions, QueueChoice {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is left out stays as it is. A lease that runs keeps its time, and new limits count from the next
end of an attempt on. How the records are stored is changed by topics alter.

${QUEUE_NOTE}`;

export const queueAlterVerb: Verb<QueueAlterOptions> = {
  description:
    'Change how a queue hands its records out, and when it gives them up. Prints the old and the new\n' +
    'values.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [...QUEUE_CONFIG_OPTIONS, ...DEDUP_OPTIONS, SHARE_GROUP_OPTION, YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Done; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue stats', 'queue create', 'topics alter'],
    examples: [
      { command: 'varve queue alter ./store email --lease-ms 60000', does: 'what would change?' },
      { command: 'varve queue alter ./store email --lease-ms 60000 --yes', does: 'do it' },
      {
        command: 'varve queue alter ./store orders --group billing --dead-letter none --yes',
        does: 'a share group keeps its dead records from now on',
      },
    ],
  },
  run,
};

interface SettingChange {
  readonly setting: keyof ShareSettings | keyof DedupConfig;
  readonly from: string | number | null;
  readonly to: string | number | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: QueueAlterOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const config = queueConfigOf(options, name);
  const dedup = dedupConfigOf(options);
  const hasConfig = Object.values(config).some((value) => value !== undefined);
  if (!hasConfig && dedup === null) {
    throw new UsageError('no setting to change was given', 'varve queue alter --help lists them');
  }
  await checkStorePath(path);
  const isDryRun = options.yes !== true;
  const { found, changes } = await consultStore(context, path, async (desk) => {
    const queue = await findQueue(desk, path, name, options);
    const { settings: before } = await describeQueue(desk, queue);
    const after = alteredShareSettings(before, config);
    if (config.retention === 'settled') {
      const { options: ofTopic } = await askForTopic(desk, path, queue.topic);
      checkRetention(groupLabel(queue.topic, queue.name), after, ofTopic);
    }
    const ofGroup = changesBetween(before, after);
    const ofTopic = dedup === null ? [] : await dedupChanges(desk, path, { queue, dedup });
    return { found: queue, changes: [...ofGroup, ...ofTopic] };
  });
  if (!isDryRun && changes.length > 0) {
    await changeStore(context, path, async (desk) => {
      if (hasConfig) {
        const both = { settings: config, dedup: dedup ?? undefined };
        await desk.ask(alterShareGroup, { ...refOf(found), ...both });
      } else await desk.ask(alterTopic, { topic: found.topic, options: dedup ?? {} });
    });
  }
  const { output } = context;
  if (options.json === true) {
    output.write(`${JSON.stringify({ path, ...refOf(found), isDryRun, changes })}\n`);
    return ExitCode.ok;
  }
  if (changes.length > 0) output.write(table(changes));
  const label = labelOf(found);
  if (changes.length === 0) output.write(`${label} is like that already; nothing was changed\n`);
  else if (isDryRun) {
    output.write(`${label} would be altered; nothing was changed, --yes alters it\n`);
  } else output.write(`${label} is altered\n`);
  return ExitCode.ok;
}

const SETTINGS = [
  'leaseMs',
  'failuresMax',
  'expiriesMax',
  'leasedMax',
  'deadLetter',
  'deadLetterRoutingKey',
  'retention',
] as const;

function changesBetween(before: ShareSettings, after: ShareSettings): SettingChange[] {
  return SETTINGS.filter((setting) => before[setting] !== after[setting]).map((setting) => ({
    setting,
    from: before[setting],
    to: after[setting],
  }));
}

/** What is stored once is a matter of the topic, whoever leases its records. @throws UsageError */
async function dedupChanges(
  desk: StoreDesk,
  path: string,
  { queue, dedup }: { readonly queue: ShareGroupListing; readonly dedup: DedupConfig },
): Promise<readonly SettingChange[]> {
  if (!queue.isQueue) {
    const hint = 'varve topics alter changes those of a topic';
    throw new UsageError('--dedup-window, --dedup-by and --dedup-scope are not of a group', hint);
  }
  const { options: before } = await askForTopic(desk, path, queue.topic);
  const after = alteredSettings(before, dedup);
  return DEDUP_OPTION_NAMES.filter((setting) => before[setting] !== after[setting]).map(
    (setting) => ({ setting, from: before[setting], to: after[setting] }),
  );
}

function table(changes: readonly SettingChange[]): string {
  return formatTable(
    [{ title: 'setting' }, { title: 'from' }, { title: 'to' }],
    changes.map(({ setting, from, to }) => [setting, String(from ?? 'none'), String(to ?? 'none')]),
  );
}
