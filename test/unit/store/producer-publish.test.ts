/** What producers publish: once in the source, routed when it gets there, through kills and power cuts. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Producer } from '../../../src/store/producer.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

interface Setting {
  readonly disk: RoutingDisk;
  readonly events: Exchange<string>;
  readonly producer: Producer;
}

async function openOn(disk: RoutingDisk): Promise<Setting> {
  const events = await disk.exchange('events', { type: 'topic' });
  return { disk, events, producer: await disk.run(disk.store.producer('p')) };
}

async function setting(): Promise<Setting> {
  const disk = await RoutingDisk.make();
  onTestFinished(() => disk.close().catch(() => undefined));
  return openOn(disk);
}

const KEY = { routingKey: 'key' } as const;
const ROUTED = { ...KEY, confirm: 'routed' } as const;

describe('a producer that publishes', () => {
  test('is in the source once, and in each destination once', async () => {
    const { disk, events, producer } = await setting();
    await disk.bound(events, 'one', 'two');
    await disk.run(events.publish('plain', KEY));
    const options = { ...ROUTED, key: 'k', headers: { h: '1' }, sequence: 0 };
    const first = await disk.run(producer.publish(events, 'x', options));
    expect(first).toEqual({
      duplicate: false,
      sequence: 0,
      offset: 1,
      durability: 'sync',
      destinations: ['one', 'two'],
    });
    const again = await disk.run(producer.publish(events, 'x', options));
    expect(again).toEqual({ ...first, duplicate: true, destinations: [] });
    expect(await disk.run(producer.publish(events, null, ROUTED))).toMatchObject({ sequence: 1 });
    expect(await disk.values('one')).toEqual(['plain', 'x', null]);
    expect(await disk.values('two')).toEqual(['plain', 'x', null]);
    const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
    const copy = await disk.run(topic.read({ partition: 0, offset: 1 }));
    expect(copy).toMatchObject({ key: 'k' });
    expect(copy?.headers?.has('h')).toBe(true);
    expect(await disk.run(producer.last(events))).toEqual({
      sequence: 1,
      resumeFrom: 2,
      partition: 0,
      offset: 2,
    });
  });

  test('goes by the bindings as they are when it is appended, not when it was called', async () => {
    const disk = await RoutingDisk.make();
    onTestFinished(() => disk.close().catch(() => undefined));
    const held = new HeldSyncs(disk.disk.fileSystem, 'exchange');
    const { events, producer } = await openOn(disk);
    await disk.bound(events, 'one', 'two');
    await disk.run(producer.publish(events, 'a', KEY));
    held.hold();
    const on = (sequence: number) =>
      producer.publish(events, String(sequence), { ...KEY, sequence });
    // The second waits for what becomes of the first, and the third for its turn.
    const published = Promise.all([on(1), on(1), on(2)]);
    await disk.turns(5);
    await disk.run(events.unbind('one', { pattern: '#' }));
    held.release();
    const [first, , third] = await disk.run(published);
    expect([first.destinations, third.destinations]).toEqual([['one', 'two'], ['two']]);
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['a', '1']);
    expect(await disk.values('two')).toEqual(['a', '1', '2', 'settle']);
  });

  test('that must go somewhere and does not is refused, and its number is free', async () => {
    const { disk, events, producer } = await setting();
    const refused = producer.publish(events, 'x', { ...KEY, mandatory: true, sequence: 0 });
    await expect(disk.run(refused)).rejects.toMatchObject({ code: 'ERR_VARVE_UNROUTABLE' });
    expect(await disk.run(producer.last(events))).toMatchObject({ sequence: null });
    await disk.bound(events, 'one');
    const taken = await disk.run(producer.publish(events, 'x', { ...ROUTED, mandatory: true }));
    expect(taken).toMatchObject({ duplicate: false, sequence: 0, destinations: ['one'] });
    await disk.run(events.unbind('one', { pattern: '#' }));
    // What is stored goes nowhere again, so nothing is asked of the bindings.
    const again = producer.publish(events, 'x', { ...ROUTED, mandatory: true, sequence: 0 });
    expect(await disk.run(again)).toMatchObject({ duplicate: true });
    expect(await disk.values('one')).toEqual(['x']);
  });

  test('is over with its exchange, and counts anew in another of the name', async () => {
    const { disk, events, producer } = await setting();
    await disk.run(producer.publish(events, 'x', KEY));
    await disk.run(disk.store.deleteExchange('events'));
    const late = disk.run(producer.publish(events, 'y', KEY));
    await expect(late).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    const other = await disk.exchange('events', { type: 'topic' });
    expect(await disk.run(producer.last(other))).toMatchObject({ sequence: null, resumeFrom: 0 });
    expect(await disk.run(producer.publish(other, 'z', KEY))).toMatchObject({ sequence: 0 });
  });

  test.each(['kill', 'power cut'] as const)('sends all of it again behind a %s', async (mishap) => {
    const { disk, events, producer } = await setting();
    await disk.bound(events, 'one');
    const values = numbered(12);
    for (const [sequence, value] of values.slice(0, 8).entries()) {
      const durability = sequence < 5 ? 'sync' : 'os';
      await disk.run(producer.publish(events, value, { ...KEY, sequence, durability }));
    }
    const isCut = mishap === 'power cut';
    const left = isCut ? disk.disk.copyAfterPowerCut() : disk.disk.copy();
    const again = await RoutingDisk.make();
    await again.close();
    Object.assign(again, { disk: left });
    await again.open();
    onTestFinished(() => again.close().catch(() => undefined));
    const successor = await openOn(again);
    const { resumeFrom } = await again.run(successor.producer.last(successor.events));
    expect(resumeFrom).toBeGreaterThanOrEqual(isCut ? 5 : 8);
    for (const [sequence, value] of values.entries()) {
      const sent = successor.producer.publish(successor.events, value, { ...ROUTED, sequence });
      expect(await again.run(sent)).toMatchObject({ duplicate: sequence < resumeFrom });
    }
    expect(await again.values('one')).toEqual(values);
  });

  test('to the default exchange sends to what its routing key names', async () => {
    const { disk, producer } = await setting();
    const direct = await disk.run(disk.store.exchange('', { codec: utf8 }));
    const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
    const to = { routingKey: 'one', sequence: 0 };
    const first = await disk.run(producer.publish(direct, 'x', to));
    expect(first).toEqual({
      destinations: ['one'],
      duplicate: false,
      sequence: 0,
      partition: 0,
      offset: 0,
      durability: 'sync',
    });
    expect(await disk.run(producer.publish(direct, 'x', to))).toEqual({
      ...first,
      duplicate: true,
    });
    expect(await disk.run(producer.append(topic, { value: 'y' }))).toMatchObject({ sequence: 1 });
    expect(await disk.run(producer.publish(direct, 'z', { routingKey: 'none' }))).toEqual({
      destinations: [],
      duplicate: false,
      sequence: null,
      partition: null,
      offset: null,
      durability: null,
    });
    const must = producer.publish(direct, 'z', { routingKey: 'none', mandatory: true });
    await expect(disk.run(must)).rejects.toMatchObject({ code: 'ERR_VARVE_UNROUTABLE' });
    expect(await disk.values('one')).toEqual(['x', 'y']);
  });

  test('checks what it is given', async () => {
    const { disk, events, producer } = await setting();
    const publish = (to: unknown, options: object) =>
      disk.run(producer.publish(to as typeof events, 'x', options)); // Of callers without types.
    await expect(publish(events, { dedupId: 'id' })).rejects.toThrow(/dedupId/);
    await expect(publish(events, { sequence: -1 })).rejects.toThrow(RangeError);
    const direct = await disk.run(disk.store.exchange('', { codec: utf8 }));
    await expect(publish(direct, { dedupId: 'id' })).rejects.toThrow(/dedupId/);
    await expect(publish({}, {})).rejects.toThrow(TypeError);
    expect(await disk.run(producer.last(events))).toMatchObject({ sequence: null });
  });
});
