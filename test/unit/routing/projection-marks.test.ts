import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { RETENTION_CHECK_MS, SYNC_WRITE_BYTES_MAX } from '../../../src/core/limits.ts';
import { lowestPosition, type ProjectionState } from '../../../src/routing/projection-state.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function bench(...names: readonly string[]) {
  const disk = await RoutingDisk.make();
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, ...names);
  return { disk, events, ...events.describe() };
}

function stateOf(disk: RoutingDisk, exchangeId: number): ProjectionState {
  const [common] = disk.store.projector.streamsOf(exchangeId);
  const state = common?.marks.state ?? null;
  if (state === null) throw new Error('its stream has ended');
  return structuredClone(state);
}

describe('marks', () => {
  it('are written within a second, also when nothing matches', async () => {
    const { disk, events, exchangeId } = await bench();
    await disk.run(disk.store.topic('one'));
    await disk.run(events.bind('one', { pattern: 'never' }));
    await disk.publishEach(events, numbered(10));
    await disk.turns(20);
    expect(stateOf(disk, exchangeId).position).toBe(0);
    await disk.step(1000);
    expect(stateOf(disk, exchangeId)).toMatchObject({ position: 10, logs: new Map() });
    await disk.close();
  });

  it('are written after 64 MiB of the source, however little time has passed', async () => {
    const { disk, events, exchangeId } = await bench('one');
    await disk.settle(events);
    await disk.step(1000);
    expect(stateOf(disk, exchangeId).position).toBe(1);
    const startMs = disk.disk.clock.now();
    const value = '.'.repeat(1_000_000);
    for (let count = 1; count <= 60; count++) await disk.run(events.publish(value));
    await disk.turns(20);
    expect(stateOf(disk, exchangeId).position).toBe(1);
    for (let count = 1; count <= 20; count++) await disk.run(events.publish(value));
    for (let count = 1; count <= 40; count++) await disk.step(10); // Copies wait for more of them.
    const { position } = stateOf(disk, exchangeId);
    expect(position).toBeGreaterThan(60);
    expect(disk.disk.clock.now() - startMs).toBeLessThan(1000);
    await disk.close();
  });

  it('name a log before its first record, and follow it', async () => {
    const { disk, events, exchangeId } = await bench('one');
    await disk.settle(events);
    const [[, named] = []] = stateOf(disk, exchangeId).logs;
    expect(named).toMatchObject({ partition: 0, position: 0, endOffset: 0 });
    await disk.step(1000);
    const { position, logs } = stateOf(disk, exchangeId);
    expect(position).toBe(1);
    expect([...logs.values()]).toMatchObject([{ position: 1, endOffset: 1, isBehind: false }]);
    await disk.close();
  });

  it('never state more of a log than is synced there', async () => {
    const { disk } = await bench('one', 'two');
    await disk.close();
    const syncs = new HeldSyncs(disk.disk.fileSystem, 'topics/one-');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    await disk.step(1000);
    const { exchangeId } = events.describe();
    syncs.hold();
    await disk.publishEach(events, numbered(5));
    for (let second = 0; second < 4; second++) await disk.step(1000);
    const { topicId } = disk.store.describeTopic('one');
    const { position, logs } = stateOf(disk, exchangeId);
    const own = [...logs.values()].filter((mark) => mark.topicId === topicId);
    expect(own).toMatchObject([{ endOffset: 1 }]);
    expect(position).toBe(1);
    disk.disk.cutPower();
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 6);
    await disk.settle(await disk.exchange('events'));
    const all = ['settle', ...numbered(5), 'settle'];
    expect(await disk.values('one')).toEqual(all);
    expect(await disk.values('two')).toEqual(all);
    await disk.close();
  });

  it.each([0, 1, 2, 3, 5, 7, 10, 15])(
    'and the logs themselves say where to go on after a power cut %d turns on',
    async (turns) => {
      const { disk, events } = await bench('one', 'two');
      await disk.run(disk.store.alterTopic('two', { durability: 'os' }));
      await disk.publishEach(events, numbered(20, 'early'));
      await disk.step(1000);
      const late = numbered(40, 'late').map((value) => events.publish(value));
      const taken = Promise.allSettled(late);
      await disk.turns(turns);
      disk.disk.cutPower();
      await disk.open();
      const again = await disk.exchange('events');
      await disk.settle(again);
      const source = await disk.values('exchange:events');
      expect(await disk.values('one')).toEqual(source);
      expect(await disk.values('two')).toEqual(source);
      expect(source.slice(0, 20)).toEqual(numbered(20, 'early'));
      expect(taken).toBeInstanceOf(Promise);
      await disk.close();
    },
  );

  it('hold after two crashes: what only the kernel had is not taken for durable', async () => {
    const { disk, events } = await bench('one');
    await disk.run(disk.store.alterTopic('one', { durability: 'os' }));
    await disk.settle(events);
    await disk.close();
    const syncs = new HeldSyncs(disk.disk.fileSystem, 'topics/one-');
    await disk.open();
    const second = await disk.exchange('events');
    await disk.settle(second);
    syncs.hold();
    await disk.publishEach(second, numbered(5));
    await disk.turns(50);
    disk.disk.kill();
    await disk.open();
    for (let step = 0; step < 3; step++) await disk.step(1000);
    disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    const all = ['settle', 'settle', ...numbered(5), 'settle'];
    expect(await disk.values('one')).toEqual(all);
    await disk.close();
  });

  it('let a destination forget its past, and nothing comes again', async () => {
    const { disk, events, exchangeId } = await bench('one');
    await disk.publishEach(events, numbered(10));
    await disk.settle(events);
    const topic = await disk.run(disk.store.topic('one'));
    await disk.run(topic.deleteBefore({ partition: 0, offset: 11 }));
    expect(lowestPosition(stateOf(disk, exchangeId))).toBe(11);
    disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    expect(await disk.values('one')).toEqual(['settle']);
    await disk.close();
  });

  it.each(['a backfill', 'a deleted exchange'])(
    'hold nothing back when the stream ends meanwhile, that of %s',
    async (what) => {
      const { disk } = await bench('one');
      await disk.close();
      const { fileSystem } = disk.disk;
      const syncs = new HeldSyncs(fileSystem, 'topics/one-');
      const journal = new HeldWrites(fileSystem, '/journal/');
      await disk.open();
      const events = await disk.exchange('events');
      await disk.settle(events);
      const aside = await disk.exchange('aside', { type: 'headers' });
      const topic = await disk.run(disk.store.topic('one'));
      syncs.hold();
      if (what === 'a backfill') {
        await disk.run(events.unbind('one', { pattern: '#' }));
        await disk.publishEach(events, numbered(3));
        await disk.run(events.bind('one', { pattern: 'key' }, { from: 1 }));
        await disk.publishEach(events, ['live']);
      } else {
        await disk.publishEach(events, numbered(4));
        await disk.run(disk.store.deleteExchange('events'));
      }
      await disk.turns(50);
      journal.hold();
      // What comes behind an entry of that size waits for its write.
      const binding = aside.bind('one', { headers: { name: 'x'.repeat(SYNC_WRITE_BYTES_MAX) } });
      await disk.turns(10);
      expect(journal.waiting).not.toEqual([]);
      syncs.release();
      await disk.turns(50);
      const trimming = topic.deleteBefore({ partition: 0, offset: 5 });
      await disk.turns(50);
      journal.release();
      await disk.run(Promise.all([binding, trimming]));
      expect(await disk.values('one')).toEqual([]);
      await disk.close();
    },
  );

  it.each(['earliest', undefined] as const)(
    'hold back no record that stands in a log while they name it for the first time, from %s',
    async (from) => {
      const { disk } = await bench();
      await disk.close();
      const journal = new HeldSyncs(disk.disk.fileSystem, '/journal/');
      await disk.open();
      const events = await disk.exchange('events');
      await disk.publishEach(events, numbered(3));
      const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
      for (const value of ['a', 'b']) await disk.run(topic.append({ value }));
      await disk.run(events.bind('one', { pattern: '#' }, { from }).then(() => journal.hold()));
      if (from === undefined) await disk.publishEach(events, numbered(3));
      await disk.turns(20);
      expect(journal.waiting).not.toEqual([]);
      await disk.run(topic.append({ value: 'c' }));
      const deleting = topic.deleteBefore({ partition: 0, offset: 3 });
      await disk.turns(20);
      journal.release();
      await disk.run(deleting);
      await disk.until(async () => (await disk.values('one')).length === 3);
      disk.disk.cutPower();
      await disk.open();
      await disk.settle(await disk.exchange('events'));
      expect(await disk.values('one')).toEqual([...numbered(3), 'settle']);
      await disk.close();
    },
  );

  it('do not forget a log to which something leads again', async () => {
    const { disk, events, exchangeId } = await bench('one');
    const { topicId } = disk.store.describeTopic('one');
    await disk.settle(events);
    await disk.run(events.unbind('one', { pattern: '#' }));
    const [projection] = disk.store.projector.streamsOf(exchangeId);
    await disk.until(() => projection?.outlets.of(topicId).length === 0);
    await disk.run(events.bind('one', { pattern: '#' }));
    await disk.settle(events);
    await disk.step(1000);
    const { logs } = stateOf(disk, exchangeId);
    await disk.settle(events);
    disk.disk.kill();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    expect(await disk.values('one')).toEqual(['settle', 'settle', 'settle', 'settle']);
    expect([...logs.values()]).toMatchObject([{ topicId }]);
    await disk.close();
  });

  it('forget a topic that is gone; one that takes its name begins anew', async () => {
    const { disk, events, exchangeId } = await bench('one', 'two');
    await disk.settle(events);
    await disk.step(1000);
    expect(stateOf(disk, exchangeId).logs.size).toBe(2);
    await disk.run(disk.store.deleteTopic('one'));
    await disk.bound(events, 'one');
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle']);
    expect(await disk.values('two')).toEqual(['settle', 'settle']);
    for (let second = 0; second < 3; second++) await disk.step(1000);
    const { topicId } = disk.store.describeTopic('one');
    const two = disk.store.describeTopic('two').topicId;
    const topicIds = [...stateOf(disk, exchangeId).logs.values()].map((mark) => mark.topicId);
    expect(new Set(topicIds)).toEqual(new Set([topicId, two]));
    expect(topicIds.length).toBe(2);
    await disk.close();
  });
});

