/**
 * Where records with the same routing key went before, for exchanges that look at nothing else.
 *
 * One cache for all exchanges, so that its memory has one bound: a key knows the exchanges that it
 * was published to, mostly one. Any change of the topology empties it.
 *
 * To take a key in and put another out costs more than to find the route again. So once it is full, a
 * key must be seen twice before it comes in, the second time before another with the same place in a
 * table was (a doorkeeper: Einziger, Friedman and Manes, "TinyLFU", ACM TOS 2017): of keys that hardly
 * ever come again few are taken in, and they do not put out those that do.
 */
import { LRUCache } from 'lru-cache';
import { hashOf } from './word-table.ts';

/** Exchanges that a key is known of; with more it begins anew. */
const EXCHANGES_PER_KEY_MAX = 4;
/** Keys that are remembered for each place of those refused: with fewer places fewer come in by chance. */
const KEYS_PER_REFUSED = 4;
/**
 * The table of keys takes the room of all its keys at once, and emptying it goes through all of it:
 * it begins with so many, and is made anew with several times as many whenever it is full.
 */
const FIRST_KEYS_MAX = 256;
const GROWTH = 4;

interface KnownRoute {
  readonly node: object;
  readonly topicIds: readonly number[];
  readonly next: KnownRoute | null;
  /** Of this route and those behind it. */
  readonly count: number;
}

export class RouteCache {
  readonly #keysMax: number;
  /** Made when the first route is known: most stores have no exchange, and its room is taken at once. */
  #known: KnownRoutes | null = null;

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get(node: object, key: string): readonly number[] | null {
    if (this.#known === null) return null;
    let known: KnownRoute | null = this.#known.routes.get(key) ?? null;
    while (known !== null && known.node !== node) known = known.next;
    return known === null ? null : known.topicIds;
  }

  /** Remembers what `get` did not know, unless others are more likely to be asked for. */
  offer(node: object, key: string, topicIds: readonly number[]): void {
    this.#known ??= {
      routes: new LRUCache({ max: Math.min(FIRST_KEYS_MAX, this.#keysMax) }),
      refused: new Int32Array(
        2 ** Math.ceil(Math.log2(Math.max(1, this.#keysMax / KEYS_PER_REFUSED))),
      ),
    };
    const { refused } = this.#known;
    if (this.#known.routes.size === this.#keysMax && !wasRefused(refused, key)) return;
    const routes = this.#withRoom(this.#known);
    const known = routes.get(key) ?? null;
    const next = known === null || known.count === EXCHANGES_PER_KEY_MAX ? null : known;
    const route = { node, topicIds, next, count: 1 + (next?.count ?? 0) };
    routes.set(known === null ? copyOf(key) : key, route);
  }

  /** The table of keys, larger than before if it was full and may grow. */
  #withRoom(known: KnownRoutes): KnownRoutes['routes'] {
    const { routes } = known;
    if (routes.size < routes.max || routes.max === this.#keysMax) return routes;
    known.routes = new LRUCache({ max: Math.min(routes.max * GROWTH, this.#keysMax) });
    known.routes.load(routes.dump()); // In their order.
    return known.routes;
  }

  clear(): void {
    if (this.#known !== null && this.#known.routes.size > 0) this.#known.routes.clear();
  }
}

interface KnownRoutes {
  routes: LRUCache<string, KnownRoute>;
  /** Hash of the key that was refused last, by its lower bits. */
  readonly refused: Int32Array;
}

/** Whether a key was refused before; now it is. */
function wasRefused(refused: Int32Array, key: string): boolean {
  const hash = hashOf(key);
  const place = hash & (refused.length - 1);
  const was = refused[place] === hash;
  refused[place] = hash;
  return was;
}

/** The same text in memory of its own: a key may be a part of a long text, which would be kept with it. */
function copyOf(key: string): string {
  const copy = Buffer.from(key, 'utf8').toString('utf8');
  return copy === key ? copy : key;
}
