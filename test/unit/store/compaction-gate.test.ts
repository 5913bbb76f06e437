/** What a store compacts by itself while the files of a partition are read as they stand: nothing, and no failure. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import { COMPACTION_LOOK_MS } from '../../../src/core/limits.ts';
import { compactable, fill, openSmall, until } from '../../support/compacted-topic.ts';
import { look, passSeconds, states } from '../../support/compacting-store.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const SLOW = { compactionBytesPerSecondMax: 64 * 1024 };

/** A store that compacts slowly, and of each topic the partition. */
async function setup(...names: readonly string[]) {
  const bench = new StoreBench();
  const store = await bench.open(SLOW);
  onTestFinished(() => store.close());
  const compacted: string[] = [];
  store.on('compacted', ({ topic, why }) => compacted.push(`${topic} ${why}`));
  const partitions = [];
  for (const name of names) {
    const topic = await openSmall(store, name);
    await fill(topic, 200);
    await compactable(store, topic);
    partitions.push(topic.partitions.at(0));
  }
  return { bench, store, compacted, partitions };
}

describe('a partition whose files are read as they stand', () => {
  test('is not opened when its compaction was ended for it, and is looked at when that is over', async () => {
    const { bench, store, compacted, partitions } = await setup('t');
    const [partition] = partitions;
    await look(bench);
    expect(states(store)).toEqual(['t share running']);
    const open = await partition?.rewriting.shut();
    expect(partition?.isIdle).toBe(true);
    await partition?.whileClosed(async () => undefined); // Which nobody may be in the way of.
    await look(bench);
    expect(partition?.opened).toBeNull();
    expect(states(store)).toEqual([]);
    expect(store.health().problems).toEqual([]);
    open?.();
    await look(bench);
    await passSeconds(bench, 10);
    expect(compacted).toEqual(['t share']);
    expect(store.health().problems).toEqual([]);
  });

  test('is waited for by who wants to read them, while the store looks at it', async () => {
    const { bench, partitions } = await setup('t');
    const [partition] = partitions;
    await partition?.closeIdle();
    bench.clock.advance(61 * COMPACTION_LOOK_MS);
    await until(() => partition?.isIdle === false); // It is being opened, to be looked at.
    const shut = partition?.rewriting.shut();
    let isOpenStill = false;
    await shut?.then(() => (isOpenStill = partition?.isIdle === false));
    expect(isOpenStill).toBe(false);
  });

  test('that was refused, and is free a moment later: it was no failure, and goes on at once', async () => {
    const { bench, store, compacted, partitions } = await setup('first', 'second');
    const gate = present(partitions[1], 'it was made').rewriting;
    await look(bench);
    expect(states(store)).toEqual(['first share running']);
    const open = await gate.shut();
    const run = gate.run.bind(gate);
    let refusedCount = 0;
    gate.run = async (ending, action) => {
      const done = run(ending, action);
      if (gate.isShut) {
        refusedCount++;
        open(); // Before anybody hears of the refusal.
      }
      return done;
    };
    await passSeconds(bench, 20);
    expect(refusedCount).toBe(1);
    expect(compacted).toEqual(['first share', 'second share']);
    expect(states(store)).toEqual(compacted.map((one) => `${one} done`));
    expect(store.health().problems).toEqual([]);
  });

  test('and that somebody asks for: he is told why not', async () => {
    const { store, partitions } = await setup('t');
    const open = await partitions[0]?.rewriting.shut();
    const topic = await openSmall(store, 't');
    expect(await rejectionOf(topic.compact())).toBeInstanceOf(ConflictError);
    expect(states(store)).toEqual(['t asked stopped']);
    open?.();
    expect(await topic.compact()).toMatchObject([{ supersededCount: 175 }]);
  });
});
