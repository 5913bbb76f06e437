/** What compaction must leave because something else needs it: windows of ids, projections, producers. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import {
  compactable,
  fill,
  foldOf,
  numbered,
  offsetsOf,
  openSmall,
} from '../../support/compacted-topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const WINDOW_MS = 300_000;

describe('a window of ids', () => {
  test.each(['live', 'reopened'])('has its records, superseded or not, %s', async (how) => {
    const bench = new StoreBench();
    let store = await bench.open();
    let topic = await openSmall(store, 't', { dedupWindowMs: WINDOW_MS });
    const send = (n: number) =>
      topic.append({ key: `k${n % 5}`, value: numbered(n), dedupId: `id ${n}` });
    await fill(topic, 40);
    for (let n = 40; n < 100; n++) {
      bench.clock.advance(WINDOW_MS / 50); // Of the last fifty ids the window knows.
      await send(n);
    }
    await compactable(store, topic);
    if (how === 'reopened') {
      store = await bench.reopen(store);
      topic = await openSmall(store, 't');
    }
    const [result] = await topic.compact();
    expect(result).toMatchObject({ limitedBy: 'guard' });
    const left = await offsetsOf(topic);
    expect(left.length).toBeLessThan(80); // Not all were kept,
    for (let n = 50; n < 100; n++) {
      // but all of these.
      expect(left).toContain(n);
      expect(await send(n)).toMatchObject({ duplicate: true, offset: n });
    }
    bench.clock.advance(2 * WINDOW_MS);
    await fill(topic, 20);
    expect(await topic.compact()).toMatchObject([{ limitedBy: 'active-segment' }]);
    expect(await offsetsOf(topic)).not.toContain(50);
    expect(await send(50)).toMatchObject({ duplicate: false });
    await store.close();
  });

  test('knows ids of what a rewritten segment has left', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let topic = await openSmall(store, 't', { dedupWindowMs: WINDOW_MS });
    const send = (n: number) =>
      topic.append({ key: `k${n % 5}`, value: numbered(n), dedupId: `id ${n}` });
    for (let n = 0; n < 100; n++) await send(n);
    bench.clock.advance(2 * WINDOW_MS);
    await send(100); // The window begins here.
    await compactable(store, topic);
    await topic.compact();
    const left = await offsetsOf(topic);
    expect(left.length).toBeLessThan(40);
    // What is left is known again when the window reaches so far.
    await store.alterTopic('t', { dedupWindowMs: 10 * WINDOW_MS });
    for (const how of ['live', 'reopened']) {
      for (const n of left) {
        expect(await send(n), `${n} ${how}`).toMatchObject({ duplicate: true, offset: n });
      }
      store = await bench.reopen(store);
      topic = await openSmall(store, 't');
    }
    await store.close();
  });
});

describe('a producer', () => {
  test('knows after a power cut what it has sent, though its numbers went with the records', async () => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await openSmall(store, 't');
    const producer = await store.producer('p');
    const keyed = (n: number) => ({ key: `k${n % 5}`, value: numbered(n) });
    for (let n = 0; n < 100; n++) await producer.append(topic, keyed(n), { sequence: n });
    await fill(topic, 60, { from: 100 }); // The last segment says nothing of the producer.
    await compactable(store, topic);
    const [result] = await topic.compact();
    expect(result?.supersededCount).toBeGreaterThan(70);
    const left = await offsetsOf(topic);
    disk.cutPower();
    const again = await disk.open();
    const reopened = await openSmall(again, 't');
    expect(await offsetsOf(reopened)).toEqual(left);
    const retrying = await again.producer('p');
    for (let n = 0; n < 100; n++) {
      const answer = await retrying.append(reopened, keyed(n), { sequence: n });
      expect(answer, `sequence ${n}`).toMatchObject({ duplicate: true });
    }
    expect(await retrying.append(reopened, keyed(100))).toMatchObject({
      sequence: 100,
      offset: 160,
    });
    await again.close();
  });

  test('has its note durable before anything goes', async () => {
    const disk = await StoreDisk.make();
    const notes = new HeldSyncs(disk.fileSystem, '/journal/');
    const store = await disk.open();
    const topic = await openSmall(store, 't');
    const producer = await store.producer('p');
    for (let n = 0; n < 100; n++) {
      await producer.append(topic, { key: `k${n % 5}`, value: numbered(n) }, { sequence: n });
    }
    await compactable(store, topic);
    notes.hold();
    const work = topic.compact();
    await turns(500);
    expect(notes.waiting).toHaveLength(1);
    expect(await offsetsOf(topic)).toHaveLength(100);
    notes.release();
    expect((await work)[0]?.supersededCount).toBeGreaterThan(70);
    await store.close();
  });
});

describe('a projection', () => {
  /** Copies of 100 records of five keys in a topic that is compacted. */
  async function setup() {
    const disk = await RoutingDisk.make();
    const { store } = disk;
    const topic = await disk.run(openSmall(store, 't', { compaction: 'key' }));
    const events = await disk.run(store.exchange('events', { type: 'fanout', codec: utf8 }));
    await disk.run(events.bind('t'));
    for (let n = 0; n < 100; n++) {
      const options = { key: `k${n % 5}`, confirm: 'routed' } as const;
      await disk.run(events.publish(numbered(n), options));
    }
    return { disk, topic };
  }

  test('copies nothing again after a power cut, though all of its copies are gone', async () => {
    const { disk, topic } = await setup();
    await disk.run(fill(topic, 60, { from: 100 })); // By others, of the same keys.
    const before = await disk.run(foldOf(topic));
    await disk.run(topic.compact());
    expect(Math.min(...(await disk.run(offsetsOf(topic))))).toBeGreaterThanOrEqual(100);
    disk.disk.cutPower();
    await disk.open();
    const events = await disk.run(disk.store.exchange('events', { codec: utf8 }));
    await disk.run(events.publish(numbered(100), { key: 'new', confirm: 'routed' }));
    const reopened = await disk.run(openSmall(disk.store, 't'));
    const after = await disk.run(foldOf(reopened));
    expect(after.get('new')).toBe(numbered(100));
    after.delete('new');
    expect(after).toEqual(before);
    expect(reopened.partitions.at(0).opened?.endOffset).toBe(161);
    await disk.close();
  });

  test('is compared with what is left, and made again as it was; nothing is compacted meanwhile', async () => {
    const { disk, topic } = await setup();
    await disk.run(topic.compact());
    expect((await disk.run(offsetsOf(topic))).length).toBeLessThan(30);
    const before = await disk.run(foldOf(topic));
    const events = await disk.run(disk.store.exchange('events', { codec: utf8 }));
    const compared = disk.run(events.rebuild('t'));
    const meanwhile = await disk.run(rejectionOf(topic.compact()));
    expect(meanwhile).toBeInstanceOf(ConflictError);
    const { partitions } = await compared;
    expect(partitions).toMatchObject([{ isDamaged: false, unreadableCount: 0, endOffset: 100 }]);
    const file = `${topic.partitions.at(0).path}/${'0'.repeat(20)}.log`;
    const handle = await disk.disk.fileSystem.open(file, 'write');
    await handle.write(Uint8Array.of(0xff, 0xff), 200);
    await handle.close();
    const made = await disk.run(events.rebuild('t', { dryRun: false }));
    expect(made.partitions).toMatchObject([{ isReplaced: true, endOffset: 100 }]);
    expect(await disk.run(offsetsOf(topic))).toHaveLength(100);
    expect(await disk.run(foldOf(topic))).toEqual(before);
    await disk.run(fill(topic, 100)); // What was made again is one batch, and the last segment.
    await disk.run(topic.compact());
    expect((await disk.run(offsetsOf(topic))).length).toBeLessThan(40);
    await disk.close();
  });
});
