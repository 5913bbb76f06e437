/**
 * A store with a window full of ids, and how it is used: by its topic `with-ids`, in which each record has
 * an id that tells its offset, or by `without`, which has the same records without ids.
 */
import { randomUUID } from 'node:crypto';
import { openStore, type Store, type Topic } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import { KEY_BYTES, VALUE_BYTE } from './records.ts';

export type DedupShape = {
  readonly withIds: boolean;
  /** In the window; a multiple of 1000. */
  readonly ids: number;
  readonly valueBytes: number;
};

/** What is appended. */
interface DedupInput {
  readonly key: string;
  readonly value: Uint8Array;
  readonly dedupId?: string;
}

export type AppendLoad = {
  /** Appended in all; a multiple of `recordsPerCall`. */
  readonly records: number;
  /** 1 = `append`. */
  readonly recordsPerCall: number;
  readonly callsInFlight: number;
};

const FILL = { recordsPerCall: 1000, callsInFlight: 16 };
/** Records whose objects are made before they are appended. */
const FILL_PART = 100_000;
/** Different ones, as the other suites have: so many `ArrayBuffer`s would be what is measured. */
const VALUES = 1000;
const WINDOW_MS = 24 * 3600 * 1e3;

/** Leaves a closed store at `path`, all of it synced, for both topics: whoever comes first fills the window. */
export async function fillDedup(path: string, parameters: DedupShape): Promise<void> {
  const shape = { ...parameters, withIds: true };
  const store = await openStore(path);
  const filled = new DedupTopic(await topicOf(store, shape), shape);
  for (let left = shape.ids; left > 0; left -= FILL_PART) {
    const records = Math.min(left, FILL_PART);
    await filled.append(filled.make(records), { records, ...FILL }, 'os');
  }
  await filled.topic.sync();
  await store.close();
}

/** Opens a filled store, and uses one of its topics until `action` ends. */
export async function withDedup<R>(
  path: string,
  shape: DedupShape,
  action: (topic: DedupTopic) => Promise<R>,
): Promise<R> {
  const store = await openStore(path);
  const own = new DedupTopic(await topicOf(store, shape), shape);
  const result = await action(own);
  await own.leaveWindow();
  await store.close();
  return result;
}

function topicOf(store: Store, { withIds }: DedupShape): Promise<Topic<Uint8Array>> {
  return withIds
    ? store.topic('with-ids', { durability: 'sync', dedupWindowMs: WINDOW_MS })
    : store.topic('without', { durability: 'sync' });
}

/** One of the two topics. */
export class DedupTopic {
  readonly topic: Topic<Uint8Array>;
  readonly #shape: DedupShape;

  constructor(topic: Topic<Uint8Array>, shape: DedupShape) {
    this.topic = topic;
    this.#shape = shape;
  }

  get endOffset(): number {
    return this.topic.partitions.at(0).opened?.endOffset ?? 0;
  }

  /** One record: its log is opened, and the ids in its window are found again. */
  async appendFirst(): Promise<void> {
    const record = present(this.make(1)[0], 'one was made');
    // Where the log ends is not known before it is open: an id that tells no offset.
    const input = this.#shape.withIds ? { ...record, dedupId: randomUUID() } : record;
    const { duplicate } = await this.topic.append(input);
    assert(!duplicate, 'an id that nobody has is new');
  }

  /** The next ones, or those from an offset on; an object each, as a program has them. */
  make(records: number, from = this.endOffset): readonly DedupInput[] {
    const { withIds, valueBytes } = this.#shape;
    const values = Array.from({ length: VALUES }, () => Buffer.alloc(valueBytes, VALUE_BYTE));
    return Array.from({ length: records }, (_, at) => {
      const key = String(at % FILL_PART).padStart(KEY_BYTES, '0');
      const value = present(values[at % VALUES], 'one of the values');
      return withIds ? { key, value, dedupId: idOf(from + at) } : { key, value };
    });
  }

  /** Appends them all; checks that they were new. @returns how long it took, ms */
  async append(
    input: readonly DedupInput[],
    { records, recordsPerCall, callsInFlight }: AppendLoad,
    durability: 'os' | 'sync' = 'sync',
  ): Promise<number> {
    const { topic, endOffset } = this;
    let next = 0;
    let duplicates = 0;
    const caller = async () => {
      while (next < records) {
        const from = next;
        next += recordsPerCall;
        if (recordsPerCall === 1) {
          const record = input[from];
          if (record === undefined) return;
          if ((await topic.append(record, { durability })).duplicate) duplicates++;
        } else {
          const batch = input.slice(from, next);
          duplicates += (await topic.appendBatch(batch, { durability })).duplicates.length;
        }
      }
    };
    const startMs = performance.now();
    await Promise.all(Array.from({ length: callsInFlight }, caller));
    const ms = performance.now() - startMs;
    assert(duplicates === 0, 'all are new');
    assert(this.endOffset === endOffset + records, 'every record was appended');
    return ms;
  }

  /** Appends again the last so many; checks that all were known. @returns how long it took, ms */
  async appendAgain(records: number, { recordsPerCall, callsInFlight }: AppendLoad) {
    const { topic, endOffset } = this;
    const input = this.make(records, endOffset - records);
    let next = 0;
    const caller = async () => {
      while (next < records) {
        const from = next;
        next += recordsPerCall;
        const { duplicates } = await topic.appendBatch(input.slice(from, next));
        assert(duplicates.length === recordsPerCall, 'all are known');
        for (const { index, offset } of duplicates) {
          assert(offset === endOffset - records + from + index, 'the record with that id is named');
        }
      }
    };
    const startMs = performance.now();
    await Promise.all(Array.from({ length: callsInFlight }, caller));
    const ms = performance.now() - startMs;
    assert(this.endOffset === endOffset, 'nothing was appended');
    return ms;
  }

  /** Deletes what is older than the window is large, so the next run has as many ids. */
  async leaveWindow(): Promise<void> {
    const offset = Math.max(0, this.endOffset - this.#shape.ids);
    await this.topic.deleteBefore({ partition: 0, offset });
  }
}

/** 36 characters, as a UUID has; a flat text. */
function idOf(offset: number): string {
  const digits = String(offset).padStart(12, '0');
  return Buffer.from(`0b8f4c1e-7d1a-4f0e-9b1c-${digits}`, 'latin1').toString('latin1');
}
