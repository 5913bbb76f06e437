/** The golden cases of format version 1: the shapes of a log, and the damage it can meet. */
import { checksum } from '../../../src/format/checksum.ts';
import {
  MAGIC_AT,
  SEGMENT_CRC_AT,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC_AT,
  SEGMENT_VERSION_AT,
} from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { contentOf, cut, damage, swapFiles } from '../disk-damage.ts';
import { walkSegment } from '../segment-walk.ts';
import { GoldenLog, type GoldenCase } from './golden-case.ts';
import {
  batchOf,
  compactedLog,
  compressedLog,
  damagedBatch,
  plainLog,
  segmentedLog,
  taggedLog,
  taggedSegments,
  tornLog,
} from './golden-logs.ts';

const SHAPES: readonly GoldenCase[] = [
  {
    name: 'empty',
    what: 'a log that was opened and closed, and nothing else',
    async make() {
      const log = new GoldenLog(1);
      await log.open();
      await log.close();
      return log.directory();
    },
  },
  {
    name: 'one-batch',
    what: 'one batch of two records, closed cleanly',
    async make() {
      const log = new GoldenLog(1);
      await log.open();
      await log.append({ key: 'a', value: 'one', createTimeMs: 1000 }, { value: 'two' });
      await log.close();
      return log.directory();
    },
  },
  {
    name: 'many',
    what: 'every kind of record, in three lives of one log',
    async make() {
      const log = new GoldenLog(1);
      await log.open();
      await log.append({ value: '' }, { value: 'x', key: '' }, { value: null, key: 'tombstone' });
      await log.append({ value: 'Grüße, 世界 🌍', key: Uint8Array.of(0, 0xff, 0x80) });
      await log.append({
        value: 'h',
        headers: { trace: 'abc', '': '', bin: Uint8Array.of(0, 255) },
      });
      await log.close();
      await log.open();
      await log.append(
        { value: 'first', createTimeMs: 0 },
        { value: 'last', createTimeMs: 2 ** 48 - 1 },
      );
      await log.append({ value: null, headers: { reason: 'expired' } });
      await log.append({ value: 'v'.repeat(600), key: 'k'.repeat(300) });
      await log.close();
      await log.open();
      await log.fill(16);
      await log.close();
      return log.directory();
    },
  },
  {
    name: 'several-segments',
    what: 'two sealed segments with index batches, and an active one',
    async make() {
      const log = await segmentedLog(2);
      return log.directory();
    },
  },
  {
    name: 'gap',
    what: 'a damaged batch that onCorruption: skip replaced by a gap batch',
    async make() {
      const log = await plainLog(3);
      const path = await log.segment(0);
      const batch = await batchOf(log, path, 4);
      damage(log.fileSystem, path, (bytes) => {
        bytes[batch.position + 130] = 0xee;
        return bytes;
      });
      await log.open({ onCorruption: 'skip' });
      await log.append({ value: 'after the gap' });
      await log.close();
      const { baseOffset } = batch.header;
      return log.directory((offset) => offset < baseOffset || offset >= batch.nextOffset);
    },
  },
  compactedLog('compacted', 'sealed segments that lost records, one of them twice', [
    [0, (offset) => offset !== 0 && offset % 3 !== 2],
    [1, (offset) => offset % 5 === 0],
    [0, (offset) => offset % 4 !== 3],
  ]),
  compactedLog('compacted-empty', 'a sealed segment that lost all, and one all but its end', [
    [0, () => false],
    [1, (offset) => offset > 36],
  ]),
  taggedLog('tagged', 'batches of a producer, and of records with ids, with a table of these'),
  compressedLog('gzip', 'batches compressed with gzip, two that are not, and a sealed segment'),
  compressedLog('zstd', 'the same with zstd, which Node 20 cannot read'),
];

