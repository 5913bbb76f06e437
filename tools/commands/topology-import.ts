/** `varve topology import <store> [file]`: exchanges and bindings of a document; a dry run unless `--yes`. */
import { Option } from 'commander';
import type { KnownTopic, TopologyDocument } from '../../src/routing/topology-document.ts';
import { planImport, type ImportPlan, type ImportStep } from '../../src/routing/topology-import.ts';
import { importTopology } from '../../src/store/routing-verbs.ts';
import { knownTopics, topologyOf } from '../../src/store/store-topology.ts';
import { bindingLine } from '../binding-text.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  CHANGES_STORE,
  checkNewStorePath,
  lookAtStore,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { changeStore } from '../store-desk.ts';
import { readTopology } from '../topology-file.ts';
import { formatPlural } from '../units.ts';
import { traitsOf } from './exchanges-ls.ts';

interface TopologyImportOptions {
  readonly prune?: true;
  readonly create?: true;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is there and not in the document stays, unless --prune. Each step is durable before the next: what
is stopped half-way is done to its end by another import. An exchange that is there keeps its type and
its traits: a document that says otherwise is refused, and nothing is changed.`;

export const topologyImportVerb: Verb<TopologyImportOptions> = {
  description:
    'Create the exchanges and bindings of a document, as varve topology export prints it, in a store.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the document (default: stdin)' }],
  options: [
    new Option('--prune', 'remove exchanges and bindings that are not in the document'),
    new Option(
      '--create',
      'create queues and topics that it leads to and that are not there; the store, too',
    ),
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Done; or a dry run.',
      1: 'An exchange that is there is another one; or something else went wrong.',
      2: 'The command line or the document is wrong; nothing was changed.',
      3: 'There is no such store or file, or no queue or topic that a binding leads to.',
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['topology export', 'simulate', 'bindings add'],
    examples: [
      { command: 'varve topology import ./store topology.json', does: 'what would change?' },
      { command: 'varve topology import ./store topology.json --yes', does: 'do it' },
      {
        command: 'varve topology import ./store topology.json --prune --yes',
        does: 'exactly what the document says, and no more',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome extends ImportPlan {
  readonly path: string;
  readonly isDryRun: boolean;
}

interface Planned {
  readonly topology: TopologyDocument;
  readonly plan: ImportPlan;
}

async function run(
  context: CommandContext,
  path: string,
  options: TopologyImportOptions,
  [file = '-']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const prune = options.prune === true;
  const isCreating = options.create === true;
  const check = await readTopology(context, file);
  const planFor = (stored: TopologyDocument, topics: readonly KnownTopic[]): Planned => {
    const isThere = (name: string): boolean =>
      !prune && stored.exchanges.some((exchange) => exchange.name === name);
    const topology = check(isThere);
    return { topology, plan: planImport(topology, stored, { prune, topics }) };
  };
  const isNewStore = isCreating && (await checkNewStorePath(path));
  const { topology, plan } = isNewStore
    ? planFor({ exchanges: [], bindings: [] }, [])
    : await lookAtStore(path, async (store) => planFor(topologyOf(store), knownTopics(store)));
  checkPlan(plan, isCreating);
  if (!isDryRun && plan.steps.length > 0) {
    await changeStore(context, path, (desk) =>
      desk.ask(importTopology, { topology, prune, isCreating }),
    );
  }
  const outcome: Outcome = { path, isDryRun, ...plan };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

/** @throws CommandError for what cannot be carried out */
function checkPlan({ conflicts, missing }: ImportPlan, isCreating: boolean): void {
  if (conflicts.length > 0) {
    const all = conflicts.map(
      ({ exchange, stored, requested }) => `exchange ${exchange} has ${stored}, not ${requested}`,
    );
    throw new CommandError(ExitCode.failure, all.join('; '), 'nothing was changed');
  }
  if (missing.length === 0 || isCreating) return;
  const names = missing.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  throw new CommandError(
    ExitCode.notFound,
    `bindings lead to what is not there: ${names}`,
    'nothing was changed; --create creates them, with the options that queues and topics have by default',
  );
}

function textOf({ isDryRun, steps, missing }: Outcome): string {
  const lines = [
    ...missing.map(({ kind, name }) => `create ${kind} ${name}`),
    ...steps.map((step) => stepText(step)),
  ];
  if (lines.length === 0) return 'the topology is like that already; nothing was changed\n';
  const shown = lines.map((line) => `${escapeText(line)}\n`).join('');
  const changes = formatPlural(lines.length, 'change');
  return isDryRun
    ? `${shown}would make ${changes}; nothing was changed, --yes makes them\n`
    : `${shown}made ${changes}\n`;
}

function stepText(step: ImportStep): string {
  switch (step.kind) {
    case 'add-exchange': {
      const { name, type } = step.exchange;
      const traits = traitsOf(step.exchange);
      return `create ${traits === '' ? '' : `${traits} `}${type} exchange ${name}`;
    }
    case 'set-alternate':
      return `alternate of exchange ${step.exchange}: ${step.requested ?? 'none'}, not ${step.stored ?? 'none'}`;
    case 'add-binding':
      return `bind ${bindingLine(step.binding)}`;
    case 'remove-binding':
      return `end ${bindingLine(step.binding)}`;
    case 'remove-exchange':
      break;
  }
  return `delete exchange ${step.exchange.name}`;
}
