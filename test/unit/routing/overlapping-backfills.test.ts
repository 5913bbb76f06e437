/** Bindings with a past that lead to one destination: each record is there once. */
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const PAST = { from: 'earliest' } as const;
const KEYS = ['a.b', 'b', 'a.c', 'c.b'];

async function bench(...topics: readonly string[]) {
  const disk = await RoutingDisk.make();
  for (const topic of topics) await disk.run(disk.store.topic(topic));
  const events = await disk.exchange('events', { type: 'topic' });
  return { disk, events, ...events.describe() };
}

async function publishKeys(disk: RoutingDisk, exchange: Exchange<string>, keys: readonly string[]) {
  for (const routingKey of keys) await disk.run(exchange.publish(routingKey, { routingKey }));
}

/** When nothing is on its way any more. */
async function valuesAtRest(disk: RoutingDisk, topic: string): Promise<string[]> {
  await disk.until(() => backfillCount(disk) === 0);
  await disk.step(2000);
  return sorted(await disk.values(topic));
}

function backfillCount(disk: RoutingDisk): number {
  return disk.store
    .exchanges()
    .flatMap(({ exchangeId }) => disk.store.projector.streamsOf(exchangeId))
    .filter(({ bindingId }) => bindingId !== null).length;
}

function sorted(values: readonly (string | null)[]): string[] {
  return values.map(String).toSorted((one, two) => (one < two ? -1 : 1));
}

