/**
 * The state of a store is a fold over its journal: whoever folds the entries gets what the store
 * has in memory, from any prefix, with any snapshot run, and the hash that says so covers all of it.
 */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { groupReset, offsetsCommitted } from '../../src/group/group-state.ts';
import { entryOf, type EntryType } from '../../src/journal/entry-type.ts';
import { Fold, type StateCopy } from '../../src/journal/fold.ts';
import { RunReader, type CompleteRun } from '../../src/journal/journal-scan.ts';
import { runEnd } from '../../src/journal/snapshot-entries.ts';
import {
  leasesEnded,
  leasesOpened,
  recordsAcquired,
  recordsDied,
  shareGroupCreated,
  sharePurged,
  shareStarted,
} from '../../src/queue/share-entries.ts';
import {
  bindingAdded,
  bindingRemoved,
  destinationSized,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
} from '../../src/routing/exchange-entries.ts';
import {
  backfillBegun,
  backfillCut,
  projectionMarked,
} from '../../src/routing/projection-entries.ts';
import { REDUCERS } from '../../src/store/store-state.ts';
import { dedupBegun } from '../../src/topic/dedup-state.ts';
import { producerOpened, producersNoted } from '../../src/topic/producer-state.ts';
import { partitionsAdded, topicCreated, topicDeleting } from '../../src/topic/topic-state.ts';
import { deepFreeze } from '../support/deep-freeze.ts';
import { JournalBench, registry, type OpenJournal } from '../support/journal-bench.ts';
import { histories, settingsOf, type HistoryStep } from '../support/journal-history.ts';
import { passedEntries } from '../support/passed-entries.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { partOf } from '../support/state-parts.ts';
import { shareSettingsOf } from '../support/share-history.ts';
import { changesOf } from '../support/state-changes.ts';

const HISTORIES_MIN = 1500;
/** Opening takes as long as all the rest. */
const REOPENED_EVERY = 5;

type Entries = readonly Uint8Array[];

test('hash(live) is hash(rebuilt) at every prefix of a history, with and without snapshot runs', async () => {
  const seen = { histories: 0, prefixes: 0, runs: 0, interrupted: 0, names: new Set<string>() };
  const { numRuns = 0, ...options } = asyncPropertyOptions<[readonly HistoryStep[]]>();
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      const bench = new JournalBench();
      const live = await bench.open();
      await play(live, steps);
      const entries = await entriesIn(live);
      const { hashes } = live.fold;
      const runs = runsIn(entries);
      for (let count = 0; count <= entries.length; count++) {
        deepStrictEqual(rebuilt(entries, count).hash(), hashes[count], `${count} entries`);
        for (const run of runs.filter(({ endOffset }) => endOffset <= count)) {
          const fold = rebuiltFrom(run, entries, count);
          deepStrictEqual(fold.hash(), hashes[count], `run ${run.beginOffset}, ${count} entries`);
        }
      }
      deepStrictEqual(copiedSlowly(entries).hash(), hashes.at(-1), 'parts taken between entries');
      deepStrictEqual(rebuiltOfFrozen(entries).hash(), hashes.at(-1), 'no entry is changed');
      await live.journal.close();
      if (seen.histories++ % REOPENED_EVERY === 0) {
        const again = await bench.open();
        deepStrictEqual(again.fold.hash(), hashes.at(-1), 'opened again');
        await again.journal.close();
      }
      seen.prefixes += entries.length;
      seen.runs += runs.length;
      // With entries between its begin and its end that are not its own.
      seen.interrupted += runs.filter(
        ({ beginOffset, endOffset, pieceCount }) => endOffset - beginOffset > pieceCount + 2,
      ).length;
      for (const { name } of steps) seen.names.add(name);
    }),
    { ...options, numRuns: Math.max(HISTORIES_MIN, numRuns) },
  );
  expect(seen.histories).toBeGreaterThanOrEqual(HISTORIES_MIN);
  expect(seen.prefixes).toBeGreaterThan(5 * HISTORIES_MIN);
  expect(seen.runs).toBeGreaterThan(HISTORIES_MIN / 3);
  expect(seen.interrupted).toBeGreaterThan(HISTORIES_MIN / 4);
  const ruled = REDUCERS.flatMap(({ rules }) => rules.map(({ type }) => type.name));
  expect([...seen.names]).toEqual(expect.arrayContaining(ruled));
});

