/** Ids of a log in whose place there is another, and of a topic that is made again: they are forgotten. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { LogReplacement } from '../../../src/log/log-replacement.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HeldReads } from '../../support/held-reads.ts';
import { rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, partitions: 2 });
}

function send(topic: StoreTopic<string>, dedupId: string, partition = 0) {
  return topic.append({ value: dedupId, dedupId }, { partition });
}

/** Another log in the place of partition 0: its records name ids, as copies do, and have none themselves. */
async function replaceLog(topic: StoreTopic<string>, ids: readonly string[]): Promise<void> {
  const partition = topic.partitions.at(0);
  const { path, logId, settings, home } = partition.place();
  const { fileSystem, random, clock } = settings;
  const replacement = new LogReplacement(fileSystem, path);
  const ownerId = present(home.ownerId, 'it is a log of a store');
  await replacement.begin({ logId, ownerId }, { random, clock });
  const log = await openLogIn(replacement.path, settings, home);
  await log.appendBatch(
    ids.map((id) => ({ value: Buffer.from(id), headers: { 'varve-dedup-id': id } })),
    { durability: 'sync' },
  );
  await log.close();
  await partition.whileClosed(async () => {
    await replacement.seal(0, 0);
    await replacement.commit();
  });
}

describe('ids of a log that is replaced', () => {
  test('keep nobody out, and those of the other partitions do', async () => {
    const store = await new StoreBench().open();
    const topic = await topicOf(store);
    for (const id of ['a', 'b']) await send(topic, id);
    await send(topic, 'c', 1);
    await replaceLog(topic, ['a', 'b', 'x']);
    expect(await send(topic, 'c')).toMatchObject({ duplicate: true, partition: 1, offset: 0 });
    expect(await send(topic, 'a')).toMatchObject({ duplicate: false, offset: 3 });
    expect(await send(topic, 'a')).toMatchObject({ duplicate: true, partition: 0, offset: 3 });
    expect(await send(topic, 'b', 1)).toMatchObject({ duplicate: false, offset: 1 });
    await store.close();
  });

  test('keep nobody out when they were being loaded', async () => {
    const bench = new StoreBench();
    const before = await bench.open();
    const made = await topicOf(before);
    for (const id of ['a', 'b']) await send(made, id);
    await send(made, 'c', 1);
    await before.close();
    const held = new HeldReads(bench.fileSystem, '/1/00000000000000000000.log');
    const store = await bench.open();
    const topic = await topicOf(store);
    for (const partition of [0, 1]) await topic.partitions.at(partition).log();
    held.hold();
    const answer = send(topic, 'c', 1);
    await turns(20);
    expect(held.waiting).toHaveLength(1);
    await replaceLog(topic, ['a', 'b', 'x']);
    held.release();
    expect(await answer).toMatchObject({ duplicate: true, partition: 1, offset: 0 });
    expect(await send(topic, 'a')).toMatchObject({ duplicate: false, offset: 3 });
    await store.close();
  });
});

test('a topic that is deleted and made again has no ids', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const old = await topicOf(store);
  await send(old, 'a');
  await store.deleteTopic('t');
  const topic = await topicOf(store);
  expect(await send(topic, 'a')).toMatchObject({ duplicate: false, offset: 0 });
  expect(await send(topic, 'a')).toMatchObject({ duplicate: true, offset: 0 });
  expect(await rejectionOf(send(old, 'a'))).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
  await store.deleteTopic('t');
  const reopened = await bench.reopen(store);
  expect(await send(await topicOf(reopened), 'a')).toMatchObject({ duplicate: false, offset: 0 });
  await reopened.close();
});
