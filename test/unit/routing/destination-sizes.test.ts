/** How many partitions destinations had in each version, and what of the past is forgotten. */

import { describe, expect, onTestFinished, test } from 'vitest';

import { nextTurn } from '../../../src/core/clock.ts';
import { DiskFullError } from '../../../src/core/errors.ts';
import type { ExchangeCatalog } from '../../../src/routing/exchange-catalog.ts';
import { VersionedTopology } from '../../../src/routing/topology-history.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { CommitBench } from '../../support/commit-bench.ts';
import { rejectionOf } from '../../support/log-fixture.ts';

interface Opened {
  readonly store: Store;
  readonly exchanges: ExchangeCatalog;
  /** Of topic `t`, which has three partitions at first. */
  readonly topicId: number;
}

/** Once the topic is there: as it is in the turn in which the store is opened. */
async function open({ fileSystem, clock, random }: CommitBench): Promise<Opened> {
  const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
  onTestFinished(async () => {
    await store.close();
    expect(store.misfits.count).toBe(0);
  });
  return { store, exchanges: store.exchangeCatalog, topicId: store.describeTopic('t').topicId };
}

/** With exchange `one`, as version 1. */
async function openWithExchange(bench: CommitBench): Promise<Opened> {
  const { store } = await bench.open();
  await store.close();
  const opened = await open(bench);
  await opened.exchanges.open('one', { type: 'topic' });
  return opened;
}

/** What a topology says that walks there, and what the catalog does. */
function countsIn({ exchanges, topicId }: Opened, versions: readonly number[]) {
  const walked = new VersionedTopology(exchanges.history);
  return versions.map((version) => {
    walked.advanceTo(version);
    return [walked.partitionCount(topicId), exchanges.partitionCountAt(topicId, version)];
  });
}

