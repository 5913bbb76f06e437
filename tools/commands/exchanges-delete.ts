/** `varve exchanges delete <store> <exchange>`: an exchange with its bindings; a dry run unless `--yes`. */
import type { DocumentBinding } from '../../src/routing/topology-document.ts';
import { deleteExchange } from '../../src/store/routing-verbs.ts';
import { topologyOf } from '../../src/store/store-topology.ts';
import { bindingsTable } from '../binding-text.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore } from '../store-desk.ts';
import { formatPlural } from '../units.ts';

interface ExchangesDeleteOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Bindings that lead to it go, too. What was published before still reaches its destinations; then its
source log goes. Queues and topics stay as they are.`;

export const exchangesDeleteVerb: Verb<ExchangesDeleteOptions> = {
  description: 'Delete an exchange, its bindings, and those that lead to it.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Deleted; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['exchanges describe', 'bindings rm', 'topology export'],
    examples: [
      { command: 'varve exchanges delete ./store flights', does: 'which bindings would go?' },
      { command: 'varve exchanges delete ./store flights --yes', does: 'do it' },
      {
        command: "varve exchanges delete ./store flights --json | jq '.bindings | length'",
        does: 'how many bindings would go',
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
  /** Its own, and those that lead to it. */
  readonly bindings: readonly DocumentBinding[];
}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesDeleteOptions,
  [exchange = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const bindings = await lookAtStore(path, async (store) => {
    findExchange(store, exchange);
    return topologyOf(store).bindings.filter((binding) => isOf(binding, exchange));
  });
  if (!isDryRun) await changeStore(context, path, (desk) => desk.ask(deleteExchange, { exchange }));
  const outcome: Outcome = { path, exchange, isDryRun, bindings };
  const { output } = context;
  if (options.json === true) {
    output.write(`${JSON.stringify(outcome)}\n`);
    return ExitCode.ok;
  }
  if (bindings.length > 0) output.write(bindingsTable(bindings));
  const what = `exchange ${escapeText(exchange)} with ${formatPlural(bindings.length, 'binding')}`;
  output.write(
    isDryRun
      ? `would delete ${what}; nothing was changed, --yes deletes it\n`
      : `deleted ${what}\n`,
  );
  return ExitCode.ok;
}

function isOf({ exchange, destination }: DocumentBinding, name: string): boolean {
  return exchange === name || ('exchange' in destination && destination.exchange === name);
}
