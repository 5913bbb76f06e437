/** Holds a router to what RabbitMQ did with the same topologies and records. */
import type { Deliveries } from './broker-routes.ts';
import { inJson, routesOf, type Change, type RouteUnderTest, type Topology } from './topology.ts';

export interface Observation {
  readonly topology: Topology;
  readonly deliveries: Deliveries;
}

export interface Comparison {
  readonly recordCount: number;
  readonly topologyCount: number;
  readonly differenceCount: number;
  /** The first of them, in words. */
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
    const publishes = topology.stages.flatMap((stage) => stage.publishes);
    for (const [at, publish] of publishes.entries()) {
      const expected = inWords(deliveries[at] ?? new Map());
      const got = inWords(new Map([...(routes[at] ?? [])].map((queue) => [queue, 1])));
      recordCount++;
      if (expected === got) continue;
      differenceCount++;
      if (said.length >= SAID_MAX) continue;
      said.push(
        `record ${at}: ${inJson(publish)}\n  RabbitMQ: ${expected}\n  got:      ${got}\n` +
          `  topology: ${topologyInJson(topology, at)}`,
      );
    }
  }
  return { recordCount, topologyCount: observations.length, differenceCount, said };
}

function inWords(copies: ReadonlyMap<string, number>): string {
  if (copies.size === 0) return 'no queue';
  return [...copies]
    .map(([queue, count]) => (count === 1 ? queue : `${queue} (${count} copies)`))
    .sort()
    .join(', ');
}

/** What was declared and changed before the record, as far as it could get. */
function topologyInJson(topology: Topology, at: number): string {
  const { exchange: first = '' } = topology.stages.flatMap(({ publishes }) => publishes)[at] ?? {};
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
