/** A partition of a share group in a snapshot: its bytes are on disks, and stay what they are. */
import { expect, test } from 'vitest';

import { BadEntryError, EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import { SharePartition } from '../../../src/queue/share-partition.ts';
import { UnreadRanges } from '../../../src/queue/unread-ranges.ts';
import { sharePartition } from '../../../src/queue/share-partition-field.ts';

function bytesOf(partition: SharePartition): string {
  const writer = new EntryWriter();
  sharePartition.write(writer, partition);
  return Buffer.from(writer.take()).toString('hex');
}

test('has one form, and is read as it was written', () => {
  const partition = new SharePartition(7, 2);
  const name = { topicId: 1, group: 'g', partition: 0 };
  const none = { ...name, acked: [], undelivered: [], expired: [], returned: [] };
  partition.acquire([2, 6], [8, 1]);
  const said = { isFailed: true, error: 'no' };
  partition.end({ ...none, returned: [{ offset: 4, dueMs: 300, ...said }] }, 100);
  partition.end({ ...none, acked: [3, 1], expired: [2, 1] }, 200);
  partition.die({ offset: 5, reason: 'rejected', error: 'bad' }, true, 250);
  partition.remove(11, 'cancelled');
  partition.crash(false);
  partition.acquire([6, 1], []);
  const bytes = bytesOf(partition);
  expect(bytes).toBe(
    '0703090b0c040200000100010004ac02000101000006000102000001070000010000010104026e6f64026e6f64010501000000030103626164fa0103626164fa01fa01000100000001010000000000',
  );
  const read = sharePartition.read(new EntryReader(Buffer.from(bytes, 'hex')));
  expect(bytesOf(read)).toBe(bytes);
  expect(read.table).toMatchObject({ leasedCount: 1, availableCount: 2, delayedCount: 1 });
});

test('is read with any number of unread ranges: more than a call takes arguments', () => {
  const partition = new SharePartition(7, 0);
  const count = 200_000;
  const begins = Array.from({ length: count }, (_, at) => 3 * at);
  partition.unread = UnreadRanges.ofPairs([...begins.flatMap((at) => [at, at + 1]), 3 * count]);
  const writer = new EntryWriter();
  sharePartition.write(writer, partition);
  const read = sharePartition.read(new EntryReader(writer.take()));
  expect(read.unread.toPairs()).toEqual(partition.unread.toPairs());
  expect(read.unread.toPairs()).toHaveLength(2 * count + 1);
});

test('is refused when an offset is dead twice', () => {
  const partition = new SharePartition(7, 0);
  partition.acquire([1, 2], []);
  for (const offset of [1, 2]) partition.die({ offset, reason: 'rejected', error: '' }, true, 3);
  const bytes = Buffer.from(bytesOf(partition), 'hex');
  const second = bytes.lastIndexOf(Buffer.from([2, 1, 0, 0, 0, 3]));
  expect(second).toBeGreaterThan(0);
  const twice = bytes.with(second, 1);
  expect(() => sharePartition.read(new EntryReader(twice))).toThrow(BadEntryError);
});
