/** Holds a router to what RabbitMQ did with the same topologies and records. */
import type { Deliveries } from './broker-routes.ts';
import {
  inJson,
  routesOf,
  type Change,
  type Publish,
  type RouteUnderTest,
  type Topology,
} from './topology.ts';

export interface Observation {
  readonly topology: Topology;
  readonly deliveries: Deliveries;
}

export interface Comparison {
  readonly recordCount: number;
  readonly topologyCount: number;
  readonly differenceCount: number;
  /** The first of a topology, in words, of those that are said soonest. */
  readonly said: readonly string[];
}

const SAID_MAX = 3;

/** The line that says how a comparison ended. */
export function summaryOf({ recordCount, topologyCount, differenceCount }: Comparison): string {
  return `compared ${recordCount} messages over ${topologyCount} topologies, ${differenceCount} differences`;
}

/** @param makeRouter  makes a fresh one for each topology */
export function compare(
  observations: readonly Observation[],
  makeRouter: () => RouteUnderTest,
): Comparison {
  let recordCount = 0;
  let differenceCount = 0;
  const said: string[] = [];
  for (const { topology, deliveries } of observations) {
    const routes = routesOf(topology, makeRouter());
    const differing = [...routes.keys()].filter(
      (at) => inWords(copiesOf(routes[at])) !== inWords(deliveries[at]),
    );
    recordCount += routes.length;
    differenceCount += differing.length;
    const [at] = differing;
    if (at === undefined) continue;
    said.push(
      `record ${at}: ${inJson(publishesOf(topology)[at])}\n  RabbitMQ: ${inWords(deliveries[at])}\n` +
        `  got:      ${inWords(copiesOf(routes[at]))}\n  topology: ${topologyInJson(topology, at)}`,
    );
  }
  said.sort((one, other) => one.length - other.length);
  return {
    recordCount,
    topologyCount: observations.length,
    differenceCount,
    said: said.slice(0, SAID_MAX),
  };
}

function publishesOf(topology: Topology): Publish[] {
  return topology.stages.flatMap(({ publishes }) => publishes);
}

function copiesOf(queues: ReadonlySet<string> = new Set()): ReadonlyMap<string, number> {
  return new Map([...queues].map((queue) => [queue, 1]));
}

function inWords(copies: ReadonlyMap<string, number> = new Map()): string {
  if (copies.size === 0) return 'no queue';
  return [...copies]
    .map(([queue, count]) => (count === 1 ? queue : `${queue} (${count} copies)`))
    .sort()
    .join(', ');
}

/** What was declared and changed before the record, as far as it could get. */
function topologyInJson(topology: Topology, at: number): string {
  const first = publishesOf(topology)[at]?.exchange ?? '';
  const changes: Change[] = [];
  let before = 0;
  for (const stage of topology.stages) {
    if (before > at) break;
    changes.push(...stage.changes);
    before += stage.publishes.length;
  }
  const reached = new Set([first]);
  for (const name of reached) {
    const alternate = topology.exchanges.find((each) => each.name === name)?.alternate ?? null;
    if (alternate !== null) reached.add(alternate);
    for (const { binding } of changes) {
      const { source, destination, destinationKind } = binding;
      if (source === name && destinationKind === 'exchange') reached.add(destination);
    }
  }
  return inJson({
    exchanges: topology.exchanges.filter(({ name }) => reached.has(name)),
    changes: changes.filter(({ binding }) => reached.has(binding.source)),
  });
}
