/** A partition of a share group in a snapshot: what entries determine, and nothing of its leases. */
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

const fields = struct({
  logId: uint,
  /** As `UnreadRanges.toPairs` gives them. */
  unread: list(uint),
  slots: list(struct({ offset: uint, dueMs: uint, isLeased: flag, ...trials })),
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
    fields.write(to, {
      logId,
      unread: unread.toPairs(),
      slots: slotsOf(partition),
      troubles,
      dead,
      purged,
      tally,
    });
  },
  read(from) {
    const { logId, unread, slots, troubles, dead, purged, tally } = fields.read(from);
    const partition = new SharePartition(logId, 0);
    partition.unread = UnreadRanges.ofPairs(unread);
    for (const slot of slots) partition.place(slot);
    for (const [offset, said] of troubles) partition.troubles.set(offset, said);
    for (const [offset, record] of dead) partition.dead.set(offset, record);
    partition.purged = purged;
    Object.assign(partition.tally, tally);
    return partition;
  },
};

/** By offset: equal states have equal bytes, however they came about. */
function slotsOf(partition: SharePartition) {
  const { table } = partition;
  return Array.from(table.sortedSlots(), (slot) => {
    const isLeased = table.stateAt(slot) === SlotState.acquired;
    // While it is leased, its time is the end of the lease, which is nobody's business here.
    const dueMs = isLeased ? 0 : table.timeAt(slot);
    return { offset: table.offsetAt(slot), dueMs, isLeased, ...partition.trialsAt(slot) };
  });
}
