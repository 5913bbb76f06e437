import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { BackpressureError, ClosedError, ConflictError } from '../../../src/core/errors.ts';
import { DiskFullError, ReadOnlyError, TooLargeError } from '../../../src/core/errors.ts';
import { UnroutableError } from '../../../src/core/routing-errors.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function bench(): Promise<{ disk: RoutingDisk; events: Exchange<string> }> {
  const disk = await RoutingDisk.make();
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, 'one');
  return { disk, events };
}

const endOf = (disk: RoutingDisk, name = 'exchange:events'): Promise<number> =>
  disk.values(name).then(({ length }) => length);

describe('publishing', () => {
  it('keeps the order of what is published in one turn, on a log that is not open yet', async () => {
    const { disk } = await bench();
    await disk.close();
    await disk.open();
    const events = await disk.exchange('events');
    const values = numbered(200);
    const results = await disk.run(Promise.all(values.map((value) => events.publish(value))));
    expect(results.map(({ offset }) => offset)).toEqual(values.map((_, at) => at));
    await disk.settle(events);
    expect(await disk.values('one')).toEqual([...values, 'settle']);
    await disk.close();
  });

  it('names each destination once, sorted, as the bindings are in that turn', async () => {
    const { disk, events } = await bench();
    await disk.bound(events, 'zebra', 'alpha');
    await disk.run(events.bind('zebra', { pattern: '*.*' }));
    const first = events.publish('x', { routingKey: 'a.b' });
    const ending = events.unbind('zebra', { pattern: '#' });
    const second = events.publish('y', { routingKey: 'b' });
    expect((await disk.run(first)).destinations).toEqual(['alpha', 'one', 'zebra']);
    expect((await disk.run(second)).destinations).toEqual(['alpha', 'one', 'zebra']);
    expect(await disk.run(ending)).toBe(true);
    const third = await disk.run(events.publish('z', { routingKey: 'b', confirm: 'routed' }));
    expect(third.destinations).toEqual(['alpha', 'one']);
    expect(await disk.values('zebra')).toEqual(['x', 'y']);
    await disk.close();
  });

  it('refuses routing keys, headers and options that are none', async () => {
    const { disk, events } = await bench();
    const long = 'k'.repeat(256);
    await expect(events.publish('x', { routingKey: long })).rejects.toThrow(TooLargeError);
    await expect(events.publish('x', { routingKey: 'é'.repeat(128) })).rejects.toThrow(
      TooLargeError,
    );
    const wrong: unknown[] = [
      { routingKey: 7 },
      { mandatory: 'yes' },
      { confirm: 'later' },
      { durability: 'none' },
      { headers: 7 },
      { headers: { a: {} } },
      { key: 7 },
      { createTimeMs: -1 },
      { routingkey: 'typo' },
    ];
    for (const options of wrong) {
      const publishing = disk.run(events.publish('x', options as object));
      const name: unknown = expect.stringMatching(/^(Type|Range)Error$/);
      await expect(publishing, JSON.stringify(options)).rejects.toMatchObject({ name });
    }
    await expect(disk.run(events.publishBatch([{ value: 'x', routingKey: long }]))).rejects.toThrow(
      TooLargeError,
    );
    await expect(disk.run(events.publishBatch('x' as never))).rejects.toThrow(TypeError);
    await expect(disk.run(events.publishBatch([null as never]))).rejects.toThrow(TypeError);
    const typo = [{ value: 'x' }, { value: 'y', routingkey: 'a.b' }];
    await expect(disk.run(events.publishBatch(typo))).rejects.toThrow(
      'Expected `records[1]` to be without an unknown key `routingkey`, perhaps `routingKey`',
    );
    expect(await endOf(disk)).toBe(0);
    const longest = { routingKey: 'k'.repeat(255) };
    expect((await disk.run(events.publish('x', longest))).offset).toBe(0);
    await disk.close();
  });

  it('appends nothing that is mandatory and goes nowhere', async () => {
    const { disk } = await bench();
    const orders = await disk.exchange('orders', { type: 'direct' });
    await disk.run(orders.bind('one', { pattern: 'known' }));
    const mandatory = { mandatory: true };
    const lost = orders.publish('x', { ...mandatory, routingKey: 'unknown' });
    await expect(disk.run(lost)).rejects.toThrow(UnroutableError);
    const batch = [
      { value: 'a', routingKey: 'known' },
      { value: 'b', routingKey: 'unknown' },
    ];
    const none = disk.run(orders.publishBatch(batch, mandatory));
    await expect(none).rejects.toMatchObject({ details: { index: 1, routingKey: 'unknown' } });
    expect(await endOf(disk, 'exchange:orders')).toBe(0);
    const logged = await disk.run(orders.publishBatch(batch));
    expect(logged.destinations).toEqual([['one'], []]);
    const found = await disk.run(orders.publish('c', { ...mandatory, routingKey: 'known' }));
    expect(found).toMatchObject({ offset: 2, destinations: ['one'] });
    await disk.close();
  });

  it('is not for internal exchanges, which others lead to', async () => {
    const { disk, events } = await bench();
    const inner = await disk.exchange('inner', { type: 'fanout', internal: true });
    await disk.run(disk.store.topic('two'));
    await disk.run(inner.bind('two'));
    await disk.run(events.bind({ exchange: 'inner' }, { pattern: '#' }));
    await expect(disk.run(inner.publish('x'))).rejects.toThrow(ConflictError);
    await expect(disk.run(inner.publishBatch([{ value: 'x' }]))).rejects.toThrow(ConflictError);
    const { destinations } = await disk.run(events.publish('x', { confirm: 'routed' }));
    expect(destinations).toEqual(['one', 'two']);
    expect(await disk.values('two')).toEqual(['x']);
    await disk.close();
  });

  it('ends with the exchange, and with the store', async () => {
    const { disk, events } = await bench();
    await disk.run(events.publish('x'));
    await disk.run(disk.store.deleteExchange('events'));
    await expect(disk.run(events.publish('y'))).rejects.toThrow(ClosedError);
    const other = await disk.exchange('other', { type: 'fanout' });
    await disk.close();
    await expect(disk.run(other.publish('y'))).rejects.toThrow(ClosedError);
    await expect(disk.run(other.publishBatch([{ value: 'y' }]))).rejects.toThrow(ClosedError);
    await disk.open({ readOnly: true });
    const reading = await disk.exchange('other');
    await expect(disk.run(reading.publish('y'))).rejects.toThrow(ReadOnlyError);
    await disk.close();
  });

  it('takes nothing for a signal that has aborted', async () => {
    const { disk, events } = await bench();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(disk.run(events.publish('x', { signal }))).rejects.toThrow('enough');
    const batch = events.publishBatch([{ value: 'x' }], { signal });
    await expect(disk.run(batch)).rejects.toThrow('enough');
    expect(await endOf(disk)).toBe(0);
    await disk.close();
  });

  it('does not call a record routed that nobody copied before the store was closed', async () => {
    const { disk } = await bench();
    await disk.close();
    await disk.open();
    const events = await disk.exchange('events');
    const nowhere = events.publish('open', { routingKey: 'x'.repeat(300) });
    await expect(disk.run(nowhere)).rejects.toThrow(TooLargeError); // Its log is open, no more.
    const routed = events.publish('late', { confirm: 'routed' });
    const told = Promise.allSettled([routed]);
    await disk.run(disk.store.close());
    const [outcome] = await told;
    const said = { name: 'ClosedError', message: 'store /data/store is closed' };
    expect(outcome).toMatchObject({ status: 'rejected', reason: said });
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 1);
    expect(await disk.values('one')).toEqual(['late']);
    await disk.close();
  });

  it('says so when the disk of its source is full, and goes on when there is room', async () => {
    const { disk, events } = await bench();
    await disk.settle(events);
    const path = disk.filesOf('exchange:events');
    disk.disk.fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: 2 });
    await expect(disk.run(events.publish('lost'))).rejects.toThrow(DiskFullError);
    disk.disk.fileSystem.clearFaults();
    await disk.run(events.publish('kept'));
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle', 'kept', 'settle']);
    await disk.close();
  });

  it('pushes back when its source takes no more', async () => {
    const { disk } = await bench();
    const lonely = await disk.exchange('lonely', { type: 'fanout' });
    await disk.run(lonely.publish('open'));
    const value = 'v'.repeat(1_000_000);
    const results = await disk.run(
      Promise.allSettled(Array.from({ length: 80 }, () => lonely.publish(value))),
    );
    const failed = results.flatMap((result) => (result.status === 'rejected' ? [result] : []));
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toBeInstanceOf(BackpressureError);
    const { offset } = await disk.run(lonely.publish('after'));
    expect(offset).toBe(1 + results.length - failed.length);
    await disk.close();
  });

  it('keeps keys, headers, times and the routing key in the copies', async () => {
    const { disk, events } = await bench();
    const record = { key: 'k', headers: { a: 'b' }, createTimeMs: 17, routingKey: 'r.s' };
    await disk.run(events.publish(null, { ...record, confirm: 'routed' }));
    const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const { value, key, headers, createTimeMs } of topic.records()) {
        const text = key === null ? null : Buffer.from(key).toString();
        seen.push({ value, key: text, createTimeMs, headers: [...headers.keys()] });
      }
    };
    await disk.run(read());
    const headers = ['varve-routing-key', 'a'];
    expect(seen).toEqual([{ value: null, key: 'k', createTimeMs: 17, headers }]);
    await disk.close();
  });
});
