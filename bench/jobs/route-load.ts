/** Patterns and keys for the benches of routing, the same each time. */
import { assert, present } from '../../src/core/assert.ts';
import { randomBelow, type Random } from '../../src/core/random.ts';

export const EXCHANGE_ID = 1;

const AIRPORTS = namesOf('ap', 60);
const CARRIERS = namesOf('carrier', 30);
const STATES = ['scheduled', 'boarding', 'departed', 'landed', 'delayed', 'cancelled'];

/** `flight.<origin>.<destination>.<carrier>.<state>`, each once. */
export function flightKeys(random: Random, count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) {
    const [origin, destination] = [pick(random, AIRPORTS), pick(random, AIRPORTS)];
    keys.add(`flight.${origin}.${destination}.${pick(random, CARRIERS)}.${pick(random, STATES)}`);
  }
  return [...keys];
}

/**
 * Patterns for them, each once: seven in ten with `*`, three in ten with `#`, which half of the time
 * stands in front or in the middle.
 */
export function flightBindings(random: Random, count: number): string[] {
  const patterns = new Set<string>();
  while (patterns.size < count) patterns.add(flightPattern(random));
  return [...patterns];
}

function flightPattern(random: Random): string {
  const [origin, destination] = [pick(random, AIRPORTS), pick(random, AIRPORTS)];
  const [carrier, state] = [pick(random, CARRIERS), pick(random, STATES)];
  const kind = randomBelow(random, 20);
  if (kind < 5) return `flight.${origin}.*.${carrier}.${state}`;
  if (kind < 10) return `flight.*.${destination}.${carrier}.*`;
  if (kind < 14) return `flight.${origin}.${destination}.*.${state}`;
  if (kind < 17) return `flight.${origin}.${destination}.#`;
  return kind < 18 ? `#.${carrier}.${state}` : `flight.${origin}.#.${state}`;
}

/** Of which three match each of `threeKeys`, and the last no key at all. */
export function threeBindings(count: number): string[] {
  const groups = groupsOf(count);
  const patterns: string[] = [];
  for (let n = 0; n < groups; n++) patterns.push(`source${n}.*.*`, `source${n}.#`, `*.site${n}.#`);
  patterns.push('nobody.says.this');
  assert(patterns.length === count, 'three for each group, and one');
  return patterns;
}

/** The last word is in no pattern, so few keys come twice however few groups there are. */
export function threeKeys(random: Random, count: number, bindings: number): string[] {
  const groups = groupsOf(bindings);
  return Array.from({ length: count }, (_, n) => {
    return `source${randomBelow(random, groups)}.site${randomBelow(random, groups)}.order${n}`;
  });
}

function groupsOf(bindings: number): number {
  return (bindings - 1) / 3;
}

function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

function pick(random: Random, list: readonly string[]): string {
  return present(list[randomBelow(random, list.length)], 'the list has some');
}
