/** What is kept of backfills: when it counts, and how long. */
import { describe, expect, it } from 'vitest';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const PAST = { from: 'earliest' } as const;

describe('a backfill', () => {
  it('does not begin before the change that asks for it counts', async () => {
    const disk = await RoutingDisk.make();
    await disk.run(disk.store.topic('one', { partitions: 2 }));
    const first = await disk.exchange('events', { type: 'topic' });
    await disk.publishEach(first, numbered(20));
    await disk.close();
    const syncs = new HeldSyncs(disk.disk.fileSystem, '/journal/');
    await disk.open();
    const events = await disk.exchange('events');
    syncs.hold();
    const bound = events.bind('one', { pattern: '#' }, PAST);
    await disk.turns(20);
    const stats = await events.stats(); // Whoever looks at the streams makes those that are missing.
    const detached = events.detach('one');
    await disk.turns(20);
    expect(stats.backfills).toEqual([]);
    syncs.release();
    await disk.run(Promise.all([bound, detached]));
    await disk.until(async () => (await disk.values('one')).length === 20);
    expect((await events.stats()).backfills).toEqual([]);
    await disk.close();
  });

  it('is known until no record is left that its binding may have given', async () => {
    const disk = await RoutingDisk.make();
    await disk.run(disk.store.topic('one'));
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.publishEach(events, numbered(3));
    const { bindingId } = await disk.run(events.bind('one', { pattern: '#' }, PAST));
    await disk.until(async () => (await disk.values('one')).length === 3);
    await disk.step(2000);
    const { exchangeCatalog } = disk.store;
    await disk.run(exchangeCatalog.prune(Number.MAX_SAFE_INTEGER));
    expect(exchangeCatalog.sources.hasPast({ bindingId })).toBe(true);
    await disk.run(events.unbind('one', { pattern: '#' }));
    const { version } = exchangeCatalog;
    await disk.run(exchangeCatalog.prune(version - 1));
    expect(exchangeCatalog.sources.hasPast({ bindingId })).toBe(true);
    await disk.run(exchangeCatalog.prune(version));
    expect(exchangeCatalog.sources.hasPast({ bindingId })).toBe(false);
    await disk.close();
    await disk.open();
    expect(disk.store.exchangeCatalog.sources.hasPast({ bindingId })).toBe(false);
    await disk.close();
  });
});
