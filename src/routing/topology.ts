/**
 * Which exchange sends what to whom: the graph of exchanges, bindings and topics, in memory alone.
 *
 * RabbitMQ's rules: a record is routed once over the whole graph, each exchange by its own type, and
 * reaches each topic once, however many ways lead there; no exchange is visited twice, so cycles are
 * safe. An exchange of which no binding matched sends the record to its alternate, if that is there,
 * also when it was reached by way of another exchange. The default exchange is not here.
 *
 * Whoever changes it has checked what users may do: ids that are wrong are bugs.
 */
import { present } from '../core/assert.ts';
import { ROUTES_CACHED_MAX } from '../core/limits.ts';
import type { Binding, BindingIdentity, Exchange, Target } from './binding.ts';
import { BindingLists, END } from './binding-lists.ts';
import { BindingTable } from './binding-table.ts';
import { Dependence, type DependenceLevel, type ExchangeNode } from './exchange-node.ts';
import { ExchangeTable } from './exchange-table.ts';
import { MatchList } from './match-list.ts';
import { RouteCache } from './route-cache.ts';
import { RouteWalk } from './route-walk.ts';
import type { RecordHeaders } from './router-type.ts';
import { routerOf } from './router.ts';
import { TopicLists } from './topic-lists.ts';
import { TopicTable } from './topic-table.ts';

export interface TopologyOptions {
  /** Routing keys to remember the destinations of; default 16,384. */
  readonly routesCachedMax?: number;
}

export class Topology {
  readonly #exchanges = new ExchangeTable();
  readonly #bindings = new BindingTable();
  /** Of what the router of an exchange finds together, of its bindings, and of what leads to a target. */
  readonly #routed = new BindingLists();
  readonly #from = new BindingLists();
  readonly #to = new BindingLists();
  readonly #topics = new TopicTable(this.#to);
  readonly #cache: RouteCache;
  readonly #walk: RouteWalk;
  /** Of many keys that go to the same topics there is one list: readers know it by its identity. */
  readonly #lists = new TopicLists();
  /** Number of the last change. */
  #change = 0;

  constructor({ routesCachedMax = ROUTES_CACHED_MAX }: TopologyOptions = {}) {
    this.#cache = new RouteCache(routesCachedMax);
    this.#walk = new RouteWalk(this.#exchanges, this.#topics);
  }

  get bindingCount(): number {
    return this.#bindings.size;
  }

  /** Of changes so far: routes that were found hold as long as it stays. */
  get changeCount(): number {
    return this.#change;
  }

  exchange(exchangeId: number): Exchange | null {
    return this.#exchanges.get(exchangeId)?.exchange ?? null;
  }

  /** In the order in which they came. */
  exchanges(): Exchange[] {
    return this.#exchanges.all();
  }

  addExchange(exchange: Exchange): void {
    this.#exchanges.add(exchange, routerOf(exchange.type, this.#routed));
    this.#changed();
  }

  /** Whom an exchange sends to what none of its bindings matches; null = nobody. */
  setAlternate(exchangeId: number, alternateId: number | null): void {
    const node = this.#nodeOf(exchangeId);
    node.exchange = { ...node.exchange, alternateId };
    this.#changed();
  }

  /** @returns the bindings that went with it: its own, and those that led to it */
  removeExchange(exchangeId: number): Binding[] {
    const node = this.#nodeOf(exchangeId);
    const gone = this.bindingsFrom(exchangeId);
    const to = this.bindingsTo({ kind: 'exchange', id: exchangeId });
    gone.push(...to.filter((binding) => binding.exchangeId !== exchangeId));
    for (const { bindingId } of gone) this.unbind(bindingId);
    this.#exchanges.remove(node);
    this.#changed();
    return gone.sort(byId);
  }

  /** The binding that makes the same connection, or null. */
  find(identity: BindingIdentity): Binding | null {
    const slot = this.#bindings.find(identity);
    return slot < 0 ? null : this.#bindings.at(slot);
  }

  binding(bindingId: number): Binding | null {
    const slot = this.#bindings.slotOf(bindingId);
    return slot < 0 ? null : this.#bindings.at(slot);
  }

  /** @returns the binding, or the one that made the same connection before */
  bind(binding: Binding): Binding {
    const found = this.find(binding);
    if (found !== null) return found;
    const { exchangeId, target } = binding;
    const node = this.#nodeOf(exchangeId);
    const to = target.kind === 'exchange' ? this.#nodeOf(target.id) : null;
    const slot = this.#bindings.add(binding);
    node.firstFrom = this.#from.push(node.firstFrom, slot);
    node.bindingCount++;
    if (to === null) {
      this.#walk.setTopic(slot, this.#topics.add(target.id, slot));
    } else {
      to.firstTo = this.#to.push(to.firstTo, slot);
      node.addExchange(to);
      this.#walk.setExchange(slot, to);
    }
    node.router.add(slot, binding);
    this.#changed();
    return binding;
  }

