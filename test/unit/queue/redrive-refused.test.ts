/** Redrives that are refused, end early, or crash. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { BrowsedRecord } from '../../../src/queue/browse.ts';
import type { RedriveOptions } from '../../../src/queue/redrive-options.ts';
import { DEAD, failAll, textsOf, withDead } from '../../support/dead-queue.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { crashAtEveryCall } from '../../support/queue-crashes.ts';
import { StoreDisk } from '../../support/store-disk.ts';

describe('a redrive that cannot be', () => {
  test('into itself is refused, and nothing happens', async () => {
    const { store, queue, dead } = await withDead('ab');
    const before = store.stateHash();
    const conflict = { code: 'ERR_VARVE_CONFLICT' };
    await expect(dead.redrive({ to: 'dead', dryRun: false })).rejects.toMatchObject(conflict);
    await expect(queue.redrive({ to: 'q' })).rejects.toMatchObject(conflict);
    expect(store.stateHash()).toBe(before);
    await store.close();
  });

  test('of records that came from here says so, unless others move', async () => {
    const { store, dead, queue } = await withDead('ab');
    const [letter] = await dead.peek();
    const headers = Object.fromEntries(present(letter, 'one').record.headers);
    await queue.topic.append({ value: 'astray', headers });
    const conflict = { code: 'ERR_VARVE_CONFLICT' };
    await expect(queue.redrive({ dryRun: false })).rejects.toMatchObject(conflict);
    expect(await textsOf(store, 'q')).toEqual(['astray']);
    await store.close();
  });

  test('to a topic that is not there says so; an origin that is gone is skipped among others', async () => {
    const { store, dead } = await withDead('ab');
    const missing = { code: 'ERR_VARVE_NOT_FOUND' };
    await expect(dead.redrive({ to: 'nowhere' })).rejects.toMatchObject(missing);
    const other = await store.queue('other', { codec: utf8, ...DEAD });
    await other.send('c');
    await failAll(other);
    await store.deleteTopic('q');
    expect(await dead.redrive({ dryRun: false })).toMatchObject({
      examinedCount: 3,
      movedCount: 1,
      skips: { 'origin-gone': 2 },
    });
    await expect(dead.redrive({ dryRun: false })).rejects.toMatchObject({
      ...missing,
      details: { kind: 'topic', name: 'q' },
    });
    expect(await textsOf(store, 'dead')).toEqual(['a', 'b']);
    await store.close();
  });

  test('a record that its destination does not take stays, the others move', async () => {
    const { store, dead } = await withDead('abc');
    await store.topic('small', { recordBytesMax: 1024 });
    const edit = ({ record }: BrowsedRecord<string>) =>
      record.value === 'b' ? { value: 'x'.repeat(2000) } : {};
    const report = await dead.redrive({ to: 'small', edit, dryRun: false });
    expect(report).toMatchObject({ movedCount: 2, skips: { 'too-large': 1 } });
    expect(await textsOf(store, 'dead')).toEqual(['b']);
    expect((await dead.acquire({ max: 10 })).map(({ value }) => value)).toEqual(['b']);
    await store.close();
  });

  test('on a full disk is refused, and the records are handed out as before', async () => {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const { store, dead, bench } = await withDead('abcd', DEAD, { fileSystem });
    const [a, b] = await dead.acquire({ max: 2 });
    await a?.release({ delayMs: 5000 });
    await b?.release();
    // Twice: the first time the journal has the reserve.
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    fileSystem.addFault({ ...full, times: 2 });
    await expect(dead.redrive({ dryRun: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_DISK_FULL',
    });
    expect(await textsOf(store, 'q')).toEqual([]);
    const values = async () => (await dead.acquire({ max: 10 })).map(({ value }) => value);
    expect(await values()).toEqual(['b', 'c', 'd']);
    bench.clock.advance(5100);
    expect(await values()).toEqual(['a']);
    await store.close();
  });

  test('a value that the codec refuses ends it, with nothing of its group moved', async () => {
    const { store, dead } = await withDead('ab');
    const edit = () => ({ value: '\u{d800}' });
    await expect(dead.redrive({ edit, dryRun: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_CODEC',
    });
    expect(await textsOf(store, 'dead')).toEqual(['a', 'b']);
    await store.close();
  });

  test('options that it does not know are refused', async () => {
    const { store, dead } = await withDead('a');
    const wrong: readonly unknown[] = [
      { to: 7 },
      { dry: true },
      { dryRun: 'no' },
      { limit: 0 },
      { ratePerSecond: 0 },
      { ratePerSecond: '5' },
      { filter: 1 },
      { edit: 1 },
      { refs: [{ offset: -1 }] },
      { refs: [{ partition: 1, offset: 0 }] },
      { signal: 1 },
      { onProgress: 1 },
    ];
    for (const options of wrong) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
      await expect(dead.redrive(options as RedriveOptions<string>)).rejects.toMatchObject({
        code: 'ERR_VARVE_INVALID_ARGUMENT',
      });
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    const edit = (() => ({ values: 'x' })) as unknown as () => { value: string };
    await expect(dead.redrive({ edit })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
    await store.close();
  });

  test('ends when its handle is closed; what was moved is moved', async () => {
    const { store, dead } = await withDead('x'.repeat(150));
    const closed = { code: 'ERR_VARVE_CLOSED' };
    const redriven = dead.redrive({
      dryRun: false,
      filter: ({ offset }) => {
        if (offset === 120) void dead.close();
        return true;
      },
    });
    await expect(redriven).rejects.toMatchObject(closed);
    await expect(dead.redrive()).rejects.toMatchObject(closed);
    expect(await textsOf(store, 'dead')).toHaveLength(50);
    expect(await textsOf(store, 'q')).toHaveLength(100);
    await store.close();
  });
});

test('a redrive that waits for its rate does not keep its handle open', async () => {
  const { store, dead } = await withDead('abc');
  const onProgress = () => void dead.close();
  const redriven = dead.redrive({ dryRun: false, ratePerSecond: 0.001, onProgress });
  await expect(redriven).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  await dead.close();
  expect(await textsOf(store, 'q')).toEqual(['a']);
  expect(await textsOf(store, 'dead')).toEqual(['b', 'c']);
  await store.close();
});

test('a crash at any call of a redrive leaves each record in one place', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const queue = await store.queue('q', { codec: utf8, ...DEAD });
  await queue.sendBatch(['a', 'b', 'c'].map((value) => ({ value })));
  await failAll(queue);
  await store.close();
  const found = await crashAtEveryCall({
    disk,
    async prepare(own) {
      expect(await textsOf(own, 'q')).toEqual([]);
      const dead = await own.queue('dead', { codec: utf8 });
      const [first] = await dead.acquire();
      await first?.giveBack();
      return dead;
    },
    run: (dead) => dead.redrive({ dryRun: false, limit: 2 }),
    async look(own, mishap) {
      const [dead, back] = [await textsOf(own, 'dead'), await textsOf(own, 'q')];
      expect([...back, ...dead]).toEqual(['a', 'b', 'c']);
      if (mishap === 'none') expect(back).toEqual(['a', 'b']);
      const again = await own.queue('dead', { codec: utf8 });
      if (dead.length > 0) await again.redrive({ dryRun: false });
      expect(await textsOf(own, 'q')).toEqual(['a', 'b', 'c']);
      return `${back.length} moved`;
    },
  });
  expect([...found.keys()].toSorted()).toEqual(['0 moved', '2 moved']);
  for (const count of found.values()) expect(count).toBeGreaterThan(1);
});
