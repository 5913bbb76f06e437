/** Ids that all have one fingerprint: the records themselves say which is which, wherever they are. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { Fingerprint } from '../../../src/core/fingerprint.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendResult,
  TopicRecordInput,
} from '../../../src/topic/topic-results.ts';
import { StoreDisk } from '../../support/store-disk.ts';

beforeEach(() => {
  for (const way of ['ofText', 'ofBytes', 'ofView'] as const) {
    vi.spyOn(Fingerprint.prototype, way).mockImplementation(function (this: Fingerprint) {
      [this.high, this.low] = [7, 7];
    });
  }
});

afterEach(() => vi.restoreAllMocks());

const WITH_IDS: readonly Sent[] = [
  { value: 'a', key: 'k', dedupId: 'one' },
  { value: 'a', key: 'l', dedupId: 'one' },
  { value: 'a', key: null, dedupId: 'one' },
  { value: 'a', key: 'k', dedupId: 'two' },
];

const WITHOUT: readonly Sent[] = [
  { value: 'a', key: 'k' },
  { value: 'b', key: 'k' },
  { value: 'a', key: 'l' },
];

type Sent = Pick<TopicRecordInput<string>, 'value' | 'key' | 'dedupId'>;

const ALL = [...WITH_IDS, ...WITHOUT];

/** Offsets: where the first of its kind stands. */
const SETTINGS = [
  { dedupBy: 'id', dedupScope: 'topic', records: WITH_IDS, offsets: [0, 0, 0, 1] },
  { dedupBy: 'id', dedupScope: 'key', records: WITH_IDS, offsets: [0, 1, 2, 3] },
  { dedupBy: 'content', dedupScope: 'topic', records: ALL, offsets: [0, 0, 0, 1, 2, 3, 2] },
  { dedupBy: 'content', dedupScope: 'key', records: ALL, offsets: [0, 1, 2, 3, 4, 5, 6] },
] as const;

type Send = (
  records: readonly Sent[],
  to: { readonly store: Store; readonly topic: StoreTopic<string> },
) => Promise<readonly (number | null)[]>;

/** Each answers with the offsets of duplicates, by record; null = it was appended. */
const WAYS: Readonly<Record<string, Send>> = {
  'one by one': async (records, { topic }) => {
    const offsets: (number | null)[] = [];
    for (const record of records) offsets.push(placeOf(await topic.append(record)));
    return offsets;
  },
  'at once': async (records, { topic }) =>
    (await Promise.all(records.map((record) => topic.append(record)))).map(placeOf),
  'in a batch': async (records, { topic }) => placesIn(records, await topic.appendBatch(records)),
  'in a transaction': async (records, { store, topic }) => {
    const { result } = await store.transaction((tx) => tx.append(topic, records));
    return placesIn(records, present(result, 'it is committed'));
  },
};

function placeOf({ duplicate, offset }: TopicAppendResult): number | null {
  return duplicate ? offset : null;
}

function placesIn(records: readonly Sent[], { duplicates }: TopicAppendBatchResult) {
  return records.map((_, at) => duplicates.find(({ index }) => index === at)?.offset ?? null);
}

describe.each(SETTINGS)('by $dedupBy in scope $dedupScope', ({ records, offsets, ...options }) => {
  test.each(Object.keys(WAYS))('sent %s, and again when they were opened anew', async (way) => {
    const send = present(WAYS[way], 'each has one');
    const disk = await StoreDisk.make();
    let store = await disk.open();
    let topic = await store.topic('t', { codec: utf8, ...options });
    const isFirst = (offset: number, at: number) =>
      offsets.findIndex((one) => one === offset) === at;
    const expected = offsets.map((offset, at) => (isFirst(offset, at) ? null : offset));
    expect(await send(records, { store, topic })).toEqual(expected);
    await store.close();
    store = await disk.open();
    topic = await store.topic('t', { codec: utf8 });
    expect(await send(records, { store, topic })).toEqual(offsets);
    await store.close();
  });
});
