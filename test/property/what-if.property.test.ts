/** What-if over 100 random topologies: a plain filter of what was published, and not a byte written. */
import { describe, expect, test } from 'vitest';

import { SeededRandom, randomBelow } from '../../src/core/random.ts';
import type { SimulatedRecord, SimulateOptions } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import { NaiveRoutes } from '../rabbitmq/naive-routes.ts';
import { randomTopology } from '../rabbitmq/random-topology.ts';
import {
  bindingId,
  EXCHANGE_TYPES,
  type Binding,
  type HeaderValue,
  type Publish,
  type Topology,
} from '../rabbitmq/topology.ts';
import {
  changeIn,
  declareIn,
  directoryHash,
  documentOf,
  publishTo,
  sourceOf,
  whatIf,
} from '../support/exchange-store.ts';
import { propertyOptions, REPLAY } from '../support/property.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const { numRuns: TOPOLOGIES = 0, seed: SEED = 0 } = propertyOptions();
const RECORDS = 60;

/** What was published to one exchange, and where it went. */
interface Past {
  readonly record: Publish;
  readonly went: ReadonlySet<string>;
}

/** Publishes stage after stage. @returns the past of each exchange, and the bindings at the end */
async function live(store: Store, topology: Topology) {
  const naive = new NaiveRoutes();
  const pasts = new Map<string, Past[]>(topology.exchanges.map(({ name }) => [name, []]));
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
    for (const record of publishes) {
      pasts.get(record.exchange)?.push({ record, went: naive.route(record) });
    }
    await publishTo(store, publishes);
  }
  return { pasts, bound: [...bound.values()] };
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

/** Counted one by one, as `SimulationSummary` has it. */
function summaryOf(past: readonly Past[], would: readonly ReadonlySet<string>[]) {
  const rows = new Map<string, { same: number; added: number; removed: number }>();
  let differentCount = 0;
  for (const [at, { went }] of past.entries()) {
    const now = would[at] ?? new Set();
    for (const name of new Set([...went, ...now])) {
      const row = rows.get(name) ?? { same: 0, added: 0, removed: 0 };
      rows.set(name, row);
      if (went.has(name) && now.has(name)) row.same++;
      else if (now.has(name)) row.added++;
      else row.removed++;
    }
    if ([...went].sort().join() !== [...now].sort().join()) differentCount++;
  }
  const destinations = [...rows]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, row]) => ({ name, recordCount: row.same + row.added, ...row }));
  return {
    recordCount: past.length,
    range: past.length === 0 ? null : { start: 0, end: past.length },
    unrouted: {
      would: would.filter(({ size }) => size === 0).length,
      did: past.filter(({ went }) => went.size === 0).length,
    },
    differentCount,
    destinations,
    unknownFrom: null,
  };
}

const seen = { records: 0, routed: 0, added: 0, removed: 0, same: 0, invented: 0 };

async function compare(
  store: Store,
  exchange: string,
  past: readonly Past[],
  { naive, options }: { naive: NaiveRoutes; options: SimulateOptions },
): Promise<void> {
  const would = past.map(({ record }) => naive.route(record));
  const run = await whatIf(store, exchange, options);
  const found: SimulatedRecord[] = [];
  for await (const record of run) found.push(record);
  expect(found, REPLAY).toEqual(
    would.map((names, offset) => ({ offset, destinations: [...names].sort() })),
  );
  const summary = summaryOf(past, would);
  expect(run.summary).toEqual(summary);
  const again = await whatIf(store, exchange, options);
  expect(await again.run()).toEqual(summary);
  const names = new Set(store.topics().map(({ name }) => name));
  seen.records += past.length;
  seen.routed += would.filter(({ size }) => size > 0).length;
  for (const { name, same, added, removed } of summary.destinations) {
    seen.same += same;
    seen.added += added;
    seen.removed += removed;
    if (!names.has(name)) seen.invented += added;
  }
}

describe('what-if, over random topologies', () => {
  test(`${TOPOLOGIES} of them: what a plain filter of the past gives, and not a byte is written`, async () => {
    for (let at = 0; at < TOPOLOGIES; at++) {
      const random = new SeededRandom(SEED + at);
      const type = EXCHANGE_TYPES[at % EXCHANGE_TYPES.length] ?? 'topic';
      const options = { prefix: '', type, recordCount: RECORDS };
      const lived = randomTopology(random, options);
      const other = randomTopology(random, options);
      const bench = new StoreBench();
      const writer = await bench.open();
      const { pasts, bound } = await live(writer, lived);
      // Half of them by a handle that only reads, beside the writer or not.
      const isReadOnly = at % 4 >= 2;
      if (at % 4 === 3) await writer.close();
      const store = isReadOnly ? await bench.open({ readOnly: true }) : writer;
      const published = [...pasts].filter(([, past]) => past.length > 0);
      // A writer writes when it opens a log, and may open it long before.
      for (const [exchange] of published) await sourceOf(store, exchange);
      const before = await directoryHash(bench.fileSystem, STORE_PATH);
      const whole = finalBindings(other);
      const unbind = bound.filter(() => randomBelow(random, 3) === 0);
      const known = new Set(lived.exchanges.map(({ name }) => name));
      const bind = whole.filter(
        ({ source, destination, destinationKind: kind }) =>
          known.has(source) && (kind === 'queue' || known.has(destination)),
      );
      const changed = naiveOf(lived, [...bound, ...bind]);
      for (const binding of unbind)
        changed.change({ kind: 'unbind', binding: inOneSpelling(binding) });
      for (const [exchange, past] of published) {
        if (other.exchanges.some(({ name }) => name === exchange)) {
          const topology = documentOf(other.exchanges, whole);
          const naive = naiveOf(other, whole);
          await compare(store, exchange, past, { naive, options: { topology } });
        }
        const changes = {
          bind: documentOf(lived.exchanges, bind).bindings,
          unbind: documentOf(lived.exchanges, unbind).bindings,
        };
        await compare(store, exchange, past, { naive: changed, options: changes });
      }
      expect(await directoryHash(bench.fileSystem, STORE_PATH)).toBe(before);
      await store.close();
      if (store !== writer) await writer.close();
    }
    expect(seen.records).toBeGreaterThan(TOPOLOGIES * RECORDS);
    for (const [what, count] of Object.entries(seen)) {
      expect(count, what).toBeGreaterThan(TOPOLOGIES);
    }
  }, 120_000);
});
