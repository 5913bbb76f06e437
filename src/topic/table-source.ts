/** What the rows of a bounded table read of its topic. */
import { OffsetOutOfRangeError } from '../core/errors.ts';
import type { LogRecord, RecordOrigin } from '../log/record.ts';
import type { RowSource } from './bounded-rows.ts';
import type { TableFeed } from './table-feed.ts';
import { KeyedCursor, type RowPlace } from './table-rows.ts';
import type { TableWaits } from './table-waits.ts';

export interface TableSourceParts<T> {
  /** Of the table. */
  readonly feed: TableFeed;
  readonly waits: TableWaits;
  readonly originOf: (partition: number) => RecordOrigin<T>;
  /** A feed of the topic from its start. */
  readonly fromStart: () => TableFeed;
  /** What is closed with the table. */
  readonly reads: Set<TableFeed>;
  /** @throws why the table cannot be asked */
  readonly checkOpen: () => void;
}

export class TableSource<T> implements RowSource<T> {
  readonly #parts: TableSourceParts<T>;

  constructor(parts: TableSourceParts<T>) {
    this.#parts = parts;
  }

  async read({ partition, offset }: RowPlace): Promise<LogRecord<T> | null> {
    const { feed, originOf } = this.#parts;
    const log = feed.logOf(partition);
    if (log === null) return null;
    try {
      const record = await log.read(offset);
      return record === null ? null : record.as(originOf(partition));
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError && offset < log.startOffset) return null;
      throw error;
    }
  }

  async catchUp(): Promise<void> {
    const { feed, waits, checkOpen } = this.#parts;
    await feed.refresh();
    const ends = feed.ends();
    const isBehind = (): boolean => ends.some((place) => !waits.hasReached(place));
    while (isBehind()) {
      await waits.nextRound();
      checkOpen();
    }
  }

  positions(): ReadonlyMap<number, number> {
    return this.#parts.waits.positions;
  }

  async *walk(): AsyncGenerator<KeyedCursor<T>, void, void> {
    const { fromStart, reads, originOf } = this.#parts;
    const feed = fromStart();
    reads.add(feed);
    const cursor = new KeyedCursor<T>();
    try {
      await feed.begin();
      for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
        cursor.begin(fed, originOf(fed.partition));
        while (cursor.next()) yield cursor;
      }
    } finally {
      reads.delete(feed);
      feed.close();
    }
  }
}
