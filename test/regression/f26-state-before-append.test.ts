/**
 * F26. Elsewhere: the state of a producer was changed before its records were written. A write that failed
 * left the sequence behind, and the retry was taken for a duplicate: the record was lost (KAFKA-6683).
 *
 * Here: an id counts when its record is visible, and a sequence when its append was answered, never before. What a full disk refuses leaves nothing
 * behind; what a failed sync leaves open nobody may append again before the next opening has told.
 *
 * Red when an id or a sequence enters the state, or stays among those on their way, for a record that was
 * refused; or when the retry of one whose fate is not known is stored beside it.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { DiskFullError, FailedError } from '../../src/core/errors.ts';
import { KIB, MIB } from '../../src/core/limits.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { HeldSyncs } from '../support/held-syncs.ts';
import { rejectionOf, turns } from '../support/log-fixture.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const OPTIONS = { codec: utf8 };

async function valuesOf(topic: StoreTopic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

function send(topic: StoreTopic<string>, value: string, partition: number) {
  return topic.append({ value, dedupId: 'one' }, { partition });
}

describe('F26: the retry of an append with an id', () => {
  test('that a full disk refused is stored, and is no duplicate', async () => {
    const disk = await StoreDisk.make();
    const { fileSystem, clock } = disk;
    const store = await disk.open();
    const topic = await store.topic('orders', OPTIONS);
    await topic.append({ value: 'before', dedupId: 'before' });
    const { capacityBytes } = fileSystem;
    fileSystem.capacityBytes -= (await fileSystem.space(STORE_PATH)).freeBytes;
    clock.advance(1001); // The log asks the disk again.
    const sendOne = (value: string) => send(topic, value, 0);
    const batch = () => topic.appendBatch(['x', 'y'].map((id) => ({ value: id, dedupId: id })));
    const refused = [sendOne('a'), sendOne('b'), batch()].map((sent) => rejectionOf(sent));
    for (const error of await Promise.all(refused)) expect(error).toBeInstanceOf(DiskFullError);
    expect(await rejectionOf(sendOne('c'))).toBeInstanceOf(DiskFullError);
    expect(await topic.append({ value: 'again', dedupId: 'before' })).toMatchObject({
      offset: 0,
      duplicate: true,
    });

    fileSystem.capacityBytes = capacityBytes;
    clock.advance(1001);
    expect(await sendOne('d')).toMatchObject({ offset: 1, duplicate: false });
    expect(await sendOne('e')).toMatchObject({ offset: 1, duplicate: true });
    expect(await batch()).toMatchObject({ recordCount: 2, duplicates: [] });
    expect(await batch()).toMatchObject({ recordCount: 0 });
    expect(await valuesOf(topic)).toEqual(['before', 'd', 'x', 'y']);
    await store.close();
  });

  test('that a transaction lost to the failure of another log is stored, and is no duplicate', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('orders', OPTIONS);
    const other = await store.topic('other', { ...OPTIONS, durability: 'os' });
    const both = () =>
      store.transaction((tx) => [
        tx.append(topic, { value: 'a', dedupId: 'one' }),
        tx.append(other, { value: 'b', dedupId: 'one' }),
      ]);
    await other.append({ value: 'not synced yet' });
    disk.fileSystem.addFault({ operations: ['datasync'], path: /topics\/other/, errno: 'EIO' });
    const failed = await rejectionOf(both());
    expect(failed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: false } });
    expect(await valuesOf(topic)).toEqual([]);
    expect(await send(topic, 'c', 0)).toMatchObject({ offset: 0, duplicate: false });
    expect(await send(topic, 'd', 0)).toMatchObject({ offset: 0, duplicate: true });
    await store.close().catch(() => undefined);
  });

  test('that a full disk took with its transaction is stored, and is no duplicate', async () => {
    const disk = await StoreDisk.make();
    const { fileSystem, clock } = disk;
    const store = await disk.open();
    const topic = await store.topic('orders', OPTIONS);
    const sendIn = (value: string) =>
      store.transaction((tx) => tx.append(topic, { value, dedupId: 'one' }));
    await topic.append({ value: 'before', dedupId: 'before' });
    const { capacityBytes } = fileSystem;
    fileSystem.capacityBytes -= (await fileSystem.space(STORE_PATH)).freeBytes;
    clock.advance(1001); // The log asks the disk again.
    const refused = ['a', 'b'].map((value) => rejectionOf(sendIn(value)));
    for (const error of await Promise.all(refused)) expect(error).toBeInstanceOf(DiskFullError);
    fileSystem.capacityBytes = capacityBytes;
    clock.advance(1001);
    expect((await sendIn('c')).result).toMatchObject({ recordCount: 1, duplicates: [] });
    expect((await sendIn('d')).result).toMatchObject({
      recordCount: 0,
      duplicates: [{ offset: 1 }],
    });
    expect(await send(topic, 'e', 0)).toMatchObject({ offset: 1, duplicate: true });
    await store.close();
  });

  test('whose sync failed is refused until the next opening, and stored once then', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('orders', { ...OPTIONS, partitions: 2 });
    await topic.append({ value: 'before', dedupId: 'before' }, { partition: 0 });
    disk.fileSystem.addFault({ operations: ['datasync'], path: /topics/, errno: 'EIO' });
    const failed = await rejectionOf(send(topic, 'a', 0));
    expect(failed).toBeInstanceOf(FailedError);
    expect(failed).toMatchObject({ details: { indeterminate: true } });
    // Not in another partition either: it may be there.
    expect(await rejectionOf(send(topic, 'b', 1))).toBeInstanceOf(FailedError);
    expect(await topic.append({ value: 'c', dedupId: 'c' }, { partition: 1 })).toMatchObject({
      offset: 0,
      duplicate: false,
    });

    const after = disk.copyAfterPowerCut();
    await store.close().catch(() => undefined);
    const again = await after.open();
    const found = await again.topic('orders', OPTIONS);
    expect((await send(found, 'd', 1)).duplicate).toBe(false);
    expect((await send(found, 'e', 0)).duplicate).toBe(true);
    expect(new Set(await valuesOf(found))).toEqual(new Set(['before', 'c', 'd']));
    await again.close();
  });

  test.each([
    ['there', { data: 'all', names: 'all' }, ['before', 'a']],
    ['gone', { data: 'none', names: 'none' }, ['before', 'b']],
  ] as const)(
    'that a power cut left %s before its sync is stored once',
    async (_, left, values) => {
      const disk = await StoreDisk.make();
      const held = new HeldSyncs(disk.fileSystem, '/topics/');
      const store = await disk.open();
      const topic = await store.topic('orders', { ...OPTIONS, partitions: 2 });
      await topic.append({ value: 'before', dedupId: 'before' }, { partition: 0 });
      held.hold();
      const sent = send(topic, 'a', 0);
      await turns(20);
      const after = disk.copyAfterPowerCut(left);
      held.release();
      await sent;
      await store.close();

      const again = await after.open();
      const found = await again.topic('orders', OPTIONS);
      expect((await send(found, 'b', 1)).duplicate).toBe(left.data === 'all');
      expect((await send(found, 'c', 0)).duplicate).toBe(true);
      expect(new Set(await valuesOf(found))).toEqual(new Set(values));
      await again.close();
    },
  );
});

const VALUE = 'x'.repeat(KIB);
const FULL = { code: 'ERR_VARVE_DISK_FULL', retryable: true };

describe('F26: a number that was refused is not stored', () => {
  test('the retry of what a full disk refused is stored, and is no duplicate', async () => {
    const bench = new StoreBench();
    const fileSystem = new MemoryFileSystem({ capacityBytes: 2 * MIB });
    const store = await bench.open({ fileSystem });
    const topic = await store.topic('t', { codec: utf8 });
    const producer = await store.producer('p');
    await producer.append(topic, { value: 'a' });
    const ballast = await store.topic('ballast', { codec: utf8 });
    const filled = (async () => {
      for (;;) await ballast.append({ value: VALUE });
    })();
    await expect(filled).rejects.toMatchObject(FULL);

    const many = Array.from({ length: 100 }, () => ({ value: VALUE }));
    const sent = [producer.appendBatch(topic, many), producer.append(topic, { value: 'b' })];
    for (const one of await Promise.allSettled(sent)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: FULL.code } });
    }
    // A write of which a part found room is stored so far.
    const { resumeFrom } = await producer.last(topic);
    expect(resumeFrom).toBeLessThan(101);
    await store.deleteTopic('ballast');
    bench.clock.advance(1001); // The log asks the disk again.
    const again = await producer.appendBatch(topic, many, { sequence: 1 });
    expect(again.duplicateCount).toBe(resumeFrom - 1);
    expect(await producer.append(topic, { value: 'b' })).toMatchObject({
      duplicate: false,
      sequence: 101,
      offset: 101,
    });
    const values: (string | null)[] = [];
    for await (const { value } of topic.records()) values.push(value);
    expect(values).toEqual(['a', ...many.map(({ value }) => value), 'b']);
    await store.close();
  });
});
