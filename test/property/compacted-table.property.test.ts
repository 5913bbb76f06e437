/** Entries of a bounded table while its topic is compacted again and again: each key once, none missing. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { nextTurn } from '../../src/core/clock.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { numbered, openSmall } from '../support/compacted-topic.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { StoreBench } from '../support/store-fixture.ts';

const KEYS = 30;

async function walkBeside(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const store = await new StoreBench().open();
  const topic = await openSmall(store, 't', { compaction: 'key' });
  const versions = new Map<string, number[]>();
  let n = 0;
  const put = async (): Promise<void> => {
    const key = `k${n < KEYS ? n : randomBelow(random, KEYS)}`;
    versions.set(key, [...(versions.get(key) ?? []), n]);
    await topic.append({ key, value: numbered(n++) });
  };
  for (let at = 0; at < 2 * KEYS; at++) await put();
  const table = await topic.table({ bytesMax: 0 });
  const before = new Map([...versions].map(([key, all]) => [key, all.at(-1) ?? 0]));
  const walk = { isOver: false };
  const compacting = (async () => {
    while (!walk.isOver) {
      for (let at = randomBelow(random, 40); at > 0; at--) await put();
      await topic.compact();
      await nextTurn();
    }
  })();
  const met: string[] = [];
  for await (const { key, value } of table.entries()) {
    met.push(key ?? '');
    const version = Number.parseInt(value ?? '', 10);
    expect(versions.get(key ?? '')).toContain(version);
    expect(version).toBeGreaterThanOrEqual(before.get(key ?? '') ?? Infinity);
    for (let turn = randomBelow(random, 8); turn > 0; turn--) await nextTurn();
  }
  walk.isOver = true;
  await compacting;
  expect(met.toSorted()).toEqual([...before.keys()].toSorted());
  await table.reached({ partition: 0, offset: n - 1 });
  for (const [key, all] of versions) {
    expect((await table.get(key))?.value).toBe(numbered(all.at(-1) ?? 0));
  }
  await table.close();
  await store.close();
}

test('a walk over a table has each key once, whatever compaction takes meanwhile', async () => {
  const seeds = fc.integer({ min: 0, max: 2 ** 31 });
  await fc.assert(fc.asyncProperty(seeds, walkBeside), asyncPropertyOptions({ numRuns: 10 }));
});
