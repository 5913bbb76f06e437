/**
 * What can be asked of the process that has a store open about the records of one partition: to
 * append some, and how far they go. Bytes are base64, for the lines of the socket are JSON.
 */
import { argumentError } from '../core/assert.ts';
import {
  choice,
  count,
  list,
  nullable,
  optional,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { TopicRecordInput } from '../topic/topic-results.ts';
import { controlVerb } from './control-verb.ts';

/** A record as the socket has it. */
export interface SocketRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers?: readonly SocketHeader[] | undefined;
  readonly createTimeMs?: number | undefined;
  readonly dedupId?: string | undefined;
}

export interface SocketHeader {
  readonly name: string;
  readonly value: string;
}

/** Of a whole number of groups of four; Buffer would skip whatever else it meets. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export const base64: Shape<string> = {
  check(name, value) {
    if (typeof value === 'string' && value.length % 4 === 0 && BASE64.test(value)) return value;
    // What was sent is somebody's record: no message quotes it.
    throw argumentError(TypeError, name, 'bytes in base64', typeof value);
  },
};

export const socketRecordFields = {
  key: nullable(base64),
  value: nullable(base64),
  headers: optional(list(struct({ name: text, value: base64 }))),
  createTimeMs: optional(count),
  dedupId: optional(text),
};

const socketRecord: Shape<SocketRecord> = struct(socketRecordFields);

/**
 * Records to the end of a topic: to one partition, or as its partitioner chooses (null).
 *
 * `expectedOffset`, of one partition, is that of the first record: else nothing is appended. No record is a
 * duplicate then, and none may have an id.
 */
export const appendRecords = controlVerb({
  name: 'appendRecords',
  args: struct({
    topic: text,
    partition: nullable(count),
    expectedOffset: nullable(count),
    durability: choice(DURABILITY_LEVELS),
    records: list(socketRecord),
  }),
  answer: structWith({
    placements: list(structWith({ partition: count, baseOffset: count, recordCount: count })),
    /** Where those are that were stored before; `index` is among the records of the request. */
    duplicates: list(structWith({ index: count, partition: count, offset: count })),
  }),
  async run(store, { topic, partition, expectedOffset, durability, records: sent }) {
    const handle = await store.topic(topic, { create: false });
    const records = sent.map(recordOf);
    if (expectedOffset === null) {
      const options = { durability, partition: partition ?? undefined };
      return handle.appendBatch(records, options);
    }
    checkNoIds(records);
    const chosen = checkChosen(partition, handle.partitionCount);
    const { baseOffset, recordCount } = await handle.partitions
      .at(chosen)
      .use((log) => log.appendBatch(records, { durability, expectedOffset }));
    return { placements: [{ partition: chosen, baseOffset, recordCount }], duplicates: [] };
  },
});

/** Makes durable what a partition holds, and tells where that begins and ends. */
export const settlePartition = controlVerb({
  name: 'settlePartition',
  args: struct({ topic: text, partition: count }),
  answer: structWith({ startOffset: count, endOffset: count }),
  async run(store, { topic, partition }) {
    const handle = await store.topic(topic, { create: false });
    return handle.partitions.at(checkChosen(partition, handle.partitionCount)).use(async (log) => {
      await log.sync();
      return { startOffset: log.startOffset, endOffset: log.endOffset };
    });
  },
});

/** @throws TypeError when one has an id, which only the topic as a whole can know again */
function checkNoIds(records: readonly TopicRecordInput<Uint8Array>[]): void {
  const found = records.find(({ dedupId }) => dedupId !== undefined);
  if (found === undefined) return;
  throw argumentError(TypeError, 'dedupId', 'left out beside an `expectedOffset`', found.dedupId);
}

/** A record as the socket takes it. */
export function socketRecordOf(record: TopicRecordInput<Uint8Array>): SocketRecord {
  const { value, key = null, headers, createTimeMs, dedupId } = record;
  const pairs = Object.entries(headers ?? {});
  return {
    key: key === null ? null : encode(key),
    value: value === null ? null : encode(value),
    ...(pairs.length === 0
      ? {}
      : { headers: pairs.map(([name, content]) => ({ name, value: encode(content) })) }),
    ...(createTimeMs === undefined ? {} : { createTimeMs }),
    ...(dedupId === undefined ? {} : { dedupId }),
  };
}

/** What the socket brought. */
export function recordOf({
  key,
  value,
  headers = [],
  createTimeMs,
  dedupId,
}: SocketRecord): TopicRecordInput<Uint8Array> {
  return {
    key: key === null ? null : decode(key),
    value: value === null ? null : decode(value),
    headers: Object.fromEntries(headers.map((header) => [header.name, decode(header.value)])),
    createTimeMs,
    dedupId,
  };
}

/** Bytes, or text as UTF-8, in base64. */
export function encode(content: string | Uint8Array): string {
  const buffer =
    typeof content === 'string'
      ? Buffer.from(content, 'utf8')
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return buffer.toString('base64');
}

function decode(content: string): Uint8Array {
  return Buffer.from(content, 'base64');
}
