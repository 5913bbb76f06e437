/**
 * Which offsets of a log some share group of its topic has still use for: what the rewriting of settled
 * segments keeps. A bit for each, the lowest of a byte first.
 *
 * @hot Eight offsets at a time where they are unread; one look at each record that was acquired, or is dead
 * and kept, wherever it is.
 */
import type { Fold } from '../journal/fold.ts';
import type { SharePartition } from './share-partition.ts';
import { settlingPartitions } from './share-state.ts';
import type { OffsetRange } from './unread-ranges.ts';

const BYTE_BITS = 8;
const BYTE_SHIFT = 3;
const BIT_MASK = 7;
const ALL = 0xff;

/**
 * Wanted are, for any group: what it has not read; what was acquired and is not settled (leased, delayed,
 * given back); what is dead and kept; what a purge put aside, for it may be undone until retention has taken
 * it; and all of it where the group has not begun. Where no group lets settled records go, all is wanted.
 *
 * It reads the state as it is now, and only that: whoever acts on it sees to it that nothing that is settled
 * is wanted again meanwhile (`ShareGroups.whileSettled`), and that the journal is synced behind it.
 *
 * O(records that were acquired or are kept, of all groups + offsets / 8), in one turn: for many segments ask
 * once for all.
 *
 * @returns bit `offset - from`, each set where it is wanted; 0 behind the last
 */
export function wantedIn(fold: Fold, logId: number, range: OffsetRange): Uint8Array {
  const bits = new Uint8Array(Math.ceil((range.to - range.from) / BYTE_BITS));
  const partitions = settlingPartitions(fold, logId);
  if (partitions?.every(isBegun) !== true) {
    setRange(bits, 0, range.to - range.from);
    return bits;
  }
  for (const partition of partitions) {
    addUnread(bits, range, partition);
    addKnown(bits, range, partition);
  }
  return bits;
}

/** How many bits are set of those of an offset range. @param first  bit of the first, `end` behind the last */
export function wantedCount(bits: Uint8Array, first: number, end: number): number {
  let count = 0;
  let at = first;
  while (at < end) {
    if ((at & BIT_MASK) === 0 && end - at >= BYTE_BITS) {
      count += bitsOf(bits[at >>> BYTE_SHIFT] ?? 0);
      at += BYTE_BITS;
    } else if (isWanted(bits, at++)) count++;
  }
  return count;
}

/** @param at  the offset, less the first of the range */
export function isWanted(bits: Uint8Array, at: number): boolean {
  return (((bits[at >>> BYTE_SHIFT] ?? 0) >>> (at & BIT_MASK)) & 1) === 1;
}

function isBegun(partition: SharePartition | undefined): partition is SharePartition {
  return partition !== undefined;
}

function addUnread(bits: Uint8Array, range: OffsetRange, { unread }: SharePartition): void {
  const origin = range.from;
  unread.eachIn(range, ({ from, to }) => setRange(bits, from - origin, to - origin));
}

function addKnown(
  bits: Uint8Array,
  { from, to }: OffsetRange,
  { table, dead, purged }: SharePartition,
): void {
  for (const slot of table.slots()) {
    const offset = table.offsetAt(slot);
    if (offset >= from && offset < to) setBit(bits, offset - from);
  }
  for (const offset of dead.offsets()) {
    if (offset >= from && offset < to) setBit(bits, offset - from);
  }
  for (const range of purged?.unread ?? []) {
    const first = Math.max(from, range.from);
    const end = Math.min(to, range.to);
    if (first < end) setRange(bits, first - from, end - from);
  }
  for (const { offset } of purged?.slots ?? []) {
    if (offset >= from && offset < to) setBit(bits, offset - from);
  }
}

function setBit(bits: Uint8Array, at: number): void {
  const byte = at >>> BYTE_SHIFT;
  bits[byte] = (bits[byte] ?? 0) | (1 << (at & BIT_MASK));
}

/** @param end  behind the last bit */
function setRange(bits: Uint8Array, first: number, end: number): void {
  const wholeFirst = Math.ceil(first / BYTE_BITS);
  const wholeEnd = end >>> BYTE_SHIFT;
  if (wholeFirst >= wholeEnd) {
    for (let at = first; at < end; at++) setBit(bits, at);
    return;
  }
  for (let at = first; at < wholeFirst * BYTE_BITS; at++) setBit(bits, at);
  bits.fill(ALL, wholeFirst, wholeEnd);
  for (let at = wholeEnd * BYTE_BITS; at < end; at++) setBit(bits, at);
}

/** How many bits of a byte are set (Warren, Hacker's Delight, 5-1). */
function bitsOf(byte: number): number {
  const pairs = byte - ((byte >>> 1) & 0x55);
  const fours = (pairs & 0x33) + ((pairs >>> 2) & 0x33);
  return (fours + (fours >>> 4)) & 0x0f;
}
