/** Ends leases: as their holders want, when their time is over, and for good. */
import type { Clock, Timer } from '../core/clock.ts';
import { isStoreError } from '../core/errors.ts';
import { settleAll } from '../core/settle-all.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { LogRecord } from '../log/record.ts';
import type { HeldCount } from './held-count.ts';
import type { LeaseJournal } from './lease-journal.ts';
import type { Lease, Settlement, Settling } from './lease.ts';
import type { PartitionLeases } from './partition-leases.ts';
import type { DeathReason } from './share-entries.ts';
import type { LeaseEvents, ShareTrouble } from './share-events.ts';
import type { ShareSettings } from './share-settings.ts';

/** A record that is given up. */
export interface Burial {
  readonly offset: number;
  readonly reason: DeathReason;
  readonly error: string;
  /** Null when it has to be read. */
  readonly record: LogRecord<Uint8Array> | null;
}

export interface LeaseEndsParts {
  readonly clock: Clock;
  readonly leaseJournal: LeaseJournal;
  /** As the journal has them now. */
  readonly settings: () => ShareSettings;
  /** The level at which leases are settled. */
  readonly durability: () => DurabilityLevel;
  /** Journals that records are dead, and where their copies went. */
  readonly bury: (partition: PartitionLeases, burials: readonly Burial[]) => Promise<void>;
  readonly events: LeaseEvents;
  readonly held: HeldCount;
  /** There may be something to hand out. */
  readonly onReady: () => void;
}

type Release = Extract<Settlement, { readonly kind: 'release' }>;

/** What came to nothing, on a full disk perhaps, is tried again after so long... */
const RETRY_MS = 1000;
/** ...and twice as long each further time, up to this. */
const RETRY_MS_MAX = 60_000;
/** The store writes no more. */
const FINAL_CODES = ['ERR_VARVE_FAILED', 'ERR_VARVE_CLOSED', 'ERR_VARVE_READ_ONLY'] as const;

export class LeaseEnds {
  readonly #parts: LeaseEndsParts;
  /** Those whose condemned records are being buried. */
  readonly #burying = new Set<PartitionLeases>();
  readonly #retries = new Set<Timer>();
  /** What is being tried again. */
  readonly #failing: Record<Trouble, number> = { 'burials-failed': 0, 'leases-failed': 0 };
  #isClosed = false;

  constructor(parts: LeaseEndsParts) {
    this.#parts = parts;
  }

  /**
   * Ends leases as their holders want.
   *
   * @returns resolves when that is journaled
   * @throws LeaseLostError when one of them is over: then nothing is done; the first failure, when all is
   *   done that could be: `settlement` tells which ended
   */
  async settle(given: readonly Lease[], how: Settlement): Promise<void> {
    if (given.length === 0) return;
    for (const lease of given) checkRunning(lease);
    let isUnique = true;
    for (const lease of given) {
      if (lease.settlement === null) lease.partitionLeases.hold(lease);
      else isUnique = false;
      lease.settlement = how.kind;
    }
    const leases = isUnique ? given : [...new Set(given)];
    const settled = this.#journal(leases, how);
    const settling = { ended: settled };
    for (const lease of leases) lease.settling = settling;
    try {
      await settled;
    } catch (error) {
      for (const lease of leases) this.notCommitted(lease);
      throw error;
    }
    for (const lease of leases) this.#drop(lease);
    this.#parts.onReady();
  }

  /**
   * Has a lease that runs be acked by a commit: until that has ended it cannot end otherwise.
   *
   * @param settling  ends then, whatever came of it
   */
  secure(lease: Lease, settling: Settling): void {
    lease.partitionLeases.hold(lease);
    lease.settlement = 'commit';
    lease.settling = settling;
  }

  /** The commit that acked it has ended. */
  committed(lease: Lease): void {
    this.#drop(lease);
    this.#parts.onReady();
  }

  /** The commit came to nothing: it goes on. */
  notCommitted(lease: Lease): void {
    if (!resume(lease)) this.#drop(lease);
  }

