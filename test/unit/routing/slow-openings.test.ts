/** Destination logs that take long to open, or to say how far they are: nobody else waits for them. */
import { describe, expect, it, vi } from 'vitest';

import { Outlets } from '../../../src/routing/outlets.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const codesOf = (disk: RoutingDisk): string[] =>
  disk.store.health().problems.map(({ code, topic }) => `${code} ${topic}`);

/** An exchange that leads to topics, each by its name; what has a record there, a mark names. */
async function bench(names: readonly string[], marked: readonly string[] = [], slow = names[0]) {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  for (const name of names) {
    await disk.run(disk.store.topic(name));
    for (const pattern of [name, 'all']) await disk.run(first.bind(name, { pattern }));
  }
  for (const routingKey of marked) {
    await disk.run(first.publish('before', { routingKey, confirm: 'routed' }));
  }
  await disk.step(1000);
  await disk.close();
  const reads = new HeldReads(disk.disk.fileSystem, `topics/${slow}-`);
  await disk.open();
  reads.hold();
  const events = await disk.exchange('events');
  const publish = async (routingKey: string, values: readonly string[]): Promise<void> => {
    for (const value of values) await disk.run(events.publish(value, { routingKey }));
  };
  return { disk, publish, reads };
}

describe('a log that takes long to open', () => {
  it('is tried again when it is open, and not before', async () => {
    const { disk, publish, reads } = await bench(['one', 'two']);
    const ready = vi.spyOn(Outlets.prototype, 'ready');
    await publish('all', numbered(5));
    for (let step = 0; step < 100; step++) await disk.step(100);
    const tries = ready.mock.calls.length;
    vi.restoreAllMocks();
    expect(tries).toBe(2); // Each log once.
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    reads.release();
    await disk.turns(50);
    expect(await disk.values('one')).toEqual(numbered(5));
    expect(codesOf(disk)).toEqual([]);
    await disk.close();
  });

  it('holds up nobody where a projection goes on', async () => {
    const { disk, publish, reads } = await bench(['one', 'two'], ['one', 'two']);
    await publish('all', numbered(5));
    for (let step = 0; step < 4; step++) await disk.step(100);
    expect(await disk.values('two')).toEqual(['before', ...numbered(5)]);
    await disk.step(1000);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    for (let second = 0; second < 3; second++) await disk.step(1000); // Marks are written.
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(['before', ...numbered(5)]);
    await disk.close();
  });

  it('holds up no other that catches up', async () => {
    const { disk, publish, reads } = await bench(['one', 'two', 'three'], ['one', 'two']);
    const { fileSystem } = disk.disk;
    const path = disk.filesOf('two');
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await publish('all', numbered(5));
    await disk.until(async () => (await disk.values('three')).length === 5);
    fileSystem.clearFaults();
    for (let step = 0; step < 20; step++) await disk.step(100);
    expect(await disk.values('two')).toEqual(['before', ...numbered(5)]);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(['before', ...numbered(5)]);
    await disk.close();
  });

  it('may be deleted meanwhile, and nothing is left of it', async () => {
    const { disk, publish, reads } = await bench(['one', 'two']);
    await publish('all', numbered(5));
    for (let step = 0; step < 14; step++) await disk.step(100);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    const deleted = disk.store.deleteTopic('one');
    await disk.turns(20);
    reads.release();
    await disk.run(deleted);
    for (let second = 0; second < 3; second++) await disk.step(1000);
    expect(codesOf(disk)).toEqual([]);
    await disk.close();
  });

  it('can be detached from, and its exchange closed', async () => {
    const { disk, publish, reads } = await bench(['one', 'two'], ['one']);
    await publish('all', numbered(5));
    for (let step = 0; step < 4; step++) await disk.step(100);
    const events = await disk.exchange('events');
    expect(await disk.run(events.detach('one'))).toBe(5);
    reads.release();
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['before']);
    await disk.close();
  });
});

describe('logs that hang when they are opened', () => {
  it('hold up no topics that are made or opened', async () => {
    const { disk, publish, reads } = await bench(['slow-a', 'slow-b', 'fine'], ['fine'], 'slow');
    await publish('all', numbered(5));
    for (let step = 0; step < 15; step++) await disk.step(100);
    await disk.run(disk.store.topic('new'));
    expect(reads.waiting.length).toBe(2);
    expect(await disk.values('fine')).toEqual(['before', ...numbered(5)]);
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    for (const name of ['slow-a', 'slow-b']) expect(await disk.values(name)).toEqual(numbered(5));
    await disk.close();
  });
});

describe('a log that has caught up', () => {
  it('waits without work for the others, who wait for one that opens', async () => {
    const { disk, publish, reads } = await bench(['two', 'one'], ['one']);
    const { fileSystem } = disk.disk;
    const path = disk.filesOf('one');
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await publish('one', numbered(3));
    await disk.turns(20);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    fileSystem.clearFaults();
    await publish('two', ['late']);
    await disk.step(100); // It is tried again, while the others wait for `two`.
    expect(await disk.values('one')).toEqual(['before', ...numbered(3)]);
    const turns = vi.spyOn(globalThis, 'setImmediate');
    await disk.turns(20);
    const turnCount = turns.mock.calls.length;
    vi.restoreAllMocks();
    expect(turnCount).toBe(20); // Of this test.
    await disk.step(250);
    await publish('one', ['more']);
    await disk.turns(20);
    expect(await disk.values('one')).toEqual(['before', ...numbered(3), 'more']);
    await disk.step(1000);
    expect(codesOf(disk)).toEqual(['projection-behind two']);
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('two')).toEqual(['late']);
    await disk.close();
  });
});
