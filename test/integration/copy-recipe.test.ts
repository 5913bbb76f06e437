/** "Sequence = source offset" on a real directory: a copy that is stopped again and again, and goes on. */
import { expect, test } from 'vitest';

import { openStore } from '../../src/store/open-store.ts';
import { copiedInto, copyMissing, openCopies, sourceOf } from '../support/copied-source.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const SOURCE = sourceOf(60);
const OFFSETS = SOURCE.map(({ offset }) => offset);
const RUNS = 6;

const ascending = (offsets: readonly number[]) => offsets.toSorted((one, two) => one - two);

test.each(['sync', 'os'] as const)(
  'a copy by source offsets goes on behind each restart, topics at %s',
  async (level) => {
    const path = await temporaryDirectory();
    for (let run = 0; run < RUNS; run++) {
      const store = await openStore(path);
      const copies = await openCopies(store, level);
      const { producer, orders, index } = copies;
      let batchCount = 0;
      await copyMissing(copies, SOURCE, { batch: 3, stop: () => ++batchCount > 3 });
      // Some that the transactions of the next run bring, too, into one of the topics.
      const { resumeFrom } = await producer.last(index);
      for (const { offset, value } of SOURCE.filter((each) => each.offset >= resumeFrom).slice(
        0,
        2,
      )) {
        await producer.append(index, { value }, { sequence: offset });
      }
      expect((await producer.last(orders)).resumeFrom).toBeLessThanOrEqual(resumeFrom);
      await store.close();
    }
    const store = await openStore(path);
    const copies = await openCopies(store, level);
    await copyMissing(copies, SOURCE, { batch: 10 });
    expect((await copiedInto(copies.index)).flat()).toEqual(OFFSETS);
    const orders = await copiedInto(copies.orders);
    for (const own of orders) expect(own).toEqual(ascending(own));
    expect(ascending(orders.flat())).toEqual(OFFSETS);
    expect(await copies.producer.last(copies.orders)).toMatchObject({ sequence: OFFSETS.at(-1) });
    await store.close();
  },
);
