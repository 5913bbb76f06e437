/** One change of the topology with all that follows from it: one version, journaled in one piece. */
import { change, type Change } from '../journal/journal.ts';
import type { Binding, Exchange } from './binding.ts';
import {
  bindingAdded,
  bindingRemoved,
  destinationSized,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
} from './exchange-entries.ts';
import type { ExchangeState } from './exchange-state.ts';
import type { TopologyChange } from './topology-history.ts';
import type { Topology } from './topology.ts';

export interface ChangePlanParts {
  /** As it is now. */
  readonly topology: Topology;
  readonly stateOf: (exchangeId: number) => Pick<ExchangeState, 'isAutoDelete'>;
  /** How many partitions a topic has, when versions do not say so yet; null = they do. */
  readonly newSizeOf: (topicId: number) => number | null;
  /** Of the change. */
  readonly version: number;
  readonly timeMs: number;
}

export type NewExchange = Pick<ExchangeState, 'name' | 'topicId' | 'isAutoDelete'> & Exchange;

export class ChangePlan {
  /** What is journaled. */
  readonly entries: Change[] = [];
  /** What becomes of the topology, in order. */
  readonly effects: TopologyChange[] = [];
  readonly #parts: ChangePlanParts;
  readonly #removedExchanges = new Set<number>();
  readonly #removedBindings = new Set<number>();
  readonly #sizedTopics = new Set<number>();

  constructor(parts: ChangePlanParts) {
    this.#parts = parts;
  }

  addExchange({ name, topicId, isAutoDelete, ...exchange }: NewExchange): void {
    const { version, timeMs } = this.#parts;
    const entry = { ...exchange, name, topicId, isAutoDelete, version, timeMs };
    this.entries.push(change(exchangeCreated, entry));
    this.effects.push({ version, kind: 'exchange-added', exchange });
  }

  setAlternate(exchangeId: number, alternateId: number | null): void {
    const { version, timeMs } = this.#parts;
    this.entries.push(change(exchangeAltered, { exchangeId, alternateId, version, timeMs }));
    this.effects.push({ version, kind: 'alternate-set', exchangeId, alternateId });
  }

  /** Has this version say how many partitions a topic has, unless an earlier one does. */
  sizeDestination(topicId: number): void {
    const { version, timeMs, newSizeOf } = this.#parts;
    const partitionCount = newSizeOf(topicId);
    if (partitionCount === null || this.#sizedTopics.has(topicId)) return;
    this.#sizedTopics.add(topicId);
    this.entries.push(change(destinationSized, { topicId, partitionCount, version, timeMs }));
    this.effects.push({ version, kind: 'destination-sized', topicId, partitionCount });
  }

  addBinding(binding: Binding): void {
    const { version, timeMs } = this.#parts;
    const { target } = binding;
    if (target.kind === 'topic') this.sizeDestination(target.id);
    this.entries.push(change(bindingAdded, { ...copyOf(binding), version, timeMs }));
    this.effects.push({ version, kind: 'binding-added', binding });
  }

  /** With the exchange that it is of, if that goes with its last binding. */
  removeBinding({ exchangeId, bindingId }: Binding): void {
    if (this.#removedBindings.has(bindingId) || this.#removedExchanges.has(exchangeId)) return;
    const { version, timeMs, topology, stateOf } = this.#parts;
    this.#removedBindings.add(bindingId);
    this.entries.push(change(bindingRemoved, { exchangeId, bindingId, version, timeMs }));
    this.effects.push({ version, kind: 'binding-removed', bindingId });
    const isLast = topology
      .bindingsFrom(exchangeId)
      .every((binding) => this.#removedBindings.has(binding.bindingId));
    if (isLast && stateOf(exchangeId).isAutoDelete) this.removeExchange(exchangeId);
  }

  /** With all bindings of it and to it. */
  removeExchange(exchangeId: number): void {
    if (this.#removedExchanges.has(exchangeId)) return;
    const { version, timeMs, topology } = this.#parts;
    this.#removedExchanges.add(exchangeId); // What leads in a circle to itself goes with it.
    for (const binding of topology.bindingsTo({ kind: 'exchange', id: exchangeId })) {
      this.removeBinding(binding);
    }
    this.entries.push(change(exchangeDeleted, { exchangeId, version, timeMs }));
    this.effects.push({ version, kind: 'exchange-removed', exchangeId });
  }

  /** Exchanges that are gone then. */
  get removedIds(): readonly number[] {
    return [...this.#removedExchanges];
  }
}

/** As an entry has it: its own. */
function copyOf({ exchangeId, bindingId, target, routingKey, headers }: Binding) {
  const conditions = headers?.conditions.map(({ name, value }) => ({ name, value })) ?? [];
  return {
    exchangeId,
    bindingId,
    target: { kind: target.kind, id: target.id },
    routingKey,
    headers: headers === null ? null : { match: headers.match, conditions },
  };
}
