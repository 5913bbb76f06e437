/** Records with keys, deletions among them, that follow from a seed and their offset. */
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import type { AppendedRecord } from '../compaction-oracle.ts';

const KEYS = 12;
const KEYLESS_SHARE = 0.05;
const DELETED_SHARE = 0.2;
const VALUE_BYTES_MAX = 400;

export function keyedAt(seed: number, offset: number): AppendedRecord {
  const random = new SeededRandom(seed ^ Math.imul(offset + 1, 0x9e3779b1));
  const key = random.next() < KEYLESS_SHARE ? null : `key ${randomBelow(random, KEYS)}`;
  const isDeleted = key !== null && random.next() < DELETED_SHARE;
  const text = `${seed}/${offset} `.padEnd(24 + randomBelow(random, VALUE_BYTES_MAX), '-');
  const value = isDeleted ? null : text;
  return { offset, key, value, headers: {}, createTimeMs: 1_000_000 + offset, timeMs: 0 };
}
