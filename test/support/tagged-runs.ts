/** Runs of texts that say what they are to producers and to dedup, and what a log says of them. */
import { join } from 'node:path';

import type { EncodableRecord } from '../../src/format/batch-encoder.ts';
import { encodedRecordBytes, textBytesGuess } from '../../src/format/batch-encoder.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { FingerprintTag, ProducedTag, type RunProducer } from '../../src/log/batch-tag.ts';
import type { RecordRun } from '../../src/log/record-run.ts';
import { dumpSegment } from '../../src/log/segment-dump.ts';

/** A record as an appender takes it. */
export function encodable(value: string, key: string | null = null): EncodableRecord {
  const bytes = Buffer.from(value);
  const keyBytes = key === null ? 0 : textBytesGuess(key);
  return {
    key,
    keyBytes,
    headers: null,
    value: bytes,
    createTimeMs: 1000,
    sizeBytes: encodedRecordBytes(keyBytes, null, bytes),
  };
}

/** Records that say nothing. */
export function plainRun(records: readonly EncodableRecord[]): RecordRun {
  return { records, tag: null };
}

/** Records of a producer. */
export function producedRun(
  records: readonly EncodableRecord[],
  producer: RunProducer,
  sequences: number | readonly number[],
): RecordRun {
  return { records, tag: new ProducedTag(producer, sequences) };
}

/** Records with ids: of each high and low, or null. */
export function identifiedRun(
  records: readonly EncodableRecord[],
  ids: readonly (readonly [number, number] | null)[],
): RecordRun {
  const words = new Uint32Array(2 * records.length);
  for (const [at, id] of ids.entries()) words.set(id ?? [0, 0], 2 * at);
  return { records, tag: new FingerprintTag(words) };
}

/** What a log says of one record. */
export interface RecordTag {
  readonly offset: number;
  readonly value: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Null without a producer. */
  readonly sequence: number | null;
  readonly confirmed: number | null;
  /** 16 hex digits. */
  readonly fingerprint: string | null;
}

export interface TaggedBatches {
  readonly records: readonly RecordTag[];
  readonly batches: readonly {
    readonly baseOffset: number;
    readonly position: number;
    readonly recordCount: number;
    readonly sizeBytes: number;
    readonly uncompressedBytes: number;
    readonly extensionBytes: number;
    readonly compression: string;
    readonly isTagged: boolean;
  }[];
}

/** All that the segments in a directory say; throws at damage. */
export async function tagsIn(fileSystem: FileSystem, path: string): Promise<TaggedBatches> {
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).sort();
  const records: RecordTag[] = [];
  const batches: TaggedBatches['batches'][number][] = [];
  for (const name of names) {
    for await (const event of dumpSegment(join(path, name), { fileSystem })) {
      if (event.type === 'damage') throw new Error(event.details.reason);
      if (event.type !== 'batch' || event.header.recordCount === 0) continue;
      const { header, produced, fingerprints, compression, uncompressedBytes } = event;
      const { baseOffset, position, recordCount, sizeBytes, extensionBytes } = header;
      const isTagged = produced !== null || fingerprints !== null;
      const size = { sizeBytes, uncompressedBytes: uncompressedBytes ?? 0, extensionBytes };
      batches.push({ baseOffset, position, recordCount, ...size, compression, isTagged });
      const sequences = (produced?.runs ?? []).flatMap(({ sequence, count }) =>
        Array.from({ length: count }, (_, n) => sequence + n),
      );
      for (const [at, { offset, value }] of event.records.entries()) {
        records.push({
          offset,
          value: Buffer.from(value ?? []).toString(),
          producerId: header.producerId,
          producerEpoch: header.producerEpoch,
          sequence: sequences[at] ?? null,
          confirmed: produced?.confirmed ?? null,
          fingerprint: fingerprints?.[at] ?? null,
        });
      }
    }
  }
  return { records, batches };
}