  /** @returns the binding that was there, or null */
  unbind(bindingId: number): Binding | null {
    const slot = this.#bindings.slotOf(bindingId);
    if (slot < 0) return null;
    const binding = this.#bindings.remove(slot);
    const { exchangeId, target } = binding;
    const node = this.#nodeOf(exchangeId);
    node.router.remove(slot, binding);
    node.firstFrom = this.#from.remove(node.firstFrom, slot);
    node.bindingCount--;
    if (target.kind === 'topic') {
      this.#topics.remove(target.id, slot);
    } else {
      const to = this.#nodeOf(target.id);
      to.firstTo = this.#to.remove(to.firstTo, slot);
      node.removeExchange(to);
    }
    this.#changed();
    return binding;
  }

  /** The bindings of an exchange, by id. */
  bindingsFrom(exchangeId: number): Binding[] {
    return this.#listed(this.#from, this.#nodeOf(exchangeId).firstFrom);
  }

  /** The bindings that lead to a topic or an exchange, by id. */
  bindingsTo({ kind, id }: Target): Binding[] {
    const head = kind === 'topic' ? this.#topics.headOf(id) : this.#nodeOf(id).firstTo;
    return this.#listed(this.#to, head);
  }

  /** How many bindings an exchange has. */
  bindingCountOf(exchangeId: number): number {
    return this.#nodeOf(exchangeId).bindingCount;
  }

  /** What the destinations of records of an exchange depend on. */
  dependenceOf(exchangeId: number): DependenceLevel {
    return this.#depends(this.#nodeOf(exchangeId));
  }

  /**
   * Where a record goes that is published to an exchange: the ids of the topics, ascending, each once.
   *
   * @param key      checked by `checkRoutingKey`
   * @param headers  looked at by headers exchanges alone; null = none
   * @returns an array that others get too: leave it as it is
   */
  route(exchangeId: number, key: string, headers: RecordHeaders = null): readonly number[] {
    const node = this.#nodeOf(exchangeId);
    const depends = this.#depends(node);
    if (depends === Dependence.headers) return this.#lists.of(this.#walk.route(node, key, headers));
    const known = depends === Dependence.key ? key : '';
    const cached = this.#cache.get(node, known);
    if (cached !== null) return cached;
    const topicIds = this.#lists.of(this.#walk.route(node, key, headers));
    this.#cache.offer(node, known, topicIds);
    return topicIds;
  }

  /**
   * Where a record with several routing keys goes, as RabbitMQ's CC and BCC have it: in each exchange to
   * all bindings that one of them matches, and to the alternate when none matches any. Exchanges that
   * know no patterns and no equal keys look at the first key alone.
   *
   * @param keys  checked by `checkRoutingKey` and `checkRoutingKeys`; at least one
   * @returns as `route`, which it is as fast as with one key; with more nothing is remembered
   */
  routeAll(
    exchangeId: number,
    keys: readonly string[],
    headers: RecordHeaders = null,
  ): readonly number[] {
    const key = present(keys[0], 'a record has a routing key');
    if (keys.length === 1) return this.route(exchangeId, key, headers);
    const further = keys.slice(1);
    return this.#lists.of(this.#walk.route(this.#nodeOf(exchangeId), key, headers, further));
  }

  /** The bindings of one exchange that match, by id. */
  matchesOf(exchangeId: number, key: string, headers: RecordHeaders): Binding[] {
    const matches = new MatchList();
    this.#nodeOf(exchangeId).router.match(key, headers, matches);
    return [...matches.slots.subarray(0, matches.count)]
      .map((slot) => this.#bindings.at(slot))
      .sort(byId);
  }

  #nodeOf(exchangeId: number): ExchangeNode {
    return present(this.#exchanges.get(exchangeId), 'the exchange is there');
  }

  #depends(node: ExchangeNode): DependenceLevel {
    if (node.dependsSince !== this.#change) {
      node.depends = this.#exchanges.dependenceOf(node);
      node.dependsSince = this.#change;
    }
    return node.depends;
  }

  #listed({ next }: BindingLists, head: number): Binding[] {
    const bindings: Binding[] = [];
    for (let slot = head; slot !== END; slot = present(next[slot], 'the slot is in a list')) {
      bindings.push(this.#bindings.at(slot));
    }
    return bindings.sort(byId);
  }

  #changed(): void {
    this.#change++;
    this.#cache.clear();
  }
}

function byId(a: Binding, b: Binding): number {
  return a.bindingId - b.bindingId;
}
