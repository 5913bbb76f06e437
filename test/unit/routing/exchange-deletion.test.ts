import { describe, expect, it } from 'vitest';
import { HeldReads } from '../../support/held-reads.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

/** An exchange with records for a topic that cannot be opened yet. */
async function held(count: number) {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  await disk.bound(first, 'one', 'two');
  await disk.close();
  const reads = new HeldReads(disk.disk.fileSystem, 'topics/one-');
  await disk.open();
  reads.hold();
  const events = await disk.exchange('events');
  await disk.publishEach(events, numbered(count));
  return { disk, events, reads };
}

const sourcesOf = (disk: RoutingDisk): string[] =>
  disk.store.topics().flatMap(({ name }) => (name.startsWith('exchange:') ? [name] : []));

describe('deleting an exchange', () => {
  it('leaves what was published its way, then its source goes', async () => {
    const { disk, reads } = await held(20);
    await disk.run(disk.store.deleteExchange('events'));
    await disk.step(1000);
    expect(disk.store.exchanges()).toEqual([]);
    expect(sourcesOf(disk)).toEqual(['exchange:events']);
    reads.release();
    await disk.until(() => sourcesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(20));
    expect(await disk.values('two')).toEqual(numbered(20));
    expect(disk.store.health().problems).toEqual([]);
    await disk.close();
  });

  it('lets another one have its name when nothing is left of it, and not before', async () => {
    const { disk, reads } = await held(5);
    await disk.run(disk.store.deleteExchange('events'));
    const early = disk.run(disk.store.exchange('events', { type: 'fanout' }));
    await expect(early).rejects.toMatchObject({ name: 'ConflictError' });
    const waiting = disk.exchange('events', { type: 'fanout' });
    reads.release();
    const again = await waiting;
    await disk.run(again.bind('two'));
    await disk.run(again.publish('anew', { confirm: 'routed' }));
    expect(await disk.values('two')).toEqual([...numbered(5), 'anew']);
    expect(await disk.values('one')).toEqual(numbered(5));
    await disk.close();
  });

  it('leaves its handles nothing to do, also when another one has the name', async () => {
    const { disk, events, reads } = await held(1);
    reads.release();
    await disk.run(disk.store.deleteExchange('events'));
    const again = await disk.exchange('events', { type: 'direct' });
    const closed = { name: 'ClosedError' };
    await expect(disk.run(events.publish('late'))).rejects.toMatchObject(closed);
    await expect(events.bind('two', { pattern: 'late' })).rejects.toMatchObject(closed);
    await expect(events.unbind('two')).rejects.toMatchObject(closed);
    await expect(events.setAlternate(null)).rejects.toMatchObject(closed);
    for (const ask of [
      () => events.describe(),
      () => events.bindings(),
      () => events.explain('key'),
      () => events.simulate(),
    ]) {
      expect(ask).toThrow(expect.objectContaining(closed));
    }
    expect(again.bindings()).toEqual([]);
    await disk.close();
  });

  it.each([0, 1, 2, 4, 8, 16])('is brought to its end after a crash %d turns on', async (turns) => {
    const { disk, reads } = await held(20);
    await disk.run(disk.store.deleteExchange('events'));
    reads.release();
    await disk.turns(turns);
    disk.disk.cutPower();
    await disk.open();
    await disk.until(() => sourcesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(20));
    expect(await disk.values('two')).toEqual(numbered(20));
    await disk.close();
  });

  it('has the next opening delete its source, when the machine stopped before that', async () => {
    const disk = await RoutingDisk.make();
    const first = await disk.exchange('events', { type: 'topic' });
    await disk.bound(first, 'one');
    await disk.close();
    const copies = new HeldSyncs(disk.disk.fileSystem, 'topics/one-');
    const journal = new HeldSyncs(disk.disk.fileSystem, 'journal/0');
    await disk.open();
    const events = await disk.exchange('events');
    const { exchangeId } = events.describe();
    copies.hold();
    await disk.publishEach(events, numbered(5));
    await disk.run(disk.store.deleteExchange('events'));
    copies.release();
    const { projector, exchangeCatalog } = disk.store;
    do {
      journal.release();
      journal.hold();
      await disk.until(() => journal.waiting.length > 0);
    } while (projector.streamsOf(exchangeId).length > 0); // Until it says that all is projected.
    expect(exchangeCatalog.sources.left()).toEqual([exchangeId]);
    disk.disk.kill();
    await disk.open();
    await disk.until(() => sourcesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(5));
    await disk.close();
  });

  it('does not keep a store from being closed while a destination cannot take records', async () => {
    const { disk, reads } = await held(5);
    await disk.run(disk.store.deleteExchange('events'));
    await disk.step(1000);
    const closing = disk.store.close();
    await disk.turns(50);
    reads.release();
    await disk.run(closing);
    await disk.open();
    await disk.until(() => sourcesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(5));
    await disk.close();
  });

  it('leaves no timer for a destination that was tried again and again, and is gone', async () => {
    const { disk, events, reads } = await held(1);
    reads.release();
    await disk.settle(events);
    const path = disk.filesOf('one');
    disk.disk.fileSystem.addFault({
      errno: 'ENOSPC',
      operations: ['write'],
      path,
      times: Infinity,
    });
    await disk.publishEach(events, numbered(3));
    await disk.step(5000); // By then it is tried every few seconds alone.
    expect(disk.store.health().problems).not.toEqual([]);
    await disk.run(disk.store.deleteTopic('one'));
    await disk.run(disk.store.deleteExchange('events'));
    await disk.until(() => sourcesOf(disk).length === 0);
    await disk.close();
    expect(disk.disk.clock.pendingTimerCount).toBe(0);
  });

  it('goes by itself with the last binding, when that is asked for', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic', autoDelete: true });
    await disk.bound(events, 'one');
    await disk.publishEach(events, numbered(3));
    await disk.run(events.unbind('one', { pattern: '#' }));
    expect(disk.store.exchanges()).toEqual([]);
    await expect(disk.run(events.publish('late'))).rejects.toMatchObject({ name: 'ClosedError' });
    await disk.until(() => sourcesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(3));
    await disk.close();
  });
});