/** Runs go on beside the two steps behind them. */
async function play({ journal, runs }: OpenJournal, steps: readonly HistoryStep[]): Promise<void> {
  let pending: Promise<unknown>[] = [];
  for (const { append } of steps) {
    pending.push(append === null ? runs.run() : append(journal));
    if (append === null || pending.length < 3) continue;
    await Promise.all(pending);
    pending = [];
  }
  await Promise.all(pending);
}

async function entriesIn({ log }: OpenJournal): Promise<Entries> {
  const entries: Uint8Array[] = [];
  await log.sync(); // What is not synced is not to be seen.
  for await (const record of log.records()) entries.push(present(record.value, 'an entry'));
  return entries;
}

function runsIn(entries: Entries): readonly CompleteRun[] {
  return entries.flatMap((bytes, offset) => {
    const end = entryOf(runEnd, registry.decode(bytes));
    return end === null ? [] : [{ ...end, endOffset: offset + 1 }];
  });
}

/** Decoded anew: no two folds share an object. */
function apply(fold: Fold, entries: Entries, from: number, to: number): Fold {
  for (let at = from; at < to; at++) {
    fold.apply(registry.decode(present(entries[at], 'an entry')), at);
  }
  return fold;
}

function rebuilt(entries: Entries, count: number): Fold {
  return apply(new Fold(REDUCERS), entries, 0, count);
}

/** What is applied live is the value that its writer has: rules must not change it, at once or later. */
function rebuiltOfFrozen(entries: Entries): Fold {
  const fold = new Fold(REDUCERS);
  const given = entries.map((bytes) => registry.decode(bytes));
  for (const [offset, { type, value }] of given.entries()) {
    fold.apply({ type, value: deepFreeze(value) }, offset);
  }
  // Maps and bytes cannot be frozen.
  for (const [offset, { type, value }] of given.entries()) {
    deepStrictEqual(Buffer.from(registry.encode(type, value)), Buffer.from(entries[offset] ?? []));
  }
  return fold;
}

function rebuiltFrom(run: CompleteRun, entries: Entries, count: number): Fold {
  const fold = new Fold(REDUCERS);
  const reader = new RunReader(run);
  for (const bytes of entries.slice(run.beginOffset, run.endOffset)) {
    const part = reader.add(registry.decode(bytes));
    if (part !== null) fold.restore(part, run.endOffset);
  }
  reader.end();
  return apply(fold, entries, run.beginOffset, count);
}

/** As of a run so slow that an entry comes between any two of its parts, and all before it is written. */
function copiedSlowly(entries: Entries): Fold {
  const begin = Math.floor(entries.length / 3);
  const live = rebuilt(entries, begin);
  const copies: StateCopy[] = [];
  let applied = begin;
  for (const copy of live.copies(() => applied)) {
    copies.push(copy);
    if (applied < entries.length) apply(live, entries, applied, ++applied);
  }
  const fold = new Fold(REDUCERS);
  for (const copy of copies) fold.restore(partOf(copy), applied); // Encoded after all changes.
  return apply(fold, entries, begin, entries.length);
}

