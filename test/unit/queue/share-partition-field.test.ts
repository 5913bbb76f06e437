/** A partition of a share group in a snapshot: its bytes are on disks, and stay what they are. */
import { expect, test } from 'vitest';

import { EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import { SharePartition } from '../../../src/queue/share-partition.ts';
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
