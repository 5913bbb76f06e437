/** What the process that gets killed publishes, and what it binds. */

/** Kinds of records: the second word of a routing key. */
const KINDS = 3;

export const CONSTANT_TOPICS = [
  { name: 'all', pattern: '#', durability: 'sync', partitions: 2 },
  { name: 'ones', pattern: 'r.1', durability: 'os', partitions: 1 },
] as const;

export function keyOf(number: number): string {
  return `r.${number % KINDS}`;
}

/** The topic that is bound in one life of the process. */
export function lateTopic(life: number): string {
  return `late-${life}`;
}

export function patternOf(life: number): string {
  return life % 4 === 3 ? '#' : `*.${life % 4}`;
}

/** Whether a key of `keyOf` matches a pattern that is used here: said in words of its own. */
export function takes(pattern: string, key: string): boolean {
  return pattern === '#' || pattern.at(-1) === key.at(-1);
}
