/** Letting off a destination whose disk does not answer: nobody waits for that. */
import { describe, expect, it } from 'vitest';

import type { Exchange } from '../../../src/routing/exchange.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

/** Longer than anybody waits for a sync that hangs. */
const WAIT_MS = 3000;

/** An exchange with two destinations, of which `hung` syncs nothing any more but `settle`. */
async function bench() {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  await disk.bound(first, 'hung', 'other');
  await disk.close();
  const syncs = new HeldSyncs(disk.disk.fileSystem, 'topics/hung-');
  await disk.open();
  const events = await disk.exchange('events');
  await disk.settle(events);
  syncs.hold();
  return { disk, events, syncs };
}

/** Detaches `hung`; time moves, and its disk does not answer. */
async function detached(disk: RoutingDisk, events: Exchange<string>): Promise<number> {
  const startMs = disk.disk.clock.monotonic();
  const skippedCount = await disk.run(events.detach('hung'));
  expect(disk.disk.clock.monotonic() - startMs).toBeLessThan(WAIT_MS);
  return skippedCount;
}

async function untilNamed(disk: RoutingDisk): Promise<void> {
  await disk.until(() => disk.store.health().problems.some(({ topic }) => topic === 'hung'));
}

describe('a destination whose syncs hang', () => {
  it('is let off what is on its way there, which may still come, once', async () => {
    const { disk, events, syncs } = await bench();
    await disk.publishEach(events, numbered(5));
    await untilNamed(disk);
    expect(await detached(disk, events)).toBe(5);
    expect(syncs.areHeld).toBe(true);
    const stats = await disk.run(events.stats());
    expect(stats).toMatchObject({ skippedCount: 5, endOffset: 6 });
    expect(stats.destinations).toMatchObject([{ destination: 'hung', position: 6 }, {}]);
    await disk.publishEach(events, ['next']);
    syncs.release();
    await disk.settle(events);
    expect(await disk.values('hung')).toEqual(['settle', ...numbered(5), 'next', 'settle']);
    expect(await disk.values('other')).toEqual(['settle', ...numbered(5), 'next', 'settle']);
    expect(disk.store.health().problems).toEqual([]);
    await disk.close();
  });

  it('does not get what was not on its way, and what was published then', async () => {
    const { disk, events, syncs } = await bench();
    const values = numbered(18).map((value) => value.padEnd(1_000_000, '.')); // Too much to be on its way.
    await disk.publishEach(events, values);
    await untilNamed(disk);
    expect(await detached(disk, events)).toBe(values.length);
    expect(await disk.run(events.detach('hung'))).toBe(0);
    await disk.publishEach(events, ['next']);
    syncs.release();
    await disk.settle(events);
    const got = await disk.values('hung');
    const came = got.length - 3;
    expect(came).toBeGreaterThan(0);
    expect(came).toBeLessThan(values.length);
    expect(got).toEqual(['settle', ...values.slice(0, came), 'next', 'settle']);
    await disk.close();
  });

  it('keeps nobody waiting who published to it and the others', async () => {
    const { disk, events, syncs } = await bench();
    const published = events.publish('value', { routingKey: 'key', confirm: 'routed' });
    let hasEnded = false;
    const ended = published.then(() => (hasEnded = true));
    await untilNamed(disk);
    expect(hasEnded).toBe(false);
    await detached(disk, events);
    await disk.turns(2); // No clock need tell of it.
    expect(hasEnded).toBe(true);
    await ended;
    syncs.release();
    await disk.close();
  });

  it('is not given again what a power cut takes then', async () => {
    const { disk, events } = await bench();
    await disk.publishEach(events, numbered(5));
    await untilNamed(disk);
    expect(await detached(disk, events)).toBe(5);
    disk.disk.cutPower();
    await disk.open();
    const again = await disk.exchange('events');
    await disk.settle(again);
    expect(await disk.values('hung')).toEqual(['settle', 'settle']);
    expect(await disk.values('other')).toEqual(['settle', ...numbered(5), 'settle']);
    expect(await disk.run(again.stats())).toMatchObject({ skippedCount: 5 });
    await disk.close();
  });

  it('may fail in the end: the next opening brings it what was published since, once', async () => {
    const { disk, events, syncs } = await bench();
    await disk.publishEach(events, numbered(5));
    await untilNamed(disk);
    expect(await detached(disk, events)).toBe(5);
    await disk.publishEach(events, ['next']);
    const path = disk.filesOf('hung');
    disk.disk.fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path });
    syncs.release();
    await disk.step(WAIT_MS);
    await disk.close().catch(() => undefined);
    disk.disk.fileSystem.clearFaults();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    const got = await disk.values('hung');
    const came = got.filter((value) => value?.startsWith('value'));
    expect(came).toEqual(numbered(came.length));
    expect(got).toEqual(['settle', ...came, 'next', 'settle']);
    await disk.close();
  });
});
