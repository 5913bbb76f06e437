/** A topology that is not: made of a document, for records to be routed by. Nothing of a store changes. */
import { present } from '../core/assert.ts';
import { NotFoundError } from '../core/errors.ts';
import { checkPatternOf } from './binding-weight.ts';
import type { BindingIdentity, Target } from './binding.ts';
import { ChangePlan } from './change-plan.ts';
import {
  conditionsOf,
  destinationName,
  type DocumentBinding,
  type DocumentDestination,
  type KnownTopic,
  type TopologyDocument,
} from './topology-document.ts';
import { applyChange } from './topology-history.ts';
import { Topology } from './topology.ts';

/** What a binding is called in errors. */
export interface NamedBinding {
  /** Such as `bind[2]`. */
  readonly place: string;
  readonly binding: DocumentBinding;
}

/** Of no account: nothing is placed. */
const newSizeOf = (): null => null;

export class Hypothesis {
  readonly topology = new Topology();
  readonly #exchangeIds = new Map<string, number>();
  readonly #autoDelete = new Set<number>();
  /** Those of the store keep their ids, so that routes can be compared; others get invented ones. */
  readonly #topicIds: Map<string, number>;
  readonly #topicNames: Map<number, string>;
  #lastBindingId = 0;
  #lastInvented = Number.MAX_SAFE_INTEGER;
  readonly #isTaken: (topicId: number) => boolean;

  /**
   * @param document  whose exchanges are all in it
   * @param isTaken   whether another topic has an id, or had it
   * @param known     exchanges that keep their ids, by which a consistent-hash exchange chooses
   */
  constructor(
    document: TopologyDocument,
    topics: readonly KnownTopic[],
    isTaken: (topicId: number) => boolean,
    known: readonly { readonly name: string; readonly exchangeId: number }[] = [],
  ) {
    const knownIds = new Map(known.map(({ name, exchangeId }) => [name, exchangeId]));
    const usedIds = new Set(knownIds.values());
    let lastId = 0;
    this.#topicIds = new Map(topics.map(({ name, topicId }) => [name, topicId]));
    this.#topicNames = new Map(topics.map(({ name, topicId }) => [topicId, name]));
    this.#isTaken = isTaken;
    for (const { name, autoDelete } of document.exchanges) {
      do lastId++;
      while (usedIds.has(lastId));
      const exchangeId = knownIds.get(name) ?? lastId;
      this.#exchangeIds.set(name, exchangeId);
      if (autoDelete) this.#autoDelete.add(exchangeId);
    }
    for (const { name, type, alternate, internal } of document.exchanges) {
      const exchangeId = this.exchangeId(name);
      const alternateId = alternate === null ? null : this.exchangeId(alternate);
      this.topology.addExchange({ exchangeId, type, alternateId, isInternal: internal });
    }
    for (const binding of document.bindings) this.#bind(binding);
  }

  /** @throws NotFoundError */
  exchangeId(name: string): number {
    const exchangeId = this.#exchangeIds.get(name);
    if (exchangeId === undefined) throw new NotFoundError({ kind: 'exchange', name });
    return exchangeId;
  }

  /** The name of a topic that bindings lead to, or that is in the store. */
  topicName(topicId: number): string | null {
    return this.#topicNames.get(topicId) ?? null;
  }

  /**
   * Binds, then unbinds, with all that would follow: exchanges that go with their last binding go.
   *
   * @throws NotFoundError for exchanges, and for what is unbound and was not bound; BadPatternError
   */
  change(bind: readonly NamedBinding[], unbind: readonly NamedBinding[]): void {
    for (const { place, binding } of bind) {
      const exchange = this.topology.exchange(this.exchangeId(binding.exchange));
      const { type } = present(exchange, 'it has an id');
      checkPatternOf(type, `${place}.pattern`, binding.pattern);
      this.#bind(binding);
    }
    for (const named of unbind) this.#unbind(named);
  }

  #bind(binding: DocumentBinding): void {
    this.topology.bind({ ...this.#identityOf(binding), bindingId: ++this.#lastBindingId });
  }

  #unbind({ place, binding }: NamedBinding): void {
    const { topology } = this;
    const found = topology.find(this.#identityOf(binding));
    if (found === null) {
      const name = `${place}: ${JSON.stringify(binding)}`;
      throw new NotFoundError({ kind: 'binding', name });
    }
    const stateOf = (exchangeId: number) => ({ isAutoDelete: this.#autoDelete.has(exchangeId) });
    const plan = new ChangePlan({ topology, stateOf, newSizeOf, version: 0, timeMs: 0 });
    plan.removeBinding(found);
    for (const effect of plan.effects) applyChange(topology, effect);
    for (const [name, exchangeId] of this.#exchangeIds) {
      if (plan.removedIds.includes(exchangeId)) this.#exchangeIds.delete(name);
    }
  }

  #identityOf(binding: DocumentBinding): BindingIdentity {
    return {
      exchangeId: this.exchangeId(binding.exchange),
      target: this.#targetOf(binding.destination),
      routingKey: binding.pattern,
      headers: conditionsOf(binding),
    };
  }

  #targetOf(destination: DocumentDestination): Target {
    const { kind, name } = destinationName(destination);
    if (kind === 'exchange') return { kind, id: this.exchangeId(name) };
    if (!this.#topicIds.has(name)) this.#invent(name);
    return { kind, id: present(this.#topicIds.get(name), 'it was invented') };
  }

  #invent(name: string): void {
    while (this.#isTaken(this.#lastInvented) || this.#topicNames.has(this.#lastInvented)) {
      this.#lastInvented--;
    }
    const topicId = this.#lastInvented--;
    this.#topicIds.set(name, topicId);
    this.#topicNames.set(topicId, name);
  }
}
