/** A partition of a share group in a snapshot: what entries determine, and nothing of its leases. */
import type { EntryReader, EntryWriter } from '../journal/entry-bytes.ts';
import {
  choice,
  flag,
  list,
  map,
  nullable,
  struct,
  text,
  uint,
  type Field,
} from '../journal/entry-fields.ts';
import { SlotState } from './record-state.ts';
import { DEATH_REASONS } from './share-entries.ts';
import { SharePartition } from './share-partition.ts';
import { UnreadRanges } from './unread-ranges.ts';

const trials = { attempts: uint, failures: uint, expiries: uint, crashes: uint };

const trouble = struct({
  firstError: text,
  firstErrorMs: uint,
  lastError: text,
  lastErrorMs: uint,
});

const head = struct({
  logId: uint,
  /** As `UnreadRanges.toPairs` gives them. */
  unread: list(uint),
});

/** Behind the slots. */
const tail = struct({
  troubles: map(uint, trouble),
  dead: map(
    uint,
    struct({
      ...trials,
      reason: choice(DEATH_REASONS),
      trouble: nullable(trouble),
      timeMs: uint,
    }),
  ),
  purged: nullable(
    struct({
      timeMs: uint,
      unread: list(struct({ from: uint, to: uint })),
      slots: list(struct({ offset: uint, dueMs: uint, trouble: nullable(trouble), ...trials })),
    }),
  ),
  tally: struct({
    acked: uint,
    failures: uint,
    'lease-expired': uint,
    crash: uint,
    rejected: uint,
    cancelled: uint,
    redriven: uint,
    missing: uint,
    purged: uint,
    trimmed: uint,
    revived: uint,
  }),
});

export const sharePartition: Field<SharePartition> = {
  write(to, partition) {
    const { logId, unread, troubles, dead, purged, tally } = partition;
    head.write(to, { logId, unread: unread.toPairs() });
    writeSlots(to, partition);
    tail.write(to, { troubles, dead, purged, tally });
  },
  read(from) {
    const { logId, unread } = head.read(from);
    const partition = new SharePartition(logId, 0);
    partition.unread = UnreadRanges.ofPairs(unread);
    readSlots(from, partition);
    const { troubles, dead, purged, tally } = tail.read(from);
    for (const [offset, said] of troubles) partition.troubles.set(offset, said);
    for (const [offset, record] of dead) partition.dead.set(offset, record);
    partition.purged = purged;
    Object.assign(partition.tally, tally);
    return partition;
  },
};

/**
 * By offset: equal states have equal bytes, however they came about. One after the other, as there may
 * be millions: offset, due time, whether it is leased, trials.
 */
function writeSlots(to: EntryWriter, { table }: SharePartition): void {
  const slots = table.sortedSlots();
  to.uint(slots.length);
  for (const slot of slots) {
    const isLeased = table.stateAt(slot) === SlotState.acquired;
    to.uint(table.offsetAt(slot));
    // While it is leased, its time is the end of the lease, which is nobody's business here.
    to.uint(isLeased ? 0 : table.timeAt(slot));
    flag.write(to, isLeased);
    to.uint(table.attemptsAt(slot));
    to.uint(table.failuresAt(slot));
    to.uint(table.expiriesAt(slot));
    to.uint(table.crashesAt(slot));
  }
}

function readSlots(from: EntryReader, partition: SharePartition): void {
  for (let left = from.uint(); left > 0; left--) {
    partition.place({
      offset: from.uint(),
      dueMs: from.uint(),
      isLeased: flag.read(from),
      attempts: from.uint(),
      failures: from.uint(),
      expiries: from.uint(),
      crashes: from.uint(),
    });
  }
}
