/** Commands on topics: making and changing them, appending, reading. */
import { deepStrictEqual, rejects, throws } from 'node:assert/strict';

import * as fc from 'fast-check';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { partitionOfKey } from '../../../src/topic/partitioner.ts';
import type { TopicConfig } from '../../../src/topic/topic-options.ts';
import { command, count, onTopic, type StoreCommand, type TopicPlace } from './command.ts';
import type { ModelRecord, ModelTopic } from './model.ts';

export const PARTITIONS_MAX = 5;
const NAMES = ['orders', 'Über/../uns', '.', 'orders '];

export const topicAt = fc.nat(9);
export const share = fc.double({ min: 0, max: 0.999, noNaN: true });
const name = fc.constantFrom(...NAMES);
const partitions = fc.integer({ min: 1, max: 3 });
const value = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.nat(1500).map((length) => 'x'.repeat(length)),
);
export const record = fc.record(
  { key: fc.option(fc.string({ maxLength: 2 })), value },
  { noNullPrototype: true },
);
const config: fc.Arbitrary<TopicConfig> = fc.record(
  {
    retentionBytes: fc.constantFrom(null, 1e9),
    retentionMs: fc.constantFrom(null, 1e9),
    segmentBytesMax: fc.constantFrom(4096, 100_000),
    batchBytesMax: fc.constantFrom(1024, 65_536),
    compression: fc.constantFrom('none' as const, 'gzip' as const),
  },
  { requiredKeys: [], noNullPrototype: true },
);

/** The partition of a key, or null: any. */
function placeOf({ partitions: all }: ModelTopic, key: string | null): number | null {
  if (key === null) return all.length === 1 ? 0 : null;
  return partitionOfKey(Buffer.from(key, 'utf8'), all.length);
}

function partitionAt({ partitions: all }: ModelTopic, at: number): ModelRecord[] {
  return present(all[at] ?? null, `partition ${at}`);
}

async function appendBatch({ topic, handle }: TopicPlace, records: readonly ModelRecord[]) {
  const { placements, recordCount } = await handle.appendBatch(records);
  deepStrictEqual(recordCount, records.length);
  const places = records.map(({ key }) => placeOf(topic, key));
  // The keyless ones are together, wherever that is.
  const sticky = placements.find(
    (placed) => placed.recordCount !== places.filter((at) => at === placed.partition).length,
  );
  for (const { partition, baseOffset, recordCount: own } of placements) {
    const there = partitionAt(topic, partition);
    deepStrictEqual(baseOffset, there.length);
    const placed = records.filter((_, at) => (places[at] ?? sticky?.partition) === partition);
    deepStrictEqual(own, placed.length);
    there.push(...placed);
  }
  deepStrictEqual(
    placements.reduce((sum, placed) => sum + placed.recordCount, 0),
    records.length,
  );
  count('records', records.length);
}

