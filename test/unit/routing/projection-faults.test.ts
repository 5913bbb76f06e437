import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { FailedError } from '../../../src/core/errors.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

async function bench(...names: readonly string[]) {
  const disk = await RoutingDisk.make();
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, ...names);
  return { disk, events, files: disk.disk.fileSystem };
}

const codesOf = (disk: RoutingDisk): string[] =>
  disk.store.health().problems.map(({ code, topic }) => `${code} ${topic}`);

describe('a destination that takes nothing', () => {
  it('is named, holds nobody up, and gets exactly what it missed when its disk has room', async () => {
    const { disk, events, files } = await bench('one', 'two');
    await disk.publishEach(events, ['first']);
    await disk.settle(events);
    const path = disk.filesOf('one');
    files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    const values = numbered(40);
    await disk.publishEach(events, values);
    await disk.until(async () => (await disk.values('two')).length === 42);
    expect(codesOf(disk)).toContain('projection-behind one');
    const [problem] = disk.store.health().problems;
    await disk.step(20_000);
    expect(disk.store.health().problems).toContainEqual(problem); // As it was noticed first.
    expect(await disk.values('one')).toEqual(['first', 'settle']);
    files.clearFaults();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(['first', 'settle', ...values]);
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(await disk.values('two'));
    await disk.close();
  });

  it('gets what it missed after a crash, when nothing could be written into it before', async () => {
    const { disk, events, files } = await bench('one', 'two');
    await disk.close();
    await disk.open();
    files.addFault({ errno: 'EIO', operations: ['open'], path: /topics.one-/, times: Infinity });
    const again = await disk.exchange('events');
    await disk.publishEach(again, numbered(5));
    for (let second = 0; second < 5; second++) await disk.step(1000); // Marks pass it.
    expect(await disk.values('two')).toEqual(numbered(5));
    disk.disk.kill();
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 5);
    expect(await disk.values('one')).toEqual(numbered(5));
    expect(events.name).toBe('events');
    await disk.close();
  });

  it.each(['one', 'two'])('may be one that opens slowly, here %s', async (slow) => {
    const { disk } = await bench('one', 'two');
    await disk.close();
    const reads = new HeldReads(disk.disk.fileSystem, `topics/${slow}-`);
    await disk.open();
    reads.hold();
    const events = await disk.exchange('events');
    await disk.publishEach(events, numbered(5));
    const other = slow === 'one' ? 'two' : 'one';
    await disk.until(async () => (await disk.values(other)).length === 5);
    for (let second = 0; second < 3; second++) await disk.step(1000);
    expect(codesOf(disk)).toEqual([`projection-behind ${slow}`]);
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values(slow)).toEqual(numbered(5));
    await disk.close();
  });

  it('may be one that writes slowly: others do not wait for it', async () => {
    const { disk } = await bench('one', 'two');
    await disk.close();
    const writes = new HeldWrites(disk.disk.fileSystem, 'topics/one-');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    writes.hold();
    const values = numbered(24).map((value) => value.padEnd(1_000_000, '.'));
    await disk.publishEach(events, values);
    await disk.until(async () => (await disk.values('two')).length === 25);
    expect((await disk.values('one')).length).toBe(1);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    writes.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(['settle', ...values]);
    await disk.close();
  });

  it('may be a log that failed: the next opening brings it what it lacks, once', async () => {
    const { disk, events, files } = await bench('one', 'two');
    await disk.settle(events);
    const path = disk.filesOf('one');
    files.addFault({ errno: 'EIO', operations: ['datasync'], path });
    await disk.publishEach(events, numbered(6));
    await disk.until(async () => (await disk.values('two')).length === 7);
    expect(codesOf(disk)).toContain('projection-behind one');
    await disk.close().catch(() => undefined);
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 7);
    await disk.settle(await disk.exchange('events'));
    expect(await disk.values('one')).toEqual(['settle', ...numbered(6), 'settle']);
    await disk.close();
  });
});

describe('a destination whose writer failed before', () => {
  it('refuses what comes then, and gets it from the next opening', async () => {
    const { disk, events, files } = await bench('one', 'two');
    await disk.settle(events);
    const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
    files.addFault({ errno: 'EIO', operations: ['datasync'], path: disk.filesOf('one') });
    await expect(disk.run(topic.append({ value: 'own' }))).rejects.toThrow(FailedError);
    await disk.publishEach(events, numbered(6)); // Nothing is on its way there.
    await disk.until(async () => (await disk.values('two')).length === 7);
    expect(codesOf(disk)).toContain('projection-behind one');
    await disk.close().catch(() => undefined);
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    const copies = (await disk.values('one')).filter((value) => value !== 'own');
    expect(copies).toEqual(['settle', ...numbered(6), 'settle']);
    await disk.close();
  });
});

