/** Calls of a producer that have nothing to wait for are appended in their own step, and the others behind it. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { bytes, utf8, type Codec } from '../../../src/codec/codec.ts';
import type { Producer, ProducerOptions } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { FencedError } from '../../../src/core/ownership-errors.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';
import { StoreDisk } from '../../support/store-disk.ts';

interface Setting {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
  /** Of the topic's logs. */
  readonly syncs: HeldSyncs;
}

/** Its logs are open, and have record 0 of the producer in each partition. */
async function setting(partitions = 1, options: ProducerOptions = {}): Promise<Setting> {
  const disk = await StoreDisk.make();
  const syncs = new HeldSyncs(disk.fileSystem, '/topics/');
  const store = await disk.open();
  onTestFinished(async () => {
    syncs.release();
    await store.close();
  });
  const topic = await store.topic('t', { codec: utf8, partitions });
  const producer = await store.producer('p', options);
  await producer.appendBatch(topic, numbered(0, partitions));
  return { store, topic, producer, syncs };
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => ({ value: String(from + at) }));

function endOf({ topic }: Pick<Setting, 'topic'>, partition = 0): number | undefined {
  return topic.partitions.at(partition).opened?.endOffset;
}

async function valuesIn(topic: StoreTopic<string>, partitions = 0): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ partitions })) values.push(value);
  return values;
}

