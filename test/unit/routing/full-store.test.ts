/** Exchanges of a store that has no room: in its logs together, or in its journal. */
import { describe, expect, it } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { DiskFullError } from '../../../src/core/errors.ts';
import { KIB, MIB } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const STORE_BYTES_MAX = 600 * KIB;
const JOURNAL = /[/]journal[/][0-9]+[.]log$/;

async function bench(...names: readonly string[]) {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  await disk.bound(first, ...names);
  const topic = await disk.run(disk.store.topic('ballast', { codec: utf8 }));
  for (let at = 0; at < 20; at++) await disk.run(topic.append({ value: '.'.repeat(10_000) }));
  await disk.close();
  return disk;
}

/** What was taken of many that were published one after the other, until `count` were refused. */
async function publishUntilFull(
  disk: RoutingDisk,
  exchange: Exchange<string>,
  { prefix, count }: { readonly prefix: string; readonly count: number },
) {
  const taken: string[] = [];
  const refusals: unknown[] = [];
  for (let at = 0; refusals.length < count; at++) {
    const value = `${prefix} ${at}`.padEnd(5000, '.');
    try {
      await disk.run(exchange.publish(value, { routingKey: 'key' }));
      taken.push(value);
    } catch (error) {
      refusals.push(error);
    }
  }
  return { taken, refusals };
}

const startsOf = (values: readonly (string | null)[]) => values.map((value) => value?.slice(0, 12));

const codesOf = (disk: RoutingDisk): string[] =>
  disk.store.health().problems.map(({ code, topic }) => `${code} ${topic}`);

describe('a store with as many bytes as it may have', () => {
  it('refuses publishes by their error, and brings all that it took where it goes', async () => {
    const disk = await bench('one', 'two');
    await disk.open({ storeBytesMax: STORE_BYTES_MAX });
    const events = await disk.exchange('events');
    const { taken, refusals } = await publishUntilFull(disk, events, { prefix: 'full', count: 3 });
    for (const error of refusals) {
      expect(error).toBeInstanceOf(DiskFullError);
      expect(error).toMatchObject({
        code: 'ERR_VARVE_DISK_FULL',
        details: { errno: 'EDQUOT', bytesMax: STORE_BYTES_MAX },
      });
    }
    expect(taken.length).toBeGreaterThan(5);
    for (let second = 0; second < 5; second++) await disk.step(1000);
    expect(codesOf(disk)).toContain('bytes-max-reached null');
    let copyCount = 0;
    for (const name of ['one', 'two']) {
      const values = await disk.values(name);
      copyCount += values.length;
      expect(startsOf(values)).toEqual(startsOf(taken.slice(0, values.length)));
    }
    expect(copyCount).toBeLessThan(2 * taken.length);
    await disk.run(disk.store.deleteTopic('ballast'));
    await disk.until(async () => (await disk.values('one')).length >= taken.length);
    await disk.until(async () => (await disk.values('two')).length >= taken.length);
    await disk.publishEach(events, ['after']);
    await disk.settle(events);
    for (const name of ['one', 'two']) {
      const all = [...taken, 'after', 'settle'];
      expect(startsOf(await disk.values(name))).toEqual(startsOf(all));
    }
    expect(codesOf(disk)).toEqual([]);
    await disk.close();
  });

  it.each(['close', 'power cut', 'kill'])('loses nothing in a %s meanwhile', async (end) => {
    const disk = await bench('one', 'two');
    await disk.open({ storeBytesMax: STORE_BYTES_MAX });
    const events = await disk.exchange('events');
    const { taken } = await publishUntilFull(disk, events, { prefix: 'full', count: 2 });
    for (let second = 0; second < 2; second++) await disk.step(1000);
    if (end === 'close') await disk.close();
    else if (end === 'kill') disk.disk.kill();
    else disk.disk.cutPower();
    await disk.open({ storeBytesMax: STORE_BYTES_MAX });
    for (let second = 0; second < 2; second++) await disk.step(1000);
    await disk.run(disk.store.deleteTopic('ballast'));
    await disk.settle(await disk.exchange('events'));
    for (const name of ['one', 'two']) {
      expect(startsOf(await disk.values(name))).toEqual(startsOf([...taken, 'settle']));
    }
    await disk.close();
  });
});

