/** What entries do to what a share group knows of a partition. */
import { describe, expect, test } from 'vitest';

import { SlotState } from '../../../src/queue/record-state.ts';
import type { EndedPart } from '../../../src/queue/share-entries.ts';
import { purgedCount, SharePartition } from '../../../src/queue/share-partition.ts';

const NO_ENDS: EndedPart = {
  topicId: 1,
  group: 'g',
  partition: 0,
  acked: [],
  undelivered: [],
  expired: [],
  returned: [],
};

/** Ten offsets from 0 on, those below `count` leased. */
function leased(count: number): SharePartition {
  const partition = new SharePartition(1, 0);
  if (count > 0) partition.acquire([0, count], []);
  return partition;
}

function returned(
  partition: SharePartition,
  offset: number,
  how: { failed?: boolean; dueMs?: number; error?: string } = {},
) {
  const { failed: isFailed = false, dueMs = 0, error = '' } = how;
  partition.end({ ...NO_ENDS, returned: [{ offset, isFailed, dueMs, error }] }, 7);
}

function trials({ table }: SharePartition, offset: number) {
  const slot = table.find(offset);
  if (slot < 0) return null;
  const states = Object.entries(SlotState).map(([name, state]) => [state, name] as const);
  return {
    state: new Map<number, string>(states).get(table.stateAt(slot)),
    attempts: table.attemptsAt(slot),
    failures: table.failuresAt(slot),
    expiries: table.expiriesAt(slot),
    crashes: table.crashesAt(slot),
  };
}

const FRESH = { state: 'acquired', attempts: 1, failures: 0, expiries: 0, crashes: 0 };

describe('an attempt', () => {
  test('counts once, however often an entry says so while it lasts', () => {
    const partition = leased(2);
    partition.acquire([0, 3], []);
    expect([0, 1, 2, 3].map((offset) => trials(partition, offset))).toEqual([
      FRESH,
      FRESH,
      FRESH,
      null,
    ]);
    expect(partition.unread.toPairs()).toEqual([3]);
  });

  test('ends as the table of attempts says', () => {
    const partition = leased(6);
    partition.end({ ...NO_ENDS, acked: [0, 1], undelivered: [1, 1], expired: [2, 1] }, 7);
    returned(partition, 3);
    returned(partition, 4, { failed: true });
    returned(partition, 5, { dueMs: 50 });
    expect([0, 1, 2, 3, 4, 5].map((offset) => trials(partition, offset))).toEqual([
      null,
      { ...FRESH, state: 'available', attempts: 0 },
      { ...FRESH, state: 'available', expiries: 1 },
      { ...FRESH, state: 'available' },
      { ...FRESH, state: 'available', failures: 1 },
      { ...FRESH, state: 'delayed' },
    ]);
    expect(partition.tally.acked).toBe(1);
  });

  test('that is over ends no second time', () => {
    const partition = leased(1);
    returned(partition, 0);
    const before = trials(partition, 0);
    partition.end({ ...NO_ENDS, acked: [0, 2], undelivered: [0, 1], expired: [0, 1] }, 8);
    returned(partition, 0, { failed: true, error: 'late' });
    expect(trials(partition, 0)).toEqual(before);
    expect([partition.tally.acked, partition.troubles.size]).toEqual([0, 0]);
  });
});

describe('a crash', () => {
  test('marks what was leased, and nothing else', () => {
    const partition = leased(3);
    returned(partition, 2);
    partition.crash(false);
    expect([0, 1, 2].map((offset) => trials(partition, offset)?.crashes)).toEqual([1, 1, 0]);
    expect(partition.table.leasedCount).toBe(0);
  });

  test('is a failure of a suspect only, and only when it was caught', () => {
    const partition = leased(2);
    partition.table.setCrashes(partition.table.find(0), 3);
    expect(partition.leasedSuspectCount).toBe(1);
    partition.crash(true);
    expect([0, 1].map((offset) => trials(partition, offset)?.failures)).toEqual([1, 0]);
    partition.acquire([0, 2], []);
    partition.crash(false);
    expect([0, 1].map((offset) => trials(partition, offset)?.failures)).toEqual([1, 0]);
  });
});

