import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { STORE_PATH } from '../../support/store-fixture.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const LEVELS: readonly DurabilityLevel[] = ['os', 'interval', 'sync'];

/** A topic that is open, whose syncs can be held, bound to an exchange. */
async function bench(durability: DurabilityLevel) {
  const disk = await RoutingDisk.make();
  const syncs = new HeldSyncs(disk.disk.fileSystem, 'topics/one-');
  const topic = await disk.run(disk.store.topic('one', { durability, codec: utf8 }));
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, 'two');
  await disk.run(events.bind('one', { pattern: '#' }));
  await disk.settle(events);
  return { disk, syncs, events, topic };
}

describe.each(LEVELS)('a destination of level %s', (durability) => {
  it('shows no copy before it is synced', async () => {
    const { disk, syncs, events } = await bench(durability);
    syncs.hold();
    await disk.publishEach(events, numbered(3));
    await disk.step(300);
    expect(syncs.waiting.length).toBeGreaterThan(0);
    expect(await disk.values('one')).toEqual(['settle']);
    syncs.release();
    await disk.until(async () => (await disk.values('one')).length === 4);
    expect(await disk.values('one')).toEqual(['settle', ...numbered(3)]);
    await disk.close();
  });

  it('confirms what is routed when it is synced there, and not before', async () => {
    const { disk, syncs, events } = await bench(durability);
    syncs.hold();
    const ends: string[] = [];
    const routed = events.publish('routed', { confirm: 'routed' }).then(() => ends.push('routed'));
    const batch = events
      .publishBatch([{ value: 'a' }, { value: 'b' }], { confirm: 'routed' })
      .then(() => ends.push('batch'));
    await disk.step(300);
    expect((await disk.run(events.publish('logged'))).durability).toBe('sync');
    expect(ends).toEqual([]);
    syncs.release();
    await disk.run(Promise.all([routed, batch]));
    expect(ends.toSorted()).toEqual(['batch', 'routed']);
    expect((await disk.values('one')).slice(0, 4)).toEqual(['settle', 'routed', 'a', 'b']);
    await disk.close();
  });

  it('tells who waits when the store is closed, or the signal aborts', async () => {
    const { disk, syncs, events } = await bench(durability);
    syncs.hold();
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = events.publish('aborted', { confirm: 'routed', signal });
    const closed = events.publish('closed', { confirm: 'routed' });
    const told = Promise.allSettled([aborted]);
    const toldToo = Promise.allSettled([closed]);
    await disk.turns(50);
    controller.abort(new Error('enough'));
    const [reason] = await disk.run(told);
    expect(reason).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
    const closing = disk.store.close();
    const [error] = await disk.run(toldToo);
    const said = { name: 'ClosedError', message: `store ${STORE_PATH} is closed` };
    expect(error).toMatchObject({ status: 'rejected', reason: said });
    syncs.release();
    await disk.run(closing);
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    expect(await disk.values('one')).toEqual(['settle', 'aborted', 'closed', 'settle']);
    await disk.close();
  });

  it('need not be waited for when it is deleted meanwhile', async () => {
    const { disk, syncs, events } = await bench(durability);
    syncs.hold();
    const routed = events.publish('x', { confirm: 'routed' });
    await disk.turns(50);
    const deleting = disk.store.deleteTopic('one');
    await disk.turns(50);
    syncs.release();
    expect((await disk.run(routed)).destinations).toEqual(['one', 'two']);
    await disk.run(deleting);
    await disk.settle(events);
    expect(await disk.values('two')).toEqual(['settle', 'x', 'settle']);
    await disk.close();
  });
});

describe('plain records behind copies', () => {
  it('wait for them, so that nothing changes its place after a power cut', async () => {
    const { disk, syncs, events, topic } = await bench('os');
    syncs.hold();
    await disk.run(events.publish('copy'));
    await disk.turns(50);
    const plain = topic.append({ value: 'plain' });
    expect(await disk.run(plain)).toMatchObject({ offset: 2, durability: 'os' });
    expect(await disk.values('one')).toEqual(['settle']);
    disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    // Nobody saw the plain one, nor was it synced.
    expect(await disk.values('one')).toEqual(['settle', 'copy', 'settle']);
    await disk.close();
  });

  it('are seen with them when they are synced, behind them', async () => {
    const { disk, syncs, events, topic } = await bench('os');
    syncs.hold();
    await disk.run(events.publish('copy'));
    await disk.turns(50);
    await disk.run(topic.append({ value: 'plain' }));
    syncs.release();
    await disk.until(async () => (await disk.values('one')).length > 1);
    expect(await disk.values('one')).toEqual(['settle', 'copy', 'plain']);
    disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    expect((await disk.values('one')).slice(0, 2)).toEqual(['settle', 'copy']);
    await disk.close();
  });
});
