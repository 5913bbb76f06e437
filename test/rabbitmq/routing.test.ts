/**
 * Routing against a real RabbitMQ: random topologies and records, routed by both.
 *
 * `npm run test:rabbitmq` alone runs it. Without a RabbitMQ it skips, and with REQUIRE_RABBITMQ=1 a skip
 * is a failure. `SEED=` replays a run.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { Broker, whyNoBroker } from './broker.ts';
import { brokerRoutesOf } from './broker-routes.ts';
import { compare, summaryOf, type Observation } from './comparison.ts';
import { FLAWS, NaiveRoutes } from './naive-routes.ts';
import { randomTopology } from './random-topology.ts';
import { EXCHANGE_TYPES, type ExchangeType, type RouteUnderTest } from './topology.ts';
import { VarveRoutes } from './varve-routes.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Per exchange type. */
const TOPOLOGIES = 25;
const RECORDS = 10_000;

const ROUTERS: readonly (readonly [string, () => RouteUnderTest])[] = [
  ['the naive matcher', () => new NaiveRoutes()],
  ['Varve', () => new VarveRoutes()],
];

const isRequired = process.env['REQUIRE_RABBITMQ'] === '1';
const skipReason = whyNoBroker();

test.skipIf(skipReason === null || !isRequired)('REQUIRE_RABBITMQ: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`RabbitMQ (skipped: ${skipReason ?? 'no'})`, () => {
  const observations = new Map<ExchangeType, Observation[]>();
  let broker: Broker | null = null;

  beforeAll(async () => {
    console.log(`SEED=${SEED} npm run test:rabbitmq`);
    broker = await Broker.start();
    const connection = await broker.connect();
    console.log(`RabbitMQ ${connection.connection.serverProperties.version}`);
    const random = new SeededRandom(SEED);
    for (const type of EXCHANGE_TYPES) {
      const all: Observation[] = [];
      for (let at = 0; at < TOPOLOGIES; at++) {
        // Of its own: what one topology draws changes no other.
        const own = new SeededRandom(randomBelow(random, 2 ** 31));
        const options = { prefix: `${type}-${at}/`, type, recordCount: RECORDS / TOPOLOGIES };
        const topology = randomTopology(own, options);
        all.push({ topology, deliveries: await brokerRoutesOf(connection, topology) });
      }
      observations.set(type, all);
    }
  });

  afterAll(() => broker?.close());

  describe.each(ROUTERS)('routes like %s', (name, makeRouter) => {
    test.each(EXCHANGE_TYPES)('records published to %s exchanges', (type) => {
      const comparison = compare(observations.get(type) ?? [], makeRouter);
      console.log(`${name}, ${type}: ${summaryOf(comparison)}`);
      expect(comparison.said.join('\n')).toBe('');
      expect(comparison.differenceCount).toBe(0);
      expect(comparison.recordCount).toBeGreaterThanOrEqual(RECORDS);
    });

    test('all of them', () => {
      const comparison = compare([...observations.values()].flat(), makeRouter);
      console.log(`${name}: ${summaryOf(comparison)}`);
      expect(comparison).toMatchObject({ differenceCount: 0, topologyCount: 4 * TOPOLOGIES });
    });
  });

  test.each(FLAWS)('tells when %s', (flaw) => {
    const all = [...observations.values()].flat();
    const { differenceCount } = compare(all, () => new NaiveRoutes(flaw));
    console.log(`${flaw}: ${differenceCount} differences`);
    expect(differenceCount).toBeGreaterThan(0);
  });
});
