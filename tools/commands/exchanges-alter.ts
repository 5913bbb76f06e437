/** `varve exchanges alter <store> <exchange> --alternate other`: changes an exchange; a dry run unless `--yes`. */
import { Option } from 'commander';
import { setAlternate } from '../../src/store/routing-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore } from '../store-desk.ts';

interface ExchangesAlterOptions {
  /** False = none. */
  readonly alternate?: string | false;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is published from then on, and no binding matches, goes to the new alternate; what was published
before still goes to the old one. Type, internal and auto-delete stay as an exchange was made.
varve topics alter changes how its source is kept, the topic exchange:<name>: retention, compression,
and which publishes are duplicates (--dedup-window, --dedup-by, --dedup-scope).`;

export const exchangesAlterVerb: Verb<ExchangesAlterOptions> = {
  description: 'Change the alternate of an exchange: who gets what no binding of it matches.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT],
  options: [
    new Option('--alternate <exchange>', 'gets what no binding matches'),
    new Option('--no-alternate', 'nobody gets it'),
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Changed; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['exchanges describe', 'exchanges create', 'topics alter', 'route'],
    examples: [
      { command: 'varve exchanges alter ./store flights --alternate lost', does: 'would it work?' },
      { command: 'varve exchanges alter ./store flights --alternate lost --yes', does: 'do it' },
      {
        command: 'varve exchanges alter ./store flights --no-alternate --yes',
        does: 'what no binding matches goes nowhere',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly exchange: string;
  readonly isDryRun: boolean;
  readonly alternate: string | null;
  /** What it was. */
  readonly alternateBefore: string | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesAlterOptions,
  [exchange = '']: readonly string[],
): Promise<ExitCode> {
  if (options.alternate === undefined) {
    throw new UsageError('nothing to change: give --alternate or --no-alternate');
  }
  const alternate = options.alternate === false ? null : options.alternate;
  const isDryRun = options.yes !== true;
  const before = await lookAtStore(path, async (store) => {
    const found = findExchange(store, exchange);
    if (alternate !== null) findExchange(store, alternate);
    return found.alternate;
  });
  if (!isDryRun && alternate !== before) {
    await changeStore(context, path, (desk) => desk.ask(setAlternate, { exchange, alternate }));
  }
  const outcome: Outcome = { path, exchange, isDryRun, alternate, alternateBefore: before };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

function textOf({ exchange, isDryRun, alternate, alternateBefore }: Outcome): string {
  const [name, to, from] = [exchange, alternate ?? 'none', alternateBefore ?? 'none'].map((text) =>
    escapeText(text),
  );
  if (alternate === alternateBefore) {
    return `the alternate of exchange ${name} is ${to} already; nothing was changed\n`;
  }
  const what = `the alternate of exchange ${name} to ${to}, from ${from}`;
  return isDryRun
    ? `would change ${what}; nothing was changed, --yes does it\n`
    : `changed ${what}\n`;
}