describe('retention of a source', () => {
  const values = numbered(40).map((value) => value.padEnd(10_000, '.'));

  const problemOf = (disk: RoutingDisk) =>
    disk.store.health().problems.find(({ code }) => code === 'source-held');

  /** Retention wanted records of the source that `one` has not got, for its disk is full. */
  async function heldBench() {
    const { disk, events, exchangeId } = await bench('one', 'two');
    await disk.settle(events);
    await disk.run(
      disk.store.alterTopic('exchange:events', { retentionBytes: 65_536, segmentBytesMax: 65_536 }),
    );
    const path = disk.filesOf('one');
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.publishEach(events, values);
    await disk.until(() => problemOf(disk) !== undefined);
    return { disk, events, exchangeId, fileSystem };
  }

  it('waits for a destination that is behind, and names it', async () => {
    const { disk, events, exchangeId, fileSystem } = await heldBench();
    expect(problemOf(disk)?.message).toContain('partition 0 of one');
    expect(lowestPosition(stateOf(disk, exchangeId))).toBe(1);
    fileSystem.clearFaults();
    await disk.until(async () => (await disk.values('one')).length === 41);
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle', ...values, 'settle']);
    await disk.step(RETENTION_CHECK_MS); // The next look at retention.
    expect(disk.store.health().problems).toEqual([]);
    const source = await disk.values('exchange:events');
    expect(source.length).toBeLessThan(42); // It could let go.
    await disk.close();
  });

  it('is not said to wait any more when the destination has caught up', async () => {
    const { disk, fileSystem } = await heldBench();
    fileSystem.clearFaults();
    const startMs = disk.disk.clock.monotonic();
    await disk.until(async () => (await disk.values('one')).length === 41);
    expect(problemOf(disk)?.message).toContain('partition 0 of one'); // No mark says otherwise yet.
    await disk.step(1000);
    expect(disk.store.health().problems).toEqual([]);
    expect(disk.disk.clock.monotonic() - startMs).toBeLessThan(RETENTION_CHECK_MS);
    await disk.close();
  });

  it('is not said to wait any more when the destination was let off', async () => {
    const { disk, events } = await heldBench();
    await disk.step(1000);
    expect(problemOf(disk)?.message).toContain('partition 0 of one');
    const startMs = disk.disk.clock.monotonic();
    expect(await disk.run(events.detach('one'))).toBe(40);
    expect(problemOf(disk)).toBeUndefined();
    expect(disk.disk.clock.monotonic() - startMs).toBeLessThan(1000);
    await disk.close();
  });
});
