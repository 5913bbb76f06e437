/**
 * The state of exchanges: a fold over what the journal says of them.
 *
 * What is gone stays as long as a record may have to be routed by a version in which it was there.
 */
import { list, map, nullable, struct, uint, type ValueOf } from '../journal/entry-fields.ts';
import type { EntryType } from '../journal/entry-type.ts';
import { begins, changes, sets, type Fold, type Reducer, type Rule } from '../journal/fold.ts';
import {
  bindingAdded,
  bindingFields,
  bindingRemoved,
  destinationSized,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
  exchangeFields,
  topologyPruned,
} from './exchange-entries.ts';

/** From which version on it is there, and from which on it is not; null = it still is. */
const lifeFields = { fromVersion: uint, toVersion: nullable(uint), timeMs: uint };

const bindingState = struct({ ...bindingFields, ...lifeFields });

export type BindingState = ValueOf<typeof bindingState>;

const exchangeState = struct({
  ...exchangeFields,
  ...lifeFields,
  /** Oldest first; the last is the present one. */
  alternates: list(struct({ fromVersion: uint, alternateId: nullable(uint) })),
  /** By their ids, those that are gone too. */
  bindings: map(uint, bindingState),
});

export type ExchangeState = ValueOf<typeof exchangeState>;

const idOf = ({ exchangeId }: { readonly exchangeId: number }): string => String(exchangeId);

/** One instance per exchange, by its id. */
export const exchanges: Reducer<ExchangeState> = {
  name: 'exchange',
  state: exchangeState,
  rules: [
    begins(exchangeCreated, {
      id: idOf,
      begin: ({ exchangeId: _exchangeId, version, timeMs, alternateId, ...what }) => ({
        ...what,
        fromVersion: version,
        toVersion: null,
        timeMs,
        alternates: [{ fromVersion: version, alternateId }],
        bindings: new Map(),
      }),
    }),
    changes(exchangeAltered, {
      id: idOf,
      apply(state: ExchangeState, { version, alternateId }) {
        state.alternates.push({ fromVersion: version, alternateId });
        return state;
      },
    }),
    changes(exchangeDeleted, {
      id: idOf,
      apply(state: ExchangeState, { version }) {
        state.toVersion ??= version;
        for (const binding of state.bindings.values()) binding.toVersion ??= version;
        return state;
      },
    }),
    changes(bindingAdded, {
      id: idOf,
      apply(state: ExchangeState, { bindingId, version, timeMs, target, routingKey, headers }) {
        if (state.bindings.has(bindingId)) return state; // Its id is random: this is the same one.
        const life = { fromVersion: version, toVersion: null, timeMs };
        state.bindings.set(bindingId, { target, routingKey, headers, ...life });
        return state;
      },
    }),
    changes(bindingRemoved, {
      id: idOf,
      apply(state: ExchangeState, { bindingId, version }) {
        const binding = state.bindings.get(bindingId);
        if (binding !== undefined) binding.toVersion ??= version;
        return state;
      },
    }),
    changes(topologyPruned, {
      id: ({ exchangeIds }) => exchangeIds.map(String),
      apply: (state: ExchangeState, { belowVersion }) => pruned(state, belowVersion),
    }),
  ],
};

const versionState = struct({ version: uint });

type TopologyVersion = ValueOf<typeof versionState>;

/** The version of the last change; there is one instance, which begins with the first. */
export const topologyVersion: Reducer<TopologyVersion> = {
  name: 'topology-version',
  state: versionState,
  rules: [
    raises(exchangeCreated),
    raises(exchangeAltered),
    raises(exchangeDeleted),
    raises(bindingAdded),
    raises(bindingRemoved),
    raises(destinationSized),
  ],
};

const ONLY = '';

function raises<E extends { readonly version: number }>(type: EntryType<E>): Rule<TopologyVersion> {
  return sets(type, {
    id: () => ONLY,
    set: (state: TopologyVersion | null, entry) => ({
      version: Math.max(state?.version ?? 0, entry.version),
    }),
  });
}

/** Of all exchanges of the store; 0 = nothing was ever changed. */
export function versionOf(fold: Fold): number {
  return fold.get(topologyVersion, ONLY)?.version ?? 0;
}

/** Whether something was there in a version. */
export function isThere(
  life: { readonly fromVersion: number; readonly toVersion: number | null },
  version: number,
): boolean {
  return life.fromVersion <= version && (life.toVersion === null || version < life.toVersion);
}

/** The alternate exchange in a version in which the exchange was there; null = it had none. */
export function alternateAt({ alternates }: ExchangeState, version: number): number | null {
  const at = alternates.findLast(({ fromVersion }) => fromVersion <= version);
  return at?.alternateId ?? null;
}

/** Whether there is something of it that no version from this one on needs. */
export function hasOldPart(state: ExchangeState, belowVersion: number): boolean {
  if (isOver(state, belowVersion) || hasOldAlternate(state, belowVersion)) return true;
  for (const binding of state.bindings.values()) if (isOver(binding, belowVersion)) return true;
  return false;
}

/** Without what was gone by then; null = it was itself. */
function pruned(state: ExchangeState, belowVersion: number): ExchangeState | null {
  if (isOver(state, belowVersion)) return null;
  for (const [bindingId, binding] of state.bindings) {
    if (isOver(binding, belowVersion)) state.bindings.delete(bindingId);
  }
  while (hasOldAlternate(state, belowVersion)) state.alternates.shift();
  return state;
}

/** Whether something is gone in a version and in all that follow. */
export function isOver(life: { readonly toVersion: number | null }, version: number): boolean {
  return life.toVersion !== null && life.toVersion <= version;
}

function hasOldAlternate({ alternates }: ExchangeState, belowVersion: number): boolean {
  const [, second] = alternates;
  return second !== undefined && second.fromVersion <= belowVersion;
}
