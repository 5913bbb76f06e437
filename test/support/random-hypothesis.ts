/**
 * Random topologies for what-if: one that is lived, with a past, and others that the same past could have
 * had, as what-if takes them and as a naive filter.
 */
import { randomBelow, type Random } from '../../src/core/random.ts';
import type { SimulateOptions } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import { NaiveRoutes } from '../rabbitmq/naive-routes.ts';
import { randomTopology, type TopologyOptions } from '../rabbitmq/random-topology.ts';
import {
  bindingId,
  type Binding,
  type HeaderValue,
  type Publish,
  type Topology,
} from '../rabbitmq/topology.ts';
import { changeIn, declareIn, documentOf, publishTo } from './exchange-store.ts';

/** What was published to one exchange, and where it went. */
export interface Past {
  readonly record: Publish;
  readonly went: ReadonlySet<string>;
}

export interface Lived {
  /** Of each exchange that something was published to, in order. */
  readonly pasts: ReadonlyMap<string, readonly Past[]>;
  /** What is bound at the end. */
  readonly bound: readonly Binding[];
}

/** What another topology is to what-if, and to a plain filter. */
export interface RandomHypothesis {
  readonly options: SimulateOptions;
  readonly naive: NaiveRoutes;
  /** Whether it has an exchange. */
  readonly holds: (exchange: string) => boolean;
}

/** Declares a topology, changes it and publishes, stage after stage. */
export async function live(store: Store, topology: Topology): Promise<Lived> {
  const naive = new NaiveRoutes();
  const pasts = new Map<string, Past[]>();
  const bound = new Map<string, Binding>();
  naive.declare(topology);
  await declareIn(store, topology);
  for (const { changes, publishes } of topology.stages) {
    for (const change of changes) {
      naive.change(change);
      await changeIn(store, change);
      const id = bindingId(change.binding);
      if (change.kind === 'bind') bound.set(id, change.binding);
      else bound.delete(id);
    }
    const alone = publishes.map((publish) => ({ ...publish, cc: [], bcc: [] }));
    for (const record of alone) {
      const past = pasts.get(record.exchange) ?? [];
      pasts.set(record.exchange, past);
      past.push({ record, went: naive.route(record) });
    }
    await publishTo(store, alone);
  }
  return { pasts, bound: [...bound.values()] };
}

/** A whole other topology, and changes of the one that is lived. */
export function randomHypotheses(
  random: Random,
  options: TopologyOptions,
  lived: { readonly topology: Topology; readonly bound: readonly Binding[] },
): readonly RandomHypothesis[] {
  const other = randomTopology(random, options);
  const whole = finalBindings(other);
  const { topology, bound } = lived;
  const known = new Set(topology.exchanges.map(({ name }) => name));
  const unbind = bound.filter(() => randomBelow(random, 3) === 0);
  const bind = whole.filter(
    ({ source, destination, destinationKind }) =>
      known.has(source) && (destinationKind === 'queue' || known.has(destination)),
  );
  const changed = naiveOf(topology, [...bound, ...bind]);
  for (const binding of unbind) {
    changed.change({ kind: 'unbind', binding: inOneSpelling(binding) });
  }
  return [
    {
      options: { topology: documentOf(other.exchanges, whole) },
      naive: naiveOf(other, whole),
      holds: (exchange) => other.exchanges.some(({ name }) => name === exchange),
    },
    {
      options: {
        bind: documentOf(topology.exchanges, bind).bindings,
        unbind: documentOf(topology.exchanges, unbind).bindings,
      },
      naive: changed,
      holds: (exchange) => known.has(exchange),
    },
  ];
}

function naiveOf({ exchanges }: Pick<Topology, 'exchanges'>, bindings: readonly Binding[]) {
  const naive = new NaiveRoutes();
  naive.declare({ exchanges, queues: [] });
  for (const binding of bindings) naive.change({ kind: 'bind', binding: inOneSpelling(binding) });
  return naive;
}

/** Varve takes bindings for one that say the same, in text or in bytes. */
function inOneSpelling(binding: Binding): Binding {
  const given = Object.entries({ 'x-match': 'all', ...binding.arguments }).map(
    ([name, value]): [string, HeaderValue | null] =>
      typeof value === 'string' && name !== 'x-match' ? [name, Buffer.from(value)] : [name, value],
  );
  return { ...binding, arguments: Object.fromEntries(given) };
}

function finalBindings({ stages }: Topology): Binding[] {
  const bound = new Map<string, Binding>();
  for (const { kind, binding } of stages.flatMap(({ changes }) => changes)) {
    if (kind === 'bind') bound.set(bindingId(binding), binding);
    else bound.delete(bindingId(binding));
  }
  return [...bound.values()];
}
