/**
 * Rebuilds over 100 random topologies: a destination that one exchange alone has sent records to is the
 * same after it was damaged or lost and rebuilt; any other is refused, and is what it was.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { randomBelow, SeededRandom, type Random } from '../../src/core/random.ts';
import { segmentFileName } from '../../src/format/file-names.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import type { Store } from '../../src/store/store.ts';
import { NaiveRoutes } from '../rabbitmq/naive-routes.ts';
import { randomTopology } from '../rabbitmq/random-topology.ts';
import { EXCHANGE_TYPES, type Binding, type Topology } from '../rabbitmq/topology.ts';
import { changeIn, declareIn, publishTo } from '../support/exchange-store.ts';
import { propertyOptions, REPLAY } from '../support/property.ts';
import { contentOf, damage, logPath, loseLog } from '../support/rebuilds.ts';
import { StoreBench } from '../support/store-fixture.ts';

const { numRuns: TOPOLOGIES = 0, seed: SEED = 0 } = propertyOptions();
const RECORDS = 60;
const PARTITIONS_MAX = 3;

const seen = {
  rebuilt: 0,
  lost: 0,
  same: 0,
  'sent by others': 0,
  'never led there': 0,
  records: 0,
};

interface Lived {
  /** Exchanges that were published to, by the destinations that they sent records to. */
  readonly feeders: ReadonlyMap<string, ReadonlySet<string>>;
  readonly published: ReadonlySet<string>;
  /** All bindings there ever were. */
  readonly bindings: readonly Binding[];
}

/** Declares a topology, changes it and publishes, stage after stage; destinations grow. */
async function live(store: Store, topology: Topology, random: Random): Promise<Lived> {
  const naive = new NaiveRoutes();
  const feeders = new Map(topology.queues.map((name) => [name, new Set<string>()]));
  const published = new Set<string>();
  const bindings: Binding[] = [];
  naive.declare(topology);
  for (const queue of topology.queues) {
    const partitions = 1 + randomBelow(random, PARTITIONS_MAX);
    await store.topic(queue, { partitions, segmentBytesMax: 4096 });
  }
  await declareIn(store, topology);
  for (const { changes, publishes } of topology.stages) {
    for (const change of changes) {
      naive.change(change);
      await changeIn(store, change);
      if (change.kind === 'bind') bindings.push(change.binding);
    }
    const alone = publishes.map((publish) => ({ ...publish, cc: [], bcc: [] }));
    for (const record of alone) {
      published.add(record.exchange);
      for (const name of naive.route(record)) feeders.get(name)?.add(record.exchange);
    }
    await publishTo(store, alone);
    const grown = present(topology.queues[0], 'there is one');
    await store.addPartitions(grown, store.describeTopic(grown).partitionCount + 1);
  }
  return { feeders, published, bindings };
}

/** Exchanges from which a way has ever led to a queue. */
function waysInto(topology: Topology, bindings: readonly Binding[], queue: string): Set<string> {
  const into = new Set<string>();
  const isInto = ({ destination, destinationKind }: Binding): boolean =>
    destinationKind === 'queue' ? destination === queue : into.has(destination);
  for (let before = -1; into.size > before;) {
    before = into.size;
    for (const binding of bindings) if (isInto(binding)) into.add(binding.source);
    for (const { name, alternate } of topology.exchanges) {
      if (alternate !== null && into.has(alternate)) into.add(name);
    }
  }
  return into;
}

/** Damages a partition of a destination, or has all of its files go. @returns whether they went */
async function harm(bench: StoreBench, path: string, random: Random): Promise<boolean> {
  const { fileSystem } = bench;
  const { sizeBytes } = await fileSystem.stat(join(path, segmentFileName(0)));
  const isEmpty = sizeBytes === SEGMENT_HEADER_BYTES; // Nothing of it is worth anything.
  if (isEmpty || random.next() < 0.4) {
    await loseLog(fileSystem, path);
    return true;
  }
  await damage(fileSystem, path, 0, randomBelow(random, sizeBytes - 1));
  return false;
}

async function rebuildAll(bench: StoreBench, topology: Topology, random: Random): Promise<void> {
  let store = await bench.open();
  const { feeders, published, bindings } = await live(store, topology, random);
  for (const queue of topology.queues) {
    const into = waysInto(topology, bindings, queue);
    const others = feeders.get(queue) ?? new Set();
    for (const name of published) {
      const before = await contentOf(store, queue);
      const partition = randomBelow(random, store.describeTopic(queue).partitionCount);
      const exchange = await store.exchange(name, { create: false });
      const isAlone = [...others].every((other) => other === name);
      if (!into.has(name) || !isAlone) {
        const reason = into.has(name) ? /^exchange .* sends|are of another/ : /never led there/;
        await expect(exchange.rebuild(queue, { dryRun: false }), REPLAY).rejects.toMatchObject({
          code: 'ERR_VARVE_NOT_REBUILDABLE',
          details: { destination: queue, reason: expect.stringMatching(reason) },
        });
        seen[into.has(name) ? 'sent by others' : 'never led there']++;
        continue;
      }
      const whole = await exchange.rebuild(queue, { dryRun: false });
      expect(whole.partitions.every((one) => !one.isDamaged && !one.isReplaced)).toBe(true);
      seen.same++;
      // Were the end of the log lost, that of another exchange might have stood there.
      const isCertain = [...published].every((other) => other === name || !into.has(other));
      if (!isCertain) continue;
      const path = logPath(store, queue, partition);
      await store.close();
      if (await harm(bench, path, random)) seen.lost++;
      store = await bench.open();
      const again = await store.exchange(name, { create: false });
      const { partitions } = await again.rebuild(queue, { dryRun: false });
      const replaced = partitions.filter((one) => one.isReplaced).map((one) => one.partition);
      expect(replaced, REPLAY).toEqual([partition]);
      expect(await contentOf(store, queue), REPLAY).toEqual(before);
      seen.rebuilt++;
      seen.records += before.length;
    }
  }
  await store.close();
}

describe('a rebuild, over random topologies', () => {
  test(`${TOPOLOGIES} of them: the same as before, or refused`, async () => {
    for (let at = 0; at < TOPOLOGIES; at++) {
      const random = new SeededRandom(SEED + at);
      const type = EXCHANGE_TYPES[at % EXCHANGE_TYPES.length] ?? 'topic';
      const options = { prefix: '', type, recordCount: RECORDS };
      await rebuildAll(new StoreBench(), randomTopology(random, options), random);
    }
    for (const [what, count] of Object.entries(seen)) {
      expect(count, what).toBeGreaterThan(TOPOLOGIES / 4);
    }
    console.log(`${TOPOLOGIES} topologies: ${JSON.stringify(seen)}`);
  }, 240_000);
});
