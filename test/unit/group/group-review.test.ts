/** What a review found in consumer groups: commits, handing over, deleting. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { StoreBench } from '../../support/store-fixture.ts';

interface Setup {
  readonly bench: StoreBench;
  readonly held: HeldSyncs;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

async function setup(partitions = 1, recordCount = 0): Promise<Setup> {
  const bench = new StoreBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  const store = await bench.open();
  onTestFinished(async () => {
    held.release();
    await store.close();
  });
  const topic = await store.topic('t', { codec: utf8, partitions });
  for (let at = 0; at < recordCount; at++) {
    await topic.append({ value: `${at}` }, { partition: at % partitions });
  }
  return { bench, held, store, topic };
}

/** Values of the first `count` batches. */
async function take(group: ConsumerGroup<string>, count: number): Promise<string[]> {
  const values: string[] = [];
  for await (const batch of group.batches()) {
    for (const { value } of batch) values.push(value ?? '');
    if (values.length >= count) break;
  }
  return values;
}

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('deleting a group', () => {
  test('twice at a time leaves the store usable, now and when it is opened again', async () => {
    const { bench, store, topic } = await setup(1, 1);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    await group.commit();
    await group.close();
    const deleted = await Promise.allSettled([topic.deleteGroup('g'), topic.deleteGroup('g')]);
    expect(deleted.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(deleted[1]).toMatchObject({ reason: { code: 'ERR_VARVE_NOT_FOUND' } });
    await store.topic('other');
    const again = await bench.reopen(store);
    expect(again.topics().map(({ name }) => name)).toEqual(['other', 't']);
    await again.close();
  });

  test('waits for what its last member commits: a late commit does not bring it back', async () => {
    const { held, topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g');
    await take(group, 3);
    await group.commit({ partition: 0, offset: 1 });
    held.hold();
    const commits = [group.commit({ partition: 0, offset: 2 })];
    await settle();
    commits.push(group.commit({ partition: 0, offset: 3 })); // Waits for the first.
    await settle();
    const closing = group.close();
    const reset = closing.then(() => topic.resetGroup('g', 'earliest', { dryRun: false }));
    await settle();
    held.release();
    await Promise.all([...commits, reset]);
    const { partitions } = await topic.describeGroup('g');
    expect(partitions[0]?.committedOffset).toBe(0);
  });
});

describe('autoCommit', () => {
  test('after: what the handler failed at is handed out again', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { autoCommit: 'after' });
    const failing = async () => {
      for await (const batch of group.batches()) {
        if (batch.baseOffset === 1) throw new Error('no luck');
      }
    };
    await expect(failing()).rejects.toThrow('no luck');
    await group.close();
    const next = await topic.consumerGroup('g');
    expect(await take(next, 1)).toEqual(['1']);
  });

  test('after: what the handler failed at is handed out again, to the same member too', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { autoCommit: 'after' });
    const failing = async () => {
      for await (const batch of group.batches()) {
        if (batch.baseOffset === 1) throw new Error('no luck');
      }
    };
    await expect(failing()).rejects.toThrow('no luck');
    await expect(failing()).rejects.toThrow('no luck'); // At the same batch.
    await group.close();
    expect(group.committed(0)?.offset).toBe(1);
  });

  test('after: a seek in a handler that fails is not undone', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { autoCommit: 'after' });
    for await (const batch of group.batches()) {
      group.seek(batch.partition, { offset: 2 });
      break;
    }
    expect(await take(group, 1)).toEqual(['2']);
    await group.close();
  });

  test('after: closing in the middle of a handler does not commit its batch', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { autoCommit: 'after' });
    for await (const batch of group.batches()) {
      if (batch.baseOffset === 1) await group.close(); // As on SIGTERM, or by store.close().
    }
    expect(group.committed(0)?.offset).toBe(1);
  });

  test('after: also while no records come', async () => {
    const { bench, topic } = await setup(1, 2);
    const group = await topic.consumerGroup('g', { autoCommit: 'after', autoCommitMs: 1000 });
    const reading = take(group, 3);
    await settle();
    expect(group.committed(0)).toBeNull();
    bench.clock.advance(1000);
    await settle();
    expect(group.committed(0)?.offset).toBe(2);
    await group.close();
    await reading;
  });

  test('before: a member that is closed meanwhile hands nothing out', async () => {
    const { held, topic } = await setup(2, 2);
    const one = await topic.consumerGroup('g', { autoCommit: 'before' });
    const two = await topic.consumerGroup('g', { autoCommit: 'before' });
    held.hold();
    const second = take(two, 2);
    await settle();
    const first = take(one, 1);
    await settle(); // Its commit waits for that of the other member.
    const closing = one.close();
    await settle();
    held.release();
    await settle();
    await closing;
    await two.close();
    const given = [...(await first), ...(await second)];
    expect(given.toSorted()).toEqual(['0', '1']);
  });
});