describe('a journal that finds no room', () => {
  it('lets projection go on into logs that it knows, and marks again when there is room', async () => {
    const disk = await bench('one', 'two');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    await disk.step(2000);
    const [common] = disk.store.projector.streamsOf(events.describe().exchangeId);
    const positionOf = () => common?.marks.state?.position;
    expect(positionOf()).toBe(1);
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: JOURNAL, times: Infinity });
    await disk.publishEach(events, numbered(20));
    for (let second = 0; second < 5; second++) await disk.step(1000);
    expect(positionOf()).toBe(1);
    expect(common?.marks.lastError).toBeInstanceOf(DiskFullError);
    expect(await disk.values('two')).toEqual(['settle', ...numbered(20)]);
    fileSystem.clearFaults();
    await disk.step(1000);
    expect([positionOf(), common?.marks.lastError]).toEqual([21, null]);
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle', ...numbered(20), 'settle']);
    await disk.close();
  });

  it.each(['power cut', 'kill'])('loses nothing and brings nothing twice in a %s', async (end) => {
    const disk = await bench('one', 'two');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    await disk.step(2000);
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: JOURNAL, times: Infinity });
    await disk.publishEach(events, numbered(20));
    for (let second = 0; second < 5; second++) await disk.step(1000);
    if (end === 'kill') disk.disk.kill();
    else disk.disk.cutPower();
    await disk.open();
    await disk.settle(await disk.exchange('events'));
    for (const name of ['one', 'two']) {
      expect(await disk.values(name)).toEqual(['settle', ...numbered(20), 'settle']);
    }
    await disk.close();
  });

  it('keeps a log without copies that no mark could name, and names it to who looks', async () => {
    const disk = await bench('one', 'two');
    await disk.open();
    const events = await disk.exchange('events');
    await disk.settle(events);
    await disk.run(disk.store.topic('new'));
    await disk.run(events.bind('new', { pattern: '#' }));
    const { fileSystem } = disk.disk;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path: JOURNAL, times: Infinity });
    await disk.publishEach(events, numbered(20));
    for (let second = 0; second < 5; second++) await disk.step(1000);
    expect(await disk.values('two')).toEqual(['settle', ...numbered(20)]);
    expect(await disk.values('new')).toEqual([]);
    expect(codesOf(disk)).toContain('projection-behind new');
    fileSystem.clearFaults();
    await disk.until(async () => (await disk.values('new')).length === 20);
    await disk.settle(events);
    expect(await disk.values('new')).toEqual([...numbered(20), 'settle']);
    expect(await disk.values('one')).toEqual(['settle', ...numbered(20), 'settle']);
    expect(codesOf(disk).filter((code) => code.startsWith('projection'))).toEqual([]);
    await disk.close();
  });
});

describe('a mark', () => {
  it('follows 64 MiB of the source, however little time that took', async () => {
    const clock = new ManualClock();
    const random = new SeededRandom(1);
    const fileSystem = new MemoryFileSystem();
    const store = await openStore('/store', { fileSystem, clock, random });
    const events = await store.exchange('events', { type: 'fanout' });
    await store.topic('one');
    await events.bind('one');
    const [common] = store.projector.streamsOf(events.describe().exchangeId);
    const value = new Uint8Array(MIB - 2 * KIB); // A batch of its own, and nearly a MiB.
    const marked: (number | undefined)[] = [];
    for (let at = 0; at < 70; at++) {
      await events.publish(value, { confirm: 'routed' });
      await new Promise((resolve) => void setImmediate(resolve));
      marked.push(common?.marks.state?.position);
    }
    expect(marked.slice(0, 64)).toEqual(Array.from({ length: 64 }, () => 0));
    expect(marked.at(-1)).toBeGreaterThan(63);
    await store.close();
  });
});
