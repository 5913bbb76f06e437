/** A destination whose disk hangs: nobody else waits for it. */
import { describe, expect, it } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { PATIENCE_MS, STALL_TOLD_MS } from '../../../src/routing/patience.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

/** An exchange that leads to topics, of which the files of some hang when they are synced. */
async function bench(names: readonly string[], part: string) {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  await disk.bound(first, ...names);
  await disk.close();
  const syncs = new HeldSyncs(disk.disk.fileSystem, part);
  await disk.open();
  const events = await disk.exchange('events');
  await disk.settle(events);
  syncs.hold();
  return { disk, events, syncs };
}

/** Values of topics without those that `settle` brought. */
async function own(disk: RoutingDisk, name: string): Promise<(string | null)[]> {
  return (await disk.values(name)).filter((value) => value !== 'settle');
}

describe('while the syncs of a destination hang', () => {
  it('the others get all', async () => {
    const { disk, events, syncs } = await bench(['one', 'two', 'three'], 'topics/one-');
    await disk.publishEach(events, numbered(5));
    for (let step = 0; step < 6; step++) await disk.step(100);
    expect(syncs.waiting).not.toEqual([]);
    expect(await own(disk, 'one')).toEqual([]);
    expect(await own(disk, 'two')).toEqual(numbered(5));
    expect(await own(disk, 'three')).toEqual(numbered(5));
    await disk.publishEach(events, numbered(5, 'more'));
    await disk.turns(50); // It has been waited for once, and is not again.
    expect(await own(disk, 'three')).toEqual([...numbered(5), ...numbered(5, 'more')]);
    syncs.release();
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(await disk.values('two'));
    await disk.close();
  });

  it('health names it, until it has synced what it got', async () => {
    const { disk, events, syncs } = await bench(['one', 'two'], 'topics/one-');
    await disk.publishEach(events, numbered(5));
    for (let second = 0; second < 5; second++) {
      expect(disk.store.health().problems).toEqual([]);
      await disk.step(1000);
    }
    await disk.step(1000);
    expect(disk.store.health().problems).toMatchObject([
      { code: 'projection-behind', topic: 'one', partition: 0, severity: 'degraded' },
    ]);
    expect(disk.store.health().problems[0]?.message).toContain('nothing was synced there for 5 s');
    expect((await events.stats()).destinations).toMatchObject([
      { destination: 'one', error: 'nothing was synced there for 5 s' },
      { destination: 'two', error: null },
    ]);
    syncs.release();
    await disk.settle(events);
    expect(disk.store.health().problems).toEqual([]);
    await disk.close();
  });

  it('topics, bindings and exchanges are made, also when somebody waits for it', async () => {
    const { disk, events, syncs } = await bench(['one', 'two'], 'topics/one-');
    await disk.publishEach(events, numbered(5));
    await disk.step(10_000); // Its checkpoint hangs, too.
    const one = await disk.run(disk.store.topic('one', { codec: utf8 }));
    const appended = one.append({ value: 'awaited' });
    await disk.turns(20);
    await disk.run(disk.store.topic('new'));
    await disk.run(events.bind('new', { pattern: '#' }));
    await disk.run(disk.store.exchange('other', { type: 'fanout' }));
    await disk.publishEach(events, ['last']);
    await disk.until(async () => (await disk.values('new')).length === 1);
    expect(await own(disk, 'one')).toEqual([]);
    syncs.release();
    await disk.run(appended);
    await disk.settle(events);
    expect(await own(disk, 'one')).toEqual([...numbered(5), 'awaited', 'last']);
    await disk.close();
  });
});

describe('the patience with a destination', () => {
  /** More than may be on its way before others wait. */
  const values = numbered(18).map((value) => value.padEnd(1_000_000, '.'));
  const codesOf = (disk: RoutingDisk): string[] =>
    disk.store.health().problems.map(({ code, topic }) => `${code} ${topic}`);
  const isBehind = async (disk: RoutingDisk, events: Exchange<string>): Promise<boolean> =>
    (await disk.run(events.stats())).destinations.some((destination) => destination.isBehind);

  it('ends after a moment in which others got on and it did not', async () => {
    const { disk, events, syncs } = await bench(['one', 'two'], 'topics/one-');
    await disk.publishEach(events, values);
    await disk.step(10); // Copies wait for more of them.
    const startMs = disk.disk.clock.monotonic();
    while (!(await isBehind(disk, events))) await disk.step(10);
    const waitedMs = disk.disk.clock.monotonic() - startMs;
    expect(waitedMs).toBeGreaterThan(PATIENCE_MS); // Some was synced in `two` in the first of them.
    expect(waitedMs).toBeLessThanOrEqual(2 * PATIENCE_MS);
    const leftMs = disk.disk.clock.now();
    await disk.step(STALL_TOLD_MS - 1);
    expect(codesOf(disk)).toEqual([]);
    await disk.step(1);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    expect(disk.store.health().problems[0]?.message).toContain('took nothing for 250 ms');
    expect(disk.store.health().problems[0]?.sinceMs).toBe(leftMs);
    expect((await own(disk, 'two')).length).toBe(values.length);
    syncs.release();
    await disk.until(async () => (await own(disk, 'one')).length === values.length);
    expect(codesOf(disk)).toEqual([]);
    const startOf = (texts: readonly (string | null)[]) => texts.map((text) => text?.slice(0, 8));
    expect(startOf(await own(disk, 'one'))).toEqual(startOf(values));
    await disk.close();
  });

  it('is nothing that health tells of, when the destination goes on soon', async () => {
    const { disk, events, syncs } = await bench(['one', 'two'], 'topics/one-');
    for (let round = 0; round < 3; round++) {
      await disk.publishEach(events, values.slice(0, 12));
      while (!(await isBehind(disk, events))) await disk.step(50);
      expect(codesOf(disk)).toEqual([]);
      await disk.step(STALL_TOLD_MS / 2);
      expect(codesOf(disk)).toEqual([]);
      syncs.release();
      while (await isBehind(disk, events)) await disk.step(50);
      expect(codesOf(disk)).toEqual([]);
      syncs.hold();
    }
    expect((await own(disk, 'one')).length).toBe(36);
    syncs.release();
    await disk.close();
  });

  it('does not end with one that gets on, however slowly', async () => {
    const { disk, events, syncs } = await bench(['one', 'two'], 'topics/');
    const publishing = Promise.all(
      values.map((value) => events.publish(value, { routingKey: 'key', durability: 'os' })),
    );
    const isThere = async (): Promise<boolean> =>
      (await own(disk, 'one')).length === 18 && (await own(disk, 'two')).length === 18;
    while (!(await isThere())) {
      await disk.step(PATIENCE_MS - 50);
      expect(codesOf(disk)).toEqual([]);
      syncs.release();
      syncs.hold();
    }
    syncs.release();
    await disk.run(publishing);
    await disk.close();
  });
});
