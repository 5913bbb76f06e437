import { describe, expect, it } from 'vitest';
import { OPEN_PARTITIONS_MAX } from '../../../src/core/limits.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const MANY = OPEN_PARTITIONS_MAX + 20;

describe('more destinations than logs are kept open', () => {
  it('get all, and their logs are closed again', async () => {
    const disk = await RoutingDisk.make();
    const events = await disk.exchange('events', { type: 'fanout' });
    const names = numbered(MANY, 'topic');
    for (const name of names) {
      await disk.run(disk.store.topic(name));
      await disk.run(events.bind(name));
    }
    await disk.publishEach(events, numbered(5));
    const { destinations } = await disk.run(events.publish('last', { confirm: 'routed' }));
    expect(destinations.length).toBe(MANY);
    for (let second = 0; second < 5; second++) await disk.step(1000);
    const { openPartitionCount } = disk.store.stats();
    expect(openPartitionCount).toBeLessThanOrEqual(OPEN_PARTITIONS_MAX);
    for (const name of names) expect(await disk.values(name)).toEqual([...numbered(5), 'last']);
    expect(disk.store.health().problems).toEqual([]);
    disk.disk.cutPower();
    await disk.open();
    const again = await disk.exchange('events');
    await disk.run(again.publish('after', { confirm: 'routed' }));
    expect(await disk.values(names.at(-1) ?? '')).toEqual([...numbered(5), 'last', 'after']);
    await disk.close();
    expect(disk.disk.fileSystem.openFileCount).toBe(0);
    expect(disk.disk.clock.pendingTimerCount).toBe(0);
  }, 60_000);
});

describe('more exchanges than logs are kept open', () => {
  it('bring all they got into one topic, each in its order, after a close at once too', async () => {
    const disk = await RoutingDisk.make();
    await disk.run(disk.store.topic('one'));
    const exchanges: Exchange<string>[] = [];
    for (const name of numbered(MANY, 'exchange')) {
      const exchange = await disk.exchange(name, { type: 'fanout' });
      await disk.run(exchange.bind('one'));
      exchanges.push(exchange);
    }
    const publish = (value: string) =>
      disk.run(
        Promise.all(exchanges.map((exchange) => exchange.publish(`${exchange.name} ${value}`))),
      );
    for (const value of numbered(3, '')) await publish(value);
    await disk.close();
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 3 * MANY);
    const values = await disk.values('one');
    for (const name of numbered(MANY, 'exchange')) {
      const own = values.filter((value) => value?.startsWith(`${name} `));
      expect(own).toEqual(numbered(3, '').map((value) => `${name} ${value}`));
    }
    for (let second = 0; second < 5; second++) await disk.step(1000);
    const { openPartitionCount } = disk.store.stats();
    expect(openPartitionCount).toBeLessThanOrEqual(OPEN_PARTITIONS_MAX);
    await disk.close();
    expect(disk.disk.fileSystem.openFileCount).toBe(0);
    expect(disk.disk.clock.pendingTimerCount).toBe(0);
  }, 60_000);
});
