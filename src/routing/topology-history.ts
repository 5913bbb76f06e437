/**
 * The topology as of one version after the other: a record is routed by that under which it was
 * published, however much has changed since.
 */
import { assert } from '../core/assert.ts';
import type { Fold } from '../journal/fold.ts';
import type { Binding, Exchange } from './binding.ts';
import { destinations } from './destination-state.ts';
import { alternateAt, exchanges, type BindingState, type ExchangeState } from './exchange-state.ts';
import { Topology } from './topology.ts';

/** What one change does to the topology. Those of one version are in the order of these kinds. */
export type TopologyChange = { readonly version: number } & (
  | { readonly kind: 'binding-removed'; readonly bindingId: number }
  | { readonly kind: 'exchange-removed'; readonly exchangeId: number }
  | { readonly kind: 'exchange-added'; readonly exchange: Exchange }
  | {
      readonly kind: 'alternate-set';
      readonly exchangeId: number;
      readonly alternateId: number | null;
    }
  | {
      readonly kind: 'destination-sized';
      readonly topicId: number;
      readonly partitionCount: number;
    }
  | { readonly kind: 'binding-added'; readonly binding: Binding }
);

const ORDER: readonly TopologyChange['kind'][] = [
  'binding-removed',
  'exchange-removed',
  'exchange-added',
  'alternate-set',
  'destination-sized',
  'binding-added',
];

/** All changes that the journal still knows, in order. O(n log n) of exchanges and bindings. */
export function historyOf(fold: Fold): TopologyChange[] {
  const changes = fold.ids(exchanges).flatMap((id) => {
    const state = fold.get(exchanges, id);
    return state === null ? [] : changesOf(Number(id), state);
  });
  for (const id of fold.ids(destinations)) {
    for (const { fromVersion, partitionCount } of fold.get(destinations, id)?.sizes ?? []) {
      const kind = 'destination-sized';
      changes.push({ version: fromVersion, kind, topicId: Number(id), partitionCount });
    }
  }
  return changes.sort(
    (one, two) => one.version - two.version || ORDER.indexOf(one.kind) - ORDER.indexOf(two.kind),
  );
}

/** All changes that a record may need, shared by the topologies that are made of them. */
export class TopologyHistory {
  #changes: TopologyChange[];
  #prunedBelow = 0;

  /** @param changes  in order */
  constructor(changes: TopologyChange[]) {
    this.#changes = changes;
  }

  /** In order. Another array when some were pruned; else what comes is added to it. */
  get changes(): readonly TopologyChange[] {
    return this.#changes;
  }

  /** Versions below are not known any more. */
  get prunedBelow(): number {
    return this.#prunedBelow;
  }

  add(changes: readonly TopologyChange[]): void {
    this.#changes.push(...changes);
  }

  /** @param left  in order; in each version from `belowVersion` on they make the same topology */
  prune(left: TopologyChange[], belowVersion: number): void {
    this.#changes = left;
    this.#prunedBelow = belowVersion;
  }
}

/** A topology that moves on from version to version, and never back. */
export class VersionedTopology {
  readonly #history: TopologyHistory;
  #topology = new Topology();
  /** By topic id. */
  readonly #partitionCounts = new Map<number, number>();
  #version = 0;
  /** Those of the history, and how many of them were applied. */
  #changes: readonly TopologyChange[];
  #applied = 0;

  /** @param history  what is added to it is seen */
  constructor(history: TopologyHistory) {
    this.#history = history;
    this.#changes = history.changes;
  }

  get version(): number {
    return this.#version;
  }

  /** Another one after `advanceTo`, if what it stood at was pruned. */
  get topology(): Topology {
    return this.#topology;
  }

  /** How many partitions a topic has; null = nothing led there yet. */
  partitionCount(topicId: number): number | null {
    return this.#partitionCounts.get(topicId) ?? null;
  }

  /**
   * Applies all changes up to a version. O(of them)
   *
   * @param version  not below where it stands, nor one that was pruned
   */
  advanceTo(version: number): void {
    assert(version >= this.#version, 'versions ascend');
    if (version === this.#version) return;
    assert(version >= this.#history.prunedBelow, 'no record is left of what was pruned');
    this.#findPlace();
    this.#version = version;
    for (;;) {
      const change = this.#changes[this.#applied];
      if (change === undefined || change.version > version) return;
      applyChange(this.#topology, change);
      this.#size(change);
      this.#applied++;
    }
  }

  /** In a history of which something was pruned. */
  #findPlace(): void {
    const { changes, prunedBelow } = this.#history;
    if (changes === this.#changes) return;
    this.#changes = changes;
    this.#applied = 0;
    this.#partitionCounts.clear();
    if (this.#version < prunedBelow) {
      this.#topology = new Topology(); // It has what must be undone, and how is forgotten.
      return;
    }
    // All that was pruned was applied to it, and undone.
    for (const change of changes) {
      if (change.version > this.#version) return;
      this.#size(change);
      this.#applied++;
    }
  }

  #size(change: TopologyChange): void {
    if (change.kind !== 'destination-sized') return;
    this.#partitionCounts.set(change.topicId, change.partitionCount);
  }
}

export function applyChange(topology: Topology, change: TopologyChange): void {
  switch (change.kind) {
    case 'binding-removed':
      topology.unbind(change.bindingId);
      return;
    case 'exchange-removed':
      topology.removeExchange(change.exchangeId);
      return;
    case 'exchange-added':
      topology.addExchange(change.exchange);
      return;
    case 'alternate-set':
      topology.setAlternate(change.exchangeId, change.alternateId);
      return;
    case 'binding-added':
      topology.bind(change.binding);
      return;
    case 'destination-sized': // No matter of which topics a record goes to.
  }
}

function changesOf(exchangeId: number, state: ExchangeState): TopologyChange[] {
  const { type, isInternal, fromVersion, toVersion, alternates } = state;
  const alternateId = alternateAt(state, fromVersion);
  const exchange: Exchange = { exchangeId, type, isInternal, alternateId };
  const changes: TopologyChange[] = [{ version: fromVersion, kind: 'exchange-added', exchange }];
  for (const { fromVersion: version, alternateId: later } of alternates) {
    if (version === fromVersion) continue;
    changes.push({ version, kind: 'alternate-set', exchangeId, alternateId: later });
  }
  if (toVersion !== null)
    changes.push({ version: toVersion, kind: 'exchange-removed', exchangeId });
  for (const [bindingId, binding] of state.bindings) {
    changes.push(...changesOfBinding({ exchangeId, bindingId }, binding));
  }
  return changes;
}

function changesOfBinding(
  ids: { readonly exchangeId: number; readonly bindingId: number },
  { target, routingKey, headers, fromVersion, toVersion }: BindingState,
): TopologyChange[] {
  const binding: Binding = { ...ids, target, routingKey, headers };
  const changes: TopologyChange[] = [{ version: fromVersion, kind: 'binding-added', binding }];
  if (toVersion !== null) {
    changes.push({ version: toVersion, kind: 'binding-removed', bindingId: ids.bindingId });
  }
  return changes;
}
