/** Ids of records that come in calls of their own, many in one turn: they are written and followed together. */
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Topic } from '../../../src/topic/topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';
import { tagsIn } from '../../support/tagged-runs.ts';

/** One call for each. */
function appendEach(topic: Topic<string>, ids: readonly string[]) {
  return ids.map((id) => topic.append({ value: `value of ${id}`, key: 'k', dedupId: id }));
}

/** A topic with one record, whose syncs wait until they are let go. */
async function openHeld(options: { readonly dedupWindowMs?: number } = {}) {
  const bench = new StoreBench();
  const syncs = new HeldSyncs(bench.fileSystem, 'topics');
  const store = await bench.open();
  const topic = await store.topic('t', { codec: utf8, ...options });
  await topic.append({ value: 'first', dedupId: 'first' });
  syncs.hold();
  return { bench, store, topic, syncs };
}

function idsFrom(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => `id ${from + n}`);
}

const sync = { durability: 'sync', partition: 0 } as const;

test('those of one turn stand in one batch, each at the place that its caller hears', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const topic = await store.topic('t', { codec: utf8 });
  await topic.append({ value: 'first' }); // Opened: what comes is appended in its turn.
  await topic.append({ value: 'second', dedupId: 'second' });
  const answers = appendEach(topic, idsFrom(0, 5));
  const plain = topic.append({ value: 'plain' });
  answers.push(...appendEach(topic, ['grüß dich', ...idsFrom(5, 7)]));
  const placed = await Promise.all(answers);
  expect(placed).toEqual(
    [2, 3, 4, 5, 6, 8, 9, 10].map((offset) => ({ ...sync, offset, duplicate: false })),
  );
  expect(await plain).toMatchObject({ offset: 7 });
  const again = await Promise.all(appendEach(topic, ['grüß dich', ...idsFrom(0, 7)]));
  expect(again).toEqual(
    [8, 2, 3, 4, 5, 6, 9, 10].map((offset) => ({ ...sync, offset, duplicate: true })),
  );
  const [directory = ''] = await bench.fileSystem.list(join(STORE_PATH, 'topics'));
  await store.close();
  const path = join(STORE_PATH, 'topics', directory, '0');
  const { records, batches } = await tagsIn(bench.fileSystem, path);
  expect(batches.map(({ recordCount }) => recordCount)).toEqual([1, 1, 5, 1, 3]);
  expect(records.filter(({ fingerprint }) => fingerprint === null)).toHaveLength(2);
});

test('a second one waits for the first, in its turn and while that is being synced', async () => {
  const { store, topic, syncs } = await openHeld();
  let answeredCount = 0;
  const calls = [
    ...appendEach(topic, ['a', 'b']),
    ...appendEach(topic, ['b', 'c']), // Behind the duplicate: order of calls holds.
  ];
  for (const call of calls) void call.then(() => answeredCount++);
  await turns(20);
  calls.push(...appendEach(topic, ['a']));
  await turns(20);
  expect(answeredCount).toBe(0);
  syncs.release();
  expect((await Promise.all(calls)).map(({ offset, duplicate }) => [offset, duplicate])).toEqual([
    [1, false],
    [2, false],
    [2, true],
    [3, false],
    [1, true],
  ]);
  await store.close();
});

test('one that is on its way in a batch is known before it can be seen', async () => {
  const { store, topic, syncs } = await openHeld();
  const batch = topic.appendBatch(['first', 'a'].map((dedupId) => ({ value: 'v', dedupId })));
  await turns(20);
  const [single] = appendEach(topic, ['a']);
  await turns(20);
  syncs.release();
  expect(await batch).toMatchObject({ recordCount: 1 });
  expect(await single).toEqual({ ...sync, offset: 1, duplicate: true });
  await store.close();
});

