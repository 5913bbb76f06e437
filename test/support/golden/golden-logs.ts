/** Logs that several golden cases begin with, and the two ways to damage a batch. */
import { Fingerprint } from '../../../src/core/fingerprint.ts';
import { FingerprintTag, ProducedTag } from '../../../src/log/batch-tag.ts';
import type { RecordInput } from '../../../src/log/record-input.ts';
import { damage } from '../disk-damage.ts';
import { forgeGeneration } from '../forged-generation.ts';
import { walkSegment, type WalkedBatch } from '../segment-walk.ts';
import { GoldenLog, type GoldenCase } from './golden-case.ts';

const PLAIN_RECORDS = 16;
/** So much that an index has an entry, at 4 KiB. */
const INDEXED_SEGMENT_BYTES = 4700;

/** A closed log of one segment. */
export async function plainLog(seed: number): Promise<GoldenLog> {
  const log = new GoldenLog(seed);
  await log.open();
  await log.fill(PLAIN_RECORDS);
  await log.close();
  return log;
}

/** A closed log of three segments; the sealed ones have an entry in their index. */
export async function segmentedLog(seed: number): Promise<GoldenLog> {
  const log = new GoldenLog(seed);
  await log.open({ segmentBytesMax: INDEXED_SEGMENT_BYTES });
  await log.fill(40);
  await log.close();
  await log.segment(2);
  return log;
}

/** Three lives of a log, of which only the middle one does not compress. */
export function compressedLog(compression: 'gzip' | 'zstd', what: string): GoldenCase {
  return {
    name: compression,
    what,
    isFrozen: true,
    async make() {
      const log = new GoldenLog(1);
      await log.open({ compression });
      await log.fill(60);
      await log.append({ value: 'too short to become shorter' });
      await log.close();
      await log.open();
      await log.append({ value: 'not compressed '.repeat(20) }, { key: 'gone', value: null });
      await log.close();
      await log.open({ compression, compressionLevel: 9 });
      await log.append({ value: 'h'.repeat(3000), headers: { trace: 'abc' }, createTimeMs: 1000 });
      await log.append({ value: 'Grüße, 世界 🌍 '.repeat(30), key: Uint8Array.of(0, 0xff, 0x80) });
      await log.close();
      await log.segment(1);
      return log.directory();
    },
  };
}

/** Batches of a producer and of records with ids, among others, in two lives and two segments. */
export function taggedLog(name: string, what: string): GoldenCase {
  return { name, what, make: async () => (await taggedSegments()).directory() };
}

/** A closed log with tagged batches in both of its segments, and so a table in the first. */
export async function taggedSegments(): Promise<GoldenLog> {
  const log = new GoldenLog(1);
  await log.open();
  await log.appendTagged(producedTag(0, 7, 1), { value: 'a', key: 'k' }, { value: 'b' });
  await log.append({ value: 'of nobody' }, { value: 'nor this' });
  await log.appendTagged(identifiedTag('order-1', null), ...identified('order-1', null));
  await log.appendTagged(producedTag(9, [9, 10, 400], 1), ...gapped(3));
  await log.close();
  await log.open();
  const high = [2 ** 40, 2 ** 40 + 1, 2 ** 53 - 2];
  await log.appendTagged(producedTag(401, high, 2 ** 16 + 2), ...gapped(3));
  await log.fill(30);
  const ids = ['Grüße', 'order-1'];
  await log.appendTagged(identifiedTag(...ids), ...identified(...ids));
  await log.appendTagged(producedTag(0, 0, 1, 5), { value: null, key: 'gone' });
  await log.close();
  await log.segment(1);
  return log;
}

const PRODUCER_ID = 0x12_3456_789a_bcde;
/** Of the topic's dedup, by chance. */
const FINGERPRINT_SEED = 0x0f_edcb_a987_6543;

function producedTag(
  confirmed: number,
  sequences: number | readonly number[],
  producerEpoch: number,
  producerId = PRODUCER_ID,
): ProducedTag {
  return new ProducedTag({ producerId, producerEpoch, confirmed }, sequences);
}