describe('the hash of a state', () => {
  test('covers every field of every table', () => {
    const fold = populated();
    const before = fold.hash();
    const changed: string[] = [];
    for (const reducer of REDUCERS) {
      expect(fold.ids(reducer), `a ${reducer.name} to look at`).not.toEqual([]);
      for (const id of fold.ids(reducer)) {
        for (const change of changesOf(fold.get(reducer, id), reducer.name)) {
          expect(
            change.during(() => fold.hash()),
            change.path,
          ).not.toBe(before);
          changed.push(change.path);
        }
      }
    }
    expect(fold.hash()).toBe(before); // Each change was taken back.
    expect(changed.length).toBeGreaterThan(40);
    expect(changed).toEqual(
      expect.arrayContaining([
        'topic.name',
        'topic.logIds[1]',
        'topic.options.compressionLevel',
        'topic.options.dedupWindowMs',
        'topic.options.dedupBy',
        'topic.options.dedupScope',
        'topic.options.compaction',
        'topic.options.compactionShareMin',
        'topic.options.unfinished',
        'topic.options.archiveTo',
        'topic.isDeleting',
        'topic.keyMaps[0].timeMs',
        'group.positions{0}.metadata',
        'group.positions{0}',
        'share-group.settings.deadLetter',
        'share-group.settings.deadLetterRoutingKey',
        'share-group.partitions{0}.slot 4 attempts',
        'share-group.partitions{0}.slot 5 state',
        'share-group.partitions{0}.slot 6 time',
        'share-group.partitions{0}.unread[0]',
        'share-group.partitions{0}.dead{9}.trouble.lastErrorMs',
        'share-group.partitions{0}.troubles{6}.firstError',
        'share-group.partitions{0}.purged.slots[0].dueMs',
        'share-group.partitions{0}.purged.unread[0].to',
        'share-group.partitions{0}.tally.lease-expired',
        'exchange.isInternal',
        'exchange.alternates[1].alternateId',
        'exchange.bindings{7}.toVersion',
        'exchange.bindings{8}.target.kind',
        'exchange.bindings{8}.headers.conditions[1].value',
        'topology-version.version',
        'destination.sizes[0].fromVersion',
        'destination.sizes[1].partitionCount',
        'projection.position',
        'projection.logs{2}.isBehind',
        'projection.skippedCount',
        'projection.beforeVersion',
        'backfill.fromOffset',
        'backfill.cutLogs{2}',
        'producer.epoch',
        'producer-notes.logs{1}',
        'producer-notes.producers{9}.runs[1].baseOffset',
        'producer-notes.producers{9}.timeMs',
        'dedup-begin.scope',
        'dedup-begin.logs{2}',
        'unfinished-counts.groups{consumer/g}.counts[0].reason',
        'unfinished-counts.groups{consumer/g}.archivedTo{0}',
        'unfinished-counts.groups{share/jobs}.counts[0].count',
        'unfinished-counts.groups{share/jobs}.skippedTo{0}',
      ]),
    );
  });
});

/** Two topics, two groups, a share group, two exchanges, a destination, two streams and two backfills, a producer and deduplication, in which every field has a value; the second topic has its nulls. */
function populated(): Fold {
  const at = { partition: 0, logId: 1, offset: 7, epoch: 3, metadata: 'note' };
  const entries = [
    encode(topicCreated, {
      topicId: 1,
      name: 'one',
      logIds: [1, 2],
      options: settingsOf(1, 1),
      timeMs: 1,
    }),
    encode(topicCreated, {
      topicId: 2,
      name: 'two',
      logIds: [3],
      options: settingsOf(0, 0),
      timeMs: 2,
    }),
    encode(partitionsAdded, { topicId: 1, logIds: [4], timeMs: 3 }),
    encode(offsetsCommitted, {
      groups: [{ topicId: 1, group: 'g', positions: [at, { ...at, partition: 1 }] }],
      timeMs: 5,
    }),
    encode(groupReset, { topicId: 1, group: 'h', positions: [at], timeMs: 5 }),
    encode(topicDeleting, { topicId: 2, timeMs: 4 }),
    ...shareEntries(),
    ...exchangeEntries(),
    ...producerEntries(),
    ...passedEntries(),
  ];
  return rebuilt(entries, entries.length);
}

/** A share group with leased, ready, delayed, dead and purged records. */
function shareEntries(): Uint8Array[] {
  const name = { topicId: 1, group: 'jobs' };
  const place = { ...name, partition: 0 };
  const acquired = (offsets: number[]) =>
    encode(recordsAcquired, { parts: [{ ...place, offsets, absent: [] }] });
  const returned = (offset: number, dueMs: number) =>
    encode(leasesEnded, {
      parts: [
        {
          ...place,
          acked: [],
          undelivered: [],
          expired: [],
          returned: [{ offset, dueMs, isFailed: true, error: 'broke' }],
        },
      ],
      timeMs: 6,
    });
  const died = { offset: 9, reason: 'rejected', error: 'no' } as const;
  return [
    encode(shareGroupCreated, { ...name, settings: shareSettingsOf(1, 1), timeMs: 5 }),
    encode(shareStarted, { ...name, starts: [{ partition: 0, logId: 1, offset: 1 }], timeMs: 5 }),
    encode(leasesOpened, { ...name, ownerEpoch: 1, timeMs: 5 }),
    acquired([2, 1]),
    returned(2, 50),
    encode(sharePurged, { ...name, parts: [{ partition: 0, endOffset: 4 }], timeMs: 7 }),
    acquired([4, 3, 9, 1]),
    returned(5, 0),
    returned(6, 60),
    encode(recordsDied, { ...place, records: [died], isKept: true, timeMs: 8 }),
  ];
}

