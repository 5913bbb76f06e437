/**
 * Records whose content follows from a seed and their offset: whoever finds one, on whatever disk,
 * can tell whether it was submitted there.
 */
import type { LogRecord, RecordInput } from '../../../src/index.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';

const NOISE_BYTES = 64 * 1024;
/** Never zero: zeros in a file are then a hole, and nothing that was written. */
const NOISE = noise();
/** Value sizes: most fit a sector, some a few pages, a few more than a batch's worth of them. */
const SIZES = [
  { share: 0.8, bytesMax: 700 },
  { share: 0.97, bytesMax: 6 * 1024 },
  { share: 1, bytesMax: 40 * 1024 },
];

export function submittedAt(seed: number, offset: number): RecordInput<Uint8Array> {
  const random = new SeededRandom(seed ^ Math.imul(offset + 1, 0x9e3779b1));
  const share = random.next();
  const { bytesMax } = SIZES.find((size) => share < size.share) ?? { bytesMax: 1 };
  const value = Buffer.from(`${seed}/${offset} `.padEnd(24 + randomBelow(random, bytesMax), '-'));
  const from = randomBelow(random, NOISE_BYTES - value.length);
  NOISE.copy(value, 24, from, from + value.length - 24);
  return { key: `k${offset % 13}`, value, createTimeMs: 1_000_000 + offset };
}

/** Whether `record` is the one that was submitted for its offset, byte for byte. */
export function isSubmitted(seed: number, record: LogRecord<Uint8Array>): boolean {
  const { key, value, createTimeMs } = submittedAt(seed, record.offset);
  const isSameValue = record.value !== null && Buffer.compare(record.value, value as Buffer) === 0;
  return isSameValue && record.key === key && record.createTimeMs === createTimeMs;
}

/** Bytes of the values of [start, end): the least that these offsets take on a disk. */
export function valueBytes(seed: number, start: number, end: number): number {
  let bytes = 0;
  for (let offset = start; offset < end; offset++) {
    bytes += submittedAt(seed, offset).value?.length ?? 0;
  }
  return bytes;
}

function noise(): Buffer {
  const random = new SeededRandom(1);
  return Buffer.from(Array.from({ length: NOISE_BYTES }, () => 1 + randomBelow(random, 255)));
}
