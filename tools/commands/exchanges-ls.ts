/** `varve exchanges ls <store>`: the exchanges of a store. */
import type { Store } from '../../src/index.ts';
import type { ExchangeDescription } from '../../src/routing/exchange-catalog.ts';
import { SOURCE_PREFIX } from '../../src/topic/topic-names.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { formatTable } from '../table.ts';
import { readTopicExtent, type TopicExtent } from '../topic-extent.ts';
import { formatBytes, formatCount } from '../units.ts';

interface ExchangesLsOptions {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `"records" is how many its source log holds of what was published to it, as of the last checkpoint: a "?"
means that there is no valid one. varve cat <store> --topic exchange:<name> prints them.`;

export const exchangesLsVerb: Verb<ExchangesLsOptions> = {
  description: 'List the exchanges of a store: types, bindings, alternates, records.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION, NDJSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: 'Done; also when there is no exchange.', 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['exchanges describe', 'exchanges create', 'bindings ls', 'topology graph'],
    examples: [
      { command: 'varve exchanges ls ./store', does: 'a table' },
      {
        command: `varve exchanges ls ./store --ndjson | jq -r 'select(.bindingCount == 0) | .name'`,
        does: 'those that lead nowhere',
      },
      {
        command: "varve exchanges ls ./store --json | jq '.exchanges | length'",
        does: 'how many?',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
export interface ListedExchange extends ExchangeDescription, TopicExtent {}

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesLsOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const exchanges = await lookAtStore(path, async (store) => {
    const listed: ListedExchange[] = [];
    for (const exchange of store.exchanges()) {
      signal.throwIfAborted();
      listed.push(await withExtent(store, exchange));
    }
    return listed;
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, exchanges })}\n`);
  else if (options.ndjson === true) {
    for (const exchange of exchanges) output.write(`${JSON.stringify(exchange)}\n`);
  } else if (exchanges.length > 0) output.write(table(exchanges));
  else context.note(`no exchange in ${path}`);
  return ExitCode.ok;
}

/** With how much its source log holds. */
export async function withExtent(
  store: Store,
  exchange: ExchangeDescription,
): Promise<ListedExchange> {
  const source = store.topics().find(({ name }) => name === SOURCE_PREFIX + exchange.name);
  const none = { offsetCount: null, sizeBytes: 0 };
  return { ...exchange, ...(source === undefined ? none : await readTopicExtent(store, source)) };
}

/** `internal, auto-delete`; empty for neither. */
export function traitsOf({
  internal,
  autoDelete,
}: Pick<ExchangeDescription, 'internal' | 'autoDelete'>): string {
  return [...(internal ? ['internal'] : []), ...(autoDelete ? ['auto-delete'] : [])].join(', ');
}

function table(exchanges: readonly ListedExchange[]): string {
  return formatTable(
    [
      { title: 'exchange' },
      { title: 'type' },
      { title: 'bindings', align: 'right' },
      { title: 'records', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'alternate' },
      { title: 'traits' },
    ],
    exchanges.map((exchange) => [
      exchange.name,
      exchange.type,
      formatCount(exchange.bindingCount),
      exchange.offsetCount === null ? '?' : formatCount(exchange.offsetCount),
      formatBytes(exchange.sizeBytes),
      exchange.alternate ?? '-',
      traitsOf(exchange),
    ]),
  );
}
