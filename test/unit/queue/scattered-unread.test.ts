/** Unread records that lie apart, because what was between them is settled. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import { flipBit } from '../../support/disk-damage.ts';
import type { Call } from '../../support/fault-plan.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const COUNT = 3000;
const READS_MAX = 10;

async function queueIn(calls: Call[]) {
  const fileSystem = new FaultyFileSystem({
    random: new SeededRandom(1),
    trace: (_, call) => void calls.push(call),
  });
  const store = await new StoreBench().open({ fileSystem });
  const queue = await store.queue('q', { codec: utf8, leasedMax: COUNT });
  return { fileSystem, store, queue };
}

async function offsetsOf(queue: Queue<string>): Promise<number[]> {
  const deliveries = await queue.acquire({ max: COUNT });
  return deliveries.map(({ offset }) => offset);
}

describe('unread records', () => {
  test.each([
    ['every second one', (offset: number) => offset % 2 === 0],
    ['few', (offset: number) => offset % 500 === 7],
    ['stretches', (offset: number) => offset % 1000 < 100],
    ['those in the middle', (offset: number) => offset > 1200 && offset < 1300],
    ['none', () => false],
  ])('are handed out in order, with few reads: %s', async (_, isLeft) => {
    const calls: Call[] = [];
    const { store, queue } = await queueIn(calls);
    await store.topic('elsewhere');
    await queue.sendBatch(
      Array.from({ length: COUNT }, (__, at) => ({ value: `${at}`.repeat(20) })),
    );
    const all = Array.from({ length: COUNT }, (__, offset) => offset);
    const refs = all.filter((offset) => !isLeft(offset)).map((offset) => ({ offset }));
    const isRead = ({ operation, path }: Call) => operation === 'read' && path.includes('/q-');
    let before = calls.filter(isRead).length;
    const { movedCount } = await queue.redrive({ to: 'elsewhere', refs, dryRun: false });
    expect(movedCount).toBe(refs.length);
    expect(calls.filter(isRead).length - before).toBeLessThanOrEqual(READS_MAX);
    before = calls.filter(isRead).length;
    await queue.send('last');
    expect(await offsetsOf(queue)).toEqual([...all.filter(isLeft), COUNT]);
    expect(calls.filter(isRead).length - before).toBeLessThanOrEqual(READS_MAX);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, settled: { missing: 0 } });
    await store.close();
  });

  test('are handed out though what is settled between them is damaged', async () => {
    const { store, queue, fileSystem } = await queueIn([]);
    for (let offset = 0; offset < 4; offset++) await queue.send('x'.repeat(8000));
    for (const offset of [1, 2]) expect(await queue.cancel({ offset })).toBe(true);
    const path = queue.topic.partitions.at(0).path;
    flipBit(fileSystem, `${path}/00000000000000000000.log`, { position: 128 + 12_000 });
    expect(await offsetsOf(queue)).toEqual([0, 3]);
    await store.close();
  });
});