/** An exchange with a binding that is there and one that is not, and one that is gone. */
function exchangeEntries(): Uint8Array[] {
  const what = { timeMs: 9, topicId: 3, isInternal: true, isAutoDelete: false };
  const binding = { exchangeId: 1, timeMs: 9, routingKey: 'a.#' };
  const conditions = [
    { name: 'there', value: null },
    { name: 'value', value: Uint8Array.of(1) },
  ];
  const target = { kind: 'topic', id: 5 } as const;
  const one = { exchangeId: 1, name: 'one', type: 'topic', version: 1, alternateId: 2 } as const;
  const two = {
    exchangeId: 2,
    name: 'two',
    type: 'fanout',
    version: 2,
    alternateId: null,
  } as const;
  const headers = { match: 'any', conditions } as const;
  return [
    encode(exchangeCreated, { ...what, ...one }),
    encode(exchangeCreated, { ...what, ...two }),
    encode(exchangeAltered, { exchangeId: 1, version: 3, timeMs: 9, alternateId: null }),
    encode(bindingAdded, { ...binding, bindingId: 7, version: 4, target, headers: null }),
    encode(bindingAdded, {
      ...binding,
      bindingId: 8,
      version: 5,
      target,
      headers: { ...headers, conditions },
    }),
    encode(bindingRemoved, { exchangeId: 1, bindingId: 7, version: 6, timeMs: 9 }),
    encode(exchangeDeleted, { exchangeId: 2, version: 7, timeMs: 9 }),
    encode(destinationSized, { topicId: 5, partitionCount: 2, version: 4, timeMs: 9 }),
    encode(destinationSized, { topicId: 5, partitionCount: 3, version: 8, timeMs: 9 }),
    encode(backfillBegun, { exchangeId: 1, bindingId: 8, fromOffset: 3, version: 5, timeMs: 9 }),
    encode(backfillBegun, { exchangeId: 1, bindingId: 7, fromOffset: 2, version: 4, timeMs: 9 }),
    encode(backfillCut, {
      exchangeId: 1,
      stream: 7,
      logs: [
        { logId: 1, position: 5 },
        { logId: 2, position: 3 },
      ],
      timeMs: 9,
    }),
    encode(projectionMarked, {
      exchangeId: 1,
      stream: 0,
      position: 20,
      logs: [
        { logId: 1, topicId: 5, partition: 0, position: 20, endOffset: 30, isBehind: false },
        { logId: 2, topicId: 5, partition: 1, position: 10, endOffset: 40, isBehind: true },
      ],
      goneLogIds: [],
      skippedCount: 2,
    }),
  ];
}

/** A producer that is noted in one topic, in which ids count as well. */
function producerEntries(): Uint8Array[] {
  const run = { first: 5, last: 7, count: 3, partition: 0, baseOffset: 11 };
  const runs = [run, { ...run, first: 9, last: 9, count: 1, partition: 1 }];
  const logs = [
    { logId: 1, offset: 14 },
    { logId: 2, offset: 12 },
  ];
  const noted = { producerId: 9, confirmed: 5, runs };
  return [
    encode(producerOpened, { producerId: 9, name: 'copier', epoch: 1, timeMs: 10 }),
    encode(producerOpened, { producerId: 9, name: 'copier', epoch: 2, timeMs: 11 }),
    encode(producersNoted, { topicId: 1, logs, producers: [noted], timeMs: 12 }),
    encode(dedupBegun, { topicId: 1, by: 'content', scope: 'key', seed: 77, logs, timeMs: 13 }),
  ];
}

function encode<E>(type: EntryType<E>, value: E): Uint8Array {
  return registry.encode(type, value);
}