describe('a dead record', () => {
  test('keeps the count of its last attempt, which the entry tells by its reason', () => {
    const partition = leased(4);
    const reasons = ['failures', 'lease-expired', 'rejected', 'crash'] as const;
    for (const [offset, reason] of reasons.entries()) {
      partition.die({ offset, reason, error: 'no' }, true, 9);
    }
    const dead = [...reasons.keys()].map((offset) => partition.dead.get(offset));
    expect(dead.map((each) => [each?.failures, each?.expiries])).toEqual([
      [1, 0],
      [0, 1],
      [0, 0],
      [0, 0],
    ]);
    expect(dead[0]?.trouble).toEqual({
      firstError: 'no',
      firstErrorMs: 9,
      lastError: 'no',
      lastErrorMs: 9,
    });
    expect([partition.table.count, partition.troubles.size]).toEqual([0, 0]);
  });

  test('whose last attempt was counted when it came back is not counted again', () => {
    const partition = leased(2);
    returned(partition, 0, { failed: true });
    partition.end({ ...NO_ENDS, expired: [1, 1] }, 7);
    partition.die({ offset: 0, reason: 'failures', error: '' }, true, 9);
    partition.die({ offset: 1, reason: 'lease-expired', error: '' }, true, 9);
    expect(partition.dead.get(0)).toMatchObject({ failures: 1, expiries: 0 });
    expect(partition.dead.get(1)).toMatchObject({ failures: 0, expiries: 1 });
  });

  test('dies once, and comes back as if it were new', () => {
    const partition = leased(1);
    for (const _ of [1, 2]) partition.die({ offset: 0, reason: 'rejected', error: '' }, true, 9);
    expect(partition.tally.rejected).toBe(1);
    for (const _ of [1, 2]) partition.revive(0);
    expect(trials(partition, 0)).toEqual({ ...FRESH, state: 'available', attempts: 0 });
    expect([partition.tally.revived, partition.dead.size]).toEqual([1, 0]);
  });
});

describe('a purge', () => {
  test('takes what nobody has leased, and can be undone with all that was known', () => {
    const partition = leased(3);
    returned(partition, 0, { failed: true, error: 'broke' });
    returned(partition, 1, { dueMs: 50 });
    const before = [0, 1, 2].map((offset) => trials(partition, offset));
    partition.purge(6, 9);
    expect([0, 1, 2].map((offset) => trials(partition, offset)?.state)).toEqual([
      undefined,
      undefined,
      'acquired',
    ]);
    expect([partition.tally.purged, purgedCount(partition.purged)]).toEqual([5, 5]);
    expect([partition.troubles.size, partition.unread.first]).toEqual([0, 6]);
    partition.undoPurge();
    expect([0, 1, 2].map((offset) => trials(partition, offset))).toEqual(before);
    expect(partition.troubles.get(0)?.firstError).toBe('broke');
    expect([partition.unread.first, partition.tally.purged]).toEqual([3, 0]);
    partition.undoPurge();
    expect(partition.tally.purged).toBe(0);
  });

  test('brings nothing back that retention took meanwhile', () => {
    const partition = leased(2);
    returned(partition, 0);
    returned(partition, 1);
    partition.purge(6, 9);
    partition.trim(4);
    expect(purgedCount(partition.purged)).toBe(2);
    partition.undoPurge();
    expect([partition.table.count, partition.unread.first]).toEqual([0, 4]);
  });
});

test('retention takes what is not leased', () => {
  const partition = leased(4);
  returned(partition, 0);
  partition.die({ offset: 1, reason: 'rejected', error: '' }, true, 9);
  partition.trim(6);
  expect([0, 1, 2, 3].map((offset) => trials(partition, offset)?.state)).toEqual([
    undefined,
    undefined,
    'acquired',
    'acquired',
  ]);
  expect([partition.tally.trimmed, partition.dead.size, partition.firstOffset]).toEqual([3, 0, 2]);
});

test('a record is removed once, and not while it is leased', () => {
  const partition = leased(2);
  returned(partition, 1);
  const removed = [0, 1, 1, 2, 2].map((offset) => partition.remove(offset, 'cancelled'));
  expect(removed).toEqual([false, true, false, true, false]);
  expect(partition.tally.cancelled).toBe(2);
});

test('offsets without a record are passed over for good', () => {
  const partition = new SharePartition(1, 0);
  partition.acquire([3, 1], [0, 3]);
  expect([partition.table.count, partition.unread.first]).toEqual([1, 4]);
});
