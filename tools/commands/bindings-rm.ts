/** `varve bindings rm <store> <exchange> <destination>`: ends a binding; a dry run unless `--yes`. */
import { removeBinding } from '../../src/store/routing-verbs.ts';
import type { DocumentBinding } from '../../src/routing/topology-document.ts';
import { topologyOf } from '../../src/store/store-topology.ts';
import {
  BINDING_OPTIONS,
  bindingOf,
  DESTINATION_ARGUMENT,
  type BindingOptions,
} from '../binding-options.ts';
import { bindingLine } from '../binding-text.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { checkBound, EXCHANGE_ARGUMENT, notBound } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { changeStore } from '../store-desk.ts';

interface BindingsRmOptions extends BindingOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Say all of the binding, as it was made: a binding of another pattern or other headers is another one.
What was published before still goes there.`;

export const bindingsRmVerb: Verb<BindingsRmOptions> = {
  description:
    'End a binding: what is published from then on does not go there by it. An auto-delete exchange\n' +
    'goes with its last one.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, DESTINATION_ARGUMENT],
  options: [...BINDING_OPTIONS, YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Ended; or a dry run.',
      1: true,
      2: true,
      3: 'There is no such binding, exchange or store.',
      4: true,
      5: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['bindings ls', 'bindings add', 'simulate', 'topology import'],
    examples: [
      {
        command: "varve bindings rm ./store flights arrivals -p 'flight.*.AMS'",
        does: 'would it work?',
      },
      {
        command: "varve bindings rm ./store flights arrivals -p 'flight.*.AMS' --yes",
        does: 'do it',
      },
      {
        command: 'varve bindings rm ./store flights audit --to-exchange --yes',
        does: 'a binding to an exchange, without a pattern',
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
  /** Whether the exchange goes with it. */
  readonly isLast: boolean;
}

async function run(
  context: CommandContext,
  path: string,
  options: BindingsRmOptions,
  [exchange = '', destination = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const found = await lookAtStore(path, async (store) => {
    const binding = bindingOf(store, [exchange, destination], options);
    const { exchanges, bindings } = topologyOf(store);
    const own = bindings.filter((each) => each.exchange === exchange);
    checkBound(binding, bindings);
    const isAutoDelete = exchanges.some((each) => each.name === exchange && each.autoDelete);
    return { binding, isLast: isAutoDelete && own.length === 1 };
  });
  const { binding } = found;
  if (!isDryRun) {
    await changeStore(context, path, async (desk) => {
      if (!(await desk.ask(removeBinding, { binding }))) throw notBound(binding, []);
    });
  }
  const outcome: Outcome = { path, isDryRun, ...found };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  return ExitCode.ok;
}

function textOf({ isDryRun, binding, isLast }: Outcome): string {
  const what = escapeText(bindingLine(binding));
  const name = `exchange ${escapeText(binding.exchange)}`;
  if (isDryRun) {
    const also = isLast ? `, and ${name} would go with it` : '';
    return `would end ${what}${also}; nothing was changed, --yes ends it\n`;
  }
  return `ended ${what}${isLast ? `; ${name} went with it` : ''}\n`;
}
