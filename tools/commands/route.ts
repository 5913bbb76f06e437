/** `varve route <store> <exchange> [key]`: where a record would go, and why. */
import { Option } from 'commander';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { checkKeys } from '../routing-keys.ts';
import { parseHeader, type HeaderOption } from '../record-headers.ts';
import { explanationText } from '../route-explanation.ts';
import { DEFAULT_EXCHANGE } from '../../src/routing/exchange-name.ts';
import { explainByName, explainDefault } from '../../src/routing/named-route.ts';
import { knownTopics } from '../../src/store/store-topology.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';

interface RouteVerbOptions {
  readonly header?: HeaderOption;
  readonly json?: true;
}

export const routeVerb: Verb<RouteVerbOptions> = {
  description:
    'Say where a record would go that is published with this routing key now: which bindings match,\n' +
    'why, and through which exchanges. Nothing is published.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, { description: 'the routing key (default: empty)' }],
  options: [
    new Option(
      '-H, --header <name=value>',
      'of the record, for headers exchanges; as often as you like',
    ).argParser(parseHeader),
    JSON_OPTION,
  ],
  help: {
    besideWriter: BESIDE_STORE,
    exitCodes: {
      0: 'Done; also when it would go nowhere.',
      1: true,
      2: true,
      3: true,
      4: true,
    },
    files: STORE_FILES,
    seeAlso: ['simulate', 'publish', 'bindings ls', 'topology graph'],
    examples: [
      { command: 'varve route ./store flights flight.LHR.AMS', does: 'in words' },
      {
        command: 'varve route ./store delays -H delay=long',
        does: 'of a record with a header, through a headers exchange',
      },
      {
        command: "varve route ./store flights flight.LHR.AMS --json | jq -r '.destinations[]'",
        does: 'the queues and topics alone',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  { header, json }: RouteVerbOptions,
  [exchange = '', routingKey = '']: readonly string[],
): Promise<ExitCode> {
  checkKeys({ routingKey });
  const given = Object.entries(header ?? {});
  const headers = new Map(given.map(([name, value]) => [name, Buffer.from(value, 'utf8')]));
  const explained = await lookAtStore(path, async (store) => {
    const topics = knownTopics(store);
    if (exchange === DEFAULT_EXCHANGE) return explainDefault(topics, routingKey);
    const { exchangeId } = findExchange(store, exchange);
    return explainByName(
      { catalog: store.exchangeCatalog, topics },
      exchangeId,
      routingKey,
      headers.size === 0 ? null : headers,
    );
  });
  const { output } = context;
  if (json === true) {
    output.write(`${JSON.stringify({ path, exchange, routingKey, ...explained })}\n`);
  } else output.write(explanationText(explained));
  return ExitCode.ok;
}
