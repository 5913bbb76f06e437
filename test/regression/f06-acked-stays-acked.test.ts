/**
 * F6. Elsewhere: after a restart the position of the lowest unacknowledged message was set back to 1,
 * and everything was delivered again (NATS#8036).
 *
 * Here: what is acknowledged is state that the journal adds up to, synced when the ack resolves; it is
 * rebuilt from there, whole, and a journal that cannot be read leases nothing.
 *
 * Red when an ack resolves before its entry is synced, when a snapshot leaves settled stretches out, or
 * when a group whose state is unknown begins at the first record.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { readWhole } from '../../src/io/transfer.ts';
import type { Store } from '../../src/store/store.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const COUNT = 30;
/** Holes and stretches. */
const ACKED = [0, 1, 2, 3, 7, 8, 15, 20, 21, 22, 29];
const LEFT = Array.from({ length: COUNT }, (_, offset) => offset).filter(
  (offset) => !ACKED.includes(offset),
);

/** Acks some of the records, one by one; the store stays open. */
async function ackSome(store: Store, onAcked: (count: number) => Promise<void> | void) {
  const queue = await store.queue('q', { codec: utf8 });
  await queue.sendBatch(Array.from({ length: COUNT }, (_, n) => ({ value: `${n}` })));
  const deliveries = await queue.acquire({ max: COUNT });
  let count = 0;
  for (const offset of ACKED) {
    await deliveries[offset]?.ack();
    await onAcked(++count);
  }
}

async function handedOut(store: Store): Promise<readonly number[]> {
  const queue = await store.queue('q', { codec: utf8 });
  const deliveries = await queue.acquire({ max: 10 * COUNT });
  await queue.close(); // Gives them back.
  return deliveries.map(({ offset }) => offset);
}

describe('F6: what was acknowledged is not handed out again', () => {
  test('after a power cut behind each ack', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const images: StoreDisk[] = [];
    await ackSome(store, () => void images.push(disk.copyAfterPowerCut()));
    for (const [at, image] of images.entries()) {
      const again = await image.open();
      const acked = new Set(ACKED.slice(0, at + 1));
      const others = Array.from({ length: COUNT }, (_, n) => n).filter((n) => !acked.has(n));
      expect(await handedOut(again)).toEqual(others);
      await again.close();
    }
    expect(images).toHaveLength(ACKED.length);
    await store.close();
  });

  test('after snapshots, and openings one after the other', async () => {
    const disk = await StoreDisk.make();
    let store = await disk.open();
    await ackSome(store, async (count) => {
      if (count % 4 === 0) await store.snapshot();
    });
    for (let opening = 0; opening < 3; opening++) {
      disk.cutPower();
      store = await disk.open();
      expect(await handedOut(store)).toEqual(LEFT);
      await store.snapshot();
    }
    await store.close();
  });

  test('when the journal is damaged: then nothing is leased at all', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await ackSome(store, () => undefined);
    await store.close();
    const path = `${STORE_PATH}/journal/00000000000000000000.log`;
    const whole = await readWhole(bench.fileSystem, path, 2 ** 20);
    const usedBytes = whole.findLastIndex((byte) => byte !== 0) + 1;
    for (const part of [0.3, 0.5, 0.7, 0.9]) {
      const at = Math.floor(usedBytes * part);
      await invert(bench.fileSystem, path, at);
      const damaged = await bench.open();
      expect(damaged.damage).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
      await expect(handedOut(damaged)).rejects.toMatchObject({
        code: expect.stringMatching(/READ_ONLY|NOT_FOUND|CORRUPT/),
      });
      await damaged.close();
      await invert(bench.fileSystem, path, at);
    }
    const mended = await bench.open();
    expect(await handedOut(mended)).toEqual(LEFT);
    await mended.close();
  });
});

async function invert(fileSystem: MemoryFileSystem, path: string, at: number): Promise<void> {
  const bytes = await readWhole(fileSystem, path, 2 ** 20);
  const file = await fileSystem.open(path, 'write');
  await file.write(Uint8Array.of((bytes[at] ?? 0) ^ 0xff), at);
  await file.close();
}
