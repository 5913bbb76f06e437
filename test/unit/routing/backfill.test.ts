import { describe, expect, it } from 'vitest';
import type { ReadFrom } from '../../../src/log/read-options.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function bench(...topics: readonly string[]) {
  const disk = await RoutingDisk.make();
  for (const topic of topics) await disk.run(disk.store.topic(topic));
  const events = await disk.exchange('events', { type: 'topic' });
  return { disk, events, ...events.describe() };
}

async function publishKeys(disk: RoutingDisk, exchange: Exchange<string>, keys: readonly string[]) {
  for (const routingKey of keys) await disk.run(exchange.publish(routingKey, { routingKey }));
}

async function expectValues(
  disk: RoutingDisk,
  topic: string,
  values: readonly string[],
): Promise<void> {
  await disk.until(async () => (await disk.values(topic)).length >= values.length);
  await disk.step(2000);
  expect(await disk.values(topic)).toEqual(values);
}

const KEYS = ['a.b', 'b', 'a.c', 'c.d', 'a', 'a.b'];

describe('a binding with a past', () => {
  it('gets all of it that matches, from the first record on', async () => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: 'a.*' }, { from: 'earliest' }));
    await publishKeys(disk, events, ['a.z', 'z']);
    await disk.until(async () => (await disk.values('one')).length === 4);
    // In order within the past, and within what follows.
    const values = await disk.values('one');
    expect(values.filter((value) => value !== 'a.z')).toEqual(['a.b', 'a.c', 'a.b']);
    expect(values).toContain('a.z');
    await disk.close();
  });

  it.each<readonly [ReadFrom, readonly string[]]>([
    [2, ['a.c', 'a.b']],
    [5, ['a.b']],
    [6, []],
    [{ last: 2 }, ['a.b']],
    ['latest', []],
  ])('begins at %j', async (from, values) => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: 'a.*' }, { from }));
    await expectValues(disk, 'one', values);
    await disk.close();
  });

  it('begins at a time', async () => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, ['a.1', 'a.2']);
    disk.disk.clock.advance(60_000);
    const timestamp = disk.disk.clock.now();
    await publishKeys(disk, events, ['a.3', 'b']);
    await disk.run(events.bind('one', { pattern: 'a.*' }, { from: { timestamp } }));
    await expectValues(disk, 'one', ['a.3']);
    await disk.close();
  });

  it('may be of a direct exchange, of one by headers, and of one that others lead to', async () => {
    const { disk, events } = await bench('one', 'two', 'three');
    const direct = await disk.exchange('direct', { type: 'direct' });
    const headers = await disk.exchange('headers', { type: 'headers' });
    await disk.run(events.bind({ exchange: 'direct' }, { pattern: '#' }));
    await disk.run(direct.publish('early', { routingKey: 'a.b' }));
    await publishKeys(disk, events, KEYS);
    for (const kind of ['x', 'y', 'x'])
      await disk.run(headers.publish(kind, { headers: { kind } }));
    const past = { from: 'earliest' } as const;
    await disk.run(direct.bind('one', { pattern: 'a.b' }, past));
    await disk.run(headers.bind('two', { headers: { kind: 'x', 'x-match': 'all' } }, past));
    await disk.until(async () => (await disk.values('one')).length === 3);
    expect(sorted(await disk.values('one'))).toEqual(['a.b', 'a.b', 'early']);
    await expectValues(disk, 'two', ['x', 'x']);
    await disk.close();
  });

  it('brings nothing that came by another binding of the topic', async () => {
    const { disk, events } = await bench('one');
    await disk.run(events.bind('one', { pattern: 'a.*' }));
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: '#' }, { from: 'earliest' }));
    await disk.settle(events);
    await disk.until(async () => (await disk.values('one')).length === 7);
    await disk.step(3000);
    expect(sorted(await disk.values('one'))).toEqual(sorted([...KEYS, 'settle']));
    await disk.close();
  });

  it('goes on while records are published, and ends', async () => {
    const { disk, events, exchangeId } = await bench('one');
    await disk.publishEach(events, numbered(100, 'early'));
    const binding = events.bind('one', { pattern: '#' }, { from: 'earliest' });
    const late = numbered(100, 'late').map((value) => events.publish(value));
    await disk.run(Promise.all([binding, ...late]));
    await disk.publishEach(events, numbered(50, 'later'));
    await disk.until(async () => (await disk.values('one')).length === 250);
    await disk.step(3000);
    const values = await disk.values('one');
    expect(new Set(values).size).toBe(250);
    for (const prefix of ['early', 'late ', 'later']) {
      const own = values.filter((value) => value?.startsWith(prefix));
      expect(own).toEqual(own.toSorted((one, two) => numberOf(one) - numberOf(two)));
    }
    expect(streamsOf(disk, exchangeId)).toBe(1);
    await disk.close();
  });

  it.each([0, 2, 4, 6, 9, 14])('is brought to its end after a crash %d turns on', async (turns) => {
    const { disk, events, exchangeId } = await bench('one');
    await disk.publishEach(events, numbered(200));
    await disk.run(events.bind('one', { pattern: '#' }, { from: 'earliest' }));
    await disk.turns(turns);
    disk.disk.cutPower();
    await disk.open();
    await expectValues(disk, 'one', numbered(200));
    expect(streamsOf(disk, exchangeId)).toBe(1);
    await disk.close();
  });

  it.each([0, 1, 3, 5, 8])('is brought to its end after a close %d turns on', async (turns) => {
    const { disk, events } = await bench('one');
    await disk.publishEach(events, numbered(200));
    await disk.run(events.bind('one', { pattern: '#' }, { from: 'earliest' }));
    await disk.turns(turns);
    await disk.close();
    await disk.open();
    await expectValues(disk, 'one', numbered(200));
    await disk.close();
  });

  it('reaches its end though the exchange is deleted meanwhile', async () => {
    const { disk, reads, events, exchangeId } = await heldBench(50);
    await disk.run(disk.store.deleteExchange('events'));
    await disk.step(3000);
    reads.release();
    await expectValues(disk, 'one', numbered(50));
    expect(events.name).toBe('events');
    await disk.until(() => streamsOf(disk, exchangeId) === 0);
    await disk.close();
  });

  it('ends where it is when the binding is taken away', async () => {
    const { disk, reads, events, exchangeId } = await heldBench(50);
    expect(streamsOf(disk, exchangeId)).toBe(2);
    expect(await disk.run(events.unbind('one', { pattern: '#' }))).toBe(true);
    reads.release();
    await disk.until(() => streamsOf(disk, exchangeId) === 1);
    await disk.step(3000);
    const { length } = await disk.values('one');
    expect(length).toBeLessThan(50);
    await disk.run(events.bind('one', { pattern: '#' }));
    await disk.settle(events);
    expect((await disk.values('one')).length).toBe(length + 1);
    await disk.close();
  });

  it('ends when its topic is deleted meanwhile', async () => {
    const { disk, reads, events, exchangeId } = await heldBench(50);
    const deleting = disk.store.deleteTopic('one');
    await disk.turns(50);
    reads.release();
    await disk.run(deleting);
    await disk.until(() => streamsOf(disk, exchangeId) === 1);
    expect(disk.store.health().problems).toEqual([]);
    await disk.run(events.publish('x', { confirm: 'routed' }));
    await disk.close();
  });
});

/** A backfill into a topic that cannot be opened yet. */
async function heldBench(count: number) {
  const { disk, events: first } = await bench('one');
  await disk.publishEach(first, numbered(count));
  await disk.close();
  const reads = new HeldReads(disk.disk.fileSystem, 'topics/one-');
  await disk.open();
  const events = await disk.exchange('events');
  reads.hold();
  await disk.run(events.bind('one', { pattern: '#' }, { from: 0 }));
  await disk.turns(50);
  return { disk, events, reads, ...events.describe() };
}

function streamsOf(disk: RoutingDisk, exchangeId: number): number {
  return disk.store.projector.streamsOf(exchangeId).length;
}

function numberOf(value: string | null | undefined): number {
  return Number(value?.split(' ')[1]);
}

function sorted(values: readonly (string | null)[]): string[] {
  return values.map(String).toSorted((one, two) => (one < two ? -1 : 1));
}
