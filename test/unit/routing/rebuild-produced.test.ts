/** A destination that producers send to as well: what is known of them when one of its logs is made again. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import { contentOf, damage, logPath, loseLog } from '../../support/rebuilds.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function settingOf(store: Store) {
  const topic = await store.topic('t', { codec: utf8, partitions: 2, segmentBytesMax: 4096 });
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  const producer = await store.producer('p');
  const send = (sequence: number, partition: number) =>
    producer.append(topic, { value: `sent ${sequence}` }, { sequence, partition });
  return { store, topic, events, producer, send };
}

/** A key that goes to partition 1. */
async function keyTo1(store: Store): Promise<string> {
  const probe = await store.topic('probe', { codec: utf8, partitions: 2 });
  for (let at = 0; ; at++) {
    const { partition } = await probe.append({ key: `k${at}`, value: 'x' });
    if (partition === 1) return `k${at}`;
  }
}

/** What the exchange sends to partition 1, and a producer behind that. */
async function feed(setting: Awaited<ReturnType<typeof settingOf>>, sends: boolean): Promise<void> {
  const { store, events, send } = setting;
  await events.bind('t');
  const key = await keyTo1(store);
  for (let at = 0; at < 20; at++) {
    await events.publish('x '.repeat(400), { key, confirm: 'routed' });
  }
  if (!sends) return;
  for (let sequence = 0; sequence < 3; sequence++) await send(sequence, 1);
}

describe.each(['damaged', 'lost'])('a rebuild of a log that is %s', (how) => {
  const spoil = (bench: StoreBench, path: string) =>
    how === 'lost' ? loseLog(bench.fileSystem, path) : damage(bench.fileSystem, path, 0, 700);

  test('is one that producers can go on in', async () => {
    const bench = new StoreBench();
    const first = await settingOf(await bench.open());
    await first.producer.last(first.topic);
    await feed(first, false);
    const before = await contentOf(first.store, 't');
    const path = logPath(first.store, 't', 1);
    await first.store.close();
    await spoil(bench, path);

    const second = await settingOf(await bench.open());
    const code = how === 'lost' ? 'ERR_VARVE_NOT_FOUND' : 'ERR_VARVE_CORRUPT';
    await expect(second.send(0, 1)).rejects.toMatchObject({ code });
    await second.events.rebuild('t', { dryRun: false });
    expect(await contentOf(second.store, 't')).toEqual(before);
    expect(await second.send(0, 1)).toMatchObject({ duplicate: false, partition: 1, offset: 20 });
    const third = await settingOf(await bench.reopen(second.store));
    expect(await third.send(0, 0)).toMatchObject({ duplicate: true, partition: 1, offset: 20 });
    await third.store.close();
  });

  test('is refused where producers sent to it: what they sent cannot be made again', async () => {
    const bench = new StoreBench();
    const first = await settingOf(await bench.open());
    await feed(first, true);
    const path = logPath(first.store, 't', 1);
    await first.store.close();
    await spoil(bench, path);
    const second = await settingOf(await bench.open());
    const rebuilt = second.events.rebuild('t', { dryRun: false });
    await expect(rebuilt).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_REBUILDABLE' });
    await second.store.close();
  });
});
