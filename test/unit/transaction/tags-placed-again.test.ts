/** What transactions bring with ids and from producers, where only the journal has it after a power cut. */
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { turns } from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { tagsIn } from '../../support/tagged-runs.ts';

const TRANSACTIONS = 12;
/** Records of each transaction: one that says nothing, two with ids, two of the producer. */
const EACH = 5;

/** Fills the segment that they are in, the smaller one several times. */
const FILLING = 60;

interface Setting {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
}

async function open(disk: StoreDisk, segmentBytesMax: number): Promise<Setting> {
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8, segmentBytesMax });
  return { store, topic, producer: await store.producer('p') };
}

function idOf(number: number): string {
  return `id ${number}`;
}

/** Of two numbers, also for the producer. */
function commitBoth({ store, topic, producer }: Setting, number: number) {
  const padding = 'x'.repeat(100);
  return store.transaction((tx) => {
    tx.append(topic, { value: `plain ${number} ${padding}` });
    const withIds = [number, number + 1].map((each) => {
      return { value: `${idOf(each)} ${padding}`, dedupId: idOf(each) };
    });
    const sent = [number, number + 1].map((each) => ({ value: `sent ${each} ${padding}` }));
    return [
      tx.append(topic, withIds),
      tx.append(topic, sent, { producer, sequence: number }),
    ] as const;
  });
}

/** Sends all of it again. @returns where the ids are */
async function sendAgain({ store, topic, producer }: Setting): Promise<readonly number[]> {
  const offsets: number[] = [];
  for (let number = 0; number < 2 * TRANSACTIONS; number++) {
    const { offset, duplicate } = await topic.append({ value: 'again', dedupId: idOf(number) });
    expect(duplicate).toBe(true);
    offsets.push(offset);
  }
  const sent = Array.from({ length: 2 * TRANSACTIONS }, () => ({ value: 'again' }));
  const plain = await producer.appendBatch(topic, sent, { sequence: 0 });
  expect(plain).toMatchObject({ recordCount: 0, duplicateCount: sent.length });
  const [both, one] = await store.transaction((tx) => [
    tx.append(topic, sent, { producer, sequence: 0 }),
    tx.append(topic, { value: 'again', dedupId: idOf(0) }),
  ]);
  expect(both?.result).toMatchObject({ recordCount: 0, duplicateCount: sent.length });
  expect(one?.result).toMatchObject({ recordCount: 0, duplicates: [{ offset: offsets[0] }] });
  return offsets;
}

/** First offsets of segments, and of the full ones that have a table of ids. */
async function segmentsIn({ fileSystem }: StoreDisk, path: string) {
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).toSorted();
  const starts = names.map((name) => Number.parseInt(name, 10));
  const tabled: number[] = [];
  for (const [at, name] of names.slice(0, -1).entries()) {
    const { tables } = await walkSegment(fileSystem, join(path, name));
    if (tables.length > 0) tabled.push(starts[at] ?? -1);
  }
  return { starts, tabled };
}

describe('batches with tags, written again from the journal after a power cut', () => {
  // Of small segments the full ones are synced.
  test.each([1_048_576, 4096])(
    'say what they said, and count as they did: segments of %i bytes',
    async (segmentBytesMax) => {
      const disk = await StoreDisk.make();
      const before = await open(disk, segmentBytesMax);
      await before.topic.append({ value: 'before' });
      for (let at = 0; at < TRANSACTIONS; at++) await commitBoth(before, 2 * at);
      const { path } = await before.topic.partitions.at(0).log();
      const said = await tagsIn(disk.fileSystem, path);
      expect(said.records).toHaveLength(1 + TRANSACTIONS * EACH);
      disk.cutPower();

      const placed = await open(disk, segmentBytesMax);
      const { recovery } = await placed.topic.partitions.at(0).log();
      expect(recovery.notes).toEqual([
        expect.stringMatching(/^offsets (1|\d\d) to 60 were written again from the journal$/),
      ]);
      expect(await tagsIn(disk.fileSystem, path)).toEqual(said);
      const offsets = await sendAgain(placed);
      expect(offsets).toEqual(
        said.records.filter(({ fingerprint }) => fingerprint !== null).map(({ offset }) => offset),
      );
      expect(await placed.producer.last(placed.topic)).toMatchObject({
        resumeFrom: 2 * TRANSACTIONS,
        offset: said.records.findLast(({ sequence }) => sequence !== null)?.offset,
      });

      // Once more, where they stand in segments with tables, or were read when the log was opened.
      for (let left = FILLING; left > 0; left--) {
        await placed.topic.append({ value: 'x'.repeat(200) });
      }
      await turns(20);
      const { starts, tabled } = await segmentsIn(disk, path);
      const isTabled = (start: number, end: number) =>
        offsets.some((offset) => offset >= start && offset < end);
      expect(tabled).toEqual(starts.filter((start, at) => isTabled(start, starts[at + 1] ?? 0)));
      disk.cutPower();
      const again = await open(disk, segmentBytesMax);
      expect(await sendAgain(again)).toEqual(offsets);
      expect(await again.producer.append(again.topic, { value: 'next' })).toMatchObject({
        sequence: 2 * TRANSACTIONS,
        offset: said.records.length + FILLING,
      });
      await again.store.close();
    },
  );
});
