/**
 * Every crash point of a copy into two topics by "sequence = source offset", one transaction for each batch of
 * the source: whatever a kill or a power cut leaves, the next run makes it whole, and nothing is there twice.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import { copiedInto, copyMissing, openCopies, sourceOf } from '../support/copied-source.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { StoreDisk } from '../support/store-disk.ts';

const RANDOM_CUTS = 2;
const SOURCE = sourceOf(9);
const OFFSETS = SOURCE.map(({ offset }) => offset);
const BATCH = 2;

const summaries: string[] = [];

const ascending = (offsets: readonly number[]) => offsets.toSorted((one, two) => one - two);

describe('a copy by source offsets', () => {
  test.each(DURABILITY_LEVELS)('is whole and without doubles, topics at %s', async (level) => {
    const disk = await StoreDisk.make();
    const first = await disk.open();
    await copyMissing(await openCopies(first, level), SOURCE.slice(0, 3), { batch: BATCH });
    await first.close();
    let batchCount = 0;
    const found = await crashAtEveryCall({
      disk,
      randomCuts: RANDOM_CUTS,
      told: () => String(batchCount),
      async prepare(store) {
        batchCount = -1; // It is asked before each batch.
        return openCopies(store, level);
      },
      run: (copies) => {
        const stop = () => ++batchCount < 0;
        return copyMissing(copies, SOURCE, { batch: BATCH, stop });
      },
      async look(store) {
        const copies = await openCopies(store, level);
        const before = await copiedInto(copies.orders);
        const [indexed = []] = await copiedInto(copies.index);
        // A transaction is in both of them, or in none.
        expect(ascending(before.flat())).toEqual(indexed);
        expect(indexed).toEqual(OFFSETS.slice(0, indexed.length));
        expect(indexed.length).toBeGreaterThanOrEqual(3 + BATCH * Math.max(0, batchCount));
        await copyMissing(copies, SOURCE, { batch: 4 });
        const after = await copiedInto(copies.orders);
        for (const own of after) expect(own).toEqual(ascending(own));
        expect(ascending(after.flat())).toEqual(OFFSETS);
        expect((await copiedInto(copies.index)).flat()).toEqual(OFFSETS);
        return String(indexed.length);
      },
    });
    // It was stopped before, between and behind the batches.
    expect([...found.keys()].toSorted()).toEqual(['3', '5', '7', '9']);
    summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
  });
});

afterAll(() => console.log(summaries.join('\n')));
