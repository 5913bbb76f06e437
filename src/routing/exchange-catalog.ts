/** The exchanges of a store and their bindings: which there are, and how they change. */
import type { Clock } from '../core/clock.ts';
import { argumentError, assert } from '../core/assert.ts';
import { ConflictError, NotFoundError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { randomId, type Random } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import { checkName, SOURCE_PREFIX } from '../topic/topic-names.ts';
import type { Binding, BindingIdentity, ExchangeType, Target } from './binding.ts';
import { ChangePlan } from './change-plan.ts';
import {
  checkBinding,
  checkDestination,
  checkExchangeOptions,
  type BindOptions,
  type DestinationInput,
  type DestinationName,
  type ExchangeConfig,
  type ExchangeOptions,
} from './exchange-options.ts';
import { alternateAt, exchanges, versionOf, type ExchangeState } from './exchange-state.ts';
import { historyOf, VersionedTopology, type TopologyChange } from './topology-history.ts';

export interface ExchangeCatalogParts {
  readonly fold: Fold;
  readonly journal: Journal;
  readonly topics: TopicCatalog;
  readonly clock: Clock;
  readonly random: Random;
}

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
  /** All changes that an unprojected record may need. */
  readonly history: readonly TopologyChange[];
  readonly #parts: ExchangeCatalogParts;
  readonly #history: TopologyChange[];
  readonly #now: VersionedTopology;
  readonly #ids = new Map<string, number>();
  readonly #changes = new Mutex();

  constructor(parts: ExchangeCatalogParts) {
    const { fold } = parts;
    this.#parts = parts;
    this.#history = historyOf(fold);
    this.history = this.#history;
    this.#now = new VersionedTopology(this.#history);
    this.#now.advanceTo(versionOf(fold));
    for (const { exchangeId } of this.#now.topology.exchanges()) {
      this.#ids.set(this.#stateOf(exchangeId).name, exchangeId);
    }
  }

  /** Of the last change that is durable: what is published now is routed by it. */
  get version(): number {
    return this.#now.version;
  }

  /** By name. */
  list(): readonly ExchangeDescription[] {
    const ids = [...this.#ids.values()];
    const all = ids.map((exchangeId) => this.#describe(exchangeId));
    return all.toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  /** @throws NotFoundError */
  describe(name: string): ExchangeDescription {
    return this.#describe(this.#idOf(checkName('name', name)));
  }

  /** The bindings of an exchange, by id. @throws NotFoundError */
  bindings(name: string): readonly Binding[] {
    return this.#now.topology.bindingsFrom(this.#idOf(checkName('name', name)));
  }

  /**
   * Opens an exchange, and creates it when there is none.
   *
   * @throws ConflictError when what is stored differs from what is asked for; NotFoundError, also when
   *   there is no such alternate; TypeError without a type for a new one
   */
  open(name: string, given: ExchangeOptions): Promise<ExchangeDescription> {
    checkName('name', name);
    const { create = true, ...config } = checkExchangeOptions(given);
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
      const alternateId = alternate === null ? null : this.#idOf(checkName('alternate', alternate));
      const changed = (plan: ChangePlan): void => plan.setAlternate(exchangeId, alternateId);
      if (alternate !== before) await this.#commit(changed);
      return this.#describe(exchangeId);
    });
  }

  /** Deletes an exchange with its bindings and those that lead to it. @throws NotFoundError */
  delete(name: string): Promise<void> {
    return this.#changes.run(async () => {
      const exchangeId = this.#idOf(checkName('name', name));
      await this.#commit((plan) => plan.removeExchange(exchangeId));
    });
  }

  /**
   * Binds a destination: what is published from here on goes there if it matches. Bound twice, it is one.
   *
   * @throws NotFoundError; as `checkBinding`
   */
  bind(
    name: string,
    destination: DestinationInput,
    pattern: string,
    options: BindOptions = {},
  ): Promise<Binding> {
    const to = checkDestination(destination);
    const wanted = checkBinding(pattern, options);
    return this.#changes.run(async () => {
      const identity = this.#identity(name, to, wanted);
      const known = this.#now.topology.find(identity);
      if (known !== null) return known;
      const binding = { ...identity, bindingId: randomId(this.#parts.random) };
      await this.#commit((plan) => plan.addBinding(binding));
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
    options: BindOptions = {},
  ): Promise<boolean> {
    const to = checkDestination(destination);
    const wanted = checkBinding(pattern, options);
    return this.#changes.run(async () => {
      const known = this.#now.topology.find(this.#identity(name, to, wanted));
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
      const bindings = this.#now.topology.bindingsTo({ kind: 'topic', id: topicId });
      if (bindings.length === 0) return [];
      const names = bindings.map(({ exchangeId }) => this.#stateOf(exchangeId).name);
      await this.#commit((plan) => {
        for (const binding of bindings) plan.removeBinding(binding);
      });
      return [...new Set(names)];
    });
  }

  async #create(name: string, config: ExchangeConfig): Promise<void> {
    const { topics, random } = this.#parts;
    const { type, alternate = null, internal = false, autoDelete = false } = config;
    if (type === undefined)
      throw argumentError(TypeError, 'type', 'given for a new exchange', type);
    const alternateId = alternate === null ? null : this.#idOf(alternate);
    const { partitions } = await topics.open(SOURCE_PREFIX + name, { partitions: 1 });
    const { topicId } = partitions;
    const exchangeId = randomId(random);
    const exchange = { exchangeId, type, alternateId, isInternal: internal };
    await this.#commit((plan) => {
      plan.addExchange({ ...exchange, name, topicId, isAutoDelete: autoDelete });
    });
    this.#ids.set(name, exchangeId);
  }

  /** Journals a change, and has it count when it is durable. */
  async #commit(draw: (plan: ChangePlan) => void): Promise<void> {
    const { journal, clock } = this.#parts;
    const { topology } = this.#now;
    const version = this.version + 1;
    const stateOf = (exchangeId: number): ExchangeState => this.#stateOf(exchangeId);
    const plan = new ChangePlan({ topology, stateOf, version, timeMs: clock.now() });
    draw(plan);
    const names = plan.removedIds.map((exchangeId) => stateOf(exchangeId).name);
    const entries = plan.entries.map((entry) => journal.encode(entry));
    const misfits = await journal.commit(entries, []);
    assert(misfits.size === 0, 'one change at a time is drawn, from the state as it is');
    this.#history.push(...plan.effects);
    this.#now.advanceTo(version);
    for (const name of names) this.#ids.delete(name);
  }

  #identity(
    name: string,
    to: DestinationName,
    wanted: Pick<BindingIdentity, 'routingKey' | 'headers'>,
  ): BindingIdentity {
    const exchangeId = this.#idOf(checkName('name', name));
    return { exchangeId, target: this.#targetOf(to), ...wanted };
  }

  #targetOf({ kind, name }: DestinationName): Target {
    if (kind === 'exchange') return { kind, id: this.#idOf(name) };
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
    const isThere = alternateId !== null && this.#now.topology.exchange(alternateId) !== null;
    const alternate = isThere ? this.#stateOf(alternateId).name : null;
    const bindingCount = this.#now.topology.bindingCountOf(exchangeId);
    return { exchangeId, name, type, alternate, internal, autoDelete, bindingCount };
  }
}

/** What was asked for and is not what is stored; null = nothing. */
function conflictOf(stored: ExchangeDescription, wanted: ExchangeConfig): ConflictError | null {
  const { type, alternate, internal, autoDelete } = stored;
  for (const [option, value] of Object.entries({ type, alternate, internal, autoDelete })) {
    const asked = Object.entries(wanted).find(([name]) => name === option)?.[1];
    if (asked === undefined || asked === value) continue;
    const kind = 'exchange';
    const told = { stored: `${option} ${value}`, requested: `${option} ${asked}` };
    return new ConflictError({ kind, name: stored.name, ...told });
  }
  return null;
}
