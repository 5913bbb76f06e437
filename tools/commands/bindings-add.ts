/** `varve bindings add <store> <exchange> <destination>`: a new binding; a dry run unless `--yes`. */
import { Option } from 'commander';
import type { ReadFrom } from '../../src/index.ts';
import { addBinding } from '../../src/store/routing-verbs.ts';
import type { DocumentBinding } from '../../src/routing/topology-document.ts';
import {
  BINDING_OPTIONS,
  bindingOf,
  DESTINATION_ARGUMENT,
  uselessPart,
  type BindingOptions,
} from '../binding-options.ts';
import { bindingLine } from '../binding-text.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, findBinding, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { parseFrom, parseSince } from '../ranges.ts';
import { CHANGES_STORE, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { untilBackfilled } from '../projection-wait.ts';
import { changeStore } from '../store-desk.ts';
import { formatTime } from '../units.ts';

interface BindingsAddOptions extends BindingOptions {
  readonly from?: ReadFrom;
  readonly since?: number;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `The words of a topic exchange's pattern stand between dots; * stands for one word, # for any number of
them, also none. In a headers exchange, -H asks for headers: name=value, or a name alone. In a
consistent-hash exchange the pattern is a weight, such as 1.

What is published from then on goes to the destination, too. With --from or --since it gets what was
published before and is not there yet as well, from there on: the process that has the store open
copies it in the background; where there is none, the verb does, and what is left when it is stopped
the next one.`;

export const bindingsAddVerb: Verb<BindingsAddOptions> = {
  description:
    'Bind a queue, a topic or an exchange to an exchange. Bound twice, it is one binding, with its past.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, DESTINATION_ARGUMENT],
  options: [
    ...BINDING_OPTIONS,
    new Option(
      '--from <offset>',
      'the past, too: from an offset of the source, earliest, or -N for the last N',
    )
      .argParser(parseFrom)
      .conflicts('since'),
    new Option(
      '--since <when>',
      'the past, too, from a create time: 15m ago, or 2026-01-31T12:00Z',
    ).argParser((text: string) => parseSince(text, Date.now())),
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Bound, or was already; or a dry run.',
      1: true,
      2: true,
      3: true,
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['bindings ls', 'bindings rm', 'route', 'simulate'],
    examples: [
      {
        command: "varve bindings add ./store flights arrivals -p 'flight.*.AMS'",
        does: 'would it work?',
      },
      {
        command:
          "varve bindings add ./store flights arrivals -p 'flight.*.AMS' --from earliest --yes",
        does: 'do it, and copy what was published before',
      },
      {
        command: 'varve bindings add ./store delays desk -H delay=long -H crew --match any --yes',
        does: 'records with delay=long, or with a header crew',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly isDryRun: boolean;
  readonly binding: DocumentBinding;
  /** Whether there was such a binding before. */
  readonly isBound: boolean;
  readonly from: ReadFrom | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: BindingsAddOptions,
  [exchange = '', destination = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const start = options.since === undefined ? options.from : { timestamp: options.since };
  const found = await lookAtStore(path, async (store) => {
    const binding = bindingOf(store, [exchange, destination], options);
    const useless = uselessPart(findExchange(store, exchange), binding);
    const known = findBinding(store, binding);
    const hasPast = known !== null && store.exchangeCatalog.sources.hasPast(known);
    return { binding, useless, isBound: known !== null, hasPast };
  });
  const { binding, useless, isBound, hasPast } = found;
  if (isBound && !hasPast && asksForPast(start)) throw boundWithoutPast(binding);
  if (useless !== null) context.note(useless);
  if (!isDryRun) {
    await changeStore(context, path, async (desk) => {
      const { bindingId } = await desk.ask(addBinding, { binding, from: start });
      // Nobody else would copy the past before the store is opened again.
      if (!desk.isOwner && start !== undefined) await untilBackfilled(context, desk, bindingId);
    });
  }
  const outcome: Outcome = { path, isDryRun, binding, isBound, from: start ?? null };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

function textOf({ isDryRun, binding, isBound, from }: Outcome): string {
  const what = escapeText(bindingLine(binding));
  if (isBound) return `${what} is bound already; nothing was changed\n`;
  const past = from === null || !asksForPast(from) ? '' : `, with ${pastText(from)}`;
  return isDryRun
    ? `would bind ${what}${past}; nothing was changed, --yes binds it\n`
    : `bound ${what}${past}\n`;
}

function pastText(from: ReadFrom): string {
  if (from === 'earliest') return 'all of its past';
  if (typeof from !== 'object') return `its past from offset ${from} on`;
  if ('timestamp' in from) return `its past since ${formatTime(from.timestamp)}`;
  return 'last' in from
    ? `the last ${from.last} offsets`
    : `its past from offset ${from.offset} on`;
}

function asksForPast(start: ReadFrom | undefined): boolean {
  return start !== undefined && start !== 'latest';
}

function boundWithoutPast(binding: DocumentBinding): CommandError {
  return new CommandError(
    ExitCode.failure,
    `${bindingLine(binding)} is bound already, without the past`,
    'only a new binding gets it: varve bindings rm ends this one; bound again with --from, it brings what is not there yet',
  );
}
