/** What-if over 100 random topologies: a plain filter of what was published, and not a byte written. */
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import type { SimulatedRecord } from '../../src/routing/what-if.ts';
import type { Store } from '../../src/store/store.ts';
import { randomTopology } from '../rabbitmq/random-topology.ts';
import { EXCHANGE_TYPES } from '../rabbitmq/topology.ts';
import { directoryHash, sourceOf, whatIf } from '../support/exchange-store.ts';
import { propertyOptions, REPLAY } from '../support/property.ts';
import {
  live,
  randomHypotheses,
  type Past,
  type RandomHypothesis,
} from '../support/random-hypothesis.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const { numRuns: TOPOLOGIES = 0, seed: SEED = 0 } = propertyOptions();
const RECORDS = 60;

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
  { naive, options }: RandomHypothesis,
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
      const topology = randomTopology(random, options);
      const bench = new StoreBench();
      const writer = await bench.open();
      const { pasts, bound } = await live(writer, topology);
      const hypotheses = randomHypotheses(random, options, { topology, bound });
      // Half of them by a handle that only reads, beside the writer or not.
      const isReadOnly = at % 4 >= 2;
      if (at % 4 === 3) await writer.close();
      const store = isReadOnly ? await bench.open({ readOnly: true }) : writer;
      // A writer writes when it opens a log, and may open it long before.
      for (const exchange of pasts.keys()) await sourceOf(store, exchange);
      const before = await directoryHash(bench.fileSystem, STORE_PATH);
      for (const [exchange, past] of pasts) {
        for (const hypothesis of hypotheses) {
          if (hypothesis.holds(exchange)) await compare(store, exchange, past, hypothesis);
        }
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
