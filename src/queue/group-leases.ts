/**
 * A share group, live: who waits for records, who has which, and what becomes of them. One for all
 * consumers of the group in this process.
 */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { LeaseEnd } from '../core/ownership-errors.ts';
import type { LogRecord } from '../log/record.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { AcquireRequest, type AcquireWish, type Consumer } from './acquire-request.ts';
import type { LeaseJournal } from './lease-journal.ts';
import { ReadyKind } from './lease-table.ts';
import { LeaseList, type Lease, type Settlement } from './lease.ts';
import type { LoopClock, LoopClockUser } from './loop-clock.ts';
import type { Claim, PartitionLeases, PartitionListener } from './partition-leases.ts';
import type { DeathReason } from './share-entries.ts';
import { isTrimmed } from './share-feed.ts';
import { SUSPECT_CRASHES } from './share-partition.ts';
import { LEASE_TOTAL_MS_MAX, type ShareSettings } from './share-settings.ts';

/** A record that is given up. */
export interface Burial {
  readonly offset: number;
  readonly reason: DeathReason;
  readonly error: string;
  /** Null when it has to be read. */
  readonly record: LogRecord<Uint8Array> | null;
}

/** What the group asks of the store. */
export interface GroupLeasesParts {
  readonly topic: string;
  readonly clock: Clock;
  readonly loopClock: LoopClock;
  readonly leaseJournal: LeaseJournal;
  /** As the journal has them now. */
  readonly settings: () => ShareSettings;
  readonly isPaused: () => boolean;
  /** The level at which leases are settled. */
  readonly durability: () => DurabilityLevel;
  /** Journals that records are dead, and where their copies went. */
  readonly bury: (partition: PartitionLeases, burials: readonly Burial[]) => Promise<void>;
  /** Journals that retention passed the group. */
  readonly trim: (partition: PartitionLeases) => Promise<void>;
  /** Journals that records are not there, though they should be. */
  readonly removeMissing: (partition: PartitionLeases, offset: number) => Promise<void>;
  readonly events: {
    expired(partition: number, offset: number): void;
    failed(error: unknown): void;
  };
}

/** What came to nothing on a full disk is tried again after so long. */
const RETRY_MS = 1000;

export class GroupLeases implements PartitionListener, LoopClockUser {
  readonly topic: string;
  readonly #parts: GroupLeasesParts;
  readonly #partitions: PartitionLeases[] = [];
  readonly #requests = new Set<AcquireRequest>();
  readonly #consumers = new Set<Consumer>();
  /** Claimed or leased, by kind. */
  readonly #held: [normal: number, doubtful: number, suspect: number] = [0, 0, 0];
  #leaseNumber = 0;
  #nextPartition = 0;
  #isPumpDue = false;
  #isClosed = false;
  /** Claims whose attempts are being journaled. */
  #claimCount = 0;
  #onClaimsDone: (() => void) | null = null;
  /** While something is changed that claims would get in the way of. */
  #holdCount = 0;
  #condemned = new Map<PartitionLeases, number[]>();
  #retryTimer: { cancel(): void } | null = null;

  constructor(parts: GroupLeasesParts) {
    this.topic = parts.topic;
    this.#parts = parts;
    parts.loopClock.add(this);
  }

  get settings(): ShareSettings {
    return this.#parts.settings();
  }

  get partitions(): readonly PartitionLeases[] {
    return this.#partitions;
  }

  get runningLeases(): number {
    return this.leasedCount;
  }

  /** Claimed or leased. */
  get leasedCount(): number {
    return this.#held[0] + this.#held[1] + this.#held[2];
  }