describe('a member', () => {
  test('that loses a partition while its commit waits for another log is fenced', async () => {
    const { bench, topic } = await setup(2, 8);
    const one = await topic.consumerGroup('g', { pollMsMax: 1000 });
    await take(one, 8);
    const log = topic.partitions.at(1);
    const open = log.log.bind(log);
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const { opened } = log;
    log.log = () => gate.then(open);
    log.opened = null; // As one that must be opened first.
    const late = one.commit([
      { partition: 0, offset: 1 },
      { partition: 1, offset: 1 },
    ]);
    log.log = open;
    log.opened = opened;
    bench.clock.advance(1000); // Taken for dead.
    const two = await topic.consumerGroup('g');
    await take(two, 8);
    await two.commit();
    goOn();
    await expect(late).rejects.toMatchObject({ code: 'ERR_VARVE_FENCED' });
    expect(two.committed(0)?.offset).toBe(4);
  });

  test('commits in the order in which it asks, also while a log is not open yet', async () => {
    const { bench, store } = await setup(2, 8);
    await store.close();
    const again = await bench.open();
    onTestFinished(() => again.close());
    const topic = await again.topic('t', { codec: utf8 });
    await topic.append({ value: 'opens it' }, { partition: 0 });
    const group = await topic.consumerGroup('g');
    const earlier = group.commit([
      { partition: 0, offset: 1 },
      { partition: 1, offset: 1 },
    ]);
    await Promise.all([earlier, group.commit({ partition: 0, offset: 3 })]);
    expect([0, 1].map((partition) => group.committed(partition)?.offset)).toEqual([3, 1]);
  });

  test('can seek and pause in onAssigned, and as soon as it has joined', async () => {
    const { topic } = await setup(2, 4);
    const group: ConsumerGroup<string> = await topic.consumerGroup('g', {
      onAssigned: () => group.seek(0, { offset: 1 }),
    });
    group.pause([1]);
    expect(await take(group, 1)).toEqual(['2']);
  });

  test('whose read failed once goes on when it is asked again', async () => {
    const { bench, store, topic } = await setup(1, 2);
    await store.close();
    const again = await bench.open();
    onTestFinished(() => again.close());
    const reopened = await again.topic('t', { codec: utf8 });
    const partition = reopened.partitions.at(0);
    const open = partition.log.bind(partition);
    partition.log = () => Promise.reject(new Error('too many open files'));
    const group = await reopened.consumerGroup('g');
    await expect(take(group, 1)).rejects.toThrow('too many');
    partition.log = open;
    expect(await take(group, 1)).toEqual(['0']);
    expect(topic.partitionCount).toBe(1);
  });

  test('whose callback hangs loses its partitions', async () => {
    const { bench, topic } = await setup(2, 4);
    const one = await topic.consumerGroup('g', {
      pollMsMax: 1000,
      onRevoked: () => new Promise<void>(() => undefined),
    });
    await take(one, 4);
    const two = await topic.consumerGroup('g');
    void one.batches().next();
    await settle();
    bench.clock.advance(1000);
    expect(two.assignment).toEqual([0, 1]);
  });

  test('that was closed waits for a close that is under way', async () => {
    const { held, topic } = await setup(1, 2);
    const group = await topic.consumerGroup('g', { autoCommit: 'after' });
    const values: string[] = [];
    for await (const batch of group.batches()) {
      values.push(...[...batch].map(({ value }) => present(value, 'set')));
      if (values.length < 2) continue;
      held.hold();
      let isClosed = false;
      const first = group.close();
      const second = group.close().then(() => (isClosed = true));
      await settle();
      expect(isClosed).toBe(false);
      held.release();
      await Promise.all([first, second]);
    }
    expect(values).toEqual(['0', '1']);
  });

  test('that died and was forgotten does not keep its group from being reset', async () => {
    const { bench, topic } = await setup(1, 2);
    const dead = await topic.consumerGroup('g', { pollMsMax: 1000 });
    await take(dead, 1);
    await dead.commit();
    bench.clock.advance(1000);
    await expect(topic.resetGroup('g', 'earliest', { dryRun: false })).resolves.toHaveLength(1);
    expect(dead.committed(0)?.offset).toBe(0);
  });

  test.each([
    [{ positions: [{ partition: 1, offset: 0 }] }],
    [{ positions: [{ partition: 0, offset: -1 }] }],
    [
      {
        positions: [
          { partition: 0, offset: 0 },
          { partition: 0, offset: 1 },
        ],
      },
    ],
    [{ positions: 5 as never }],
  ])('reset: %j is refused', async (to) => {
    const { topic } = await setup(1, 1);
    await expect(topic.resetGroup('g', to)).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
  });

  test.each([[[1]], [[-1]], [[0.5]]])('reset: partitions %j are refused', async (partitions) => {
    const { topic } = await setup(1, 1);
    await expect(topic.resetGroup('g', 'earliest', { partitions })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
  });

  test('metadata that is no Unicode text is refused: it would come back as another text', async () => {
    const { topic } = await setup(1, 1);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    await expect(group.commit(undefined, { metadata: '\ud800' })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
  });
});