describe('the size of a destination', () => {
  test('is known from the version of its first binding on, and in each one after it', async () => {
    const bench = new CommitBench();
    const opened = await openWithExchange(bench);
    const { store, exchanges } = opened;
    await exchanges.bind('one', 't', 'a'); // 2
    await exchanges.bind('one', 't', 'b'); // 3
    await store.addPartitions('t', 5); // 4
    await exchanges.unbind('one', 't', 'a'); // 5
    await exchanges.unbind('one', 't', 'b'); // 6
    await store.addPartitions('t', 7); // 7
    expect(exchanges.version).toBe(7);
    const counts = [
      [null, 3],
      [3, 3],
      [3, 3],
      [5, 5],
      [5, 5],
      [5, 5],
      [7, 7],
    ];
    const versions = counts.map((_, at) => at + 1);
    expect(countsIn(opened, versions)).toEqual(counts);
    const sized = exchanges.history.changes.filter(({ kind }) => kind === 'destination-sized');
    expect(sized.map(({ version }) => version)).toEqual([2, 4, 7]);
    const hash = store.stateHash();
    bench.cutPower();
    const again = await open(bench);
    expect([again.exchanges.version, again.store.stateHash()]).toEqual([7, hash]);
    expect(countsIn(again, versions)).toEqual(counts);
  });

  test('is of no interest while nothing leads there', async () => {
    const opened = await openWithExchange(new CommitBench());
    const { store, exchanges, topicId } = opened;
    await exchanges.bind('one', { exchange: 'one' }, 'a');
    await store.addPartitions('t', 4);
    expect([exchanges.version, exchanges.partitionCountAt(topicId, 2)]).toEqual([2, null]);
    await exchanges.bind('one', 't', 'a');
    expect(countsIn(opened, [2, 3])).toEqual([
      [null, 4],
      [4, 4],
    ]);
  });

  test('is right whatever changes at the same time', async () => {
    const bench = new CommitBench();
    const opened = await openWithExchange(bench);
    const { store, exchanges, topicId } = opened;
    const count = () => exchanges.partitionCountAt(topicId, exchanges.version);
    await Promise.all([
      store.addPartitions('t', 4),
      exchanges.bind('one', 't', 'a'),
      exchanges.open('two', { type: 'fanout' }), // Waits for a change of topics itself.
      store.addPartitions('t', 6),
      exchanges.bind('one', 't', 'b'),
    ]);
    expect(count()).toBe(6);
    const { version } = exchanges;
    bench.cutPower();
    const again = await open(bench);
    await again.exchanges.reconcile();
    expect([again.exchanges.version, countsIn(again, [version])]).toEqual([version, [[6, 6]]]);
  });

  test('is made up for at the next opening when a crash came before it was journaled', async () => {
    const bench = new CommitBench();
    const { store, exchanges } = await openWithExchange(bench);
    await exchanges.bind('one', 't', 'a');
    const atCrash = new CommitBench();
    store.on('topic-altered', () => {
      atCrash.fileSystem = bench.fileSystem.crashImage({ data: 'none', names: 'none' });
    });
    await store.addPartitions('t', 5);
    expect(exchanges.version).toBe(3);
    const again = await open(atCrash);
    expect([again.store.describeTopic('t').partitionCount, again.exchanges.version]).toEqual([
      5, 2,
    ]);
    expect(countsIn(again, [2])).toEqual([[3, 3]]);
    await again.exchanges.setAlternate('one', null); // Changes nothing, behind what the opening does.
    expect(again.exchanges.version).toBe(3);
    expect(countsIn(again, [2, 3])).toEqual([
      [3, 3],
      [5, 5],
    ]);
    atCrash.cutPower();
    const { store: third, exchanges: found } = await open(atCrash);
    const { endOffset } = third.stats().journal;
    await found.reconcile();
    expect([found.version, third.stats().journal.endOffset]).toEqual([3, endOffset]);
  });

  test('is journaled when the store is closed right behind the growth', async () => {
    const bench = new CommitBench();
    const { store, exchanges } = await openWithExchange(bench);
    await exchanges.bind('one', 't', 'a');
    const closed: Promise<void>[] = [];
    store.on('topic-altered', () => {
      closed.push(store.close());
    });
    const growth = store.addPartitions('t', 5);
    const others = ['b', 'c'].map((key) => exchanges.bind('one', { exchange: 'one' }, key));
    await Promise.all([growth, ...others]);
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
    expect(countsIn(await open(bench), [5])).toEqual([[5, 5]]);
  });

  test('is told by the next change when there was no room for it', async () => {
    const bench = new CommitBench();
    const opened = await openWithExchange(bench);
    const { store, exchanges } = opened;
    await exchanges.bind('one', 't', 'a');
    store.on('topic-altered', () => {
      bench.fileSystem.capacityBytes = 0;
    });
    expect(await rejectionOf(store.addPartitions('t', 5))).toBeInstanceOf(DiskFullError);
    expect([store.describeTopic('t').partitionCount, exchanges.version]).toEqual([5, 2]);
    expect(countsIn(opened, [2])).toEqual([[3, 3]]);
    bench.fileSystem.capacityBytes = 2 ** 40;
    await exchanges.bind('one', 't', 'b');
    expect(countsIn(opened, [3])).toEqual([[5, 5]]);
  });
});