  get nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const { state } of this.#partitions) {
      dueMs = Math.min(dueMs, state.table.delayWheel.nextDueMs());
    }
    return dueMs;
  }

  /** Leases of all consumers, oldest first. */
  get leases(): readonly Lease[] {
    const all = [...this.#consumers].flatMap(({ leases }) => leases.toArray());
    return all.toSorted((one, two) => one.leaseNumber - two.leaseNumber);
  }

  add(partition: PartitionLeases): void {
    this.#partitions.push(partition);
    partition.open(this.#parts.loopClock.now());
    this.ready();
  }

  join(consumer: Consumer): void {
    this.#consumers.add(consumer);
  }

  /** The consumer is closed: what it holds comes back. */
  async leave(consumer: Consumer, reason: LeaseEnd): Promise<void> {
    for (const request of this.#requests) {
      if (request.consumer === consumer) this.#refuse(request, consumer.closedError());
    }
    const leases = consumer.leases.toArray();
    const running = leases.filter(({ settlement }) => settlement === null);
    try {
      const back = (kind: 'undelivered' | 'release') =>
        running.filter(({ isHandedOut }) => isHandedOut === (kind === 'release'));
      const released: Settlement = { kind: 'release', dueMs: 0, isFailed: false, error: '' };
      await Promise.all([
        this.settle(back('undelivered'), { kind: 'undelivered' }),
        this.settle(back('release'), released),
        ...leases.map(({ settled }) => settled?.catch(() => undefined)),
      ]);
    } finally {
      for (const lease of running) lease.lose(reason);
      this.#consumers.delete(consumer);
    }
  }

  /** Waits for records. Resolves with none when nothing was ready in time. */
  acquire(wish: AcquireWish): Promise<readonly Lease[]> {
    const request = new AcquireRequest(wish, this.#parts.clock);
    this.#requests.add(request);
    this.#pump();
    if (this.#requests.has(request)) request.wait(() => this.#answerDue(request));
    return request.promise;
  }

  /** There may be something to hand out: looked at when this step is done. */
  ready(): void {
    if (this.#isPumpDue || this.#requests.size === 0) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  condemned(partition: PartitionLeases, offset: number): void {
    const offsets = this.#condemned.get(partition);
    if (offsets !== undefined) offsets.push(offset);
    else this.#condemned.set(partition, [offset]);
    queueMicrotask(() => this.#buryCondemned());
  }

  tick(nowMs: number): void {
    for (const partition of this.#partitions) {
      partition.endDelays();
      const due: number[] = [];
      partition.expire(nowMs, (offset) => due.push(offset));
      if (due.length > 0) this.#expire(partition, due);
    }
  }

  /**
   * Ends leases as their holders want.
   *
   * @returns resolves when that is journaled
   * @throws LeaseLostError when one of them is over: then nothing is done
   */
  async settle(leases: readonly Lease[], how: Settlement): Promise<void> {
    if (leases.length === 0) return;
    for (const lease of leases) this.#checkRunning(lease);
    for (const lease of leases) {
      const slot = lease.partitionLeases.find(lease);
      lease.partitionLeases.hold(slot);
      lease.settlement = how.kind;
    }
    const settled = this.#journalEnds(leases, how);
    for (const lease of leases) lease.settled = settled;
    try {
      await settled;
    } catch (error) {
      for (const lease of leases) {
        lease.settlement = null;
        lease.settled = null;
        lease.partitionLeases.letGo(lease);
      }
      throw error;
    }
    for (const lease of leases) this.#drop(lease);
    this.ready();
  }

  /** @throws LeaseLostError */
  renew(lease: Lease, leaseMs: number): void {
    const slot = this.#checkRunning(lease);
    const nowMs = this.#parts.loopClock.now();
    const endMs = lease.startMs + LEASE_TOTAL_MS_MAX;
    lease.partitionLeases.renew(slot, Math.min(nowMs + leaseMs, endMs));
  }

  /** How long the lease still lasts, ms; negative = it is over. */
  leftMs(lease: Lease): number {
    const slot = lease.partitionLeases.find(lease);
    if (slot < 0) return -1;
    return lease.partitionLeases.state.table.timeAt(slot) - this.#parts.loopClock.now();
  }

  /** Runs `change` while nothing is claimed, and has everything read anew behind it. */
  async exclusively<R>(change: () => Promise<R>): Promise<R> {
    this.#holdCount++;
    try {
      for (const { claims } of this.#requests) this.#unclaim(claims);
      while (this.#claimCount > 0) {
        await new Promise<void>((resolve) => (this.#onClaimsDone = resolve));
      }
      return await change();
    } finally {
      this.#holdCount--;
      for (const { feed } of this.#partitions) feed.reset();
      this.ready();
    }
  }

  close(error: Error): void {
    this.#isClosed = true;
    this.#retryTimer?.cancel();
    this.#parts.loopClock.remove(this);
    for (const request of this.#requests) this.#refuse(request, error);
    for (const partition of this.#partitions) partition.close();
  }

  #checkRunning(lease: Lease): number {
    const { partitionLeases: partition, offset, lost, settlement } = lease;
    if (lost !== null) throw partition.lostError(offset, lost);
    if (settlement !== null) throw partition.lostError(offset, 'settled');
    const slot = partition.find(lease);
    if (slot < 0) throw partition.lostError(offset, 'unknown');
    return slot;
  }

  async #journalEnds(leases: readonly Lease[], how: Settlement): Promise<void> {
    const groups = new Map<PartitionLeases, Lease[]>();
    for (const lease of leases) {
      const own = groups.get(lease.partitionLeases);
      if (own === undefined) groups.set(lease.partitionLeases, [lease]);
      else own.push(lease);
    }
    if (groups.size === 1) {
      for (const [partition, own] of groups) await this.#journalEndsIn(partition, own, how);
      return;
    }
    await Promise.all(
      [...groups].map(([partition, own]) => this.#journalEndsIn(partition, own, how)),
    );
  }

  #journalEndsIn(
    partition: PartitionLeases,
    leases: readonly Lease[],
    how: Settlement,
  ): Promise<void> {
    const { leaseJournal, durability } = this.#parts;
    const { name } = partition;
    if (how.kind === 'ack') {
      return leaseJournal.ended(name, durability(), ({ acked }) => {
        for (const { offset } of leases) acked.add(offset);
      });
    }
    if (how.kind === 'undelivered') {
      return leaseJournal.ended(name, 'os', ({ undelivered }) => {
        for (const { offset } of leases) undelivered.add(offset);
      });
    }
    if (how.kind === 'reject') {
      return this.#bury(partition, leases, { reason: 'rejected', error: how.error });
    }
    return this.#release(partition, leases, how);
  }

  async #release(
    partition: PartitionLeases,
    leases: readonly Lease[],
    { dueMs, isFailed, error }: Extract<Settlement, { kind: 'release' }>,
  ): Promise<void> {
    const { leaseJournal, durability } = this.#parts;
    const { failuresMax } = this.settings;
    const { table } = partition.state;
    const isLast = ({ offset }: Lease) =>
      isFailed && failuresMax !== null && table.failuresAt(table.find(offset)) + 1 >= failuresMax;
    const dead = leases.filter(isLast);
    const others = leases.filter((lease) => !isLast(lease));
    const ends: Promise<void>[] = [];
    if (dead.length > 0) ends.push(this.#bury(partition, dead, { reason: 'failures', error }));
    if (others.length > 0) {
      ends.push(
        leaseJournal.ended(partition.name, durability(), ({ returned }) => {
          for (const { offset } of others) returned.push({ offset, isFailed, dueMs, error });
        }),
      );
    }
    await Promise.all(ends);
  }

  #bury(
    partition: PartitionLeases,
    leases: readonly Lease[],
    why: Pick<Burial, 'reason' | 'error'>,
  ): Promise<void> {
    const burials = leases.map(({ offset, rawRecord }) => ({ offset, record: rawRecord, ...why }));
    return this.#parts.bury(partition, burials);
  }

  /** Records that came back and may not be tried again. */
  #buryCondemned(): void {
    if (this.#condemned.size === 0 || this.#isClosed) return;
    const condemned = this.#condemned;
    this.#condemned = new Map();
    for (const [partition, offsets] of condemned) {
      const burials = offsets.flatMap((offset) => burialOf(partition, offset));
      this.#parts.bury(partition, burials).catch((error: unknown) => {
        this.#retryLater(error, () => {
          for (const { offset } of burials) this.condemned(partition, offset);
        });
      });
    }
  }

  #expire(partition: PartitionLeases, due: readonly number[]): void {
    const byOffset = new Map<number, Lease>();
    for (const lease of this.leases) {
      if (lease.partitionLeases === partition) byOffset.set(lease.offset, lease);
    }
    const { expiriesMax } = this.settings;
    const { table } = partition.state;
    const dead: Burial[] = [];
    const expired: number[] = [];
    for (const offset of due) {
      const lease = byOffset.get(offset);
      const isLast =
        expiriesMax !== null && table.expiriesAt(table.find(offset)) + 1 >= expiriesMax;
      const record = lease?.rawRecord ?? null;
      if (isLast) dead.push({ offset, reason: 'lease-expired', error: '', record });
      else expired.push(offset);
      if (lease === undefined) continue;
      this.#drop(lease);
      lease.lose('expired');
      this.#parts.events.expired(partition.name.partition, offset);
    }
    this.#journalExpiries(partition, expired, dead);
  }

  #journalExpiries(
    partition: PartitionLeases,
    expired: readonly number[],
    dead: readonly Burial[],
  ): void {
    const { leaseJournal, bury } = this.#parts;
    const ends: Promise<void>[] = [];
    if (expired.length > 0) {
      const done = leaseJournal.ended(partition.name, 'os', (to) => {
        for (const offset of expired) to.expired.add(offset);
      });
      ends.push(this.#orLater(done, () => this.#journalExpiries(partition, expired, [])));
    }
    if (dead.length > 0) {
      ends.push(
        this.#orLater(bury(partition, dead), () => this.#journalExpiries(partition, [], dead)),
      );
    }
    void Promise.all(ends).then(() => this.ready());
  }

  async #orLater(done: Promise<void>, again: () => void): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.#retryLater(error, again);
    }
  }

  #retryLater(error: unknown, again: () => void): void {
    if (this.#isClosed) return;
    this.#parts.events.failed(error);
    const isPassing = error instanceof Error && 'retryable' in error && error.retryable === true;
    if (!isPassing) return; // The store writes no more.
    this.#retryTimer = this.#parts.clock.setTimer(() => {
      if (!this.#isClosed) again();
    }, RETRY_MS);
  }

  /** Hands out what can be, to those who wait, in the order in which they came. */
  #pump(): void {
    for (const request of this.#requests) {
      if (this.#holdCount > 0 || this.#parts.isPaused()) break;
      const { claims, consumer, max } = request;
      const room = Math.min(
        this.settings.leasedMax - this.leasedCount,
        consumer.room - claims.length,
      );
      const wanted = Math.min(max - claims.length, room);
      try {
        this.#claim(claims, wanted);
      } catch (error) {
        this.#claimFailed(error, request);
        continue;
      }
      // What is ready, and only on its way from the disk, belongs to it.
      if (claims.length < max && room > 0 && this.#isBehind) break;
      if (claims.length === 0) continue;
      this.#requests.delete(request);
      void this.#hand(request);
    }
    for (const request of this.#requests) if (request.isDue) this.#answerDue(request);
  }

  /** Whether a record that is ready is only on its way from the disk. */
  get #isBehind(): boolean {
    for (const { feed } of this.#partitions) if (feed.isBehind) return true;
    return false;
  }

  /** At most `max` more records that are ready, from one partition after the other. */
  #claim(claims: Claim[], max: number): void {
    const count = this.#partitions.length;
    const target = claims.length + max;
    for (let left = count; left > 0 && claims.length < target; left--) {
      const partition = present(this.#partitions[this.#nextPartition % count], 'below count');
      this.#nextPartition++;
      while (claims.length < target) {
        const claim = partition.claim(this.#isAllowed);
        if (claim === null) break;
        this.#held[claim.kind]++;
        claims.push(claim);
      }
    }
  }

  /** Suspects of crashes are tried one at a time, and few of those that may become one. */
  readonly #isAllowed = (kind: ReadyKind): boolean => {
    if (kind === ReadyKind.normal) return true;
    if (kind === ReadyKind.suspect) return this.#held[kind] === 0;
    return this.#held[kind] < Math.ceil(Math.sqrt(this.settings.leasedMax));
  };

  #claimFailed(error: unknown, request: AcquireRequest): void {
    if (!isTrimmed(error)) {
      this.#refuse(request, toError(error));
      return;
    }
    const behind = this.#partitions.filter(
      ({ log, state }) => state.unread.first < log.startOffset,
    );
    const trims = behind.map((partition) => this.#parts.trim(partition));
    void this.exclusively(() => Promise.all(trims)).catch((failure: unknown) => {
      this.#refuse(request, toError(failure));
    });
  }

  /** Journals the attempts, then hands the records over. */
  async #hand(request: AcquireRequest): Promise<void> {
    const { claims } = request;
    this.#claimCount++;
    try {
      const records = await this.#recordsOf(claims);
      if (claims.length === 0)
        this.#requests.add(request); // They were not there any more.
      else {
        await this.#journalAttempts(claims);
        this.#handOver(request, this.#begin(request, claims, records));
      }
    } catch (error) {
      this.#unclaim(claims);
      request.reject(toError(error));
    } finally {
      this.#claimCount--;
      if (this.#claimCount === 0) this.#onClaimsDone?.();
      this.ready();
    }
  }

  #handOver(request: AcquireRequest, leases: readonly Lease[]): void {
    if (!request.isOver) request.resolve(leases);
    else this.settle(leases, { kind: 'undelivered' }).catch(this.#parts.events.failed);
  }

  /** Reads again what was acquired before. What is not there any more is left out of `claims`. */
  async #recordsOf(claims: Claim[]): Promise<readonly LogRecord<Uint8Array>[]> {
    const records: LogRecord<Uint8Array>[] = [];
    if (claims.every(({ record }) => record !== null)) {
      for (const { record } of claims) records.push(present(record, 'it has one'));
      return records;
    }
    const found = await Promise.all(claims.map(recordOf));
    for (let at = claims.length - 1; at >= 0; at--) {
      const record = found[at] ?? null;
      const { partition, offset, kind } = present(claims[at], 'as many');
      if (record !== null) {
        records.unshift(record);
        continue;
      }
      claims.splice(at, 1);
      this.#held[kind]--;
      partition.state.table.setPending(partition.state.table.find(offset), false);
      await this.#parts.removeMissing(partition, offset);
    }
    return records;
  }

  async #journalAttempts(claims: readonly Claim[]): Promise<void> {
    const byPartition = new Map<PartitionLeases, Claim[]>();
    for (const claim of claims) {
      const own = byPartition.get(claim.partition);
      if (own === undefined) byPartition.set(claim.partition, [claim]);
      else own.push(claim);
    }
    const { leaseJournal } = this.#parts;
    const rounds: Promise<void>[] = [];
    const takenAbsent = new Map<PartitionLeases, readonly number[]>();
    for (const [partition, own] of byPartition) {
      const absent = partition.feed.takeAbsent();
      takenAbsent.set(partition, absent);
      rounds.push(
        leaseJournal.acquired(partition.name, (to) => {
          for (const { offset } of own) to.offsets.add(offset);
          for (let at = 0; at < absent.length; at += 2) {
            to.absent.addRun(absent[at] as number, absent[at + 1] as number);
          }
        }),
      );
    }
    try {
      if (rounds.length === 1) await rounds[0];
      else await Promise.all(rounds);
    } catch (error) {
      for (const [{ feed }, absent] of takenAbsent) feed.giveBackAbsent(absent);
      throw error;
    }
  }

  #begin(
    { consumer, leaseMs }: AcquireRequest,
    claims: readonly Claim[],
    records: readonly LogRecord<Uint8Array>[],
  ): readonly Lease[] {
    const startMs = this.#parts.loopClock.now();
    const deadlineMs = startMs + leaseMs;
    const leases = claims.map(({ partition, offset, kind }, at) => {
      const leaseNumber = ++this.#leaseNumber;
      const record = present(records[at], 'one for each claim');
      const slot = partition.state.table.find(offset);
      const parts = { partition, offset, kind, leaseNumber, startMs, rawRecord: record, slot };
      const lease = consumer.make(parts);
      partition.begin(slot, leaseNumber, deadlineMs);
      consumer.leases.add(lease);
      return lease;
    });
    this.#parts.loopClock.poke();
    return leases;
  }

  /** The lease is over, one way or another. */
  #drop(lease: Lease): void {
    this.#held[lease.kind]--;
    lease.consumerLeases.remove(lease);
  }

  #refuse(request: AcquireRequest, error: Error): void {
    this.#requests.delete(request);
    this.#unclaim(request.claims);
    request.reject(error);
  }

  /** They came to nothing: the records are ready again. */
  #unclaim(claims: Claim[]): void {
    for (const claim of claims.splice(0).toReversed()) {
      this.#held[claim.kind]--;
      claim.partition.unclaim(claim);
    }
  }

  /** Its time is over: it gets what there is, but for what is only on its way from the disk. */
  #answerDue(request: AcquireRequest): void {
    if (!this.#requests.has(request)) return;
    if (request.isOver) {
      this.#requests.delete(request);
      this.#unclaim(request.claims);
      this.ready();
    } else if (!this.#isBehind || this.#parts.isPaused()) {
      this.#requests.delete(request);
      if (request.claims.length > 0) void this.#hand(request);
      else request.resolve([]);
    }
  }
}

/** Nothing, when it is gone meanwhile. */
function burialOf(partition: PartitionLeases, offset: number): readonly Burial[] {
  const { table } = partition.state;
  const slot = table.find(offset);
  if (slot < 0) return [];
  const isCrash = table.crashesAt(slot) > SUSPECT_CRASHES;
  return [{ offset, reason: isCrash ? 'crash' : 'failures', error: '', record: null }];
}

function recordOf({ record, partition, offset }: Claim): Promise<LogRecord<Uint8Array> | null> {
  return record === null ? partition.log.read(offset) : Promise.resolve(record);
}
