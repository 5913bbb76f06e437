import { describe, expect, it } from 'vitest';
import { KIB } from '../../../src/core/limits.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const MINUTE_MS = 60_000;

/** An exchange with two destinations, of which one takes nothing any more but `first`. */
async function bench() {
  const disk = await RoutingDisk.make();
  const source = { retentionMs: MINUTE_MS, segmentAgeMsMax: MINUTE_MS, segmentBytesMax: 64 * KIB };
  const events = await disk.exchange('events', { type: 'topic', source });
  await disk.bound(events, 'full', 'other');
  await disk.publishEach(events, ['first']);
  await disk.settle(events);
  const path = disk.filesOf('full');
  const files = disk.disk.fileSystem;
  files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
  return { disk, events, files };
}

const codesOf = (disk: RoutingDisk): string[] =>
  disk.store.health().problems.map(({ code, topic }) => `${code} ${topic}`);

describe('a destination that is let off', () => {
  it('does not get what it missed, and gets what is published then', async () => {
    const { disk, events, files } = await bench();
    await disk.publishEach(events, numbered(40));
    await disk.until(async () => (await disk.values('other')).length === 42);
    expect(await disk.run(events.detach('full'))).toBe(40);
    expect(await disk.run(events.stats())).toMatchObject({ skippedCount: 40 });
    files.clearFaults();
    await disk.publishEach(events, ['next']);
    await disk.settle(events);
    expect(await disk.values('full')).toEqual(['first', 'settle', 'next', 'settle']);
    expect(codesOf(disk)).toEqual([]);
    await disk.close();
  });

  it.each(['what it skipped is lost with the power', 'the journal fails'])(
    'gets nothing more before the journal knows what it was let off: %s',
    async (what) => {
      const { disk, files } = await bench();
      await disk.close();
      files.clearFaults();
      const journal = new HeldSyncs(files, '/journal/');
      await disk.open();
      const events = await disk.exchange('events');
      const path = disk.filesOf('full');
      files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
      await disk.publishEach(events, numbered(3));
      await disk.until(async () => (await disk.values('other')).length === 5);
      await disk.step(2000);
      journal.hold();
      files.clearFaults();
      const answer = Promise.allSettled([events.detach('full')]);
      await disk.turns(20);
      await disk.publishEach(events, ['next']);
      for (let step = 0; step < 20; step++) await disk.step(1000);
      expect(journal.waiting).not.toEqual([]);
      if (what === 'the journal fails') {
        files.addFault({
          errno: 'EIO',
          operations: ['datasync'],
          path: /journal/,
          times: Infinity,
        });
        journal.release();
        expect(await disk.run(answer)).toMatchObject([{ status: 'rejected' }]);
        for (let step = 0; step < 20; step++) await disk.step(1000);
      }
      disk.disk.cutPower();
      await disk.open();
      const again = await disk.exchange('events');
      await disk.settle(again);
      const all = ['first', 'settle', ...numbered(3), 'next', 'settle'];
      expect(await disk.values('full')).toEqual(all);
      expect(await disk.run(again.stats())).toMatchObject({ skippedCount: 0 });
      await disk.close();
    },
  );

  it('keeps nobody waiting who published to it and the others', async () => {
    const { disk, events } = await bench();
    let hasEnded = false;
    const published = events.publish('value', { routingKey: 'key', confirm: 'routed' });
    const ended = published.then(() => (hasEnded = true));
    await disk.until(async () => (await disk.values('other')).length === 3);
    expect(hasEnded).toBe(false);
    expect(await disk.run(events.detach('full'))).toBe(1);
    await disk.turns(2); // No clock need tell of it.
    expect(hasEnded).toBe(true);
    await ended;
    await disk.close();
  });

  it('stays let off when the power is cut', async () => {
    const { disk, events } = await bench();
    await disk.publishEach(events, numbered(5));
    await disk.until(async () => (await disk.values('other')).length === 7);
    expect(await disk.run(events.detach('full'))).toBe(5);
    disk.disk.cutPower();
    await disk.open();
    const again = await disk.exchange('events');
    await disk.settle(again);
    expect(await disk.values('full')).toEqual(['first', 'settle', 'settle']);
    expect(await disk.run(again.stats())).toMatchObject({ skippedCount: 5 });
    await disk.close();
  });

  it.each([0, 1, 2, 5])(
    'has got what is not counted, also when it catches up: %i turns on',
    async (turns) => {
      const { disk, events, files } = await bench();
      const values = numbered(200, 'x'.repeat(3000));
      await disk.publishEach(events, values);
      await disk.until(async () => (await disk.values('other')).length === 202);
      files.clearFaults();
      disk.disk.clock.advance(20_000); // It is tried again.
      await disk.turns(turns);
      const skippedCount = await disk.run(events.detach('full'));
      await disk.settle(events);
      await disk.step(20_000);
      const got = ['first', 'settle', ...values.slice(0, values.length - skippedCount), 'settle'];
      expect(await disk.values('full')).toEqual(got);
      await disk.close();
    },
  );

  it('loses nothing when it was not behind', async () => {
    const { disk, events } = await bench();
    await disk.publishEach(events, numbered(5));
    expect(await disk.run(events.detach('other'))).toBe(0);
    await disk.until(async () => (await disk.values('other')).length === 7);
    expect(await disk.values('other')).toEqual(['first', 'settle', ...numbered(5)]);
    await disk.close();
  });

  it('holds the log of the exchange back no longer', async () => {
    const { disk, events } = await bench();
    await disk.publishEach(events, numbered(5));
    await disk.until(async () => (await disk.values('other')).length === 7);
    for (let minute = 0; minute < 12; minute++) {
      await disk.step(MINUTE_MS);
      await disk.publishEach(events, [`minute ${minute}`]);
    }
    expect(codesOf(disk)).toContain('source-held exchange events');
    const held = await disk.run(events.stats());
    expect(await disk.run(events.detach('full'))).toBe(5 + 12);
    for (let minute = 0; minute < 12; minute++) {
      await disk.step(MINUTE_MS);
      await disk.run(events.detach('full'));
      await disk.publishEach(events, [`later ${minute}`]);
    }
    expect(held.startOffset).toBeLessThanOrEqual(2);
    expect((await disk.run(events.stats())).startOffset).toBeGreaterThan(7);
    expect(codesOf(disk)).not.toContain('source-held exchange events');
    await disk.close();
  });
});