function gapped(count: number): { readonly value: string }[] {
  return Array.from({ length: count }, (_, n) => ({ value: `produced ${n}` }));
}

function identifiedTag(...ids: readonly (string | null)[]): FingerprintTag {
  const fingerprint = new Fingerprint(FINGERPRINT_SEED);
  const words = ids.flatMap((id) => {
    if (id === null) return [0, 0];
    fingerprint.ofText(id);
    return [fingerprint.high, fingerprint.low];
  });
  return new FingerprintTag(Uint32Array.from(words));
}

function identified(...ids: readonly (string | null)[]): RecordInput<string>[] {
  return ids.map((id) =>
    id === null ? { value: 'no id' } : { value: 'an id', headers: { 'varve-dedup-id': id } },
  );
}

/** A log of several segments, of which the sealed ones were rewritten. */
export function compactedLog(name: string, what: string, generations: Generations): GoldenCase {
  return {
    name,
    what,
    async make() {
      const log = new GoldenLog(1);
      await log.open();
      for (const [at, ids] of [
        ['order-1', null],
        ['order-2', 'order-3', 'order-4'],
      ].entries()) {
        await log.appendTagged(identifiedTag(...ids), ...identified(...ids));
        await log.appendTagged(producedTag(0, 5 * at, 1), ...gapped(2));
        await log.append({ value: null, key: 'gone' }, { value: 'x', key: 'gone' }, { value: '' });
      }
      await log.fill(60);
      await log.close();
      const removed = new Set<number>();
      for (const [at, keeps] of generations) {
        await forgeGeneration(log.fileSystem, await log.segment(at), {
          stamps: { compactedTo: 50, cleanedTimeMs: at === 0 ? log.clock.now() : 0 },
          keeps: ({ offset }) => {
            if (!keeps(offset)) removed.add(offset);
            return keeps(offset);
          },
        });
      }
      return log.directory((offset) => !removed.has(offset));
    },
  };
}

/** One after the other: which segment is rewritten, and which records are kept. */
export type Generations = readonly (readonly [at: number, keeps: (offset: number) => boolean])[];

/** The batch with index `at` of a segment. */
export async function batchOf(log: GoldenLog, path: string, at: number): Promise<WalkedBatch> {
  const batch = (await walkSegment(log.fileSystem, path)).batches.at(at);
  if (batch === undefined) throw new Error(`${path} has a batch ${at}`);
  return batch;
}

/** A kind of damage to one batch in the middle of synced data. */
export function damagedBatch(
  name: string,
  what: string,
  change: (bytes: Uint8Array, batch: WalkedBatch) => void,
): GoldenCase {
  return {
    name,
    what,
    async make() {
      const log = await plainLog(3);
      const path = await log.segment(0);
      const batch = await batchOf(log, path, 4);
      damage(log.fileSystem, path, (bytes) => {
        change(bytes, batch);
        return bytes;
      });
      const { baseOffset } = batch.header;
      return log.directory((offset) => offset < baseOffset || offset >= batch.nextOffset);
    },
  };
}

/** Synced batches, then `unsynced` ones, as a kill leaves them, then changed by `change`. */
export function tornLog(
  name: string,
  what: string,
  tail: {
    readonly unsynced: number;
    /** The first batch that is lost, from the end. */
    readonly lostAt: number;
    readonly change: (bytes: Uint8Array, lost: WalkedBatch) => Uint8Array;
  },
): GoldenCase {
  return {
    name,
    what,
    async make() {
      const log = new GoldenLog(3);
      await log.open({ durability: 'os' });
      await log.fill(6);
      await log.sync();
      await log.fill(6 + 2 * tail.unsynced);
      const path = await log.segment(0);
      const lost = await batchOf(log, path, tail.lostAt);
      const killed = new GoldenLog(3, log.fileSystem.killImage());
      damage(killed.fileSystem, path, (bytes) => tail.change(bytes, lost));
      const { records } = await log.directory((offset) => offset < lost.header.baseOffset);
      return { files: (await killed.directory()).files, records };
    },
  };
}
