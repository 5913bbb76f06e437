/** `varve exchanges describe <store> <exchange>`: what an exchange is, and what leads from and to it. */
import type { DocumentBinding } from '../../src/routing/topology-document.ts';
import { topologyOf } from '../../src/store/store-topology.ts';
import { SOURCE_PREFIX } from '../../src/topic/topic-names.ts';
import { bindingsTable } from '../binding-text.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { formatPairs } from '../table.ts';
import { formatBytes, formatCount } from '../units.ts';
import { traitsOf, withExtent, type ListedExchange } from './exchanges-ls.ts';

interface ExchangesDescribeOptions {
  readonly json?: true;
}

export const exchangesDescribeVerb: Verb<ExchangesDescribeOptions> = {
  name: 'exchanges describe',
  summary: 'one exchange, with its bindings',
  description: 'Show what an exchange is, its bindings, and what leads to it from other exchanges.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT],
  options: [JSON_OPTION],
  help: {
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['exchanges ls', 'bindings ls', 'route', 'simulate'],
    examples: [
      { command: 'varve exchanges describe ./store flights', does: 'tables' },
      {
        command: "varve exchanges describe ./store flights --json | jq '.bindings'",
        does: 'its bindings, as topology export has them',
      },
      {
        command:
          "varve cat ./store --topic $(varve exchanges describe ./store flights --json | jq -r .source)",
        does: 'what was published to it',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface Described extends ListedExchange {
  /** The topic that holds what was published to it. */
  readonly source: string;
  readonly bindings: readonly DocumentBinding[];
  /** Of other exchanges. */
  readonly bindingsTo: readonly DocumentBinding[];
  /** Names of the exchanges whose alternate it is. */
  readonly alternateOf: readonly string[];
}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesDescribeOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const described = await lookAtStore(path, async (store): Promise<Described> => {
    const exchange = await withExtent(store, findExchange(store, name));
    const { exchanges, bindings } = topologyOf(store);
    return {
      ...exchange,
      source: SOURCE_PREFIX + name,
      bindings: bindings.filter((binding) => binding.exchange === name),
      bindingsTo: bindings.filter(
        ({ destination }) => 'exchange' in destination && destination.exchange === name,
      ),
      alternateOf: exchanges.flatMap((each) => (each.alternate === name ? [each.name] : [])),
    };
  });
  if (options.json === true) context.output.write(`${JSON.stringify({ path, ...described })}\n`);
  else writeText(context, described);
  return ExitCode.ok;
}

function writeText({ output }: CommandContext, described: Described): void {
  const { name, exchangeId, type, alternate, source, offsetCount, sizeBytes } = described;
  const { bindings, bindingsTo, alternateOf } = described;
  const records = offsetCount === null ? '?' : formatCount(offsetCount);
  const traits = traitsOf(described);
  output.write(
    formatPairs([
      ['exchange', name],
      ['id', String(exchangeId)],
      ['type', traits === '' ? type : `${type}, ${traits}`],
      ['alternate', alternate ?? 'none'],
      ...(alternateOf.length === 0 ? [] : ([['alternate of', alternateOf.join(', ')]] as const)),
      ['source', `topic ${source}: ${records} records, ${formatBytes(sizeBytes)}`],
      ['bindings', formatCount(bindings.length)],
    ]),
  );
  if (bindings.length > 0) output.write(`\n${bindingsTable(bindings)}`);
  if (bindingsTo.length > 0) output.write(`\nbound to it:\n${bindingsTable(bindingsTo)}`);
}
