/** A snapshot of a very large share group is written in steps, and is of one moment all the same. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { inNextTurn } from '../../../src/core/clock.ts';
import { entryOf } from '../../../src/journal/entry-type.ts';
import { Fold } from '../../../src/journal/fold.ts';
import { RunReader } from '../../../src/journal/journal-scan.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { runEnd, runPart } from '../../../src/journal/snapshot-entries.ts';
import {
  leasesEnded,
  purgeUndone,
  recordsAcquired,
  recordsDied,
  shareGroupCreated,
  sharePurged,
  shareStarted,
  type EndedPart,
} from '../../../src/queue/share-entries.ts';
import { REDUCERS } from '../../../src/store/store-state.ts';
import { JournalBench, registry, type OpenJournal } from '../../support/journal-bench.ts';
import { shareSettingsOf } from '../../support/share-history.ts';

const COUNT = 60_000;
const NAME = { topicId: 1, group: 'jobs' };
const PLACE = { ...NAME, partition: 0 };

function ended(part: Partial<EndedPart>) {
  const none = { acked: [], undelivered: [], expired: [], returned: [] };
  return { parts: [{ ...PLACE, ...none, ...part }], timeMs: 5 };
}

/** Records 0 to COUNT - 1 were acquired. */
async function acquireAll(journal: Journal): Promise<void> {
  const settings = shareSettingsOf(1, 1);
  await journal.append(shareGroupCreated, { ...NAME, settings, timeMs: 1 }, 'os');
  const starts = [{ partition: 0, logId: 1, offset: 0 }];
  await journal.append(shareStarted, { ...NAME, starts, timeMs: 1 }, 'os');
  await journal.append(recordsAcquired, acquired([0, COUNT]), 'os');
}

function acquired(offsets: number[]) {
  return { parts: [{ ...PLACE, offsets, absent: [] }] };
}

const LARGE: readonly [name: string, make: (journal: Journal) => Promise<unknown>][] = [
  ['leased', async () => undefined],
  ['ready again', (journal) => journal.append(leasesEnded, ended({ expired: [0, COUNT] }), 'os')],
  [
    'given back with an error',
    (journal) => {
      const returned = Array.from({ length: COUNT }, (_, offset) => {
        return { offset, isFailed: true, dueMs: 9, error: 'no' };
      });
      return journal.append(leasesEnded, ended({ returned }), 'os');
    },
  ],
  [
    'dead and kept',
    (journal) => {
      const records = Array.from({ length: COUNT }, (_, offset) => {
        return { offset, reason: 'rejected' as const, error: offset % 2 === 0 ? '' : 'no' };
      });
      return journal.append(recordsDied, { ...PLACE, records, isKept: true, timeMs: 5 }, 'os');
    },
  ],
  [
    'purged',
    async (journal) => {
      await journal.append(leasesEnded, ended({ expired: [0, COUNT] }), 'os');
      const parts = [{ partition: 0, endOffset: COUNT }];
      await journal.append(sharePurged, { ...NAME, parts, timeMs: 6 }, 'os');
    },
  ],
];

/** What changes all of it, in any of these states. */
async function changeAll(journal: Journal): Promise<void> {
  await journal.append(purgeUndone, NAME, 'os');
  await journal.append(recordsAcquired, acquired([5, COUNT]), 'os');
  await journal.append(leasesEnded, ended({ acked: [20, COUNT - 20] }), 'os');
}

interface FoundRun {
  readonly fold: Fold;
  /** Of the first and of the last piece of the share group. */
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly from: number;
}

/** The state that the run in the journal holds. */
async function runIn({ log }: OpenJournal): Promise<FoundRun> {
  await log.sync();
  const entries = [];
  for await (const record of log.records()) {
    entries.push(registry.decode(present(record.value, 'an entry')));
  }
  const pieces = entries.flatMap((entry, offset) => {
    const piece = entryOf(runPart, entry);
    return piece === null ? [] : [{ offset, from: piece.from }];
  });
  const endOffset = entries.findIndex((entry) => entryOf(runEnd, entry) !== null);
  const end = present(entryOf(runEnd, present(entries[endOffset], 'an end')), 'an end');
  const reader = new RunReader({ ...end, endOffset });
  const fold = new Fold(REDUCERS);
  for (const entry of entries) {
    const part = reader.add(entry);
    if (part !== null) fold.restore(part, endOffset);
  }
  reader.end();
  const first = present(pieces[0], 'a piece');
  const lastOffset = present(pieces.at(-1), 'a piece').offset;
  return { fold, firstOffset: first.offset, lastOffset, from: first.from };
}

describe.each(LARGE)('a snapshot of very many that are %s', (_name, make) => {
  test('gives turns back, and what changes meanwhile is not in it', async () => {
    const open = await new JournalBench().open();
    const { journal, runs, fold } = open;
    await acquireAll(journal);
    await make(journal);
    const before = fold.hash();
    const run = { isDone: false };
    const running = runs.run().then(() => (run.isDone = true));
    let turns = 0;
    let changed: Promise<void> | null = null;
    while (!run.isDone) {
      await new Promise<void>(inNextTurn);
      if (!run.isDone && ++turns === 2) changed = changeAll(journal);
    }
    await running;
    await changed;
    expect(turns).toBeGreaterThanOrEqual(4);
    const found = await runIn(open);
    expect(found.fold.hash()).toBe(before);
    // The changes were journaled, and applied, between its pieces.
    expect(found.firstOffset).toBeLessThan(found.lastOffset - 5);
    expect(fold.hash()).not.toBe(before);
    expect(found.from).toBe(found.firstOffset);
    const rebuilt = found.fold;
    for await (const record of open.log.records({ from: found.from })) {
      rebuilt.apply(registry.decode(present(record.value, 'an entry')), record.offset);
    }
    expect(rebuilt.hash()).toBe(fold.hash());
    await journal.close();
  });
});
