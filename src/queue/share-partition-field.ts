/** A partition of a share group in a snapshot: what entries determine, and nothing of its leases. */
import { BadEntryError, type EntryReader, type EntryWriter } from '../journal/entry-bytes.ts';
import {
  choice,
  flag,
  list,
  nullable,
  struct,
  text,
  uint,
  type Field,
  type Frozen,
} from '../journal/entry-fields.ts';
import { copyOf, STEP, writeMap } from '../journal/numbered-map.ts';
import { DEATH_REASONS } from './share-entries.ts';
import { SharePartition, type Purged } from './share-partition.ts';
import { UnreadRanges, type OffsetRange } from './unread-ranges.ts';

const trials = { attempts: uint, failures: uint, expiries: uint, crashes: uint };

const trouble = struct({
  firstError: text,
  firstErrorMs: uint,
  lastError: text,
  lastErrorMs: uint,
});

/** As `UnreadRanges.toPairs` gives them. */
const unreadPairs = list(uint);

const deadRecord = struct({
  ...trials,
  reason: choice(DEATH_REASONS),
  trouble: nullable(trouble),
  timeMs: uint,
});

const range = struct({ from: uint, to: uint });
const shelved = struct({ offset: uint, dueMs: uint, trouble: nullable(trouble), ...trials });

const purgedAside = nullable(struct({ timeMs: uint, unread: list(range), slots: list(shelved) }));

const tally = struct({
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
});

export const sharePartition: Field<SharePartition> = {
  write(to, partition) {
    Array.from(freeze(partition)(to)); // To its end.
  },
  freeze,
  read(from) {
    const partition = new SharePartition(uint.read(from), 0);
    partition.unread = UnreadRanges.ofPairs(unreadPairs.read(from));
    readSlots(from, partition);
    readMap(from, trouble, partition.troubles);
    readMap(from, deadRecord, partition.dead);
    partition.purged = purgedAside.read(from);
    Object.assign(partition.tally, tally.read(from));
    return partition;
  },
};

/** Copies tables and maps without a look at what is in them. */
function freeze(partition: SharePartition): Frozen {
  const { logId, purged } = partition; // What a purge put aside is never changed, only replaced.
  const slots = partition.table.copy();
  const unread = partition.unread.copy();
  const troubles = copyOf(partition.troubles);
  const dead = partition.dead.copyRows();
  const counts = { ...partition.tally };
  return function* write(to) {
    uint.write(to, logId);
    yield* writeUnread(to, unread);
    yield* slots.write(to);
    yield* writeMap(to, trouble, troubles);
    yield* writeMap(to, deadRecord, {
      numbers: () => dead.offsets(),
      valueAt: (place) => dead.recordAt(place),
    });
    yield* writePurged(to, purged);
    tally.write(to, counts);
  };
}

type Steps = Generator<void, void, void>;

function* writeUnread(to: EntryWriter, ranges: readonly OffsetRange[]): Steps {
  to.uint(2 * ranges.length - 1);
  for (const [at, { from, to: end }] of ranges.entries()) {
    to.uint(from);
    if (at < ranges.length - 1) to.uint(end);
    if (at % STEP === STEP - 1) yield;
  }
}

/** As `map` of the fields would, without a map of millions beside what it goes into. */
function readMap<V>(
  from: EntryReader,
  field: Field<V>,
  into: { readonly size: number; set(offset: number, value: V): unknown },
): void {
  const count = from.uint();
  for (let left = count; left > 0; left--) into.set(from.uint(), field.read(from));
  if (into.size !== count) throw new BadEntryError('an offset stands twice');
}

/** As `nullable` of the struct would. */
function* writePurged(to: EntryWriter, purged: Purged | null): Steps {
  flag.write(to, purged !== null);
  if (purged === null) return;
  uint.write(to, purged.timeMs);
  yield* writeAll(to, range, purged.unread);
  yield* writeAll(to, shelved, purged.slots);
}

/** As `list` of the field would. */
function* writeAll<V>(to: EntryWriter, field: Field<V>, values: readonly V[]): Steps {
  to.uint(values.length);
  for (const [at, value] of values.entries()) {
    field.write(to, value);
    if (at % STEP === STEP - 1) yield;
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
