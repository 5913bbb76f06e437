/**
 * Routing alone: where records go that are published to a topic exchange, one key after the other.
 *
 * Keys are fresh strings, as a program that publishes has just made them or read them from somewhere:
 * 256 are decoded outside of the time, then routed. So the time has the hashing of each, which V8 would
 * else remember of a string, and not the wait for a string that lay in memory untouched.
 */
import { assert, present } from '../../src/core/assert.ts';
import { ROUTES_CACHED_MAX } from '../../src/core/limits.ts';
import { randomBelow, SeededRandom, type Random } from '../../src/core/random.ts';
import { Topology } from '../../src/routing/topology.ts';
import type { Job, Sample } from '../core/job.ts';
import { EXCHANGE_ID, flightBindings, flightKeys, threeBindings, threeKeys } from './route-load.ts';

export type RouteParameters = {
  /** `flights`: a thousand patterns, mostly with wildcards; `three`: of any number, three match a key. */
  readonly load: 'flights' | 'three';
  readonly bindings: number;
  /** Keys to draw from, as a multiple of what a topology remembers. */
  readonly keysOfCache: number;
  readonly draw: 'uniform' | 'zipf';
  /** Per run. */
  readonly routes: number;
};

const BATCH = 256;
const CHECKED = 500;
const SEED = 0x7a11_0c8d;

export async function openJob(_directory: string, parameters: RouteParameters): Promise<Job> {
  const { load, bindings, keysOfCache, draw, routes } = parameters;
  const random = new SeededRandom(SEED);
  const patterns = load === 'flights' ? flightBindings(random, bindings) : threeBindings(bindings);
  const topology = topologyOf(patterns);
  const count = Math.floor(keysOfCache * ROUTES_CACHED_MAX);
  const keys = load === 'flights' ? flightKeys(random, count) : threeKeys(random, count, bindings);
  check(topology, patterns, keys);
  const order = draw === 'zipf' ? zipfOrder(random, count) : uniformOrder(random, count);
  const bytes = keys.map((key) => Buffer.from(key));
  let from = 0;
  return {
    run(): Promise<Sample> {
      let ms = 0;
      let destinations = 0;
      const fresh: string[] = [];
      for (let done = 0; done < routes; done += BATCH) {
        for (let n = 0; n < BATCH; n++) {
          const key = present(bytes[order[(from + n) % order.length] ?? 0], 'the key was made');
          fresh[n] = key.toString('latin1');
        }
        from = (from + BATCH) % order.length;
        const startMs = performance.now();
        for (let n = 0; n < BATCH; n++) {
          destinations += topology.route(EXCHANGE_ID, fresh[n] ?? '').length;
        }
        ms += performance.now() - startMs;
      }
      if (load === 'three') assert(destinations === 3 * routes, 'three of them match each key');
      else assert(destinations > routes / 2, 'many keys match');
      const extra = { destinationsPerKey: destinations / routes };
      return Promise.resolve({ bytes: 0, records: routes, ms, extra });
    },
    close: () => Promise.resolve(),
  };
}

function topologyOf(patterns: readonly string[]): Topology {
  const topology = new Topology();
  const exchange = { exchangeId: EXCHANGE_ID, type: 'topic', alternateId: null } as const;
  topology.addExchange({ ...exchange, isInternal: false });
  for (const [at, routingKey] of patterns.entries()) {
    const target = { kind: 'topic', id: at + 1 } as const;
    const binding = { bindingId: at + 1, exchangeId: EXCHANGE_ID, target };
    topology.bind({ ...binding, routingKey, headers: null });
  }
  return topology;
}

/** Against regular expressions: each word with a dot in front of it. */
function check(topology: Topology, patterns: readonly string[], keys: readonly string[]): void {
  const expressions = patterns.map((pattern) => {
    const words = `.${pattern}`
      .replaceAll('.', String.raw`\.`)
      .replaceAll(String.raw`\.#`, String.raw`(\.[^.]*)*`)
      .replaceAll(String.raw`\.*`, String.raw`\.[^.]*`);
    return new RegExp(`^${words}$`, 'u');
  });
  for (const key of keys.slice(0, CHECKED)) {
    const expected = expressions.flatMap((each, at) => (each.test(`.${key}`) ? [at + 1] : []));
    const found = topology.route(EXCHANGE_ID, key);
    assert(found.join() === expected.join(), `${key} goes where expressions say`);
  }
}

/** Draws for a run and more; a power of two, so that batches divide them. */
const DRAWS = 2 ** 20;

function uniformOrder(random: Random, count: number): Int32Array {
  return Int32Array.from({ length: DRAWS }, () => randomBelow(random, count));
}

/** The n-th key as often as 1 / n says (Zipf, exponent 1). */
function zipfOrder(random: Random, count: number): Int32Array {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let n = 0; n < count; n++) {
    sum += 1 / (n + 1);
    sums[n] = sum;
  }
  return Int32Array.from({ length: DRAWS }, () => firstAtLeast(sums, random.next() * sum));
}

function firstAtLeast(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