async function readOne({ topic, handle }: TopicPlace, partition: number, at: number) {
  const records = partitionAt(topic, partition);
  const offset = Math.floor(records.length * at);
  if (records.length === 0) {
    await rejects(handle.read({ partition, offset }), { code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE' });
    return;
  }
  const found = await handle.read({ partition, offset });
  deepStrictEqual(
    { key: found?.key, value: found?.value, partition: found?.partition },
    { ...records[offset], partition },
  );
}

export const topicCommands: fc.Arbitrary<StoreCommand>[] = [
  fc.tuple(name, partitions).map(([given, total]) =>
    command(`create ${given} with ${total}`, async ({ topics }, real) => {
      const store = await real.store();
      const known = topics.get(given);
      const opened = store.topic(given, { codec: utf8, partitions: total });
      if (known !== undefined && known.partitions.length !== total) {
        await rejects(opened, { code: 'ERR_VARVE_CONFLICT' });
        return;
      }
      deepStrictEqual((await opened).partitionCount, total);
      if (known !== undefined) return;
      const empty = Array.from({ length: total }, (): ModelRecord[] => []);
      topics.set(given, { partitions: empty, options: {}, groups: new Map() });
    }),
  ),
  name.map((given) =>
    command(`find ${given}`, async ({ topics }, real) => {
      const store = await real.store();
      const known = topics.get(given);
      if (known !== undefined) {
        deepStrictEqual(store.describeTopic(given).partitionCount, known.partitions.length);
        return;
      }
      throws(() => store.describeTopic(given), { code: 'ERR_VARVE_NOT_FOUND' });
      await rejects(store.topic(given, { create: false }), { code: 'ERR_VARVE_NOT_FOUND' });
      await rejects(store.alterTopic(given, {}), { code: 'ERR_VARVE_NOT_FOUND' });
    }),
  ),
  fc.tuple(topicAt, config).map(([at, changes]) =>
    onTopic(`alter ${JSON.stringify(changes)}`, at, async ({ real, name: given, topic }) => {
      await (await real.store()).alterTopic(given, changes);
      Object.assign(topic.options, changes);
    }),
  ),
  fc.tuple(topicAt, fc.integer({ min: 1, max: PARTITIONS_MAX })).map(([at, total]) =>
    onTopic(`grow to ${total}`, at, async ({ real, name: given, topic }) => {
      const grown = (await real.store()).addPartitions(given, total);
      if (total <= topic.partitions.length) {
        await rejects(grown, { code: 'ERR_VARVE_INVALID_ARGUMENT' });
        return;
      }
      await grown;
      while (topic.partitions.length < total) topic.partitions.push([]);
    }),
  ),
  fc.tuple(topicAt, record).map(([at, input]) =>
    onTopic(`append ${JSON.stringify(input.key)}`, at, async ({ topic, handle }) => {
      const { partition, offset, durability } = await handle.append(input);
      const there = partitionAt(topic, partition);
      deepStrictEqual(partition, placeOf(topic, input.key) ?? partition);
      deepStrictEqual([offset, durability], [there.length, 'sync']);
      there.push(input);
      count('records');
    }),
  ),
  fc.tuple(topicAt, record, fc.nat(PARTITIONS_MAX)).map(([at, input, partition]) =>
    onTopic(`append to ${partition}`, at, async ({ topic, handle }) => {
      const appended = handle.append(input, { partition });
      if (partition >= topic.partitions.length) {
        await rejects(appended, { code: 'ERR_VARVE_INVALID_ARGUMENT' });
        return;
      }
      deepStrictEqual((await appended).offset, topic.partitions[partition]?.length);
      partitionAt(topic, partition).push(input);
      count('records');
    }),
  ),
  fc
    .tuple(topicAt, fc.array(record, { maxLength: 20, size: 'max' }))
    .map(([at, records]) =>
      onTopic(`appendBatch of ${records.length}`, at, (place) => appendBatch(place, records)),
    ),
  fc.tuple(topicAt, share, share).map(([at, partitionShare, offsetShare]) =>
    onTopic(`readOne at ${offsetShare}`, at, async (place) => {
      const partition = Math.floor(place.topic.partitions.length * partitionShare);
      await readOne(place, partition, offsetShare);
    }),
  ),
  fc.tuple(topicAt, share, share).map(([at, partitionShare, offsetShare]) =>
    onTopic(`readFrom ${offsetShare}`, at, async ({ real, name: given, topic }) => {
      const partition = Math.floor(topic.partitions.length * partitionShare);
      const records = partitionAt(topic, partition);
      const from = Math.floor(records.length * offsetShare);
      deepStrictEqual(await real.recordsOf(given, partition, from), records.slice(from));
    }),
  ),
  topicAt.map((at) =>
    onTopic('readAll partitions', at, async ({ topic, handle }) => {
      const found = topic.partitions.map((): ModelRecord[] => []);
      for await (const { partition, key, value: read } of handle.records()) {
        present(found[partition] ?? null, 'a partition').push({ key, value: read ?? '' });
      }
      deepStrictEqual(found, topic.partitions);
    }),
  ),
];
