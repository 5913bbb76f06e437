/**
 * A share group, live: who waits for records, who has which, and what becomes of them. One for all
 * consumers of the group in this process.
 */
import { toError } from '../core/abort.ts';
import { ArrivalList } from '../core/arrival-list.ts';
import { present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { LeaseEnd } from '../core/ownership-errors.ts';
import { settleAll } from '../core/settle-all.ts';
import type { LogRecord } from '../log/record.ts';
import { AcquireRequest, type AcquireWish, type Consumer } from './acquire-request.ts';
import { ConsumerSet } from './consumer-set.ts';
import { Expiries } from './expiries.ts';
import { giveBack } from './give-back.ts';
import { isRetryable } from './handler-errors.ts';
import { HeldCount } from './held-count.ts';
import { checkRunning, LeaseEnds, type LeaseEndsParts } from './lease-ends.ts';
import { allOrNone } from './lease-journal.ts';
import { isRunning, type Lease, type Settlement } from './lease.ts';
import type { LoopClock, LoopClockUser } from './loop-clock.ts';
import type { Claim, PartitionLeases, PartitionListener } from './partition-leases.ts';
import { isTrimmed } from './share-feed.ts';
import { LEASE_TOTAL_MS_MAX, type ShareSettings } from './share-settings.ts';

/** What the group asks of the store. */
export interface GroupLeasesParts extends Omit<LeaseEndsParts, 'held' | 'onReady'> {
  readonly topic: string;
  readonly clock: Clock;
  readonly loopClock: LoopClock;
  readonly isPaused: () => boolean;
  /** Journals that retention passed the group. */
  readonly trim: (partition: PartitionLeases) => Promise<void>;
  /** Journals that a record is not there, though it should be. */
  readonly removeMissing: (partition: PartitionLeases, offset: number) => Promise<void>;
}

export class GroupLeases implements PartitionListener, LoopClockUser {
  readonly topic: string;
  readonly #parts: GroupLeasesParts;
  readonly #held: HeldCount;
  readonly ends: LeaseEnds;
  readonly #expiries: Expiries;
  readonly #partitions: PartitionLeases[] = [];
  readonly #requests = new ArrivalList<AcquireRequest>();
  readonly #consumers = new ConsumerSet();
  #leaseNumber = 0;
  #nextPartition = 0;
  #isPumpDue = false;
  /** Requests whose attempts are being journaled. */
  readonly #handing = new ArrivalList<AcquireRequest>();
  /** Changes that claims would get in the way of. */
  #changeCount = 0;

  constructor(parts: GroupLeasesParts) {
    this.topic = parts.topic;
    this.#parts = parts;
    this.#held = new HeldCount(() => this.settings.leasedMax);
    this.ends = new LeaseEnds({ ...parts, held: this.#held, onReady: () => this.ready() });
    this.#expiries = new Expiries({ consumers: this.#consumers, ends: this.ends });
    parts.loopClock.add(this);
  }

  get settings(): ShareSettings {
    return this.#parts.settings();
  }

  get partitions(): readonly PartitionLeases[] {
    return this.#partitions;
  }

  get runningLeases(): number {
    return this.#held.total;
  }

  get nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const { state } of this.#partitions) {
      dueMs = Math.min(dueMs, state.table.delayWheel.nextDueMs());
    }
    return dueMs;
  }

  add(partition: PartitionLeases): void {
    this.#partitions.push(partition);
    partition.open(this.#parts.loopClock.now());
    this.ready();
  }

  join(consumer: Consumer): void {
    this.#consumers.add(consumer);
  }

  /** The consumer is closed: what it holds comes back. @throws as `settle` */
  async leave(consumer: Consumer, reason: LeaseEnd): Promise<void> {
    for (const request of this.#requests) {
      if (request.consumer === consumer) this.#refuse(request, consumer.closedError());
    }
    const handing = [...this.#handing].filter((request) => request.consumer === consumer);
    for (const request of handing) request.reject(consumer.closedError()); // What it brings goes back.
    await Promise.all(handing.flatMap(({ handed }) => handed ?? []));
    const leases = consumer.leases.toArray();
    const given: Lease[] = [];
    try {
      await giveBack(leases, given, (some, how) => this.settle(some, how));
      await Promise.allSettled(new Set(leases.flatMap(({ settling }) => settling?.ended ?? [])));
    } finally {
      for (const lease of given) lease.lose(reason);
      // Those whose settlement came to nothing meanwhile.
      for (const lease of leases) if (isRunning(lease)) lease.lose(reason);
      this.#consumers.remove(consumer);
    }
  }

  /** Waits for records. Resolves with none when nothing was ready in time. */
  acquire<L extends Lease>(consumer: Consumer<L>, wish: AcquireWish): Promise<readonly L[]> {
    return new Promise((resolve, reject) => {
      const request = new AcquireRequest(consumer, wish, this.#parts.clock, { resolve, reject });
      this.#requests.add(request);
      this.#pump();
      this.#await(request);
    });
  }

  /** Sees to it that a request that was not answered at once does not wait for too long. */
  #await(request: AcquireRequest): void {
    if (this.#requests.has(request)) request.wait(() => this.#answerDue(request));
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

  condemned(partition: PartitionLeases): void {
    this.ends.condemned(partition);
  }

  tick(nowMs: number): void {
    for (const partition of this.#partitions) {
      partition.endDelays();
      this.#expiries.expire(partition, nowMs);
    }
    this.#consumers.sweep();
  }

  /** Ends leases as their holders want. @throws LeaseLostError: then nothing is done */
  settle(leases: readonly Lease[], how: Settlement): Promise<void> {
    return this.ends.settle(leases, how);
  }

  /** @throws LeaseLostError */
  renew(lease: Lease, leaseMs: number): void {
    const slot = checkRunning(lease);
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
    this.#changeCount++;
    try {
      for (const request of this.#requests) this.#unclaim(request);
      await Promise.all([...this.#handing].flatMap(({ handed }) => handed ?? []));
      return await change();
    } finally {
      this.#changeCount--;
      for (const { feed } of this.#partitions) feed.reset();
      this.ready();
    }
  }

  /** Nobody uses it any more. */
  close(error: Error): void {
    this.#expiries.close();
    this.ends.close();
    this.#parts.loopClock.remove(this);
    for (const request of this.#requests) this.#refuse(request, error);
    for (const partition of this.#partitions) partition.close();
  }

  /** Hands out what can be, to those who wait, in the order in which they came. */
  #pump(): void {
    for (const request of this.#requests) {
      if (this.#changeCount > 0 || this.#parts.isPaused()) break;
      const { claims, consumer, max } = request;
      const room = Math.min(this.#held.room, consumer.room);
      const target = claims.length + Math.min(max - claims.length, room);
      try {
        this.#claim(request, target);
      } catch (error) {
        this.#claimFailed(error, request);
        continue;
      }
      // What is ready, and only on its way from the disk, belongs to it.
      if (claims.length < max && room > 0 && this.#isBehind) break;
      const isDry = claims.length < target;
      if (claims.length > 0) this.#startHanding(request);
      if (isDry) break; // Those behind it would look in vain.
    }
    if (this.#requests.size === 0) return;
    for (const request of this.#requests) if (request.isDue) this.#answerDue(request);
  }

  /** Whether a record that is ready is only on its way from the disk. */
  get #isBehind(): boolean {
    for (const { feed } of this.#partitions) if (feed.isBehind) return true;
    return false;
  }

  /** Records that are ready, until there are `target`, from one partition after the other. */
  #claim({ claims, consumer }: AcquireRequest, target: number): void {
    const count = this.#partitions.length;
    for (let left = count; left > 0 && claims.length < target; left--) {
      const partition = present(this.#partitions[this.#nextPartition % count], 'below count');
      this.#nextPartition++;
      while (claims.length < target) {
        const claim = partition.claim(this.#held.allows);
        if (claim === null) break;
        this.#held.add(claim.kind);
        consumer.claimedCount++;
        claims.push(claim);
      }
    }
  }

  #claimFailed(error: unknown, request: AcquireRequest): void {
    if (!isTrimmed(error)) {
      this.#refuse(request, toError(error));
      return;
    }
    void this.#trim(request);
  }

  /** Retention passed the group: what it took is settled. */
  async #trim(request: AcquireRequest): Promise<void> {
    try {
      await this.exclusively(async () => {
        for (const partition of this.#partitions) {
          const isPassed = partition.state.unread.first < partition.log.startOffset;
          if (isPassed) await this.#parts.trim(partition);
        }
      });
    } catch (error) {
      this.#refuse(request, toError(error));
    }
  }

  #startHanding(request: AcquireRequest): void {
    this.#requests.delete(request);
    this.#handing.add(request);
    request.handed = this.#hand(request);
  }

  /** Journals the attempts, then hands the records over. Never rejects. */
  async #hand(request: AcquireRequest): Promise<void> {
    const { claims } = request;
    try {
      const records = recordsOf(claims) ?? (await this.#readAgain(request));
      if (claims.length === 0) {
        await this.#journalAbsent();
        if (!request.isOver) this.#requests.add(request); // They were not there any more.
        this.#await(request);
        return;
      }
      await this.#journalAttempts(claims);
      const leases = this.#begin(request, records);
      if (!request.isOver) request.resolve(leases);
      else await this.settle(leases, { kind: 'undelivered' }).catch(this.#parts.events.failed);
    } catch (error) {
      this.#unclaim(request);
      request.reject(toError(error));
    } finally {
      this.#handing.delete(request);
      this.ready();
    }
  }

  /** Reads again what was acquired before. What cannot be had is left out of `claims`. */
  async #readAgain(request: AcquireRequest): Promise<readonly LogRecord<Uint8Array>[]> {
    const { claims, consumer } = request;
    const found = await settleAll(claims.map((claim) => this.#recordOf(claim)));
    const all = claims.splice(0);
    for (const [at, claim] of all.entries()) {
      if (found[at] !== null) claims.push(claim);
      else this.#held.remove(claim.kind);
    }
    consumer.claimedCount -= all.length - claims.length;
    return found.filter((record) => record !== null);
  }

  /** Null when the record cannot be had: nobody else has to wait for it. @throws what may pass */
  async #recordOf({ partition, offset, record }: Claim): Promise<LogRecord<Uint8Array> | null> {
    if (record !== null) return record;
    try {
      const read = await partition.log.read(offset);
      if (read !== null) return read;
      await this.#parts.removeMissing(partition, offset);
    } catch (error) {
      if (isRetryable(error)) throw error;
      if (isTrimmed(error)) await this.#parts.removeMissing(partition, offset);
      // Else it is put aside until the group is opened anew: damage is for `varve repair`.
      else this.#parts.events.failed(error);
    }
    return null;
  }

  #journalAttempts(claims: readonly Claim[]): Promise<void> {
    const first = claims[0]?.partition;
    if (first !== undefined && claims.every(({ partition }) => partition === first)) {
      return first.journal(claims);
    }
    const partitions = new Set(claims.map(({ partition }) => partition));
    const ofPartition = (one: PartitionLeases) =>
      one.journal(claims.filter(({ partition }) => partition === one));
    return allOrNone([...partitions].map(ofPartition));
  }

  /** Where no record follows, or they would count as unsettled for ever. */
  async #journalAbsent(): Promise<void> {
    const partitions = this.#partitions.filter(({ feed }) => feed.hasAbsent);
    await Promise.all(partitions.map((partition) => partition.journal([])));
  }

  #begin(
    { claims, consumer, leaseMs }: AcquireRequest,
    records: readonly LogRecord<Uint8Array>[],
  ): readonly Lease[] {
    const startMs = this.#parts.loopClock.now();
    const deadlineMs = startMs + leaseMs;
    const handOver = { startMs, leases: consumer.leases };
    const leases: Lease[] = [];
    let at = 0;
    for (const claim of claims) {
      claim.partition.begin(claim, ++this.#leaseNumber, deadlineMs);
      const record = present(records[at++], 'one for each claim');
      const lease = consumer.make(claim, record, handOver);
      consumer.leases.add(lease);
      leases.push(lease);
    }
    consumer.claimedCount -= claims.length;
    claims.length = 0; // They are leases now.
    this.#parts.loopClock.poke(startMs);
    return leases;
  }

  #refuse(request: AcquireRequest, error: Error): void {
    this.#requests.delete(request);
    this.#unclaim(request);
    request.reject(error);
  }

  /** They came to nothing: the records are ready again. */
  #unclaim({ claims, consumer }: AcquireRequest): void {
    consumer.claimedCount -= claims.length;
    for (const claim of claims.splice(0).toReversed()) {
      this.#held.remove(claim.kind);
      claim.partition.unclaim(claim);
    }
  }

  /** Its time is over: it gets what there is, but for what is only on its way from the disk. */
  #answerDue(request: AcquireRequest): void {
    if (!this.#requests.has(request)) return;
    if (request.isOver) {
      this.#requests.delete(request);
      this.#unclaim(request);
      this.ready();
    } else if (this.#parts.isPaused() || !(this.#changeCount > 0 || this.#isBehind)) {
      this.#requests.delete(request);
      const hasAbsent = this.#partitions.some(({ feed }) => feed.hasAbsent);
      if (request.claims.length > 0 || hasAbsent) this.#startHanding(request);
      else request.resolve([]);
    }
  }
}

/** Null when one was acquired before, and has to be read again. */
function recordsOf(claims: readonly Claim[]): readonly LogRecord<Uint8Array>[] | null {
  const records: LogRecord<Uint8Array>[] = [];
  for (const { record } of claims) {
    if (record === null) return null;
    records.push(record);
  }
  return records;
}