  /** A record came back, and its limits are reached: it is in `condemned` of the state. */
  condemned(partition: PartitionLeases): void {
    if (this.#burying.has(partition)) return;
    this.#burying.add(partition);
    queueMicrotask(() => void this.#buryCondemned(partition));
  }

  /**
   * The time of leases is over.
   *
   * @param orphans  offsets of leases that nobody has
   */
  expire(partition: PartitionLeases, leases: readonly Lease[], orphans: readonly number[]): void {
    const { events, settings } = this.#parts;
    const { expiriesMax } = settings();
    const { table } = partition.state;
    const ends: ExpiredLeases = { expired: [], undelivered: [], dead: [] };
    const end = (offset: number, record: LogRecord<Uint8Array> | null): void => {
      const slot = table.find(offset);
      table.setPending(slot, true);
      const isLast = expiriesMax !== null && table.expiriesAt(slot) + 1 >= expiriesMax;
      if (isLast) ends.dead.push({ offset, reason: 'lease-expired', error: '', record });
      else ends.expired.push(offset);
    };
    for (const lease of leases) {
      if (lease.isHandedOut) end(lease.offset, lease.rawRecord);
      else {
        partition.hold(lease);
        ends.undelivered.push(lease.offset);
      }
      this.#drop(lease);
      lease.lost = 'expired';
    }
    for (const offset of orphans) end(offset, null);
    this.#journalExpired(partition, ends);
    // Last: who hears of one may at once want to settle another.
    for (const lease of leases) {
      lease.lose('expired');
      events.expired(partition.name.partition, lease.offset);
    }
  }

  /** Has nothing tried again any more. */
  close(): void {
    this.#isClosed = true;
    for (const retry of this.#retries) retry.cancel();
    for (const trouble of TROUBLES) this.#parts.events.recovered(trouble);
  }

  #journal(leases: readonly Lease[], how: Settlement): Promise<void> {
    const first = leases[0]?.partitionLeases;
    const others = leases.filter(({ partitionLeases }) => partitionLeases !== first);
    if (first === undefined) return Promise.resolve();
    if (others.length === 0) return this.#journalIn(first, leases, how);
    const own = leases.filter(({ partitionLeases }) => partitionLeases === first);
    const all = [this.#journalIn(first, own, how), this.#journal(others, how)];
    // Before all are done, nobody can tell which leases go on.
    return settleAll(all).then(() => undefined);
  }

  #journalIn(partition: PartitionLeases, leases: readonly Lease[], how: Settlement): Promise<void> {
    const { leaseJournal, durability } = this.#parts;
    const { name } = partition;
    if (how.kind === 'release') return this.#release(partition, leases, how);
    if (how.kind === 'reject') {
      return this.#bury(partition, leases, { reason: 'rejected', error: how.error });
    }
    const isAck = how.kind === 'ack';
    return leaseJournal.ended(name, isAck ? durability() : 'os', (to) => {
      const offsets = isAck ? to.acked : to.undelivered;
      for (const { offset } of leases) offsets.add(offset);
    });
  }

  async #release(
    partition: PartitionLeases,
    leases: readonly Lease[],
    { dueMs, isFailed, error }: Release,
  ): Promise<void> {
    const { leaseJournal, durability, settings } = this.#parts;
    const { failuresMax } = settings();
    const { table } = partition.state;
    const isLast = ({ offset }: Lease) =>
      isFailed && failuresMax !== null && table.failuresAt(table.find(offset)) + 1 >= failuresMax;
    const dead = leases.filter(isLast);
    const others = leases.filter((lease) => !dead.includes(lease));
    const ends: Promise<void>[] = [];
    const giveBack = (given: readonly Lease[]): Promise<void> =>
      leaseJournal.ended(partition.name, durability(), ({ returned }) => {
        for (const { offset } of given) returned.push({ offset, isFailed, dueMs, error });
      });
    const bury = async (): Promise<void> => {
      try {
        await this.#bury(partition, dead, { reason: 'failures', error });
      } catch (cause) {
        if (!isForNow(cause)) throw cause;
        // There is nowhere to put copies. They come back, condemned, so that those who had them can go on.
        const left = dead.filter((lease) => partition.find(lease) >= 0);
        for (const { offset } of left) partition.givenUp.add(offset);
        await giveBack(left).finally(() => {
          for (const { offset } of left) partition.givenUp.delete(offset);
        });
      }
    };
    if (dead.length > 0) ends.push(bury());
    if (others.length > 0) ends.push(giveBack(others));
    await settleAll(ends);
  }

  #bury(
    partition: PartitionLeases,
    leases: readonly Lease[],
    why: Pick<Burial, 'reason' | 'error'>,
  ): Promise<void> {
    const burials = leases.map(({ offset, rawRecord }) => ({ offset, record: rawRecord, ...why }));
    return this.#parts.bury(partition, burials);
  }