const TAILS: readonly GoldenCase[] = [
  tornLog(
    'torn-tail',
    'the last of three unsynced batches is cut in the middle: no damage, it was never synced',
    { unsynced: 3, lostAt: -1, change: (bytes, { position }) => bytes.subarray(0, position + 150) },
  ),
  tornLog(
    'hole-then-valid',
    'of two unsynced batches only the second reached the disk: no damage, cut before the hole',
    {
      unsynced: 2,
      lostAt: -2,
      change: (bytes, { position, endPosition }) => bytes.fill(0, position, endPosition),
    },
  ),
  {
    name: 'cut-on-boundary',
    what: 'synced data cut exactly between two batches: damage, as the checkpoint says',
    async make() {
      const log = await plainLog(3);
      const path = await log.segment(0);
      const batch = await batchOf(log, path, -3);
      cut(log.fileSystem, path, batch.position);
      return log.directory((offset) => offset < batch.header.baseOffset);
    },
  },
];

const DAMAGES: readonly GoldenCase[] = [
  damagedBatch('bad-crc', 'one bit of a value in synced data is flipped', (bytes, batch) => {
    const at = batch.position + 140;
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  }),
  damagedBatch('bad-magic', 'the magic of a batch in synced data is gone', (bytes, batch) => {
    bytes.fill(0, batch.position + MAGIC_AT, batch.position + MAGIC_AT + 4);
  }),
  {
    name: 'damaged-index',
    what: 'several-segments with a flipped bit in an index batch: made again, nothing is lost',
    async make() {
      const log = await segmentedLog(2);
      const path = await log.segment(0);
      damage(log.fileSystem, path, (bytes) => {
        bytes[bytes.length - 10] = (bytes.at(-10) ?? 0) ^ 1;
        return bytes;
      });
      return log.directory();
    },
  },
  {
    name: 'damaged-table',
    what: 'tagged with a flipped bit in the table of fingerprints: left out, nothing is lost',
    async make() {
      const log = await taggedSegments();
      const path = await log.segment(0);
      const [table] = (await walkSegment(log.fileSystem, path)).tables;
      damage(log.fileSystem, path, (bytes) => {
        const at = (table?.position ?? 0) + 140; // In its only entry.
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        return bytes;
      });
      return log.directory();
    },
  },
  {
    name: 'swapped-segment',
    what: 'several-segments with the contents of the two sealed segments exchanged',
    async make() {
      const log = await segmentedLog(2);
      const [first, second] = [await log.segment(0), await log.segment(1)];
      const { header } = await walkSegment(log.fileSystem, await log.segment(2));
      swapFiles(log.fileSystem, first, second);
      // Batches in another segment's file count nowhere: the third one alone is where it belongs.
      return log.directory((offset) => offset >= header.baseOffset);
    },
  },
  {
    name: 'foreign-log-id',
    what: 'several-segments with its active segment taken from another log',
    async make() {
      const log = await segmentedLog(2);
      const other = await segmentedLog(99);
      const path = await log.segment(2);
      const { header } = await walkSegment(log.fileSystem, path);
      const foreign = contentOf(other.fileSystem, path);
      damage(log.fileSystem, path, () => foreign);
      return log.directory((offset) => offset < header.baseOffset);
    },
  },
  {
    name: 'future-version',
    what: 'a log whose segment header states format version 2, with a right checksum',
    async make() {
      const log = await plainLog(3);
      damage(log.fileSystem, await log.segment(0), (bytes) => {
        const view = viewOf(bytes);
        view.setUint16(SEGMENT_VERSION_AT, 2, true);
        const crc = checksum(bytes, SEGMENT_MAGIC_AT, SEGMENT_HEADER_BYTES);
        view.setUint32(SEGMENT_CRC_AT, crc, true);
        return bytes;
      });
      return log.directory(() => false);
    },
  },
];

/** Every case of version 1. */
export const GOLDEN_CASES: readonly GoldenCase[] = [...SHAPES, ...TAILS, ...DAMAGES];