test('ids of one millisecond are forgotten together, and none early', async () => {
  const { bench, store, topic, syncs } = await openHeld({ dedupWindowMs: 1000 });
  const answers = appendEach(topic, ['a']);
  bench.clock.advance(0.5);
  answers.push(...appendEach(topic, ['b']));
  syncs.release();
  await Promise.all(answers);
  bench.clock.advance(999.9);
  expect(await topic.append({ value: 'again', dedupId: 'b' })).toMatchObject({ duplicate: true });
  bench.clock.advance(0.2);
  expect(await topic.append({ value: 'again', dedupId: 'b' })).toMatchObject({ duplicate: false });
  await store.close();
});

test('what found no room is free again, and what was written before is known', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8 });
  await Promise.all(appendEach(topic, idsFrom(0, 3)));
  const rule = { operations: ['write'], path: /topics.*\.log$/, errno: 'ENOSPC' } as const;
  disk.fileSystem.addFault({ ...rule });
  for (const call of appendEach(topic, idsFrom(3, 6))) {
    expect(await rejectionOf(call)).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  }
  disk.fileSystem.clearFaults();
  // Others stand there now: their ids, and no others, are known.
  const placed = await Promise.all(appendEach(topic, [...idsFrom(4, 8), ...idsFrom(0, 4)]));
  expect(placed.map(({ offset, duplicate }) => [offset, duplicate])).toEqual([
    ...[3, 4, 5, 6].map((offset) => [offset, false]),
    ...[0, 1, 2].map((offset) => [offset, true]),
    [7, false],
  ]);
  await store.close();
});

test('whose sync fails are in doubt: nobody is told that they are there, or that they are not', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8 });
  await Promise.all(appendEach(topic, ['known']));
  disk.fileSystem.addFault({ operations: ['datasync'], path: /topics.*\.log$/, errno: 'EIO' });
  const failed = { code: 'ERR_VARVE_FAILED', details: { indeterminate: true } };
  for (const call of appendEach(topic, ['a', 'b'])) {
    expect(await rejectionOf(call)).toMatchObject(failed);
  }
  disk.fileSystem.clearFaults();
  const [retried = Promise.reject(new Error('none'))] = appendEach(topic, ['a']);
  expect(await rejectionOf(retried)).toMatchObject({ code: 'ERR_VARVE_FAILED' });
  await rejectionOf(store.close());
});

test('a level that is not the topic’s is reached all the same, and its ids are known', async () => {
  for (const durability of ['os', 'sync'] as const) {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', { codec: utf8, durability });
    const other = durability === 'os' ? 'sync' : 'os';
    await topic.append({ value: 'first', dedupId: 'first' });
    const record = { value: 'v', dedupId: 'one' };
    const both = [topic.append(record, { durability: other }), topic.append(record)];
    const [first, second] = await Promise.all(both);
    expect(first).toEqual({ partition: 0, offset: 1, durability: other, duplicate: false });
    expect(second).toEqual({ partition: 0, offset: 1, durability, duplicate: true });
    await store.close();
  }
});

test('what was let go of while a codec appends is as it was given', async () => {
  const store = await new StoreBench().open();
  const answers: Promise<unknown>[] = [];
  const codec = {
    id: utf8.id,
    decode: utf8.decode,
    encode(value: string) {
      if (value === 'outer') answers.push(topic.append({ value: 'inner', dedupId: 'inner id' }));
      return utf8.encode(value);
    },
  };
  const topic = await store.topic('t', { codec });
  await topic.append({ value: 'first', dedupId: 'first' });
  answers.push(topic.append({ value: 'outer', dedupId: 'outer id' }));
  await Promise.all(answers);
  const stored: unknown[] = [];
  for await (const { value, headers } of topic.records()) {
    const id = headers.get('varve-dedup-id') ?? new Uint8Array(0);
    stored.push([value, Buffer.from(id).toString()]);
  }
  expect(stored).toEqual([
    ['first', 'first'],
    ['inner', 'inner id'],
    ['outer', 'outer id'],
  ]);
  await store.close();
});
