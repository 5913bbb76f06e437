/** `varve exchanges rebuild <store> <exchange> <destination>`: damaged logs made again; a dry run unless `--yes`. */
import type { RebuildReport, RebuiltPartition } from '../../src/routing/rebuild.ts';
import { rebuildDestination } from '../../src/store/routing-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, checkSendsTo } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore, consultStore } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatPlural } from '../units.ts';

interface ExchangesRebuildOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `For a queue or topic that this exchange alone has sent records to, and of which something is damaged or
gone: each such partition gets the same records at the same offsets once more, from the source of the
exchange. What is left of the old files is kept in quarantine/. It is refused, and nothing is changed,
when the source does not have all of it, or somebody else wrote there, too: varve repair takes those.`;

export const exchangesRebuildVerb: Verb<ExchangesRebuildOptions> = {
  description:
    'Make again what is damaged of a queue or topic, from what an exchange has sent there.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, { description: 'the name of the queue or topic' }],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Made again, or nothing is damaged; or a dry run, and it can be.',
      1: 'It cannot be made again: the message says why. Or another failure.',
      2: true,
      3: true,
      4: 'The source of the exchange, or the journal, is damaged itself.',
      5: true,
      130: true,
    },
    files: {
      ...STORE_WRITER_FILES,
      '<store>/topics/<topic>/<partition>/quarantine/': 'what was left of a partition made again',
    },
    seeAlso: ['verify', 'repair', 'exchanges describe'],
    examples: [
      {
        command: 'varve exchanges rebuild ./store flights arrivals',
        does: 'is something damaged, and can it be made again?',
      },
      { command: 'varve exchanges rebuild ./store flights arrivals --yes', does: 'do it' },
      {
        command:
          "varve exchanges rebuild ./store flights arrivals --json | jq '.partitions[] | select(.isDamaged)'",
        does: 'the partitions that are damaged',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome extends RebuildReport {
  readonly path: string;
  readonly exchange: string;
}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesRebuildOptions,
  [exchange = '', destination = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  await checkSendsTo(path, exchange, destination);
  const putTo = isDryRun ? consultStore : changeStore;
  const report = await putTo(context, path, (desk) =>
    desk.ask(rebuildDestination, { exchange, destination, isDryRun }),
  );
  const outcome: Outcome = { path, exchange, ...report };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

function textOf({ exchange, destination, isDryRun, partitions }: Outcome): string {
  const damagedCount = partitions.filter(({ isDamaged }) => isDamaged).length;
  const name = escapeText(destination);
  if (damagedCount === 0) {
    const parts = formatPlural(partitions.length, 'partition');
    return `${table(partitions)}nothing of ${name} is damaged: ${parts} looked at, nothing changed\n`;
  }
  const what = `${formatPlural(damagedCount, 'partition')} of ${name} again from exchange ${escapeText(exchange)}`;
  const end = isDryRun
    ? `would make ${what}; nothing was changed, --yes does it`
    : `made ${what}; what was left of the old files is in quarantine/`;
  return `${table(partitions)}${end}\n`;
}

function table(partitions: readonly RebuiltPartition[]): string {
  return formatTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'state' },
      { title: 'unreadable', align: 'right' },
      { title: 'start', align: 'right' },
      { title: 'end', align: 'right' },
    ],
    partitions.map((one) => [
      String(one.partition),
      stateOf(one),
      formatCount(one.unreadableCount),
      formatCount(one.startOffset),
      formatCount(one.endOffset),
    ]),
  );
}

function stateOf({ isDamaged, isReplaced }: RebuiltPartition): string {
  if (isReplaced) return 'made again';
  return isDamaged ? 'damaged' : 'whole';
}
