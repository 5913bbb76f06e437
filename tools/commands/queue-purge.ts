/** `varve queue purge <store> <queue>`: settles all that waits; a dry run unless `--yes`. */
import { Option } from 'commander';
import { purgeShareGroup } from '../../src/store/queue-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
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
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatPlural } from '../units.ts';

interface QueuePurgeOptions extends QueueChoice {
  readonly undo?: true;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is ready or delayed is settled as it stands then: it is never handed out. What is leased goes on,
and what is dead stays. The records are not deleted at once: --undo brings back what the last purge
took, as far as retention has not deleted it.

${QUEUE_NOTE}`;

export const queuePurgeVerb: Verb<QueuePurgeOptions> = {
  description: 'Settle all records of a queue that nobody has leased, or take that back.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [
    SHARE_GROUP_OPTION,
    new Option('--undo', 'bring back what the last purge took'),
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Done; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue stats', 'queue peek', 'queue redrive'],
    examples: [
      { command: 'varve queue purge ./store email', does: 'what would go?' },
      { command: 'varve queue purge ./store email --yes', does: 'do it' },
      { command: 'varve queue purge ./store email --undo --yes', does: 'take it back' },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueuePurgeOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const isUndo = options.undo === true;
  const purge = async (desk: StoreDesk) => {
    const found = await findQueue(desk, path, name, options);
    if (!isDryRun) {
      const { recordCount } = await desk.ask(purgeShareGroup, { ...refOf(found), undo: isUndo });
      return { found, recordCount };
    }
    const { stats, undoableCount } = await describeQueue(desk, found);
    return { found, recordCount: isUndo ? undoableCount : stats.readyCount + stats.delayedCount };
  };
  await checkStorePath(path);
  const { found, recordCount } = await (isDryRun ? consultStore : changeStore)(
    context,
    path,
    purge,
  );
  const { topic, group } = refOf(found);
  const outcome = { path, topic, group, isDryRun, isUndo, recordCount };
  const { output } = context;
  if (options.json === true) output.write(`${JSON.stringify(outcome)}\n`);
  else output.write(`${sentence(outcome, labelOf(found))}\n`);
  return ExitCode.ok;
}

function sentence(
  outcome: { readonly isDryRun: boolean; readonly isUndo: boolean; readonly recordCount: number },
  label: string,
): string {
  const { isDryRun, isUndo, recordCount } = outcome;
  const what = `${formatPlural(recordCount, 'record')} of ${label}`;
  if (!isDryRun) return isUndo ? `brought back ${what}` : `settled ${what}`;
  const would = isUndo ? 'would bring back' : 'would settle';
  return `${would} ${what}; nothing was changed, --yes does it`;
}
