/** The exchanges of a store and their bindings: which there are, and how they change. */
import { argumentError, assert } from '../core/assert.ts';
import { ClosedError, ConflictError, NotFoundError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { randomId } from '../core/random.ts';
import { change } from '../journal/journal.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import type { Binding, BindingIdentity, ExchangeType, Target } from './binding.ts';
import { checkPatternOf } from './binding-weight.ts';
import { commitWithPast, type PlannedBackfill } from './backfill-plan.ts';
import { ChangePlan } from './change-plan.ts';
import { Dependence } from './exchange-node.ts';
import type { ExchangeCatalogParts } from './exchange-catalog-parts.ts';
import { ExchangeSources } from './exchange-sources.ts';
import { backfillBegun } from './projection-entries.ts';
import type { RecordHeaders } from './router-type.ts';
import type { TopologyObserver } from './topology-observer.ts';
import type { TopicConfig } from '../topic/topic-options.ts';
import { boundSource, boundWithoutPast, conflictOf } from './exchange-conflicts.ts';
import { checkExchangeName } from './exchange-name.ts';
import {
  checkBinding,
  checkDestination,
  checkExchangeOptions,
  type BindRequest,
  type DestinationInput,
  type DestinationName,
  type ExchangeConfig,
  type ExchangeOptions,
} from './exchange-options.ts';
import { destinations, newSizeOf, partitionCountAt } from './destination-state.ts';
import { alternateAt, exchanges, versionOf, type ExchangeState } from './exchange-state.ts';
import { prune } from './pruning.ts';
import { historyOf, TopologyHistory, VersionedTopology } from './topology-history.ts';

export interface ExchangeDescription {
  readonly exchangeId: number;
  readonly name: string;
  readonly type: ExchangeType;
  /** Name of the exchange that gets what no binding matches; null = none. */
  readonly alternate: string | null;
  readonly internal: boolean;
  readonly autoDelete: boolean;
  readonly bindingCount: number;
}

export class ExchangeCatalog {
  readonly sources: ExchangeSources;
  /** All changes that an unprojected record may need. */
  readonly history: TopologyHistory;
  /** As of the last change that is durable. */
  readonly now: VersionedTopology;
  readonly #parts: ExchangeCatalogParts;
  readonly #ids = new Map<string, number>();
  readonly #changes = new Mutex();
  readonly #names = new WeakMap<readonly number[], readonly string[]>();
  #observer: TopologyObserver | null = null;
  /** Below this version nothing is left that `prune` could forget. */
  #prunedBelow = 0;

  constructor(parts: ExchangeCatalogParts) {
    const { fold } = parts;
    this.#parts = parts;
    this.sources = new ExchangeSources(fold, parts.topics);
    this.history = new TopologyHistory(historyOf(fold));
    this.now = new VersionedTopology(this.history);
    this.now.advanceTo(versionOf(fold));
    for (const { exchangeId } of this.now.topology.exchanges()) {
      this.#ids.set(this.#stateOf(exchangeId).name, exchangeId);
    }
  }

  /** Of the last change that is durable: what is published now is routed by it. */
  get version(): number {
    return this.now.version;
  }

  /** Who acts on changes from here on. */
  attach(observer: TopologyObserver): void {
    this.#observer = observer;
  }

  /** Whether an exchange takes records. */
  isThere(exchangeId: number): boolean {
    return this.now.topology.exchange(exchangeId) !== null;
  }

  /** @throws ClosedError when the exchange is gone, or the store closed */
  checkThere(exchangeId: number, name: string): void {
    this.sources.checkOpen();
    if (!this.isThere(exchangeId)) throw new ClosedError({ resource: 'exchange', name });
  }

  /**
   * Where a record goes that is published now.
   *
   * @param keys     as `Topology.routeAll` takes them
   * @param headers  asked for where destinations depend on them
   * @returns an array that others get too
   */
  route(
    exchangeId: number,
    keys: readonly string[],
    headers: () => RecordHeaders,
  ): readonly number[] {
    const { topology } = this.now;
    const isByHeaders = topology.dependenceOf(exchangeId) === Dependence.headers;
    return topology.routeAll(exchangeId, keys, isByHeaders ? headers() : null);
  }

  /** Of topics, ascending; of those that are gone there is none. The same array for the same array. */
  namesOf(topicIds: readonly number[]): readonly string[] {
    const known = this.#names.get(topicIds);
    if (known !== undefined) return known;
    const all = topicIds.flatMap((topicId) => this.#parts.topics.nameOf(topicId) ?? []);
    const names = all.toSorted();
    this.#names.set(topicIds, names);
    return names;
  }

  /** By name. */
  list(): readonly ExchangeDescription[] {
    const ids = [...this.#ids.values()];
    const all = ids.map((exchangeId) => this.#describe(exchangeId));
    return all.toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  /** @throws NotFoundError */
  describe(name: string): ExchangeDescription {
    return this.#describe(this.#idOf(checkExchangeName('name', name)));
  }

  /** The bindings of an exchange, by id. @throws NotFoundError */
  bindings(name: string): readonly Binding[] {
    return this.now.topology.bindingsFrom(this.#idOf(checkExchangeName('name', name)));
  }

  /**
   * Opens an exchange, and creates it when there is none.
   *
   * @throws ConflictError when what is stored differs from what is asked for; NotFoundError, also when
   *   there is no such alternate; TypeError without a type for a new one
   */
  open(name: string, given: ExchangeOptions): Promise<ExchangeDescription> {
    checkExchangeName('name', name);
    const { create = true, ...config } = checkExchangeOptions(given);
    return this.#open(name, create, config);
  }

  async #open(name: string, create: boolean, config: ExchangeConfig): Promise<ExchangeDescription> {
    // Not within a change: what is left of another one by that name goes by a change itself.
    if (create && !this.#ids.has(name)) await this.#observer?.drained(name);
    return this.#changes.run(async () => {
      if (!this.#ids.has(name)) {
        if (!create) throw new NotFoundError({ kind: 'exchange', name });
        await this.#create(name, config);
      }
      const description = this.describe(name);
      const conflict = conflictOf(description, config);
      if (conflict !== null) throw conflict;
      return description;
    });
  }

  /** Gives an exchange another alternate, or none. @throws NotFoundError */
  setAlternate(name: string, alternate: string | null): Promise<ExchangeDescription> {
    return this.#changes.run(async () => {
      const { exchangeId, alternate: before } = this.describe(name);
      const alternateId =
        alternate === null ? null : this.#idOf(checkExchangeName('alternate', alternate));
      const changed = (plan: ChangePlan): void => plan.setAlternate(exchangeId, alternateId);
      if (alternate !== before) await this.#commit(changed);
      return this.#describe(exchangeId);
    });
  }

  /** Deletes an exchange with its bindings and those that lead to it. @throws NotFoundError */
  delete(name: string): Promise<void> {
    return this.#changes.run(async () => {
      const exchangeId = this.#idOf(checkExchangeName('name', name));
      await this.#commit((plan) => plan.removeExchange(exchangeId));
    });
  }

  /**
   * Binds a destination: what is published from here on goes there if it matches. Bound twice, it is one,
   * which has the past that it was made with.
   *
   * @param pattern  of a consistent-hash exchange: the weight, such as `1`
   * @throws NotFoundError; ConflictError when it was bound without a past, and is asked for one; as
   *   `checkBinding` and `checkPatternOf`
   */
  bind(
    name: string,
    destination: DestinationInput,
    pattern: string,
    options: BindRequest = {},
  ): Promise<Binding> {
    const to = checkDestination(destination);
    const { from, ...wanted } = checkBinding(pattern, options);
    return this.#changes.run(async () => {
      const identity = this.#identity(name, to, wanted);
      const known = this.now.topology.find(identity);
      const isLate = known !== null && from !== undefined && !this.sources.hasPast(known);
      if (isLate) throw boundWithoutPast(name, to);
      if (known !== null) return known;
      const binding = { ...identity, bindingId: randomId(this.#parts.random) };
      await commitWithPast(binding, from, this, (backfills) =>
        this.#commit((plan) => plan.addBinding(binding), backfills),
      );
      return binding;
    });
  }

  /**
   * Ends a binding, and its exchange if that goes with the last one.
   *
   * @returns whether there was such a binding
   * @throws NotFoundError; as `checkBinding`
   */
  unbind(
    name: string,
    destination: DestinationInput,
    pattern: string,
    options: BindRequest = {},
  ): Promise<boolean> {
    const to = checkDestination(destination);
    const wanted = checkBinding(pattern, options);
    return this.#changes.run(async () => {
      const known = this.now.topology.find(this.#identity(name, to, wanted));
      if (known !== null) await this.#commit((plan) => plan.removeBinding(known));
      return known !== null;
    });
  }

  /**
   * A topic is gone: nothing leads there any more.
   *
   * @returns names of the exchanges that did
   */
  forgetTopic(topicId: number): Promise<readonly string[]> {
    return this.#changes.run(async () => {
      const bindings = this.now.topology.bindingsTo({ kind: 'topic', id: topicId });
      if (bindings.length === 0) return [];
      const names = bindings.map(({ exchangeId }) => this.#stateOf(exchangeId).name);
      await this.#commit((plan) => {
        for (const binding of bindings) plan.removeBinding(binding);
      });
      return [...new Set(names)];
    });
  }

  /** Resolves when all changes that were asked for so far are journaled, or refused. */
  idle(): Promise<void> {
    return this.#changes.idle();
  }

  /** How many partitions a topic had in a version: as `partitionCountAt`. */
  partitionCountAt(topicId: number, version: number): number | null {
    return partitionCountAt(this.#parts.fold, topicId, version);
  }

  /** A topic has more partitions: what is published from here on is spread over all of them. */
  grown(topicId: number): Promise<void> {
    return this.#changes.run(() => this.#resize([String(topicId)]));
  }

  /** Has versions say what topics grew to when a crash came between the two. */
  reconcile(): Promise<void> {
    return this.#changes.run(() => this.#resize(this.#parts.fold.ids(destinations)));
  }

  /**
   * Forgets what only versions below one need: no source has a record of them any more, and none that
   * stands below goes through versions in between.
   */
  prune(belowVersion: number): Promise<void> {
    return this.#changes.run(async () => {
      const below = Math.min(belowVersion, this.version); // The present stays.
      if (below <= this.#prunedBelow) return;
      const { history, sources } = this;
      await prune({ ...this.#parts, history, sources }, below);
      this.#prunedBelow = below;
    });
  }

  /** Journals how many partitions topics have to which something leads, where versions do not say so. */
  async #resize(topicIds: readonly string[]): Promise<void> {
    const { fold } = this.#parts;
    const wrong = topicIds.filter(
      (id) => fold.get(destinations, id) !== null && newSizeOf(fold, Number(id)) !== null,
    );
    if (wrong.length === 0) return;
    await this.#commit((plan) => {
      for (const id of wrong) plan.sizeDestination(Number(id));
    });
  }

  async #create(name: string, config: ExchangeConfig): Promise<void> {
    const { random } = this.#parts;
    const { type, alternate = null, internal = false, autoDelete = false } = config;
    if (type === undefined) {
      const expected = `given: there is no exchange ${name}, and a new one needs it`;
      throw argumentError(TypeError, 'type', expected, type);
    }
    const alternateId = alternate === null ? null : this.#idOf(alternate);
    const topicId = await this.#openSource(name, config.source);
    const exchangeId = randomId(random);
    const exchange = { exchangeId, type, alternateId, isInternal: internal };
    await this.#commit((plan) => {
      plan.addExchange({ ...exchange, name, topicId, isAutoDelete: autoDelete });
    });
    this.#ids.set(name, exchangeId);
  }

  /** @throws ConflictError when it is that of another exchange, which is gone but for what it took */
  async #openSource(name: string, config: TopicConfig = {}): Promise<number> {
    const { topics } = this.#parts;
    const { partitions } = await topics.open(SOURCE_PREFIX + name, { ...config, partitions: 1 });
    const { topicId } = partitions;
    if (this.sources.exchangeIdOf(topicId) === null) return topicId;
    const stored = 'another one that is gone, and not projected to its end';
    throw new ConflictError({ kind: 'exchange', name, stored, requested: 'a new one' });
  }

  /** Journals a change, and has it count when it is durable. */
  async #commit(
    draw: (plan: ChangePlan) => void,
    backfills: readonly PlannedBackfill[] = [],
  ): Promise<void> {
    const { journal, clock, fold } = this.#parts;
    const { topology } = this.now;
    const version = this.version + 1;
    const stateOf = (exchangeId: number): ExchangeState => this.#stateOf(exchangeId);
    const unsized = (topicId: number): number | null => newSizeOf(fold, topicId);
    const timeMs = clock.now();
    const plan = new ChangePlan({ topology, stateOf, newSizeOf: unsized, version, timeMs });
    draw(plan);
    const names = plan.removedIds.map((exchangeId) => stateOf(exchangeId).name);
    const begun = backfills.map((backfill) =>
      change(backfillBegun, { ...backfill, version, timeMs }),
    );
    const entries = [...plan.entries, ...begun].map((entry) => journal.encode(entry));
    const misfits = await journal.commit(entries, []);
    assert(misfits.size === 0, 'one change at a time is drawn, from the state as it is');
    this.history.add(plan.effects);
    this.now.advanceTo(version);
    for (const name of names) this.#ids.delete(name);
    this.#observer?.changed();
    if (plan.removedIds.length > 0) this.#observer?.deleted(plan.removedIds);
    const streams = backfills.map(({ exchangeId, bindingId: stream }) => ({ exchangeId, stream }));
    if (streams.length > 0) this.#observer?.backfillsBegun(streams);
  }

  #identity(
    name: string,
    to: DestinationName,
    wanted: Pick<BindingIdentity, 'routingKey' | 'headers'>,
  ): BindingIdentity {
    const exchangeId = this.#idOf(checkExchangeName('name', name));
    checkPatternOf(this.#stateOf(exchangeId).type, 'pattern', wanted.routingKey);
    return { exchangeId, target: this.#targetOf(to), ...wanted };
  }

  /** @throws NotFoundError; ConflictError for the source of an exchange */
  #targetOf({ kind, name }: DestinationName): Target {
    if (kind === 'exchange') return { kind, id: this.#idOf(name) };
    if (name.startsWith(SOURCE_PREFIX)) throw boundSource(name);
    return { kind, id: this.#parts.topics.describe(name).topicId };
  }

  #idOf(name: string): number {
    const exchangeId = this.#ids.get(name);
    if (exchangeId === undefined) throw new NotFoundError({ kind: 'exchange', name });
    return exchangeId;
  }

  #stateOf(exchangeId: number): ExchangeState {
    const state = this.#parts.fold.get(exchanges, String(exchangeId));
    if (state === null) throw new NotFoundError({ kind: 'exchange', name: String(exchangeId) });
    return state;
  }

  #describe(exchangeId: number): ExchangeDescription {
    const state = this.#stateOf(exchangeId);
    const { name, type, isInternal: internal, isAutoDelete: autoDelete } = state;
    const alternateId = alternateAt(state, this.version);
    const isThere = alternateId !== null && this.now.topology.exchange(alternateId) !== null;
    const alternate = isThere ? this.#stateOf(alternateId).name : null;
    const bindingCount = this.now.topology.bindingCountOf(exchangeId);
    return { exchangeId, name, type, alternate, internal, autoDelete, bindingCount };
  }
}