  /** Has one loop for each partition: there may be very many that find no room. */
  async #buryCondemned(partition: PartitionLeases): Promise<void> {
    const { condemned } = partition.state;
    let failures = 0;
    await this.#untilDone('burials-failed', async () => {
      if (failures++ > 0) letGoOfPardoned(partition);
      while (condemned.size > 0 && !this.#isClosed) {
        const burials = Array.from(condemned, ([offset, reason]) => {
          return { offset, reason, error: '', record: null };
        });
        await this.#parts.bury(partition, burials);
        for (const { offset } of burials) condemned.delete(offset);
      }
      this.#burying.delete(partition); // In the same step: whoever comes behind it begins anew.
    });
  }

  #journalExpired(partition: PartitionLeases, ends: ExpiredLeases): void {
    const { leaseJournal, onReady } = this.#parts;
    const { expired, undelivered, dead } = ends;
    const end = (): Promise<void> =>
      leaseJournal.ended(partition.name, 'os', (to) => {
        for (const offset of expired) to.expired.add(offset);
        for (const offset of undelivered) to.undelivered.add(offset);
      });
    const steps: Promise<void>[] = [];
    if (expired.length + undelivered.length > 0) steps.push(this.#untilDone('leases-failed', end));
    if (dead.length > 0) {
      steps.push(this.#untilDone('burials-failed', () => this.#parts.bury(partition, dead)));
    }
    for (const step of steps) void step.then(onReady);
  }

  /**
   * What nobody waits for is tried again, as long as the store writes. Never rejects.
   *
   * @returns resolves when it is done, or will not be
   */
  async #untilDone(trouble: Trouble, action: () => Promise<void>): Promise<void> {
    const { events } = this.#parts;
    let failures = 0;
    for (;;) {
      try {
        await action();
        break;
      } catch (error) {
        events.failed(error);
        const isFinal = FINAL_CODES.some((code) => isStoreError(error, code));
        if (isFinal || this.#isClosed) break;
        if (failures++ === 0) this.#failing[trouble]++;
        events.troubled(trouble, error);
      }
      await this.#pause(Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MS_MAX));
    }
    if (failures > 0 && --this.#failing[trouble] === 0) events.recovered(trouble);
  }

  /** Never ends when it is closed meanwhile. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const retry = this.#parts.clock.setTimer(() => {
        this.#retries.delete(retry);
        resolve();
      }, delayMs);
      this.#retries.add(retry);
    });
  }

  #drop(lease: Lease): void {
    this.#parts.held.remove(lease.kind);
    lease.consumerLeases.remove(lease);
  }
}

/** What is tried again. */
type Trouble = Exclude<ShareTrouble, 'worker-stopped'>;

const TROUBLES: readonly Trouble[] = ['burials-failed', 'leases-failed'];

interface ExpiredLeases {
  readonly expired: number[];
  /** Read ahead, and never handed over. */
  readonly undelivered: number[];
  readonly dead: Burial[];
}

/** Those that could not be buried while the limits were other ones are ready again. */
function letGoOfPardoned(partition: PartitionLeases): void {
  const { table, condemned } = partition.state;
  for (const offset of condemned.keys()) {
    const slot = table.find(offset);
    if (partition.limitReached(slot) === null) partition.returned(slot);
  }
}

/** Whether they can be buried later: when there is room, or the exchange that they go to. */
function isForNow(error: unknown): boolean {
  return isStoreError(error, 'ERR_VARVE_DISK_FULL') || isStoreError(error, 'ERR_VARVE_NOT_FOUND');
}

/** @returns its slot @throws LeaseLostError */
export function checkRunning(lease: Lease): number {
  const { partitionLeases: partition, offset, lost, settlement } = lease;
  if (lost !== null) throw partition.lostError(offset, lost);
  if (settlement !== null) throw partition.lostError(offset, 'settled');
  const slot = partition.find(lease);
  if (slot < 0) throw partition.lostError(offset, 'unknown');
  return slot;
}

/**
 * To settle it came to nothing: the lease runs on.
 *
 * @returns false when it is over all the same: its entry was written, and failed behind that, or another
 *   one that was settled with it did
 */
function resume(lease: Lease): boolean {
  if (!lease.partitionLeases.letGo(lease)) return false;
  lease.settlement = null;
  lease.settling = null;
  return true;
}
