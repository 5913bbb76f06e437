/** A batch over two partitions of which a full disk refused one part: nothing overtakes that in its partition. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Producer, ProducerOptions } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

interface Setting {
  readonly disk: StoreDisk;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
}

/** Even numbers go to partition 0, odd ones to partition 1. */
async function settingOn(disk: StoreDisk, options: ProducerOptions = {}): Promise<Setting> {
  const store = await disk.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  return { disk, store, topic, producer: await store.producer('p', options) };
}

const numbered = (...sequences: readonly number[]) =>
  sequences.map((sequence) => ({ value: String(sequence) }));

/** The disk refuses what comes next for partition 0, once. */
function refuseEven({ disk }: Setting): void {
  const path = /\/0\/\d+\.log$/u;
  disk.fileSystem.addFault({ operations: ['write'], path, errno: 'ENOSPC', times: 1 });
}

/** 0 and 1 were sent, and 0 was refused. */
async function withHole(options: ProducerOptions = {}): Promise<Setting> {
  const setting = await settingOn(await StoreDisk.make(), options);
  const { topic, producer } = setting;
  for (const partition of [0, 1]) await topic.append({ value: 'plain' }, { partition });
  await producer.last(topic);
  refuseEven(setting);
  const refused = await rejectionOf(producer.appendBatch(topic, numbered(0, 1)));
  expect(refused).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  return setting;
}

function send({ topic, producer }: Setting, sequence: number) {
  return producer.append(topic, { value: String(sequence) }, { sequence });
}

async function valuesIn({ topic }: Setting, partition: number): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ partitions: partition })) values.push(value);
  return values;
}

/** What is told of `found` while `expected` is missing. */
const gap = (expected: number, found: number) => ({
  code: 'ERR_VARVE_SEQUENCE_GAP',
  message: `producer p sent sequence ${found} to t, expected ${expected}`,
  details: { producer: 'p', topic: 't', expected, found },
});

describe('what was refused', () => {
  test('is missing: the next one waits for it, and stands behind it', async () => {
    const setting = await withHole();
    const { store, topic, producer } = setting;
    expect(await producer.last(topic)).toMatchObject({ sequence: 1, resumeFrom: 0 });
    expect(await rejectionOf(send(setting, 2))).toMatchObject(gap(0, 2));
    expect(await rejectionOf(producer.append(topic, { value: '2' }))).toMatchObject(gap(0, 2));
    const committed = store.transaction((tx) => tx.append(topic, { value: '2' }, { producer }));
    expect(await rejectionOf(committed)).toMatchObject(gap(0, 2));
    expect(await send(setting, 1)).toMatchObject({ duplicate: true, partition: 1, offset: 1 });
    expect(await send(setting, 0)).toMatchObject({ duplicate: false, partition: 0, offset: 1 });
    expect(await producer.append(topic, { value: '2' })).toMatchObject({ sequence: 2, offset: 2 });
    expect(await valuesIn(setting, 0)).toEqual(['plain', '0', '2']);
    expect(await producer.last(topic)).toMatchObject({ sequence: 2, resumeFrom: 3 });
  });

  test('comes in the order of its numbers, with what is behind it in the same call or not', async () => {
    const setting = await settingOn(await StoreDisk.make());
    const { topic, producer } = setting;
    await send(setting, 0);
    await send(setting, 1);
    refuseEven(setting);
    const answers = await Promise.allSettled([2, 3, 4, 5].map((one) => send(setting, one)));
    const isStored = answers.map(({ status }) => status === 'fulfilled');
    expect(isStored).toEqual([false, true, false, true]);
    expect(await rejectionOf(send(setting, 4))).toMatchObject(gap(2, 4));
    const behind = producer.appendBatch(topic, numbered(3, 4), { sequence: 3 });
    expect(await rejectionOf(behind)).toMatchObject(gap(2, 4));
    const some = producer.appendBatch(topic, numbered(2, 6), { sequence: [2, 6] });
    expect(await rejectionOf(some)).toMatchObject(gap(4, 6));
    const all = await producer.appendBatch(topic, numbered(2, 3, 4, 5, 6), { sequence: 2 });
    expect(all).toMatchObject({ recordCount: 3, duplicateCount: 2, lastSequence: 6 });
    expect(await valuesIn(setting, 0)).toEqual(['0', '2', '4', '6']);
    expect(await valuesIn(setting, 1)).toEqual(['1', '3', '5']);
  });

  test('is the next number again where it was the highest', async () => {
    const setting = await settingOn(await StoreDisk.make());
    const { topic, producer } = setting;
    for (const sequence of [0, 1]) await send(setting, sequence);
    refuseEven(setting);
    const refused = producer.append(topic, { value: '2' });
    expect(await rejectionOf(refused)).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    const next = await producer.append(topic, { value: '2' });
    expect(next).toMatchObject({ sequence: 2, partition: 0, offset: 1 });
  });

  test('does not free numbers that are on their way to the other partition', async () => {
    const disk = await StoreDisk.make();
    const syncs = new HeldSyncs(disk.fileSystem, '/1/');
    const setting = await settingOn(disk, { gaps: 'allow' });
    const { topic, producer } = setting;
    for (const sequence of [0, 1]) await send(setting, sequence);
    syncs.hold();
    refuseEven(setting);
    const refused = send(setting, 2);
    const waiting = send(setting, 3);
    expect(await rejectionOf(refused)).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    const again = send(setting, 3);
    const next = producer.append(topic, { value: '4' });
    syncs.release();
    expect(await waiting).toMatchObject({ sequence: 3, duplicate: false, offset: 1 });
    expect(await again).toMatchObject({ sequence: 3, duplicate: true, offset: 1 });
    expect(await next).toMatchObject({ sequence: 4, duplicate: false, partition: 0 });
    expect(await valuesIn(setting, 0)).toEqual(['0', '4']);
    expect(await valuesIn(setting, 1)).toEqual(['1', '3']);
    expect(await producer.last(topic)).toMatchObject({ sequence: 4, resumeFrom: 2 });
  });

  test('is missing after it was refused again, and in a transaction that came to nothing', async () => {
    const setting = await withHole();
    const { store, topic, producer } = setting;
    refuseEven(setting);
    expect(await rejectionOf(send(setting, 0))).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(await rejectionOf(send(setting, 2))).toMatchObject(gap(0, 2));
    const none = store.transaction((tx) => {
      tx.append(topic, { value: '0' }, { producer, sequence: 0 });
      tx.append(topic, { value: '5' }, { producer, sequence: 5 });
    });
    expect(await rejectionOf(none)).toMatchObject(gap(2, 5));
    expect(await rejectionOf(send(setting, 2))).toMatchObject(gap(0, 2));
    await store.transaction((tx) => {
      tx.append(topic, { value: '0' }, { producer, sequence: 0 });
      tx.append(topic, { value: '2' }, { producer, sequence: 2 });
    });
    expect(await valuesIn(setting, 0)).toEqual(['plain', '0', '2']);
    expect(await producer.last(topic)).toMatchObject({ sequence: 2, resumeFrom: 3 });
  });

  test('is missing for whoever produces under the name then', async () => {
    const setting = await withHole();
    const producer = await setting.store.producer('p');
    const successor = { ...setting, producer };
    expect(await rejectionOf(send(successor, 2))).toMatchObject(gap(0, 2));
    await send(successor, 0);
    expect(await send(successor, 2)).toMatchObject({ partition: 0, offset: 2 });
  });
});

