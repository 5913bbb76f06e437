import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';

function options() {
  return {
    fileSystem: new MemoryFileSystem(),
    clock: new ManualClock(1_000_000),
    random: new SeededRandom(1),
  };
}

async function valuesOf(store: Awaited<ReturnType<typeof openStore>>, name: string) {
  const topic = await store.topic(name, { codec: utf8 });
  const values: (string | null)[] = [];
  for await (const batch of topic.batches()) for (const record of batch) values.push(record.value);
  return values;
}

describe('an exchange', () => {
  it('sends each record to the destinations whose bindings match', async () => {
    const shared = options();
    const store = await openStore('/store', shared);
    await store.topic('one');
    await store.topic('two', { durability: 'os' });
    const events = await store.exchange('events', { type: 'topic', codec: utf8 });
    await events.bind('one', { pattern: 'a.*' });
    await events.bind('two', { pattern: '#' });
    const first = await events.publish('x', { routingKey: 'a.b' });
    expect(first).toMatchObject({ offset: 0, destinations: ['one', 'two'] });
    await events.publish('y', { routingKey: 'b' });
    await events.publish('z', { routingKey: 'a.c', confirm: 'routed' });
    expect(await valuesOf(store, 'one')).toEqual(['x', 'z']);
    expect(await valuesOf(store, 'two')).toEqual(['x', 'y', 'z']);
    await store.close();
    const again = await openStore('/store', shared);
    const more = await again.exchange('events', { codec: utf8 });
    await more.publish('w', { routingKey: 'a.d', confirm: 'routed' });
    expect(await valuesOf(again, 'one')).toEqual(['x', 'z', 'w']);
    await again.close();
  });

  it('tells of a binding by names, as it lists it, also when it was there already', async () => {
    const store = await openStore('/store', options());
    await store.topic('one');
    await (await store.queue('two')).close();
    const events = await store.exchange('events', { type: 'headers' });
    await store.exchange('more', { type: 'fanout' });
    const headers = { h: 'x', 'x-match': 'any' as const };
    const bound = [
      await events.bind('one', { pattern: 'a.*' }),
      await events.bind('two', { headers }),
      await events.bind({ exchange: 'more' }),
    ];
    expect(bound).toMatchObject([
      { exchange: 'events', destination: { topic: 'one' }, pattern: 'a.*' },
      { exchange: 'events', destination: { queue: 'two' }, pattern: '', headers },
      { exchange: 'events', destination: { exchange: 'more' }, pattern: '' },
    ]);
    const listed = events.bindings();
    expect(listed).toHaveLength(3);
    expect(listed).toEqual(expect.arrayContaining(bound));
    expect(await events.bind('two', { headers })).toEqual(bound[1]);
    await store.close();
  });
});
