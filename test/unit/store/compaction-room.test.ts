/** Compaction where there is little room: by itself it waits, asked for it may go where the journal may. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { COMPACTION_LOOK_MS } from '../../../src/core/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import {
  compactable,
  fill,
  numbered,
  offsetsOf,
  openSmall,
  until,
} from '../../support/compacted-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const FULL = { code: 'ERR_VARVE_DISK_FULL' };

/** A topic with much to compact, in a store that is then opened with `options`. */
async function setup(optionsFor: (sizeBytes: number) => StoreOptions) {
  const bench = new StoreBench();
  const filling = await bench.open();
  const filled = await openSmall(filling, 't');
  await fill(filled, 200);
  await compactable(filling, filled);
  await filled.partitions.at(0).use(async (log) => log.sync());
  const { sizeBytes } = filling.stats();
  await filling.close();
  const store = await bench.open(optionsFor(sizeBytes));
  onTestFinished(() => store.close());
  const topic = await openSmall(store, 't');
  return { bench, store, topic };
}

function codes(store: Store): string[] {
  return store.health().problems.map(({ code }) => code);
}

async function refusesByItself(bench: StoreBench, store: Store, topic: StoreTopic<string>) {
  await topic.partitions.at(0).log(); // Open, so that it is looked at.
  bench.clock.advance(COMPACTION_LOOK_MS);
  await until(() => codes(store).includes('compaction-failed'));
  expect(store.compactions()).toMatchObject([{ why: 'share', state: 'failed', error: FULL }]);
  expect(await offsetsOf(topic)).toHaveLength(200);
}

describe('near storeBytesMax', () => {
  test('by itself it is refused, and nobody is told that appends are', async () => {
    const { bench, store, topic } = await setup((sizeBytes) => ({
      storeBytesMax: sizeBytes + 140,
    }));
    const told: unknown[] = [];
    store.on('bytes-max-reached', (payload) => told.push(payload));
    await refusesByItself(bench, store, topic);
    expect(codes(store)).toEqual(['compaction-failed']);
    expect(told).toEqual([]);
    await topic.append({ key: 'k', value: 'room' });
  });

  test('what somebody asks for goes on, and appends after it, too', async () => {
    const { bench, store, topic } = await setup((sizeBytes) => ({ storeBytesMax: sizeBytes }));
    await refusesByItself(bench, store, topic);
    await expect(topic.append({ key: 'k', value: numbered(0) })).rejects.toMatchObject(FULL);
    expect(codes(store)).toEqual(['compaction-failed', 'bytes-max-reached']);
    expect(await topic.compact()).toMatchObject([{ supersededCount: 175 }]);
    await topic.append({ key: 'k', value: numbered(0) });
    expect(codes(store)).toEqual([]);
  });

  test('by itself it goes on where what stays of a segment has room', async () => {
    const { bench, store, topic } = await setup((sizeBytes) => ({
      storeBytesMax: sizeBytes + 3 * KIB, // Of the 4 that a segment has.
    }));
    await topic.partitions.at(0).log();
    bench.clock.advance(COMPACTION_LOOK_MS);
    await until(() => store.compactions()[0]?.state === 'done');
    expect(await offsetsOf(topic)).toHaveLength(25);
  });
});

describe('on a disk that is nearly full', () => {
  test('by itself it leaves what appends leave, asked for what the journal leaves', async () => {
    const { bench, store, topic } = await setup(() => ({ freeBytesMin: 512 * KIB }));
    const { fileSystem } = bench;
    fileSystem.space = () => Promise.resolve({ freeBytes: 400 * KIB, totalBytes: 1024 * MIB });
    await refusesByItself(bench, store, topic);
    expect(codes(store)).toEqual(['compaction-failed']); // The reserve is still there.
    expect(await topic.compact()).toMatchObject([{ supersededCount: 175 }]);
    expect(codes(store)).toEqual([]);
  });

  test('asked for it is refused where even the journal has no room', async () => {
    const { bench, topic } = await setup(() => ({ freeBytesMin: 512 * KIB }));
    bench.fileSystem.space = () =>
      Promise.resolve({ freeBytes: 100 * KIB, totalBytes: 1024 * MIB });
    await expect(topic.compact()).rejects.toMatchObject(FULL);
    expect(await offsetsOf(topic)).toHaveLength(200);
  });
});
