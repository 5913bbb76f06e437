/** What is left of segments of queues in which few records are wanted any more. */
import { describe, expect, test } from 'vitest';

import type { ShareGroup } from '../../../src/queue/share-group.ts';
import { turns } from '../../support/log-fixture.ts';
import {
  COUNT,
  DAY_MS,
  LOOK_MS,
  SEALED,
  SettledQueue as Fixture,
  valueAt,
} from '../../support/settled-queue.ts';

const every = (count: number, from = 0) =>
  Array.from({ length: SEALED }, (_, at) => at).filter((at) => at % count === from);

describe('segments of a queue that are mostly settled', () => {
  test('keep what is leased, delayed, given back, unread, or dead and kept, and nothing else', async () => {
    const fixture = new Fixture();
    await fixture.open();
    const { queue } = fixture;
    for (const delivery of await fixture.fill()) {
      const kind = delivery.offset % 50;
      if (kind === 1) await delivery.release({ delayMs: DAY_MS });
      else if (kind === 2) await delivery.release();
      else if (kind === 3) await delivery.reject('broken');
      else if (kind !== 0) await delivery.ack();
    }
    const before = await queue.stats();
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
    const wanted = every(1).filter((at) => at % 50 < 4);
    expect(await fixture.left()).toEqual(wanted);
    expect(await queue.stats()).toEqual({ ...before, oldestReadyAgeMs: expect.any(Number) });

    await fixture.reopen();
    expect(await fixture.left()).toEqual(wanted);
    fixture.bench.clock.advance(2 * DAY_MS);
    await turns(20);
    await fixture.queue.redrive({ dryRun: false });
    const all = await fixture.queue.acquire({ max: COUNT });
    expect(all.map(({ offset }) => offset).toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: COUNT }, (_, at) => at).filter((at) => at % 50 < 4),
    );
    for (const { offset, value } of all) expect(value).toBe(valueAt(offset));
    await fixture.queue.ackAll(all);
    expect(await fixture.queue.stats()).toMatchObject({ unsettledCount: 0, deadCount: 0 });
    await fixture.store.close();
  });

  test('are left alone while half of their records is wanted, and rewritten again behind that', async () => {
    const fixture = new Fixture();
    await fixture.open({}, 4 * 81_920);
    const all = await fixture.fill();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 2 === 1));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(0);
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 8 === 2));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(1);
    expect(await fixture.left()).toEqual(every(2).filter((at) => at % 8 !== 2));
    // Of 120 that are left 60 are wanted, then 59.
    const rest = all.filter(({ offset }) => offset % 2 === 0 && offset % 8 !== 2);
    await fixture.queue.ackAll(rest.slice(0, 60));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(1);
    await fixture.queue.ackAll(rest.slice(60, 62));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(2);
    const wanted = rest.slice(62).map(({ offset }) => offset);
    expect(await fixture.left()).toEqual(wanted.filter((offset) => offset < SEALED));
    await fixture.store.close();
  });

  test('are left alone where they are small, or a group wants to keep all', async () => {
    const small = new Fixture();
    await small.open();
    const some = await small.fill();
    await small.queue.ackAll(some.filter(({ offset }) => offset % 10 !== 0));
    await small.look();
    expect(small.rewrittenCount).toBe(4);
    // Eight records in each: not worth it, though one of eight is wanted.
    await small.queue.ackAll(some.filter(({ offset }) => offset % 10 === 0 && offset % 80 !== 0));
    await small.look();
    expect(small.rewrittenCount).toBe(4);
    expect(await small.left()).toEqual(every(10));
    await small.store.close();

    const kept = new Fixture();
    await kept.open({ retention: 'keep' });
    const all = await kept.fill();
    await kept.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    await kept.look();
    expect(kept.rewrittenCount).toBe(0);
    await kept.store.close();
  });

  test('go when it is durable that they are settled, and not before', async () => {
    const fixture = new Fixture();
    await fixture.open({ durability: 'os' });
    const all = await fixture.fill();
    await fixture.queue.topic.sync();
    fixture.syncs.hold();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    await fixture.look();
    expect(fixture.syncs.waiting).not.toEqual([]);
    expect(await fixture.left()).toHaveLength(SEALED);
    fixture.syncs.release();
    await fixture.look();
    expect(await fixture.left()).toEqual(every(50));
    await fixture.store.close();
  });

  test('are not rewritten when their records are wanted again by the time', async () => {
    const fixture = new Fixture();
    await fixture.open({ durability: 'os' });
    const all = await fixture.fill();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset >= SEALED));
    const some = all.filter(({ offset }) => offset < SEALED && offset % 50 !== 0);
    await Promise.all(some.map((delivery) => delivery.release()));
    await fixture.queue.topic.sync();
    expect(await fixture.queue.purge()).toBe(some.length);
    await fixture.queue.send(valueAt(COUNT));
    expect(await fixture.queue.acquire()).toHaveLength(1);
    fixture.syncs.hold();
    fixture.bench.clock.advance(LOOK_MS);
    await turns(50);
    expect(fixture.syncs.waiting).not.toEqual([]);
    const undoing = fixture.queue.undoPurge();
    await turns(50);
    expect(fixture.rewrittenCount).toBe(0);
    fixture.syncs.release();
    expect(await undoing).toBe(some.length);
    await fixture.look();
    // One was under way, and is finished first: what was purged in it is missing.
    expect(fixture.rewrittenCount).toBeLessThanOrEqual(1);
    expect((await fixture.left()).length).toBeGreaterThanOrEqual(SEALED - 80);
    const again = await fixture.queue.acquire({ max: COUNT });
    expect(again).toHaveLength((await fixture.left()).length - every(50).length);
    await fixture.store.close();
  });

  test('wait for a group that begins, which gets all of them', async () => {
    const fixture = new Fixture();
    await fixture.open();
    const all = await fixture.fill();
    const late = (await fixture.store.topic('q')).shareGroup('late');
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    const group = await late;
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(0);
    expect(await group.acquire({ max: COUNT })).toHaveLength(COUNT);
    await fixture.store.close();
  });

  test('stay as they are for a group that begins behind the look at them', async () => {
    const fixture = new Fixture();
    await fixture.open();
    const all = await fixture.fill();
    const topic = await fixture.store.topic('q');
    const { rewriting } = topic.partitions.at(0);
    const run = rewriting.run.bind(rewriting);
    const groups: ShareGroup<Uint8Array>[] = [];
    rewriting.run = async (ending, action) => {
      if (groups.length === 0) groups.push(await topic.shareGroup('late'));
      return run(ending, action);
    };
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(0);
    expect(await groups[0]?.acquire({ max: COUNT })).toHaveLength(COUNT);
    await fixture.store.close();
  });

  test('take ids along that count until they are settled, and leave those of what stays', async () => {
    const fixture = new Fixture();
    await fixture.open({ dedupWindowMs: 'settled' });
    const { queue } = fixture;
    for (let at = 0; at < COUNT; at++) await queue.send(valueAt(at), { dedupId: `${at}` });
    const all = await queue.acquire({ max: COUNT });
    await queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    await fixture.look();
    expect(fixture.rewrittenCount).toBeGreaterThan(2);
    for (const life of ['live', 'reopened']) {
      if (life === 'reopened') await fixture.reopen();
      const kept = await fixture.queue.send(valueAt(50), { dedupId: '50' });
      expect(kept, life).toMatchObject({ duplicate: true, offset: 50 });
    }
    expect(await fixture.queue.send(valueAt(COUNT), { dedupId: '51' })).toMatchObject({
      duplicate: false,
      offset: COUNT,
    });
    await fixture.store.close();
  });

  test('are rewritten as fast as the store may, one after the other', async () => {
    const fixture = new Fixture();
    fixture.bench.open = (
      (open) => () =>
        open({ compactionBytesPerSecondMax: 64 * 1024 })
    )(fixture.bench.open.bind(fixture.bench));
    await fixture.open();
    const all = await fixture.fill();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    fixture.bench.clock.advance(LOOK_MS);
    await turns(100);
    expect(fixture.rewrittenCount).toBe(1);
    fixture.bench.clock.advance(2000);
    await turns(100);
    expect(fixture.rewrittenCount).toBe(2);
    await fixture.store.close();
  });
});
