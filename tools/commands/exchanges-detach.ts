/** `varve exchanges detach <store> <exchange> <destination>`: lets a destination off; a dry run unless `--yes`. */
import { describeProjection, detachDestination } from '../../src/store/routing-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, checkSendsTo } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore, consultOwner } from '../store-desk.ts';
import { formatCount, formatPlural } from '../units.ts';

interface ExchangesDetachOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `An exchange keeps what it has published until all of its destinations have it: one that is full, failed or
too slow holds its source back, and varve stats names it. Once let off, it never gets what it has not got
by then. Its bindings stay: what is published from then on it gets.`;

export const exchangesDetachVerb: Verb<ExchangesDetachOptions> = {
  description: 'Let a queue or topic off what an exchange could not copy there so far.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, { description: 'the name of the queue or topic' }],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Let off; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['exchanges describe', 'stats', 'bindings rm'],
    examples: [
      { command: 'varve exchanges detach ./store flights late', does: 'how far behind is it?' },
      { command: 'varve exchanges detach ./store flights late --yes', does: 'do it' },
      {
        command: 'varve exchanges detach ./store flights late --yes --json | jq .skippedCount',
        does: 'how many records it will not get',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly exchange: string;
  readonly destination: string;
  readonly isDryRun: boolean;
  /** Offsets of the source that it is behind; null when nobody has the store open to tell. */
  readonly lagCount: number | null;
  /** Records that it will not get; known when it is done. */
  readonly skippedCount: number | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesDetachOptions,
  [exchange = '', destination = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  await checkSendsTo(path, exchange, destination);
  const told = await consultOwner(context, path, (desk) =>
    desk.ask(describeProjection, { exchange }),
  );
  const lags = told?.value.destinations.filter((one) => one.destination === destination) ?? null;
  const lagCount = lags === null ? null : Math.max(0, ...lags.map((one) => one.lagCount));
  const skippedCount = isDryRun
    ? null
    : await changeStore(context, path, (desk) =>
        desk.ask(detachDestination, { exchange, destination }),
      );
  const outcome: Outcome = { path, exchange, destination, isDryRun, lagCount, skippedCount };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

function textOf({ exchange, destination, lagCount, skippedCount }: Outcome): string {
  const names = `${escapeText(destination)} off what exchange ${escapeText(exchange)}`;
  if (skippedCount !== null) {
    return `let ${names} has not brought it: ${formatPlural(skippedCount, 'record')}\n`;
  }
  const behind = lagCount === null ? '' : `, ${formatCount(lagCount)} offsets behind`;
  return `would let ${names} has not brought it${behind}; nothing was changed, --yes does it\n`;
}
