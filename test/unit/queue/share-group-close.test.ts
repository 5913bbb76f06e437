/** What is under way when a consumer of a share group is closed, and what is asked of it after that. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function queueOf(count: number, options = {}) {
  const store = await new StoreBench().open();
  const queue = await store.queue('q', { codec: utf8, ...options });
  if (count > 0)
    await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: `${at}` })));
  return { store, queue };
}

describe('a consumer that is closed', () => {
  test('while its group is taken over lets go of the partitions', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    await store.queue('q', { codec: utf8 });
    store = await bench.reopen(store); // No log is open.
    const queue = await store.queue('q', { codec: utf8 });
    const acquired = queue.acquire();
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    expect(queue.topic.partitions.at(0).isIdle).toBe(true);
    await store.close();
  });

  test('tells and changes nothing of the group any more, and takes no lease from others', async () => {
    const { store, queue: closed } = await queueOf(2);
    await closed.close();
    const queue = await store.queue('q', { codec: utf8 });
    const [delivery] = await queue.acquire();
    const calls = [
      () => closed.acquire(),
      () => closed.cancel({ offset: 1 }),
      () => closed.purge(),
      () => closed.undoPurge(),
      () => closed.pause(),
      () => closed.resume(),
      () => closed.redrive({ dryRun: false }),
      () => closed.stats(),
      () => closed.peek(),
      () => closed.browse().next(),
      () => closed.send('2'),
      () => closed.sendBatch([{ value: '2' }]),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    }
    await delivery?.ack();
    expect(await queue.stats()).toMatchObject({ readyCount: 1, settled: { acked: 1 } });
    await store.close();
  });

  test('hands out nothing of what it has read ahead, though nobody waited for its end', async () => {
    const { store, queue } = await queueOf(3, { prefetch: 3 });
    const seen: (string | null)[] = [];
    let closing: Promise<void> | null = null;
    for await (const delivery of queue.deliveries()) {
      seen.push(delivery.value);
      await delivery.ack();
      closing ??= queue.close();
    }
    await closing;
    expect(seen).toEqual(['0']);
    const next = await store.queue('q', { codec: utf8 });
    expect(await next.acquire({ max: 3 })).toMatchObject([{ attempt: 1 }, { attempt: 1 }]);
    await store.close();
  });

  test('closes when nothing is left to give back, though the journal has failed since', async () => {
    const bench = new StoreBench();
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const writes = new HeldWrites(fileSystem);
    const syncs = new HeldSyncs(fileSystem, '/journal/');
    const store = await bench.open({ fileSystem });
    const queue = await store.queue('q', { codec: utf8, durability: 'os' });
    const other = await store.queue('q', { codec: utf8 });
    await queue.sendBatch(Array.from({ length: 41 }, () => ({ value: 'a' })));
    const many = await queue.acquire({ max: 40 });
    const [one] = await other.acquire();
    const failed = { code: 'ERR_VARVE_FAILED' };
    syncs.hold();
    const answers: Promise<unknown>[] = [queue.pause()];
    await turns(20);
    expect(syncs.waiting).toHaveLength(1);
    writes.hold();
    const error = 'x'.repeat(1000); // More than is written on the calling thread.
    answers.push(...many.map((each) => each.release({ error })));
    const outcomes = Promise.allSettled(answers);
    await turns(20);
    fileSystem.addFault({ operations: ['datasync'], path: /journal/, errno: 'EIO' });
    syncs.release();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: failed });
    writes.release(); // What came back is written all the same.
    await turns(20);
    expect(await queue.stats()).toMatchObject({ readyCount: 40, leasedCount: 1 });
    await queue.close();
    expect(many.every(({ signal }) => signal.aborted)).toBe(true);
    await expect(other.close()).rejects.toMatchObject(failed);
    expect(one?.signal.aborted).toBe(true);
    await expect(store.close()).rejects.toMatchObject(failed);
  });
});
