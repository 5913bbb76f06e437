import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock, nextTurn } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function open() {
  const clock = new ManualClock(1_000_000);
  const fileSystem = new MemoryFileSystem();
  const store = await openStore('/store', { fileSystem, clock, random: new SeededRandom(1) });
  return { store, clock, fileSystem };
}

describe('the figures of an exchange', () => {
  it('tell how far each destination is', async () => {
    const { store } = await open();
    await store.topic('one');
    await store.topic('two', { partitions: 2 });
    const events = await store.exchange('events', { type: 'direct', codec: utf8 });
    await events.bind('one', { pattern: 'a' });
    await events.bind('two', { pattern: 'b' });
    for (const routingKey of ['a', 'b', 'b', 'c']) {
      await events.publish('x', { routingKey, confirm: 'routed' });
    }
    const { destinations, ...stats } = await events.stats();
    expect(stats).toMatchObject({ startOffset: 0, endOffset: 4, lagMs: 0, skippedCount: 0 });
    expect(
      destinations.map(({ destination, partition, recordCount, isBehind }) => [
        destination,
        partition,
        recordCount,
        isBehind,
      ]),
    ).toEqual([
      ['one', 0, 1, false],
      ['two', 0, 1, false],
      ['two', 1, 1, false],
    ]);
    await store.close();
  });

  it('tell of each destination by itself what it has not got, and for how long', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'full', 'other');
    await disk.settle(events);
    const path = disk.filesOf('full');
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    const startMs = disk.disk.clock.now();
    await disk.publishEach(events, numbered(7));
    await disk.step(3000);
    const { destinations, ...stats } = await disk.run(events.stats());
    const last = { position: 8, lagCount: 0, lagMs: 0, isBehind: false, error: null };
    expect(destinations).toMatchObject([
      { destination: 'full', position: 1, lagCount: 7, isBehind: true, error: expect.any(String) },
      { destination: 'other', ...last },
    ]);
    const [{ lagMs } = { lagMs: 0 }] = destinations;
    expect(lagMs).toBeGreaterThanOrEqual(3000);
    expect(lagMs).toBeLessThanOrEqual(disk.disk.clock.now() - startMs);
    expect(stats).toMatchObject({ endOffset: 8, lagMs });
    fileSystem.clearFaults();
    await disk.until(async () => (await disk.run(events.stats())).lagMs === 0);
    const after = await disk.run(events.stats());
    expect(after.destinations).toMatchObject([last, last]);
    await disk.close();
  });

  it('know of no time before the store was opened, of what a destination has not got', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'full', 'other');
    await disk.settle(events);
    const { fileSystem, clock } = disk.disk;
    const startMs = clock.now();
    const isNone = async (): Promise<boolean> => (await disk.run(again.stats())).lagMs === 0;
    const refused = { errno: 'ENOSPC', operations: ['write', 'open'], times: Infinity } as const;
    fileSystem.addFault({ ...refused, path: disk.filesOf('full') });
    await disk.publishEach(events, numbered(7));
    await disk.step(3000);
    disk.disk.kill();
    disk.disk.fileSystem.addFault({ ...refused, path: disk.filesOf('full') });
    disk.disk.clock.advance(1_000_000);
    await disk.open();
    const again = await disk.exchange('events');
    for (let second = 0; second < 30; second++) {
      await disk.step(1000);
      const { destinations, lagMs } = await disk.run(again.stats());
      expect(destinations).toMatchObject([{ isBehind: true, lagCount: 7 }, { isBehind: false }]);
      expect(lagMs).toBeGreaterThanOrEqual(second * 1000);
      expect(lagMs).toBeLessThanOrEqual(disk.disk.clock.now() - startMs);
    }
    disk.disk.fileSystem.clearFaults();
    await disk.until(isNone);
    await disk.close();
  });

  it('tell which bindings have not got all of the past yet, as soon as they are bound', async () => {
    const { store } = await open();
    await store.topic('late');
    const events = await store.exchange('events', { type: 'topic', codec: utf8 });
    for (let count = 0; count < 3; count++) await events.publish('x', { routingKey: 'a.b' });
    const { bindingId } = await events.bind('late', { pattern: 'a.#' }, { from: 'earliest' });
    const { backfills } = await events.stats();
    expect(backfills).toEqual([{ bindingId, position: 0, error: null }]);
    while ((await events.stats()).backfills.length > 0) await nextTurn();
    const late = await store.topic('late', { codec: utf8 });
    const values: (string | null)[] = [];
    for await (const { value } of late.records()) values.push(value);
    expect(values).toEqual(['x', 'x', 'x']);
    await store.close();
  });

  it('name every destination right after the store was opened, and open none of them', async () => {
    const { store: first, clock, fileSystem } = await open();
    const made = await first.exchange('events', { type: 'direct', codec: utf8 });
    for (const name of ['one', 'gone']) {
      await first.topic(name, { partitions: 2 });
      await made.bind(name, { pattern: name });
      for (const key of ['a', 'b', 'c', 'd']) {
        await made.publish('x', { routingKey: name, key, confirm: 'routed' });
      }
    }
    await first.deleteTopic('gone');
    await first.close();
    const store = await openStore('/store', { fileSystem, clock, random: new SeededRandom(2) });
    const events = await store.exchange('events', { codec: utf8 });
    await nextTurn();
    const { destinations, ...stats } = await events.stats();
    const nothing = { position: 8, lagCount: 0, lagMs: 0, isBehind: false, error: null };
    const one = { ...nothing, destination: 'one', bindingId: null, recordCount: 0 };
    expect(destinations).toEqual([
      { ...one, partition: 0 },
      { ...one, partition: 1 },
    ]);
    expect(stats).toMatchObject({ endOffset: 8, position: 8, lagMs: 0 });
    const { partitions } = await store.topic('one');
    expect([0, 1].map((number) => partitions.at(number)?.opened)).toEqual([null, null]);
    // From the first publish on, the logs themselves say it.
    await events.publish('x', { routingKey: 'one', key: 'a', confirm: 'routed' });
    const after = await events.stats();
    expect(after.destinations.map(({ position }) => position)).toEqual([9, 9]);
    expect(after.destinations.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(1);
    await store.close();
  });

  it('tell what a destination lacks where a store is only read', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'full', 'other');
    await disk.settle(events);
    const { fileSystem } = disk.disk;
    const path = disk.filesOf('full');
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.publishEach(events, numbered(7));
    await disk.step(3000);
    await disk.close();
    await disk.open({ readOnly: true });
    const seen = await disk.exchange('events');
    const { destinations, position } = await disk.run(seen.stats());
    expect(position).toBe(8);
    expect(destinations).toMatchObject([
      { destination: 'full', position: 1, lagCount: 7, lagMs: 0, isBehind: true },
      { destination: 'other', position: 8, lagCount: 0, lagMs: 0, isBehind: false },
    ]);
    await disk.close();
  });

  it('name destinations that take long to say how far they are, while they are asked', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'slow-a', 'slow-b');
    await disk.settle(events);
    await disk.step(1000);
    await disk.publishEach(events, ['next']);
    await disk.close();
    const reads = new HeldReads(disk.disk.fileSystem, 'topics/slow-');
    reads.hold();
    await disk.open();
    const again = await disk.exchange('events');
    await disk.publishEach(again, ['last']);
    const names = async () => {
      const { destinations } = await disk.run(again.stats());
      return destinations.map(({ destination, partition }) => `${destination} ${partition}`);
    };
    expect(await names()).toEqual(['slow-a 0', 'slow-b 0']);
    await disk.step(1000);
    expect(await names()).toEqual(['slow-a 0', 'slow-b 0']);
    reads.release();
    await disk.settle(again);
    expect(await names()).toEqual(['slow-a 0', 'slow-b 0']);
    await disk.close();
  });
});