describe('a call whose numbers are all behind what was sent', () => {
  test('stands in the logs before it returns, also beside calls that are not answered', async () => {
    const { topic, producer, syncs } = await setting();
    syncs.hold();
    const calls = [
      producer.append(topic, { value: '1' }),
      producer.appendBatch(topic, numbered(2, 5)),
      producer.appendBatch(topic, numbered(5, 7), { sequence: 5 }),
      producer.append(topic, { value: '7' }, { sequence: 7 }),
    ];
    expect(endOf({ topic })).toBe(8);
    syncs.release();
    expect(await Promise.all(calls)).toMatchObject([
      { sequence: 1, offset: 1 },
      { lastSequence: 4, placements: [{ baseOffset: 2, recordCount: 3 }] },
      { lastSequence: 6, placements: [{ baseOffset: 5, recordCount: 2 }] },
      { sequence: 7, offset: 7 },
    ]);
    expect(await valuesIn(topic)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  test('goes to several partitions in one step', async () => {
    const { topic, producer } = await setting(2);
    const sent = producer.appendBatch(topic, numbered(2, 7));
    expect([endOf({ topic }, 0), endOf({ topic }, 1)]).toEqual([4, 3]);
    const placed = [
      { partition: 0, baseOffset: 1, recordCount: 3 },
      { partition: 1, baseOffset: 1, recordCount: 2 },
    ];
    expect(await sent).toMatchObject({ placements: placed });
    expect(await valuesIn(topic, 0)).toEqual(['0', '2', '4', '6']);
    expect(await valuesIn(topic, 1)).toEqual(['1', '3', '5']);
  });

  test('waits where a log is not open, and keeps what it had when it was called', async () => {
    const { store } = await setting();
    const topic = await store.topic('other', { codec: bytes });
    const producer = await store.producer('q');
    const value = Buffer.from('first');
    const key = Buffer.from('k');
    const first = producer.append(topic, { value, key });
    value.write('after');
    key.write('x');
    const second = producer.append(topic, { value, key: 'text' });
    value.fill(0);
    await Promise.all([first, second]);
    const stored: unknown[] = [];
    for await (const record of topic.records()) {
      stored.push([Buffer.from(record.value ?? '').toString(), String(record.key)]);
    }
    expect(stored).toEqual([
      ['first', 'k'],
      ['after', 'text'],
    ]);
  });

  test('may come from a codec that is just encoding another', async () => {
    const { store } = await setting();
    const producer = await store.producer('q');
    const inner: Promise<unknown>[] = [];
    const nested: Codec<string> = {
      ...utf8,
      encode: (value) => {
        if (value === 'outer') inner.push(producer.append(topic, { value: 'inner' }));
        return utf8.encode(value);
      },
    };
    const topic: StoreTopic<string> = await store.topic('other', { codec: nested });
    await producer.append(topic, { value: 'opens it' });
    const outer = producer.appendBatch(topic, [
      { value: 'a' },
      { value: 'outer', headers: { h: '1' } },
      { value: 'b' },
    ]);
    expect(await Promise.all(inner)).toMatchObject([{ sequence: 1 }]);
    expect(await outer).toMatchObject({ lastSequence: 4 });
    expect(await valuesIn(topic)).toEqual(['opens it', 'inner', 'a', 'outer', 'b']);
  });
});

describe('a call that waits', () => {
  test('is not overtaken by one that would not have to', async () => {
    const { topic, producer, syncs } = await setting();
    syncs.hold();
    const first = producer.append(topic, { value: '1' });
    // Its first number is on its way.
    const again = producer.appendBatch(topic, numbered(1, 3), { sequence: 1 });
    await turns(3);
    const next = producer.append(topic, { value: '3' });
    expect(endOf({ topic })).toBe(2);
    syncs.release();
    expect(await first).toMatchObject({ sequence: 1, offset: 1 });
    expect(await again).toMatchObject({ recordCount: 1, duplicateCount: 1, lastSequence: 2 });
    expect(await next).toMatchObject({ sequence: 3, offset: 3 });
    expect(await valuesIn(topic)).toEqual(['0', '1', '2', '3']);
    const last = producer.append(topic, { value: '4' });
    expect(endOf({ topic })).toBe(5);
    await last;
  });

  test('is told of a batch that is on its way where that stands, when it is stored', async () => {
    const { topic, producer, syncs } = await setting();
    syncs.hold();
    const first = producer.appendBatch(topic, numbered(1, 4));
    let isAnswered = false;
    const again = producer.append(topic, { value: '2' }, { sequence: 2 });
    void again.then(() => (isAnswered = true));
    await turns(5);
    expect([isAnswered, endOf({ topic })]).toEqual([false, 4]);
    syncs.release();
    expect(await again).toMatchObject({ duplicate: true, partition: 0, offset: 2 });
    expect(await first).toMatchObject({ recordCount: 3 });
  });

  test('for what a commit brings is behind it', async () => {
    const { store, topic, producer, syncs } = await setting();
    syncs.hold();
    await turns(1);
    const plain = topic.append({ value: 'plain' });
    // Its commit syncs what stands before it.
    const committed = store.transaction((tx) => tx.append(topic, { value: '1' }, { producer }));
    await turns(10);
    const next = producer.append(topic, { value: '2' }, { sequence: 2 });
    await turns(5);
    syncs.release();
    await Promise.all([plain, committed]);
    expect(await next).toMatchObject({ sequence: 2, duplicate: false });
    expect(await valuesIn(topic)).toEqual(['0', 'plain', '1', '2']);
    const last = producer.append(topic, { value: '3' });
    expect(endOf({ topic })).toBe(5);
    await last;
  });
});

describe('a call that is refused', () => {
  test('for a gap leaves its numbers to the next', async () => {
    const { topic, producer } = await setting();
    const refused = producer.append(topic, { value: '9' }, { sequence: 9 });
    expect(await rejectionOf(refused)).toMatchObject({
      code: 'ERR_VARVE_SEQUENCE_GAP',
      details: { expected: 1, found: 9 },
    });
    const listed = producer.appendBatch(topic, numbered(0, 3), { sequence: [1, 2, 4] });
    expect(await rejectionOf(listed)).toMatchObject({ details: { expected: 3, found: 4 } });
    expect(await producer.append(topic, { value: '1' })).toMatchObject({ sequence: 1, offset: 1 });
    expect(await producer.last(topic)).toMatchObject({ sequence: 1, resumeFrom: 2 });
  });

  test('for it has no way may come again, though others came meanwhile', async () => {
    const disk = await RoutingDisk.make();
    onTestFinished(() => disk.close().catch(() => undefined));
    const events = await disk.exchange('events', { type: 'topic' });
    const producer = await disk.run(disk.store.producer('p', { gaps: 'allow' }));
    await disk.run(disk.store.topic('all'));
    await disk.run(events.bind('all', { pattern: 'key' }));
    const send = (sequence: number, routingKey: string) =>
      disk.run(producer.publish(events, 'x', { routingKey, sequence, mandatory: true }));
    await send(0, 'key');
    expect(await rejectionOf(send(3, 'nowhere'))).toMatchObject({ code: 'ERR_VARVE_UNROUTABLE' });
    expect(await send(5, 'key')).toMatchObject({ duplicate: false });
    expect(await send(6, 'key')).toMatchObject({ duplicate: false });
    expect(await send(3, 'key')).toMatchObject({ duplicate: false });
  });
});

describe('a producer with calls on their way', () => {
  test('is over when another has its name, who begins when they are answered', async () => {
    const { store, topic, producer, syncs } = await setting();
    syncs.hold();
    const sent = producer.appendBatch(topic, numbered(1, 3));
    let isOpen = false;
    const other = store.producer('p');
    void other.then(() => (isOpen = true));
    await turns(10);
    expect(isOpen).toBe(false);
    const late = producer.append(topic, { value: 'late' });
    expect(endOf({ topic })).toBe(3);
    expect(await rejectionOf(late)).toBeInstanceOf(FencedError);
    syncs.release();
    const successor = await other;
    expect(await sent).toMatchObject({ recordCount: 2 });
    expect(await successor.last(topic)).toMatchObject({ sequence: 2, resumeFrom: 3 });
    const next = successor.append(topic, { value: '3' });
    expect(endOf({ topic })).toBe(4);
    expect(await next).toMatchObject({ sequence: 3, duplicate: false });
  });

  test('tells how far it is, and what it sends meanwhile waits for that', async () => {
    const { topic, producer, syncs } = await setting();
    syncs.hold();
    const first = producer.append(topic, { value: '1' });
    await turns(3);
    const told = producer.last(topic);
    const second = producer.append(topic, { value: '2' });
    syncs.release();
    syncs.hold();
    await first;
    await turns(3);
    // It waits for the second now, and would for each that came behind it.
    const third = producer.append(topic, { value: '3' });
    expect(endOf({ topic })).toBe(3);
    syncs.release();
    expect(await told).toMatchObject({ sequence: 2, resumeFrom: 3 });
    expect([await second, await third]).toMatchObject([{ sequence: 2 }, { sequence: 3 }]);
  });

  test('leaves out what it left out, where it may', async () => {
    const { topic, producer } = await setting(1, { gaps: 'allow' });
    const calls = [3, 6].map((sequence) =>
      producer.append(topic, { value: String(sequence) }, { sequence }),
    );
    const list = producer.appendBatch(topic, numbered(0, 3), { sequence: [7, 9, 12] });
    expect(endOf({ topic })).toBe(6);
    await Promise.all([...calls, list]);
    await producer.append(topic, { value: '13' }); // It says that all below is done.
    for (const sequence of [2, 4, 8, 10]) {
      expect(await producer.append(topic, { value: 'late' }, { sequence })).toMatchObject({
        duplicate: true,
        offset: null,
      });
    }
    expect(await producer.last(topic)).toMatchObject({ sequence: 13, resumeFrom: 14 });
  });
});
