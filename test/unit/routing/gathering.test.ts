/** Copies of what is published in bulk go out together; nobody waits for those of the rest. */
import { expect, it } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { PublishOptions } from '../../../src/routing/publish-options.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

/** More than a look copies before the next one may wait. */
const BULK = '.'.repeat(300_000);
const GATHER_MS = 10;

async function bench() {
  const disk = await RoutingDisk.make();
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.bound(events, 'one');
  await disk.settle(events);
  const { clock } = disk.disk;
  await disk.step(GATHER_MS);
  /** In the turns that copies take, while no time passes. */
  const publish = async (value: string, options: PublishOptions = {}): Promise<void> => {
    const startMs = clock.monotonic();
    await disk.run(events.publish(value, options));
    await disk.turns(50);
    expect(clock.monotonic()).toBe(startMs);
  };
  const topic = await disk.run(disk.store.topic('one', { codec: utf8 }));
  const copies = (): Promise<number> =>
    topic.partitions.at(0).use((log) => Promise.resolve(log.visibleOffset - 1));
  return { disk, publish, copies };
}

it('copies wait for more of them behind many, but not for long', async () => {
  const { disk, publish, copies } = await bench();
  await publish('little');
  expect(await copies()).toBe(1);
  await publish(BULK);
  expect(await copies()).toBe(2);
  await publish('behind it');
  await publish(BULK);
  await disk.step(GATHER_MS - 1);
  expect(await copies()).toBe(2);
  await disk.step(1);
  expect(await copies()).toBe(4);
  expect((await disk.values('one')).slice(1)).toEqual(['little', BULK, 'behind it', BULK]);
  await disk.close();
});

it('copies do not wait while somebody waits for them', async () => {
  const { disk, publish, copies } = await bench();
  for (let count = 1; count <= 5; count++) {
    await publish(BULK, { confirm: 'routed' });
    expect(await copies()).toBe(count);
  }
  await disk.close();
});

it('copies wait no longer when somebody waits for them', async () => {
  const { disk, publish, copies } = await bench();
  await publish(BULK);
  await publish(BULK);
  await publish('behind it');
  expect(await copies()).toBe(2);
  await publish('awaited', { confirm: 'routed' });
  expect(await copies()).toBe(4);
  await disk.close();
});

it('copies of little do not wait', async () => {
  const { disk, publish, copies } = await bench();
  for (const [index, value] of numbered(20).entries()) {
    await publish(value);
    expect(await copies()).toBe(index + 1);
  }
  await disk.close();
});