describe('backfills that overlap', () => {
  it('give each record once', async () => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: 'a.*' }, PAST));
    await disk.run(events.bind('one', { pattern: '#' }, PAST));
    await disk.run(events.bind('one', { pattern: '*.b' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(KEYS));
    await disk.close();
  });

  it('give what an earlier one did not begin early enough for', async () => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: '#' }, { from: 3 }));
    await publishKeys(disk, events, ['x']);
    await disk.run(events.bind('one', { pattern: 'a.*' }, { from: 1 }));
    expect(await valuesAtRest(disk, 'one')).toEqual(['a.c', 'c.b', 'x']);
    await disk.run(events.bind('one', { pattern: '*.*' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(['a.b', 'a.c', 'c.b', 'x']);
    await disk.close();
  });

  it('leave out what was given to a binding that is gone', async () => {
    const { disk, events } = await bench('one');
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind('one', { pattern: 'a.*' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(['a.b', 'a.c']);
    await disk.run(events.unbind('one', { pattern: 'a.*' }));
    await publishKeys(disk, events, ['a.z', 'z']);
    await disk.close();
    await disk.open();
    const again = await disk.exchange('events');
    await disk.run(again.bind('one', { pattern: 'a.*' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(['a.b', 'a.c', 'a.z']);
    await disk.run(again.bind('one', { pattern: '#' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted([...KEYS, 'a.z', 'z']));
    await disk.close();
  });

  it('may go through other exchanges, and the alternate', async () => {
    const { disk, events } = await bench('one');
    const between = await disk.exchange('between', { type: 'direct' });
    const rest = await disk.exchange('rest', { type: 'fanout' });
    await disk.run(events.setAlternate('rest'));
    await disk.run(between.bind('one', { pattern: 'a.b' }));
    await publishKeys(disk, events, KEYS);
    await disk.run(events.bind({ exchange: 'between' }, { pattern: 'a.*' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(['a.b']);
    await disk.run(rest.bind('one', {}, PAST)); // All of it took this way then.
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(KEYS));
    await disk.run(events.bind('one', { pattern: '#' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(KEYS));
    await disk.close();
  });

  it('of several sources give what each has', async () => {
    const { disk, events } = await bench('one');
    const other = await disk.exchange('other', { type: 'fanout' });
    await disk.run(other.bind({ exchange: 'events' }));
    await publishKeys(disk, other, ['other.1', 'other.2']);
    await publishKeys(disk, events, ['own.1', 'own.2']);
    await disk.run(events.bind('one', { pattern: '*.1' }, PAST));
    await disk.run(other.bind('one', {}, PAST));
    await disk.run(events.bind('one', { pattern: '#' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(['other.1', 'other.2', 'own.1', 'own.2']);
    await disk.close();
  });

  it('give what one that was cut did not', async () => {
    const { disk, events, reads } = await heldBench(40);
    await disk.run(events.unbind('one', { pattern: '#' }));
    reads.release();
    await disk.until(() => backfillCount(disk) === 0);
    await disk.step(2000);
    expect((await disk.values('one')).length).toBeLessThan(40);
    await disk.run(events.bind('one', { pattern: 'key' }, PAST));
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(numbered(40)));
    await disk.close();
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 8, 11])(
    'give what one that was cut did not, also after power cuts %d turns on',
    async (turns) => {
      const { disk, events } = await bench();
      await disk.run(disk.store.topic('wide', { partitions: 3 }));
      await disk.publishEach(events, numbered(500));
      await disk.run(events.bind('wide', { pattern: '#' }, PAST));
      const unbound = events.unbind('wide', { pattern: '#' });
      const bound = events.bind('wide', { pattern: 'key' }, PAST);
      await disk.run(Promise.all([unbound, bound]));
      await disk.turns(turns);
      disk.disk.cutPower();
      await disk.open();
      const again = await disk.exchange('events');
      await disk.run(again.unbind('wide', { pattern: 'key' }));
      await disk.run(again.bind('wide', { pattern: '*' }, PAST));
      await disk.turns(turns);
      disk.disk.cutPower();
      await disk.open();
      expect(await valuesAtRest(disk, 'wide')).toEqual(sorted(numbered(500)));
      await disk.close();
    },
  );

  it('wait for an earlier one to the same destination, and for no other', async () => {
    const { disk, events, reads } = await heldBench(30);
    await disk.run(disk.store.topic('two'));
    await disk.run(events.bind('one', { pattern: 'key' }, PAST));
    await disk.run(events.bind('two', { pattern: '#' }, PAST));
    await disk.until(async () => (await disk.values('two')).length === 30);
    expect(backfillCount(disk)).toBe(2);
    expect((await disk.run(events.stats())).backfills).toHaveLength(2);
    reads.release();
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(numbered(30)));
    await disk.close();
  });

  it('wait also when the exchange is deleted meanwhile, and its source goes then', async () => {
    const { disk, events, reads, exchangeId } = await heldBench(30);
    await disk.run(events.bind('one', { pattern: 'key' }, PAST));
    await disk.run(disk.store.deleteExchange('events'));
    await disk.step(3000);
    reads.release();
    await disk.until(() => disk.store.projector.streamsOf(exchangeId).length === 0);
    await disk.step(2000);
    expect(sorted(await disk.values('one'))).toEqual(sorted(numbered(30)));
    expect(disk.store.exchangeCatalog.sources.left()).toEqual([]);
    await disk.close();
  });
});

describe('a backfill that is cut while its log cannot be read', () => {
  /** What of it is in the log is known to the log alone. */
  async function unreadable(turns: number) {
    const { disk, events } = await bench('one');
    await disk.publishEach(events, numbered(500));
    await disk.run(events.bind('one', { pattern: '#' }, PAST));
    await disk.turns(turns);
    disk.disk.cutPower();
    const { fileSystem: files } = disk.disk;
    files.addFault({ errno: 'EIO', operations: ['open'], path: /topics.one-/, times: Infinity });
    await disk.open();
    const again = await disk.exchange('events');
    await disk.run(again.unbind('one', { pattern: '#' }));
    return { disk, events: again, files };
  }

  async function boundAgain(turns: number) {
    const { disk, events, files } = await unreadable(turns);
    await disk.run(events.bind('one', { pattern: 'key' }, PAST));
    await disk.step(30_000);
    expect(backfillCount(disk)).toBe(2);
    return { disk, events, files };
  }

  it('goes no further after a crash', async () => {
    const { disk } = await unreadable(3);
    await disk.step(30_000);
    expect(backfillCount(disk)).toBe(1);
    disk.disk.kill();
    await disk.open();
    const given = await valuesAtRest(disk, 'one');
    expect(given.length).toBeLessThan(500);
    await disk.close();
  });

  it.each([0, 1, 3, 5])('ends when it can tell how far it came (%d)', async (turns) => {
    const { disk, files } = await boundAgain(turns);
    files.clearFaults();
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted(numbered(500)));
    await disk.close();
  });

  it('ends when the destination is let off, and nothing is there twice', async () => {
    const { disk, events, files } = await boundAgain(3);
    await disk.run(events.detach('one'));
    await disk.until(() => backfillCount(disk) === 0); // What it may hold nobody gives again.
    files.clearFaults();
    const values = await valuesAtRest(disk, 'one');
    expect(values).toEqual([...new Set(values)]);
    await disk.run(events.publish('late', { routingKey: 'key', confirm: 'routed' }));
    expect(await valuesAtRest(disk, 'one')).toEqual(sorted([...values, 'late']));
    await disk.close();
  });

  it('ends when the destination is deleted', async () => {
    const { disk, files } = await boundAgain(3);
    files.clearFaults();
    await disk.run(disk.store.deleteTopic('one'));
    await disk.until(() => backfillCount(disk) === 0);
    expect(disk.store.health().problems).toEqual([]);
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
  await disk.run(events.bind('one', { pattern: '#' }, PAST));
  await disk.turns(50);
  return { disk, events, reads, ...events.describe() };
}