describe('records that no binding matches', () => {
  it('go to the alternate, and on from there, through cycles too, once to each', async () => {
    const disk = await RoutingDisk.make();
    for (const name of ['main', 'rest', 'lost']) await disk.run(disk.store.topic(name));
    const last = await disk.exchange('last', { type: 'fanout' });
    const second = await disk.exchange('second', { type: 'direct', alternate: 'last' });
    const first = await disk.exchange('first', { type: 'direct', alternate: 'second' });
    await disk.run(first.bind('main', { pattern: 'a' }));
    await disk.run(second.bind('rest', { pattern: 'b' }));
    await disk.run(last.bind('lost'));
    await disk.run(last.bind({ exchange: 'first' }));
    for (const routingKey of ['a', 'b', 'c'])
      await disk.run(first.publish(routingKey, { routingKey }));
    const ending = await disk.run(first.publish('end', { routingKey: 'z', confirm: 'routed' }));
    expect(ending.destinations).toEqual(['lost']);
    expect(await disk.values('main')).toEqual(['a']);
    expect(await disk.values('rest')).toEqual(['b']);
    expect(await disk.values('lost')).toEqual(['c', 'end']);
    await disk.close();
  });
});

describe('changes of the topology', () => {
  it('count for what is published after them in the same turn, and for nothing before', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'one');
    await disk.run(disk.store.topic('two'));
    await disk.settle(events);
    const told: Promise<readonly string[]>[] = [];
    const publish = (value: string): void => {
      told.push(events.publish(value).then(({ destinations }) => destinations));
    };
    for (let round = 0; round < 10; round++) {
      publish(`before ${round}`);
      const binding = events.bind('two', { pattern: '#' });
      publish(`meanwhile ${round}`);
      await disk.run(binding);
      publish(`bound ${round}`);
      const unbinding = events.unbind('two', { pattern: '#' });
      publish(`still ${round}`);
      await disk.run(unbinding);
      publish(`after ${round}`);
    }
    const destinations = await disk.run(Promise.all(told));
    await disk.settle(events);
    const source = await disk.values('exchange:events');
    const values = source.filter((value) => value !== 'settle');
    const expected = values.filter((_, at) => destinations[at]?.includes('two'));
    await disk.until(async () => (await disk.values('two')).length >= expected.length);
    expect(await disk.values('two')).toEqual(expected);
    for (let round = 0; round < 10; round++) {
      expect(expected).toContain(`bound ${round}`);
      expect(expected).not.toContain(`after ${round}`);
      expect(expected).not.toContain(`before ${round}`);
    }
    expect(await disk.values('one')).toEqual(source);
    await disk.close();
  });

  it('count for what is published behind them, also while what came before waits to be written', async () => {
    const disk = await RoutingDisk.make();
    const first = await disk.exchange('events', { type: 'topic' });
    await disk.bound(first, 'one');
    await disk.run(disk.store.topic('two'));
    await disk.close();
    const writes = new HeldWrites(disk.disk.fileSystem, 'topics/exchange');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    writes.hold();
    const large = events.publish('large'.padEnd(1_000_000, '.'));
    await disk.until(() => writes.waiting.length > 0);
    const before = events.publish('before');
    await disk.run(events.bind('two', { pattern: '#' }));
    const after = events.publish('after'); // One batch with the one before, but for the version.
    writes.release();
    await disk.run(Promise.all([large, before, after]));
    await disk.settle(events);
    expect(await disk.values('two')).toEqual(['after', 'settle']);
    await disk.close();
  });

  it('bring a topic nothing that was on its way to one of its name before', async () => {
    const disk = await RoutingDisk.make();
    const first = await disk.exchange('events', { type: 'topic' });
    await disk.bound(first, 'one', 'two');
    await disk.close();
    const syncs = new HeldSyncs(disk.disk.fileSystem, 'topics/exchange');
    await disk.open();
    const events = await disk.exchange('events');
    syncs.hold(); // Nothing is copied of what is not durable.
    for (const value of numbered(5)) await disk.run(events.publish(value, { durability: 'os' }));
    await disk.run(disk.store.deleteTopic('one'));
    await disk.bound(events, 'one');
    syncs.release();
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle']);
    expect(await disk.values('two')).toEqual([...numbered(5), 'settle']);
    await disk.close();
  });

  it('say where keyless copies go when a topic has grown: by the version, after a crash too', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'topic' });
    await disk.bound(events, 'one');
    await disk.publishEach(events, numbered(4, 'small'));
    await disk.run(disk.store.addPartitions('one', 3));
    await disk.publishEach(events, numbered(9, 'large'));
    disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    const topic = await disk.run(disk.store.topic('one'));
    const places = new Map<string, number>();
    const read = async (): Promise<void> => {
      for await (const { value, partition } of topic.records()) {
        places.set(Buffer.from(value ?? []).toString(), partition);
      }
    };
    await disk.run(read());
    expect(places.size).toBe(14);
    for (const value of numbered(4, 'small')) expect(places.get(value)).toBe(0);
    for (const [at, value] of numbered(9, 'large').entries()) {
      expect(places.get(value)).toBe((4 + at) % 3);
    }
    await disk.close();
  });
});
