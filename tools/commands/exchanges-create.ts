/** `varve exchanges create <store> <exchange> --type topic`: a new exchange; a dry run unless `--yes`. */
import { Option } from 'commander';
import type { CompressionName, DurabilityLevel } from '../../src/index.ts';
import { EXCHANGE_TYPES, type ExchangeType } from '../../src/routing/binding.ts';
import { checkExchangeName } from '../../src/routing/exchange-name.ts';
import { createExchange } from '../../src/store/routing-verbs.ts';
import { checkNotUntilSettled } from '../../src/topic/dedup-options.ts';
import { newSettings } from '../../src/topic/topic-options.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { creationText } from '../creation-text.ts';
import { escapeText } from '../escape-text.ts';
import { findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  CHANGES_STORE,
  checkNewStorePath,
  lookAtStore,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { changeStore } from '../store-desk.ts';
import { traitsOf } from './exchanges-ls.ts';
import {
  alterationOf,
  DEDUP_OPTIONS,
  durabilityOption,
  KEEPING_OPTIONS,
  type DedupOptions,
} from '../topic-config.ts';

interface ExchangesCreateOptions extends DedupOptions {
  readonly type: ExchangeType;
  readonly alternate?: string;
  readonly internal?: true;
  readonly autoDelete?: true;
  readonly durability?: DurabilityLevel;
  readonly compression?: CompressionName;
  readonly retention?: number;
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `What is published to an exchange stands in a source log of its own, the topic exchange:<name>, and is
copied from there to the queues and topics that its bindings lead to. --durability, --compression,
--retention, --retention-bytes, --segment-bytes and --dedup-window, -by and -scope are of that log;
varve topics alter changes them.`;

export const exchangesCreateVerb: Verb<ExchangesCreateOptions> = {
  description:
    'Create an exchange, and the store when there is none. A name is 1 to 246 bytes of UTF-8 without\n' +
    'control characters.',
  argument: { description: 'the directory of the store; created when missing' },
  moreArguments: [{ description: 'the name of the new exchange' }],
  options: [
    new Option('-t, --type <type>', 'how it routes').choices(EXCHANGE_TYPES).makeOptionMandatory(),
    new Option('--alternate <exchange>', 'gets what no binding matches (default: none)'),
    new Option('--internal', 'takes records from other exchanges alone'),
    new Option('--auto-delete', 'goes with its last binding'),
    durabilityOption('what a published record survives (default: sync)'),
    ...KEEPING_OPTIONS,
    ...DEDUP_OPTIONS,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Created; or a dry run, and it could be.',
      1: 'There is an exchange of this name; or something else went wrong.',
      2: true,
      3: 'There is no such alternate exchange.',
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['exchanges ls', 'bindings add', 'publish'],
    examples: [
      { command: 'varve exchanges create ./store flights --type topic', does: 'would it work?' },
      { command: 'varve exchanges create ./store flights --type topic --yes', does: 'do it' },
      {
        command: 'varve exchanges create ./store orders -t direct --alternate lost --yes',
        does: 'what no binding takes goes to exchange lost',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesCreateOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { type, alternate = null, internal = false, autoDelete = false } = options;
  checkExchangeName('exchange', name);
  const source = alterationOf(options);
  newSettings(source, { durability: 'sync' });
  checkNotUntilSettled(source);
  const isNewStore = await checkNewStorePath(path);
  const isDryRun = options.yes !== true;
  if (!isNewStore) {
    await lookAtStore(path, async (store) => {
      if (store.exchanges().some((each) => each.name === name)) throw isThere(path, name);
      if (alternate !== null) findExchange(store, alternate);
    });
  } else if (alternate !== null) {
    throw new CommandError(ExitCode.notFound, `there is no exchange ${alternate}: ${path} is new`);
  }
  const wanted = { type, alternate, internal, autoDelete };
  if (!isDryRun) {
    await changeStore(context, path, (desk) =>
      desk.ask(createExchange, { exchange: name, ...wanted, source }),
    );
  }
  if (options.json === true) {
    const document = { path, name, isDryRun, isNewStore, ...wanted };
    context.output.write(`${JSON.stringify(document)}\n`);
    return ExitCode.ok;
  }
  const traits = traitsOf(wanted);
  const what = `${traits === '' ? '' : `${traits} `}${type} exchange ${escapeText(name)}`;
  const how = alternate === null ? '' : `alternate ${escapeText(alternate)}`;
  context.output.write(creationText({ path, isNewStore, isDryRun, what, how }));
  return ExitCode.ok;
}

function isThere(path: string, name: string): CommandError {
  return new CommandError(
    ExitCode.failure,
    `there is an exchange ${name} in ${path} already`,
    'varve exchanges describe shows what it is',
  );
}