describe('a source that cannot be read', () => {
  it('is named, read again, and nothing comes twice', async () => {
    const { disk, events, files } = await bench('one', 'two');
    await disk.settle(events);
    await disk.step(2000);
    await disk.step(2000); // The walk has ended: the next one reads the disk.
    const path = disk.filesOf('exchange:events');
    files.addFault({ errno: 'EIO', operations: ['read'], path, times: Infinity });
    await disk.publishEach(events, numbered(5));
    await disk.turns(50);
    expect(codesOf(disk)).toContain('projection-failed exchange events');
    files.clearFaults();
    await disk.until(() => codesOf(disk).length === 0);
    await disk.settle(events);
    const all = ['settle', ...numbered(5), 'settle'];
    expect(await disk.values('one')).toEqual(all);
    expect(await disk.values('two')).toEqual(all);
    await disk.close();
  });

  it('brings nothing twice into a log that has not synced what it got before', async () => {
    const { disk, events: first } = await bench('one');
    await disk.settle(first);
    await disk.close();
    const { fileSystem } = disk.disk;
    const syncs = new HeldSyncs(fileSystem, 'topics/one-');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    syncs.hold();
    await disk.publishEach(events, numbered(3, 'early'));
    await disk.turns(20);
    const path = disk.filesOf('exchange:events');
    fileSystem.addFault({ errno: 'EIO', operations: ['read'], path });
    await disk.publishEach(events, numbered(3, 'late'));
    await disk.step(6000);
    syncs.release();
    await disk.settle(events);
    const all = ['settle', 'settle', ...numbered(3, 'early'), ...numbered(3, 'late'), 'settle'];
    expect(await disk.values('one')).toEqual(all);
    await disk.close();
  });
});

describe('a log that catches up', () => {
  it('is named until what it gets is synced, for that may fail again', async () => {
    const { disk } = await bench('one', 'two');
    await disk.close();
    const { fileSystem } = disk.disk;
    const syncs = new HeldSyncs(fileSystem, 'topics/one-');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    const path = disk.filesOf('one');
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.publishEach(events, numbered(5));
    await disk.until(() => codesOf(disk).includes('projection-behind one'));
    syncs.hold();
    fileSystem.clearFaults();
    await disk.until(() => syncs.waiting.length > 0);
    await disk.step(1000);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    syncs.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(['settle', ...numbered(5)]);
    await disk.close();
  });

  it('misses nothing of a batch in whose middle the others stand when it comes to them', async () => {
    const disk = await RoutingDisk.make();
    for (const name of ['one', 'two']) {
      await disk.run(disk.store.topic(name));
      const exchange = await disk.exchange('events', { type: 'direct' });
      await disk.run(exchange.bind(name, { pattern: name }));
    }
    await disk.close();
    const { fileSystem } = disk.disk;
    const reads = new HeldReads(fileSystem, 'topics/two-');
    await disk.open();
    const events = await disk.exchange('events');
    const path = disk.filesOf('one');
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.run(events.publish('first', { routingKey: 'one' }));
    await disk.turns(20);
    expect(codesOf(disk)).toEqual(['projection-behind one']);
    reads.hold();
    const batch = ['one', 'two'].map((routingKey) => ({ value: `to ${routingKey}`, routingKey }));
    await disk.run(events.publishBatch(batch));
    await disk.turns(20);
    expect(reads.waiting).not.toEqual([]); // The others wait for the second one to be opened.
    fileSystem.clearFaults();
    await disk.step(150);
    expect(await disk.values('one')).toEqual(['first']);
    reads.release();
    await disk.until(async () => (await disk.values('two')).length === 1);
    await disk.run(events.publish('last', { routingKey: 'one', confirm: 'routed' }));
    expect(await disk.values('one')).toEqual(['first', 'to one', 'last']);
    await disk.close();
  });

  it('is fed to its end, however long nothing is published meanwhile', async () => {
    const { disk } = await bench('one', 'two');
    await disk.close();
    const reads = new HeldReads(disk.disk.fileSystem, 'topics/exchange');
    await disk.open();
    const events = await disk.exchange('events');
    const path = disk.filesOf('one');
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.publishEach(events, numbered(30));
    await disk.until(async () => (await disk.values('two')).length === 30);
    reads.hold();
    fileSystem.clearFaults();
    for (let second = 0; second < 20; second++) await disk.step(1000);
    expect(reads.waiting).not.toEqual([]);
    reads.release();
    await disk.until(() => codesOf(disk).length === 0);
    expect(await disk.values('one')).toEqual(numbered(30));
    await disk.close();
  });
});

describe('closing a store', () => {
  it.each([0, 1, 2, 3, 5, 8, 13])('loses nothing %d turns after many publishes', async (turns) => {
    const { disk, events } = await bench('one', 'two');
    await disk.run(events.publish('open'));
    const publishing = Promise.all(numbered(100).map((value) => events.publish(value)));
    await disk.turns(turns);
    await disk.close();
    const results = await disk.run(publishing);
    expect(results.length).toBe(100);
    await disk.open();
    await disk.until(async () => (await disk.values('two')).length === 101);
    await disk.until(async () => (await disk.values('one')).length === 101);
    expect(await disk.values('one')).toEqual(['open', ...numbered(100)]);
    expect(await disk.values('two')).toEqual(['open', ...numbered(100)]);
    await disk.close();
    expect(disk.disk.clock.pendingTimerCount).toBe(0);
    expect(disk.disk.fileSystem.openFileCount).toBe(0);
  });

  it('leaves no timer behind while a destination cannot take records', async () => {
    const { disk, events, files } = await bench('one', 'two');
    const path = disk.filesOf('one');
    files.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
    await disk.publishEach(events, numbered(3));
    await disk.turns(20);
    files.clearFaults();
    await disk.close();
    expect(disk.disk.clock.pendingTimerCount).toBe(0);
    expect(files.openFileCount).toBe(0);
  });
});
