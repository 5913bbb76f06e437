/** What a table of a topic must be: of what is left of the topic, for each key the record that counts. */
import { onTestFinished } from 'vitest';

import type { LogRecord } from '../../src/log/record.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { TableChange } from '../../src/topic/table-changes.ts';
import type { TableOptions } from '../../src/topic/table-options.ts';
import type { TopicTable } from '../../src/topic/topic-table.ts';

/** By key, in hexadecimal: what the record that counts says. */
export type Rows = ReadonlyMap<string, string>;

export function hexOf(record: LogRecord<string>): string {
  return Buffer.from(record.keyView() ?? []).toString('hex');
}

export function shown(record: LogRecord<string>): string {
  return `${record.partition}/${record.offset} ${record.value}`;
}

/** Reads all of the topic: slow, and plain. */
export async function rowsOf(topic: StoreTopic<string>): Promise<Rows> {
  const last = new Map<string, LogRecord<string>>();
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    const ownLast = new Map<string, LogRecord<string>>();
    for await (const record of topic.records({ partitions: partition })) {
      if (record.key !== null) ownLast.set(hexOf(record), record);
    }
    for (const [key, record] of ownLast) {
      const other = last.get(key);
      if (other === undefined || other.appendTimeMs <= record.appendTimeMs) last.set(key, record);
    }
  }
  const alive = [...last].filter(([, record]) => record.value !== null);
  return new Map(alive.map(([key, record]) => [key, shown(record)]));
}

/** What a table says by `entries()`, which must say nothing twice. */
export async function entriesOf(table: TopicTable<string>): Promise<Rows> {
  const rows = new Map<string, string>();
  for await (const record of table.entries()) {
    const key = hexOf(record);
    if (rows.has(key)) throw new Error(`the key ${key} came twice`);
    rows.set(key, shown(record));
  }
  return rows;
}

/** Changes one after the other, as somebody keeps a map by them. */
export class ChangeFold {
  readonly rows = new Map<string, string>();
  readonly ended: Promise<void>;
  count = 0;
  readonly #abort = new AbortController();
  readonly #waiting = new Map<string, () => void>();
  readonly #seen = new Set<string>();

  /** @param from  where to begin: nowhere, or with these rows */
  constructor(table: TopicTable<string>, from: 'start' | Promise<Rows>) {
    const { signal } = this.#abort;
    const changes = table.changes({ from: from === 'start' ? 'start' : 'now', signal });
    this.ended = this.#run(changes, from === 'start' ? null : from);
  }

  /** Resolves when a key was seen that stands at the end. */
  seen(key: string): Promise<void> {
    if (this.#seen.has(key)) return Promise.resolve();
    return Promise.race([
      new Promise<void>((resolve) => this.#waiting.set(key, resolve)),
      this.ended.then(() => Promise.reject(new Error('the changes have ended'))),
    ]);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('enough'));
    await this.ended.catch((error: unknown) => {
      if (error !== this.#abort.signal.reason) throw error;
    });
  }

  async #run(
    changes: AsyncIterable<TableChange<string>>,
    from: Promise<Rows> | null,
  ): Promise<void> {
    for (const [key, row] of (await from) ?? []) this.rows.set(key, row);
    for await (const { key, record, isDeleted } of changes) {
      this.count++;
      if (isDeleted !== (record.value === null)) throw new Error('a deletion that is none');
      if (isDeleted) this.rows.delete(hexOf(record));
      else this.rows.set(hexOf(record), shown(record));
      this.#seen.add(key);
      this.#waiting.get(key)?.();
    }
  }
}

/** Until the test has ended. */
export async function openTable(
  topic: StoreTopic<string>,
  options: TableOptions = {},
): Promise<TopicTable<string>> {
  const table = await topic.table(options);
  onTestFinished(() => table.close());
  return table;
}

/** By key, as text: all that it has, which must be as many as it says. */
export async function valuesOf(
  table: TopicTable<string>,
): Promise<Readonly<Record<string, string | null>>> {
  const values: [string, string | null][] = [];
  for await (const { key, value } of table.entries()) values.push([key ?? 'none', value]);
  if (values.length !== table.size) throw new Error(`${values.length} of ${table.size} entries`);
  return Object.fromEntries(values);
}
