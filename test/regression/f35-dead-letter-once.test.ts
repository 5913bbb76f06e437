/**
 * F35. Elsewhere: a dead letter was removed from its queue and sent to the other one in two steps, and a
 * crash in between lost it, or doubled it (rabbitmq#3100).
 *
 * Here: the end of the record and the append of its copy are one commit.
 *
 * Red when either is written without the other, when the copy is appended before the commit is synced, or
 * when a move that failed is given up.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Store } from '../../src/store/store.ts';
import { DEAD, textsOf } from '../support/dead-queue.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { turns } from '../support/log-fixture.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { StoreBench } from '../support/store-fixture.ts';

/** Where the one record is. */
async function placeOf(store: Store): Promise<string> {
  const here = await textsOf(store, 'q');
  const there = await textsOf(store, 'dead');
  expect([...here, ...there]).toEqual(['a']);
  return here.length === 1 ? 'in its queue' : 'dead';
}

describe('F35: a record that dies is in one place', () => {
  test('whatever a crash leaves at any call of the move', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const queue = await store.queue('q', { codec: utf8, ...DEAD });
    await store.queue('dead', { codec: utf8 });
    await queue.send('a');
    await store.close();
    const found = await crashAtEveryCall({
      disk,
      async prepare(own) {
        expect(await textsOf(own, 'dead')).toEqual([]);
        const [delivery] = await (await own.queue('q', { codec: utf8 })).acquire();
        return present(delivery, 'it is ready');
      },
      run: (delivery) => delivery.release({ failed: true, error: 'broken' }),
      async look(own, mishap) {
        const place = await placeOf(own);
        if (mishap === 'none') expect(place).toBe('dead');
        return place;
      },
    });
    expect([...found.keys()].toSorted()).toEqual(['dead', 'in its queue']);
    for (const count of found.values()) expect(count).toBeGreaterThan(1);
  });

  test('when the disk is full: nothing is lost, and the holder may try again', async () => {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const store = await new StoreBench().open({ fileSystem });
    const queue = await store.queue('q', { codec: utf8, ...DEAD });
    await queue.send('a');
    const [delivery] = await queue.acquire();
    // The journal has the reserve for the first time.
    for (const { path, times } of [
      { path: /journal\/.*log$/, times: 2 },
      { path: /dead/, times: 1 },
    ]) {
      fileSystem.addFault({ operations: ['write', 'create'], path, errno: 'ENOSPC', times });
      await expect(delivery?.reject('no')).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
      expect(await queue.stats()).toMatchObject({ leasedCount: 1, unsettledCount: 1 });
      fileSystem.clearFaults();
    }
    await delivery?.reject('no');
    expect(await placeOf(store)).toBe('dead');
    await store.close();
  });

  test('when nobody waits for the move, and the disk is full: it is moved once there is room', async () => {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const bench = new StoreBench();
    const store = await bench.open({ fileSystem });
    const queue = await store.queue('q', { codec: utf8, ...DEAD, expiriesMax: 1, leaseMs: 1000 });
    const dead = await store.queue('dead', { codec: utf8 });
    await queue.send('a');
    await queue.acquire();
    const failures: unknown[] = [];
    store.on('lease-failed', ({ error }) => failures.push(error));
    const path = /journal\/.*log$/;
    fileSystem.addFault({ operations: ['write'], path, errno: 'ENOSPC', times: 4 }); // One costs the reserve.
    for (let seconds = 0; seconds < 10; seconds++) {
      bench.clock.advance(1000);
      await turns(20);
    }
    expect(failures).toHaveLength(3);
    expect(await placeOf(store)).toBe('dead');
    expect(await dead.acquire({ max: 10 })).toHaveLength(1);
    await store.close();
  });
});
