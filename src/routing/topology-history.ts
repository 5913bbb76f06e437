/**
 * The topology as of one version after the other: a record is routed by that under which it was
 * published, however much has changed since.
 */
import { assert } from '../core/assert.ts';
import type { Fold } from '../journal/fold.ts';
import type { Binding, Exchange } from './binding.ts';
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
  | { readonly kind: 'binding-added'; readonly binding: Binding }
);

const ORDER: readonly TopologyChange['kind'][] = [
  'binding-removed',
  'exchange-removed',
  'exchange-added',
  'alternate-set',
  'binding-added',
];

/** All changes that the journal still knows, in order. O(n log n) of exchanges and bindings. */
export function historyOf(fold: Fold): TopologyChange[] {
  const changes = fold.ids(exchanges).flatMap((id) => {
    const state = fold.get(exchanges, id);
    return state === null ? [] : changesOf(Number(id), state);
  });
  return changes.sort(
    (one, two) => one.version - two.version || ORDER.indexOf(one.kind) - ORDER.indexOf(two.kind),
  );
}

/** A topology that moves on from version to version, and never back. */
export class VersionedTopology {
  readonly topology = new Topology();
  readonly #history: readonly TopologyChange[];
  #version = 0;
  /** Changes that were applied. */
  #applied = 0;

  /** @param history  in order; what is added to it is seen */
  constructor(history: readonly TopologyChange[]) {
    this.#history = history;
  }

  get version(): number {
    return this.#version;
  }

  /** Applies all changes up to a version. O(of them) */
  advanceTo(version: number): void {
    assert(version >= this.#version, 'versions ascend');
    this.#version = version;
    for (;;) {
      const change = this.#history[this.#applied];
      if (change === undefined || change.version > version) return;
      applyChange(this.topology, change);
      this.#applied++;
    }
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
