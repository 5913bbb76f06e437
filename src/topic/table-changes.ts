/** What changes in a table, as a read of its topic. */
import type { LogRecord, RecordOrigin } from '../log/record.ts';
import type { FedBatch, TableFeed } from './table-feed.ts';
import { KeyedCursor, type RowPlace } from './table-rows.ts';

/** A record with a key: from it on that is what the table has for the key. */
export interface TableChange<T> {
  /** As `LogRecord.key`: bytes that are no UTF-8 become U+FFFD, `record.keyView()` has them as they are. */
  readonly key: string;
  readonly record: LogRecord<T>;
  /** Whether the record is a tombstone: the key is gone, if it was there. */
  readonly isDeleted: boolean;
}

/** What a read of changes needs of its table. */
export interface ChangingTable<T> {
  /** Whether it was closed, which ends the read. @throws why the table failed */
  isOver(): boolean;
  originOf(partition: number): RecordOrigin<T>;
  /** Whether another partition has a record of the key that counts in place of this one. */
  isSuperseded(key: string, place: RowPlace): boolean;
}

/** Rounds of a feed as changes. @throws as `TopicTable.changes` */
export async function* readChanges<T>(
  table: ChangingTable<T>,
  feed: TableFeed,
  signal: AbortSignal | undefined,
): AsyncGenerator<TableChange<T>, void, void> {
  while (!table.isOver()) {
    signal?.throwIfAborted();
    await feed.begin();
    for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
      yield* changesIn(table, fed, signal);
    }
    if (!table.isOver()) await feed.more(signal);
  }
}

function* changesIn<T>(
  table: ChangingTable<T>,
  fed: FedBatch,
  signal: AbortSignal | undefined,
): Generator<TableChange<T>, void, void> {
  const cursor = new KeyedCursor<T>();
  cursor.begin(fed, table.originOf(fed.partition));
  while (cursor.next() && !table.isOver()) {
    signal?.throwIfAborted();
    if (table.isSuperseded(cursor.key, cursor)) continue;
    const record = cursor.record();
    yield { key: record.key ?? '', record, isDeleted: cursor.isDeleted };
  }
}
