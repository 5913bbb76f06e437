/** What `verify` and `dump` make of batches whose tags were forged under a right checksum. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { checksum } from '../../../src/format/checksum.ts';
import {
  BATCH_HEADER_BYTES,
  CRC_AT,
  EXTENSION_BYTES_AT,
  MAGIC_AT,
  PRODUCER_ID_AT,
  SEGMENT_HEADER_BYTES,
  SIZE_AT,
} from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { dumpSegment } from '../../../src/log/segment-dump.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { copyInMemory } from '../../support/golden/make-golden.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'segments', 'v1', 'tagged');
const SEGMENT = '00000000000000000000.log';
const RECORDS = 32 + 1;

function goldenFiles(): Map<string, Uint8Array> {
  const names = readdirSync(FOLDER).filter((name) => name !== 'expected.json');
  return new Map(names.map((name) => [name, readFileSync(join(FOLDER, name))]));
}

/** Where the first five batches of the segment begin. */
function places(): [number, number, number, number, number] {
  const view = viewOf(goldenFiles().get(SEGMENT) ?? new Uint8Array());
  const next = (at: number): number => at + view.getUint32(at + SIZE_AT, true);
  const first = SEGMENT_HEADER_BYTES;
  const [second, third] = [next(first), next(next(first))];
  return [first, second, third, next(third), next(next(third))];
}

const [PRODUCED, PLAIN, IDENTIFIED, GAPPED, HIGH] = places();
/** Of fingerprints. */
const TABLE = 3919;

interface Lie {
  /** Where the batch begins. */
  readonly batch: number;
  /** Of the byte, there. */
  readonly at: number;
  readonly value: number;
}

/** The golden directory with one byte of a batch changed, and its checksum made right. */
async function forged({ batch, at, value }: Lie) {
  const files = goldenFiles();
  const bytes = files.get(SEGMENT) ?? new Uint8Array();
  bytes[batch + at] = value;
  const view = viewOf(bytes);
  const end = batch + view.getUint32(batch + SIZE_AT, true);
  view.setUint32(batch + CRC_AT, checksum(bytes, batch + MAGIC_AT, end), true);
  return copyInMemory(files);
}

type Directory = Awaited<ReturnType<typeof forged>>;

/** What is damaged, by position. */
async function findings({ fileSystem, path }: Directory): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for await (const event of verifyLog(path, { fileSystem })) {
    if (event.type === 'damage') found.push([event.details.position, event.details.reason]);
  }
  return found;
}

/** What `dump` shows of the tags, and where it finds damage. */
async function shown({ fileSystem, path }: Directory): Promise<[string, number[]]> {
  const tags: unknown[] = [];
  const damaged: number[] = [];
  for await (const event of dumpSegment(join(path, SEGMENT), { fileSystem })) {
    if (event.type === 'damage') damaged.push(event.details.position);
    if (event.type === 'batch') {
      const { producerId, producerEpoch, baseSequence, topologyVersion } = event.header;
      const { produced, fingerprints } = event;
      tags.push([producerId, producerEpoch, baseSequence, topologyVersion, produced, fingerprints]);
    }
  }
  return [JSON.stringify(tags), damaged];
}

async function readable({ fileSystem, path }: Directory): Promise<number> {
  const log = await openLog(path, { fileSystem, codec: utf8, readOnly: true });
  let count = 0;
  for await (const batch of log.batches()) for (const { key } of batch) count += key === '' ? 0 : 1;
  await log.close();
  return count;
}

test('a log with tags is sound, and verify counts them', async () => {
  const { fileSystem, path } = await copyInMemory(goldenFiles());
  const counts: number[][] = [];
  for await (const event of verifyLog(path, { fileSystem })) {
    expect(event.type).toBe('segment');
    if (event.type !== 'segment') continue;
    counts.push([event.producedCount, event.fingerprintedCount, event.tableCount]);
  }
  expect(counts).toEqual([
    [3, 1, 1],
    [1, 1, 0],
  ]);
});

describe('verify says what is wrong with', () => {
  test.each([
    [
      'the low bits of a sequence',
      { batch: PRODUCED, at: 96, value: 8 },
      'the base sequence is 7, that of the header 8',
    ],
    [
      'a producer of no sequences',
      { batch: PLAIN, at: 88, value: 9 },
      'it lacks the sequences of producer 9',
    ],
    [
      'an epoch without a producer',
      { batch: PLAIN, at: 100, value: 1 },
      'it lacks the sequences of producer 0',
    ],
    [
      'a type that is another',
      { batch: IDENTIFIED, at: 112, value: 3 },
      'sequences, and the batch has no producer',
    ],
    [
      'a length that is short',
      { batch: IDENTIFIED, at: 114, value: 8 },
      '8 bytes are not the fingerprints',
    ],
    [
      'a length that is long',
      { batch: IDENTIFIED, at: 115, value: 1 },
      'a field at byte 0 does not fit 20 bytes',
    ],
    [
      'a number of records',
      { batch: IDENTIFIED, at: 52, value: 1 },
      '16 bytes are not the fingerprints of 1',
    ],
    [
      'a distance that goes on',
      { batch: GAPPED, at: 134, value: 0x83 },
      'sequence 2 cannot be read',
    ],
    ['a sequence above all', { batch: HIGH, at: 140, value: 0x1f }, 'a sequence is above 2^53 - 2'],
  ])('%s', async (_what, lie, reason) => {
    const { batch } = lie;
    const directory = await forged(lie);
    const found = await findings(directory);
    expect(found).toHaveLength(1);
    expect(found[0]?.[0]).toBe(batch);
    expect(found[0]?.[1]).toContain(reason);
    expect((await shown(directory))[1]).toEqual([batch]);
  });
});

test('no forged byte of a tag goes unseen: it is damage, or shown; nothing else is harmed', async () => {
  const original = viewOf(goldenFiles().get(SEGMENT) ?? new Uint8Array());
  const [before] = await shown(await copyInMemory(goldenFiles()));
  const seen = { damage: 0, table: 0, shown: 0 };
  for (const batch of [PRODUCED, PLAIN, IDENTIFIED, GAPPED, HIGH]) {
    const end = BATCH_HEADER_BYTES + original.getUint16(batch + EXTENSION_BYTES_AT, true);
    for (let at = PRODUCER_ID_AT; at < end; at++) {
      const isLength = at === EXTENSION_BYTES_AT || at === EXTENSION_BYTES_AT + 1;
      if (isLength) continue; // Then other bytes are the records.
      const was = original.getUint8(batch + at);
      for (const value of [was ^ 1, was ^ 0x80, 0xff - was]) {
        const directory = await forged({ batch, at, value });
        const found = await findings(directory);
        const [after, damaged] = await shown(directory);
        // Another fingerprint is whole, but the table does not have it.
        const inTags = found.filter(([position]) => position !== TABLE);
        expect(found.length - inTags.length).toBeLessThanOrEqual(batch === IDENTIFIED ? 1 : 0);
        expect(damaged).toEqual(inTags.map(([position]) => position));
        expect(after).not.toBe(before);
        expect(inTags.every(([position]) => position === batch)).toBe(true);
        if (inTags.length > 0) seen.damage++;
        else if (found.length > 0) seen.table++;
        else seen.shown++;
        expect(await readable(directory)).toBe(RECORDS);
      }
    }
  }
  expect(seen.damage).toBeGreaterThan(100);
  expect(seen.shown).toBeGreaterThan(100);
  expect(seen.table).toBeGreaterThan(40); // 16 bytes of fingerprints, three lies each.
}, 30_000);