describe('pruning', () => {
  /** Versions 1 to 10, of which most undo what others did. */
  async function withPast(bench: CommitBench): Promise<Opened> {
    const opened = await openWithExchange(bench); // 1
    const { store, exchanges } = opened;
    await exchanges.open('gone', { type: 'fanout' }); // 2
    await exchanges.bind('one', 't', 'a'); // 3
    await exchanges.bind('gone', 't', ''); // 4
    await exchanges.setAlternate('one', 'gone'); // 5
    await store.addPartitions('t', 5); // 6
    await exchanges.setAlternate('one', null); // 7
    await exchanges.delete('gone'); // 8
    await exchanges.unbind('one', 't', 'a'); // 9
    await exchanges.bind('one', 't', 'b'); // 10
    expect(exchanges.version).toBe(10);
    // Its source goes when nothing of it is left to be projected.
    const isLeft = () => store.topics().some(({ name }) => name === 'exchange:gone');
    while (isLeft() || store.deletingTopicIds.length > 0) await nextTurn();
    return opened;
  }

  const kindsOf = ({ history }: ExchangeCatalog) =>
    history.changes.map(({ version, kind }) => `${version} ${kind}`);

  test('forgets what only versions below need, durably, and disturbs nobody who stands above', async () => {
    const bench = new CommitBench();
    const opened = await withPast(bench);
    const { store, exchanges, topicId } = opened;
    const stands = new VersionedTopology(exchanges.history);
    stands.advanceTo(9);
    const { topology } = stands;
    await exchanges.prune(5);
    const sizes = kindsOf(exchanges).filter((kind) => kind.includes('sized'));
    expect(sizes).toEqual(['3 destination-sized', '6 destination-sized']);
    await exchanges.prune(8);
    const left = [
      '1 exchange-added',
      '3 binding-added',
      '6 destination-sized',
      '7 alternate-set',
      '9 binding-removed',
      '10 binding-added',
    ];
    expect(kindsOf(exchanges)).toEqual(left);
    expect(countsIn(opened, [8, 10])).toEqual([
      [5, 5],
      [5, 5],
    ]);
    const { exchangeId } = exchanges.describe('one');
    expect(stands.topology.route(exchangeId, 'b')).toEqual([]);
    stands.advanceTo(10);
    expect([stands.topology, stands.topology.route(exchangeId, 'b')]).toEqual([
      topology,
      [topicId],
    ]);
    await exchanges.bind('one', 't', 'c');
    stands.advanceTo(11);
    expect(stands.topology.route(exchangeId, 'c')).toEqual([topicId]);
    const hash = store.stateHash();
    bench.cutPower();
    const again = await open(bench);
    expect(again.store.stateHash()).toBe(hash);
    expect(kindsOf(again.exchanges)).toEqual([...left, '11 binding-added']);
  });

  test('journals nothing when there is nothing to forget', async () => {
    const { store, exchanges } = await withPast(new CommitBench());
    await exchanges.prune(8);
    const { endOffset } = store.stats().journal;
    for (const version of [8, 5, 0]) await exchanges.prune(version);
    expect(store.stats().journal.endOffset).toBe(endOffset);
    await exchanges.prune(9);
    expect(store.stats().journal.endOffset).toBe(endOffset + 1);
  });

  test('keeps the present, however high the version is', async () => {
    const { exchanges } = await withPast(new CommitBench());
    const before = [exchanges.list(), exchanges.bindings('one')];
    await exchanges.prune(Number.MAX_SAFE_INTEGER);
    expect([exchanges.list(), exchanges.bindings('one')]).toEqual(before);
    await exchanges.unbind('one', 't', 'b'); // 11
    expect(exchanges.history.prunedBelow).toBe(10);
    expect(kindsOf(exchanges)).toContain('11 binding-removed');
  });

  test('forgets how large a topic was to which nothing leads, deleted or not', async () => {
    const bench = new CommitBench();
    const opened = await openWithExchange(bench);
    const { store, exchanges, topicId } = opened;
    await store.topic('other', { partitions: 2 });
    const { topicId: other } = store.describeTopic('other');
    await exchanges.bind('one', 't', 'a'); // 2
    await exchanges.bind('one', 'other', 'a'); // 3
    await exchanges.unbind('one', 't', 'a'); // 4
    await store.deleteTopic('other'); // 5
    const counts = (version: number) =>
      [topicId, other].map((id) => exchanges.partitionCountAt(id, version));
    const stands = new VersionedTopology(exchanges.history);
    stands.advanceTo(5);
    await exchanges.prune(3);
    expect(counts(5)).toEqual([3, 2]);
    await exchanges.prune(4);
    expect(counts(5)).toEqual([null, 2]);
    await exchanges.prune(5);
    expect(counts(5)).toEqual([null, null]);
    expect(kindsOf(exchanges)).toEqual(['1 exchange-added']);
    await store.addPartitions('t', 4);
    expect(exchanges.version).toBe(5);
    await exchanges.setAlternate('one', 'one'); // 6
    await exchanges.bind('one', 't', 'a'); // 7
    expect(countsIn(opened, [6, 7])).toEqual([
      [null, 4],
      [4, 4],
    ]);
    stands.advanceTo(6);
    expect(stands.partitionCount(topicId)).toBeNull(); // As to whoever begins now.
  });

  test('is tried again when it found no room', async () => {
    const bench = new CommitBench();
    const { exchanges } = await withPast(bench);
    const before = kindsOf(exchanges);
    bench.fileSystem.capacityBytes = 0;
    expect(await rejectionOf(exchanges.prune(8))).toBeInstanceOf(DiskFullError);
    expect(kindsOf(exchanges)).toEqual(before);
    bench.fileSystem.capacityBytes = 2 ** 40;
    await exchanges.prune(8);
    expect(kindsOf(exchanges).length).toBeLessThan(before.length);
  });
});
