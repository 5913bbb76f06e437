/** A source that may not let go of what a destination has not got: who is told so, and what helps. */
import { describe, expect, it } from 'vitest';
import { ConflictError, DiskFullError } from '../../../src/core/errors.ts';
import { KIB } from '../../../src/core/limits.ts';
import type { StoreOptions } from '../../../src/store/store-options.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const MINUTE_MS = 60_000;
const SOURCE = { retentionMs: MINUTE_MS, segmentAgeMsMax: MINUTE_MS, segmentBytesMax: 64 * KIB };

/** An exchange whose first two destinations take nothing any more. */
async function bench(options: StoreOptions = {}) {
  const disk = await RoutingDisk.make();
  await disk.close();
  await disk.open(options);
  const events = await disk.exchange('events', { type: 'topic', source: SOURCE });
  await disk.bound(events, 'full', 'full too', 'other');
  await disk.settle(events);
  const files = disk.disk.fileSystem;
  const fill = (name: string): void => {
    const path = disk.filesOf(name);
    files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
  };
  return { disk, events, files, fill };
}

const heldOf = (disk: RoutingDisk): string | null =>
  disk.store.health().problems.find(({ code }) => code === 'source-held')?.message ?? null;

describe('a source that is held back', () => {
  it('names who holds it now, when another one did before', async () => {
    const { disk, events, fill } = await bench();
    fill('full');
    await disk.publishEach(events, numbered(5));
    await disk.until(async () => (await disk.values('full too')).length === 6);
    fill('full too');
    for (let minute = 0; minute < 12; minute++) {
      await disk.step(MINUTE_MS);
      await disk.publishEach(events, [`minute ${minute}`]);
    }
    expect(heldOf(disk)).toContain('partition 0 of full did not');
    await disk.run(events.detach('full'));
    for (let minute = 0; minute < 12; minute++) {
      await disk.step(MINUTE_MS);
      await disk.run(events.detach('full'));
      await disk.publishEach(events, [`later ${minute}`]);
    }
    expect(heldOf(disk)).toContain('partition 0 of full too did not');
    await disk.close();
  });

  it('does not delete by hand what is needed, and says so', async () => {
    const { disk, events, files, fill } = await bench();
    fill('full');
    await disk.publishEach(events, numbered(5));
    await disk.until(async () => (await disk.values('other')).length === 6);
    const source = await disk.run(disk.store.topic('exchange:events'));
    const deleting = disk.run(source.deleteBefore({ partition: 0, offset: 4 }));
    await expect(deleting).rejects.toThrow(ConflictError);
    await expect(deleting).rejects.toThrow('records from offset 1 on that are still needed');
    expect((await disk.run(events.stats())).startOffset).toBe(0);
    await disk.run(source.deleteBefore({ partition: 0, offset: 1 }));
    files.clearFaults();
    await disk.until(async () => (await disk.values('full')).length === 6);
    await disk.run(source.deleteBefore({ partition: 0, offset: 4 }));
    expect(await disk.values('exchange:events')).toEqual(['value 3', 'value 4']);
    await disk.close();
  });

  it.each([0, 'earliest'] as const)(
    'keeps what a binding asks for from %s while it is being made',
    async (from) => {
      const disk = await RoutingDisk.make();
      await disk.close();
      const journal = new HeldSyncs(disk.disk.fileSystem, '/journal/');
      await disk.open();
      const events = await disk.exchange('events', { type: 'topic' });
      await disk.bound(events, 'other');
      await disk.publishEach(events, numbered(10));
      await disk.settle(events);
      await disk.run(disk.store.topic('one'));
      const source = await disk.run(disk.store.topic('exchange:events'));
      journal.hold();
      const deleting = source.deleteBefore({ partition: 0, offset: 5 });
      await disk.turns(20);
      expect(journal.waiting).not.toEqual([]); // All may go, and waits for the journal to say so.
      const binding = events.bind('one', { pattern: '#' }, { from });
      await disk.turns(20);
      journal.release();
      const [deletion, bound] = await disk.run(Promise.allSettled([deleting, binding]));
      expect(bound).toMatchObject({ status: 'fulfilled' });
      expect(deletion).toMatchObject({ status: 'rejected', reason: { name: 'ConflictError' } });
      await disk.until(async () => (await disk.values('one')).length === 11);
      expect(await disk.values('one')).toEqual([...numbered(10), 'settle']);
      await disk.run(source.deleteBefore({ partition: 0, offset: 5 }));
      await disk.close();
    },
  );

  it('takes nothing more at the cap of the store, until the destination is let off', async () => {
    const { disk, events, fill } = await bench({ storeBytesMax: 1024 * KIB });
    fill('full');
    const value = 'x'.repeat(8 * KIB);
    const publishUntilFull = async (): Promise<number> => {
      for (let count = 0; count < 500; count++) {
        const publishing = disk.run(events.publish(value));
        const refusal = await publishing.then(
          () => null,
          (error: unknown) => error,
        );
        if (refusal === null) continue;
        expect(refusal).toBeInstanceOf(DiskFullError);
        expect(refusal).toMatchObject({ details: { errno: 'EDQUOT' } });
        return count;
      }
      throw new Error('it was never full');
    };
    expect(await publishUntilFull()).toBeGreaterThan(10);
    for (const name of ['other', 'full too']) {
      await disk.run(
        disk.store.alterTopic(name, { retentionMs: MINUTE_MS, segmentBytesMax: 64 * KIB }),
      );
    }
    for (let minute = 0; minute < 12; minute++) await disk.step(MINUTE_MS);
    const held = await disk.run(events.stats());
    expect(held.startOffset).toBeLessThanOrEqual(1);
    expect(await disk.run(events.detach('full'))).toBeGreaterThan(10);
    for (let minute = 0; minute < 12; minute++) await disk.step(MINUTE_MS);
    expect((await disk.run(events.stats())).startOffset).toBeGreaterThan(10);
    expect(await publishUntilFull()).toBeGreaterThan(10);
    await disk.close();
  });
});
