/** A retry of what a producer sent last is told where that is. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../../support/store-disk.ts';

interface Setting {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
}

async function open(disk: StoreDisk): Promise<Setting> {
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  return { store, topic, producer: await store.producer('p') };
}

const ENDINGS = ['open', 'closed', 'killed', 'without power'] as const;

async function after(ending: (typeof ENDINGS)[number], disk: StoreDisk, before: Setting) {
  if (ending === 'open') return before;
  if (ending === 'closed') await before.store.close();
  else if (ending === 'killed') disk.kill();
  else disk.cutPower();
  return open(disk);
}

describe.each(ENDINGS)('of a store that is %s', (ending) => {
  test('records of the last five batches of each partition', async () => {
    const disk = await StoreDisk.make();
    const before = await open(disk);
    const expected: unknown[] = [];
    for (let sequence = 0; sequence < 12; sequence++) {
      const partition = sequence % 2;
      const stored = await before.producer.append(before.topic, { value: 'x' }, { partition });
      expected.push({ ...stored, duplicate: true });
    }
    const { store, topic, producer } = await after(ending, disk, before);
    for (let sequence = 2; sequence < 12; sequence++) {
      const answer = await producer.append(topic, { value: 'again' }, { sequence });
      expect(answer).toEqual(expected[sequence]);
    }
    await store.close();
  });

  test('a batch, of which some was stored with another', async () => {
    const disk = await StoreDisk.make();
    const before = await open(disk);
    const values = (...all: string[]) => all.map((value) => ({ value }));
    await before.topic.append({ value: 'plain' }, { partition: 1 });
    await before.producer.append(before.topic, { value: '0' }, { partition: 1 });
    await before.producer.appendBatch(before.topic, values('1', '2', '3'));
    const { store, topic, producer } = await after(ending, disk, before);
    const again = await producer.appendBatch(topic, values('0', '1', '2', '3', '4'), {
      sequence: 0,
    });
    expect(again).toEqual({
      placements: [{ partition: 0, baseOffset: 1, recordCount: 1 }],
      recordCount: 1,
      duplicateCount: 4,
      duplicates: [
        { index: 0, partition: 1, offset: 1 },
        { index: 1, partition: 1, offset: 2 },
        { index: 2, partition: 0, offset: 0 },
        { index: 3, partition: 1, offset: 3 },
      ],
      lastSequence: 4,
      durability: 'sync',
    });
    await store.close();
  });
});

test.each(['interval', 'sync'] as const)(
  'a duplicate in a topic at os has the level %s when it is told',
  async (durability) => {
    const disk = await StoreDisk.make();
    const store = await disk.open();
    const topic = await store.topic('t', { codec: utf8, durability: 'os' });
    const producer = await store.producer('p');
    await producer.append(topic, { value: 'x' });
    const { durableOffset } = topic.partitions.at(0).opened ?? {};
    expect(durableOffset).toBe(0);
    const again = await producer.append(topic, { value: 'x' }, { sequence: 0, durability });
    expect(again).toMatchObject({ duplicate: true, offset: 0, durability });
    expect(topic.partitions.at(0).opened?.durableOffset).toBe(1);
    await store.close();
  },
);
