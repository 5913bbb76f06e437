/** What callers hear when a call goes to several logs, and only some of them take their part. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { BackpressureError, ioErrorOf } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { settleParts } from '../../../src/topic/settle-parts.ts';
import type { FaultRule } from '../../support/fault-plan.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const STOPPED = { errno: 'EIO', operations: ['datasync'] } as const;
const FULL = { errno: 'ENOSPC', operations: ['write'], times: 2 } as const;

/** A topic whose records go to the partition that their key names. @param fault  of partition 1 */
async function topicWith(durability: 'os' | 'sync') {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await new StoreBench().open({ fileSystem });
  const topic = await store.topic('t', {
    codec: utf8,
    partitions: 2,
    durability,
    partitioner: ({ key }) => Number(key),
  });
  const fail = (fault: FaultRule) =>
    fileSystem.addFault({ path: /\/topics\/.*\/1\/.*log$/, ...fault });
  return { store, topic, fail };
}

/** Has the writer of partition 1 stopped, with nothing on its way. */
async function stop(topic: StoreTopic<string>, fail: (fault: FaultRule) => void): Promise<void> {
  fail(STOPPED);
  const last = topic.append({ value: 'last', key: '1' }, { durability: 'sync' });
  expect(await rejectionOf(last)).toMatchObject({ code: 'ERR_VARVE_FAILED' });
}

function batch(ids: boolean) {
  return ['0', '1'].map((key) => ({ value: `of ${key}`, key, dedupId: ids ? key : undefined }));
}

async function valuesIn(topic: StoreTopic<string>, partition: number) {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records({ partitions: partition })) values.push(value);
  return values;
}

test('a batch of which one partition has stopped does not say that nothing happened', async () => {
  const { store, topic, fail } = await topicWith('sync');
  await topic.append({ value: 'first', key: '1' }); // Opens it.
  await stop(topic, fail);
  const error = await rejectionOf(topic.appendBatch(batch(false)));
  expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
  expect(await valuesIn(topic, 0)).toEqual(['of 0']);
  const alone = await rejectionOf(topic.appendBatch([{ value: 'alone', key: '1' }]));
  expect(alone).toMatchObject({ details: { indeterminate: false } });
  await store.close().catch(() => undefined);
});

test('a batch of which one partition is full says how many records are stored', async () => {
  const { store, topic, fail } = await topicWith('sync');
  await topic.appendBatch(batch(false)); // Opens both.
  fail(FULL);
  const error = await rejectionOf(topic.appendBatch([...batch(false), { value: 'x', key: '0' }]));
  expect(error).toMatchObject({
    code: 'ERR_VARVE_DISK_FULL',
    retryable: false,
    details: { appendedCount: 2 },
  });
  expect(await valuesIn(topic, 0)).toEqual(['of 0', 'of 0', 'x']);
  await store.close();
});

test('records with ids go to no partition when one of them has stopped', async () => {
  const { store, topic, fail } = await topicWith('sync');
  await topic.append({ value: 'before', key: '0', dedupId: 'before' });
  await stop(topic, fail);
  const before = { value: 'before', key: '0', dedupId: 'before' };
  for (const records of [batch(true), [before, ...batch(true)]]) {
    const error = await rejectionOf(topic.appendBatch(records));
    expect(error).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: false } });
  }
  expect(await valuesIn(topic, 0)).toEqual(['before']);
  await store.close().catch(() => undefined);
});

test('a duplicate that cannot be synced does not deny what is new in its batch', async () => {
  const { store, topic, fail } = await topicWith('os');
  await topic.append({ value: 'of 1', key: '1', dedupId: 'one' });
  await stop(topic, fail);
  const again = { value: 'again', key: '0', dedupId: 'one' };
  const fresh = { value: 'fresh', key: '0', dedupId: 'fresh' };
  const how = { durability: 'sync' } as const;
  const mixed = await rejectionOf(topic.appendBatch([again, fresh], how));
  expect(mixed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
  expect(await valuesIn(topic, 0)).toEqual(['fresh']);
  const nothing = await rejectionOf(topic.appendBatch([again], how));
  expect(nothing).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: false } });
  await store.close().catch(() => undefined);
});

test('a number that cannot be synced does not deny what is new in its batch', async () => {
  const { store, topic, fail } = await topicWith('os');
  const producer = await store.producer('p');
  const [of0, of1] = batch(false);
  if (of0 === undefined || of1 === undefined) throw new Error('there are two');
  await producer.append(topic, of1, { sequence: 0 });
  await stop(topic, fail);
  const how = { sequence: 0, durability: 'sync' } as const;
  const mixed = await rejectionOf(producer.appendBatch(topic, [of1, of0], how));
  expect(mixed).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: true } });
  expect(await valuesIn(topic, 0)).toEqual(['of 0']);
  const nothing = await rejectionOf(producer.appendBatch(topic, [of1, of0], how));
  expect(nothing).toMatchObject({ code: 'ERR_VARVE_FAILED', details: { indeterminate: false } });
  await store.close().catch(() => undefined);
});

test('what the disk refused is told before what never came to it: it says how many are stored', async () => {
  const busy = new BackpressureError({ queuedBytes: 2, queuedBytesMax: 1 });
  const full = ioErrorOf({
    operation: 'write',
    path: '/log',
    position: 0,
    errno: 'ENOSPC',
    appendedCount: 3,
  });
  const parts = [Promise.reject(busy), Promise.resolve({ recordCount: 5 }), Promise.reject(full)];
  const error = await rejectionOf(settleParts(parts));
  expect(error).toMatchObject({ code: 'ERR_VARVE_DISK_FULL', details: { appendedCount: 8 } });
  const onlyBusy = [Promise.reject(busy), Promise.resolve({ recordCount: 5 })];
  expect(await rejectionOf(settleParts(onlyBusy))).toBe(busy);
});