describe('where gaps are allowed', () => {
  test('it may be left out, and nobody waits for it, whatever comes then', async () => {
    const setting = await withHole({ gaps: 'allow' });
    expect(await send(setting, 2)).toMatchObject({ duplicate: false });
    const producer = await setting.store.producer('p');
    expect(await send({ ...setting, producer }, 3)).toMatchObject({ duplicate: false });
  });

  test('what was refused before may be left out behind the last', async () => {
    const setting = await withHole();
    const loose = await setting.store.producer('p', { gaps: 'allow' });
    expect(await loose.last(setting.topic)).toMatchObject({ resumeFrom: 0 });
    expect(await send({ ...setting, producer: loose }, 4)).toMatchObject({ duplicate: false });
    const producer = await setting.store.producer('p');
    expect(await producer.last(setting.topic)).toMatchObject({ sequence: 4, resumeFrom: 5 });
    expect(await send({ ...setting, producer }, 5)).toMatchObject({ duplicate: false });
  });
});

describe.each(['closed', 'killed', 'without power'] as const)('a store that was %s', (ending) => {
  test.each(['refuse', 'allow'] as const)(
    'is resumed from what was refused: `last` does not skip it (gaps: %s)',
    async (gaps) => {
      const before = await withHole({ gaps });
      if (ending === 'closed') await before.store.close();
      const { disk } = before;
      const left = ending === 'without power' ? disk.copyAfterPowerCut() : disk.copy();
      const setting = await settingOn(left, { gaps });
      const { topic, producer } = setting;
      const { sequence, resumeFrom } = await producer.last(topic);
      expect([sequence, resumeFrom]).toEqual([1, 0]);
      const resent = await producer.appendBatch(topic, numbered(0, 1, 2), { sequence: resumeFrom });
      expect(resent).toMatchObject({ recordCount: 2, duplicateCount: 1 });
      expect(await valuesIn(setting, 0)).toEqual(['plain', '0', '2']);
      expect(await valuesIn(setting, 1)).toEqual(['plain', '1']);
    },
  );
});
