/** Which offsets of a queue's log somebody still has use for. */
import { describe, expect, test } from 'vitest';

import {
  purgeUndone,
  recordsRemoved,
  sharePurged,
  shareTrimmed,
} from '../../../src/queue/share-entries.ts';
import { isWanted, wantedCount, wantedIn } from '../../../src/queue/wanted-offsets.ts';
import { ShareFold, type SharePlace } from '../../support/share-fold.ts';

const LOG = 100;
const QUEUE: SharePlace = { topicId: 1, group: 'queue', partition: 0 };
const OTHER: SharePlace = { topicId: 1, group: 'other', partition: 0 };

/** Those of [from, to) that are wanted. */
function wanted({ fold }: ShareFold, from = 0, to = 10, logId = LOG): number[] {
  const bits = wantedIn(fold, logId, { from, to });
  expect(bits.length).toBe(Math.ceil((to - from) / 8));
  const found: number[] = [];
  for (let at = 0; at < bits.length * 8; at++) if (isWanted(bits, at)) found.push(from + at);
  expect(wantedCount(bits, 0, to - from)).toBe(found.length);
  return found;
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** A queue whose group begins at 0. */
function queue(): ShareFold {
  const shares = new ShareFold();
  shares.create(QUEUE, 'settled');
  shares.start(QUEUE, LOG, 0);
  return shares;
}

describe('wanted is', () => {
  test('what was not read', () => {
    const shares = queue();
    expect(wanted(shares)).toEqual(ALL);
    shares.acquire(QUEUE, [0, 3, 5, 1]);
    shares.ack(QUEUE, [0, 3, 5, 1]);
    expect(wanted(shares)).toEqual([3, 4, 6, 7, 8, 9]);
  });

  test('what is leased, delayed or given back', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 10]);
    expect(wanted(shares)).toEqual(ALL);
    shares.giveBack(QUEUE, 2, 0);
    shares.giveBack(QUEUE, 4, 10_000);
    shares.ack(QUEUE, [0, 2, 3, 1, 5, 4]);
    expect(wanted(shares)).toEqual([2, 4, 9]);
  });

  test('what is dead and kept, and nothing that died and went elsewhere', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 10]);
    shares.die(QUEUE, 3, true);
    shares.die(QUEUE, 4, false);
    shares.ack(QUEUE, [0, 3, 5, 5]);
    expect(wanted(shares)).toEqual([3]);
  });

  test('not what was cancelled, or is missing', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 2]);
    shares.giveBack(QUEUE, 1, 0);
    shares.say(recordsRemoved, { ...QUEUE, offsets: [1, 1, 7, 2], cause: 'cancelled' });
    expect(wanted(shares)).toEqual([0, 2, 3, 4, 5, 6, 9]);
  });

  test('what a purge put aside, which may be undone, until the next one', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 4]);
    shares.giveBack(QUEUE, 1, 10_000);
    shares.die(QUEUE, 2, true);
    shares.ack(QUEUE, [3, 1]);
    const { topicId, group, partition } = QUEUE;
    shares.say(sharePurged, { topicId, group, parts: [{ partition, endOffset: 8 }], timeMs: 8 });
    expect(wanted(shares)).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
    shares.say(sharePurged, { topicId, group, parts: [{ partition, endOffset: 8 }], timeMs: 9 });
    expect(wanted(shares)).toEqual([0, 2, 8, 9]);
    shares.say(purgeUndone, { topicId, group });
    expect(wanted(shares)).toEqual([0, 2, 8, 9]);
  });

  test('not what retention took', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 2]);
    shares.giveBack(QUEUE, 1, 0);
    shares.say(shareTrimmed, { ...QUEUE, startOffset: 6 });
    expect(wanted(shares)).toEqual([0, 6, 7, 8, 9]);
  });

  test('not what lies before the begin of the only group', () => {
    const shares = new ShareFold();
    shares.create(QUEUE, 'settled');
    shares.start(QUEUE, LOG, 4);
    expect(wanted(shares)).toEqual([4, 5, 6, 7, 8, 9]);
  });

  test('what any group of the topic wants', () => {
    const shares = queue();
    shares.create(OTHER, 'keep');
    shares.start(OTHER, LOG, 6);
    shares.acquire(QUEUE, [0, 10]);
    shares.ack(QUEUE, [0, 3, 4, 6]);
    shares.acquire(OTHER, [6, 3]);
    shares.ack(OTHER, [6, 2]);
    expect(wanted(shares)).toEqual([3, 8, 9]);
  });

  test('all for a group that has not begun in the partition', () => {
    const shares = queue();
    shares.acquire(QUEUE, [0, 10]);
    shares.ack(QUEUE, [0, 10]);
    expect(wanted(shares)).toEqual([]);
    shares.create(OTHER, 'keep');
    expect(wanted(shares)).toEqual(ALL);
    shares.start(OTHER, LOG, 10);
    expect(wanted(shares)).toEqual([]);
  });

  test('all where the group that was made first has not begun, and another has', () => {
    const shares = new ShareFold();
    shares.create(QUEUE, 'settled');
    shares.create(OTHER, 'settled');
    shares.start(OTHER, LOG, 5);
    expect(wanted(shares)).toEqual(ALL);
  });

  test('all where no group lets settled records go, and of a log that nobody knows', () => {
    const shares = new ShareFold();
    shares.create(OTHER, 'keep');
    shares.start(OTHER, LOG, 0);
    shares.acquire(OTHER, [0, 10]);
    shares.ack(OTHER, [0, 10]);
    expect(wanted(shares)).toEqual(ALL);
    expect(wanted(queue(), 0, 10, LOG + 1)).toEqual(ALL);
  });

  test('not asked of groups of other topics, nor of other partitions', () => {
    const shares = queue();
    const elsewhere = { ...OTHER, topicId: 2 };
    shares.create(elsewhere, 'settled');
    shares.start(elsewhere, LOG + 1, 0);
    shares.start({ ...QUEUE, partition: 1 }, LOG + 2, 0);
    shares.acquire(QUEUE, [0, 10]);
    shares.ack(QUEUE, [0, 10]);
    expect(wanted(shares)).toEqual([]);
    expect(wanted(shares, 0, 10, LOG + 1)).toEqual(ALL);
    expect(wanted(shares, 0, 10, LOG + 2)).toEqual(ALL);
  });
});

test('a range begins and ends anywhere, and may be empty', () => {
  const shares = queue();
  shares.acquire(QUEUE, [0, 64]);
  shares.ack(QUEUE, [0, 20, 21, 19, 41, 23]);
  expect(wanted(shares, 20, 21)).toEqual([20]);
  expect(wanted(shares, 21, 40)).toEqual([]);
  expect(wanted(shares, 13, 41)).toEqual([20, 40]);
  expect(wanted(shares, 62, 67)).toEqual([64, 65, 66]);
  expect(wanted(shares, 20, 20)).toEqual([]);
  expect(wanted(shares, 2 ** 52, 2 ** 52 + 3)).toEqual([2 ** 52, 2 ** 52 + 1, 2 ** 52 + 2]);
});

test('bits are counted from any to any', () => {
  const bits = Uint8Array.of(0b1010_0110, 0xff, 0, 0b1000_0001);
  const counted = (first: number, end: number): number => {
    let count = 0;
    for (let at = first; at < end; at++) if (isWanted(bits, at)) count++;
    return count;
  };
  for (let first = 0; first <= 32; first++) {
    for (let end = first; end <= 32; end++) {
      expect(wantedCount(bits, first, end)).toBe(counted(first, end));
    }
  }
  expect(wantedCount(bits, 0, 32)).toBe(14);
});
