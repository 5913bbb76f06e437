import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { entryOf } from '../../../src/journal/entry-type.ts';
import { allOrNone, LeaseJournal } from '../../../src/queue/lease-journal.ts';
import { leasesEnded, recordsAcquired } from '../../../src/queue/share-entries.ts';
import { JournalBench, registry, type OpenJournal } from '../../support/journal-bench.ts';

const FIRST = { topicId: 1, group: 'g', partition: 0 };
const SECOND = { topicId: 2, group: 'g', partition: 0 };

async function setUp() {
  const open = await new JournalBench().open();
  const { journal } = open;
  return { ...open, leases: new LeaseJournal({ journal, clock: new ManualClock(5) }) };
}

async function entriesIn({ log }: Pick<OpenJournal, 'log'>) {
  await log.sync();
  const entries = [];
  for await (const { value } of log.records()) {
    if (value !== null) entries.push(registry.decode(value));
  }
  return entries;
}

describe('what happens in one turn', () => {
  test('is one entry, whatever group it is of, and ascends', async () => {
    const { leases, journal, log } = await setUp();
    await Promise.all([
      leases.acquired(FIRST, ({ offsets }) => offsets.add(7)),
      leases.acquired(SECOND, ({ offsets }) => offsets.add(1)),
      leases.acquired(FIRST, ({ offsets, absent }) => {
        offsets.addRun(3, 2);
        absent.addRun(5, 2);
      }),
    ]);
    const entries = await entriesIn({ log });
    expect(entries.map((entry) => entryOf(recordsAcquired, entry))).toEqual([
      {
        parts: [
          { ...FIRST, offsets: [3, 2, 7, 1], absent: [5, 2] },
          { ...SECOND, offsets: [1, 1], absent: [] },
        ],
      },
    ]);
    await journal.close();
  });

  test('is an entry of its own when it comes a turn later', async () => {
    const { leases, journal, log } = await setUp();
    await leases.acquired(FIRST, ({ offsets }) => offsets.add(7));
    await leases.acquired(FIRST, ({ offsets }) => offsets.add(8));
    expect(await entriesIn({ log })).toHaveLength(2);
    await journal.close();
  });

  test('is one entry for each level at which leases end', async () => {
    const { leases, journal, log } = await setUp();
    await Promise.all([
      leases.ended(FIRST, 'sync', ({ acked }) => acked.add(1)),
      leases.ended(FIRST, 'os', ({ expired }) => expired.add(2)),
      leases.ended(FIRST, 'sync', ({ undelivered, returned }) => {
        undelivered.add(3);
        returned.push({ offset: 4, isFailed: true, dueMs: 9, error: 'broke' });
      }),
    ]);
    const none = { acked: [], undelivered: [], expired: [], returned: [] };
    const returned = [{ offset: 4, isFailed: true, dueMs: 9, error: 'broke' }];
    const entries = await entriesIn({ log });
    expect(entries.map((entry) => entryOf(leasesEnded, entry))).toEqual([
      {
        parts: [{ ...FIRST, ...none, acked: [1, 1], undelivered: [3, 1], returned }],
        timeMs: 5,
      },
      { parts: [{ ...FIRST, ...none, expired: [2, 1] }], timeMs: 5 },
    ]);
    await journal.close();
  });

  test('goes into more entries when its errors would make one too large', async () => {
    const { leases, journal, log } = await setUp();
    const error = 'ü'.repeat(1000);
    const ends = Array.from({ length: 1000 }, (_, offset) =>
      leases.ended(FIRST, 'sync', ({ returned }) => {
        returned.push({ offset, isFailed: true, dueMs: 0, error });
      }),
    );
    await Promise.all(ends);
    const entries = await entriesIn({ log });
    const offsets = entries.flatMap((entry) =>
      (entryOf(leasesEnded, entry)?.parts ?? []).flatMap(({ returned }) =>
        returned.map(({ offset }) => offset),
      ),
    );
    expect(entries.length).toBeGreaterThan(1);
    expect(offsets).toEqual(Array.from({ length: 1000 }, (_, at) => at));
    await journal.close();
  });

  test('fails for all of it when it cannot be written, and the next turn begins anew', async () => {
    const { leases, journal } = await setUp();
    await journal.close();
    const both = await Promise.allSettled([
      leases.acquired(FIRST, ({ offsets }) => offsets.add(7)),
      leases.acquired(SECOND, ({ offsets }) => offsets.add(1)),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(leases.ended(FIRST, 'os', ({ acked }) => acked.add(1))).rejects.toMatchObject({
      code: 'ERR_VARVE_CLOSED',
    });
  });
});

describe('attempts in several partitions', () => {
  test('fail together, and must', async () => {
    const failure = new Error('full');
    const failed = Promise.reject(failure);
    await expect(allOrNone([failed, failed])).rejects.toBe(failure);
    await expect(allOrNone([Promise.resolve(), failed])).rejects.toThrow('invariant broken');
    await allOrNone([Promise.resolve(), Promise.resolve()]);
  });
});
