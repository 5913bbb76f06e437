/** The share groups of one open store, and the consumers that use them: what they hold, and settle. */
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
} from '../../../../../src/core/errors.ts';
import { LeaseLostError } from '../../../../../src/core/ownership-errors.ts';
import type { Delivery } from '../../../../../src/queue/delivery.ts';
import type { ShareGroup } from '../../../../../src/queue/share-group.ts';
import type { SharePartition } from '../../../../../src/queue/share-partition.ts';
import { foundRecord, difference } from '../../records.ts';
import type { OpenTopic, StoreSession } from '../store-session.ts';
import type { StoreWorld } from '../store-world.ts';
import { HeldLease } from './held-lease.ts';
import type { QueueOracles } from './queue-oracles.ts';
import { isSideTopic, QUEUE_TOPIC, type GroupConfig } from './queue-topics.ts';
import type { End } from './record-fate.ts';
import type { ShareLedger } from './share-ledger.ts';
import { checkSlots } from './slot-scan.ts';

/** One consumer. */
export interface GroupHandle {
  readonly ledger: ShareLedger;
  readonly group: ShareGroup<Uint8Array>;
  readonly config: GroupConfig;
  readonly prefetch: number | null;
  /** What it held is given back, or its topic is deleted. */
  isClosing: boolean;
}

/** How leases are settled. */
export interface SettleCall {
  /** For people. */
  readonly what: string;
  /** Null = they come back. */
  readonly end: End | null;
  /** Whether its answer tells that all before is synced. */
  readonly isSynced: boolean;
  /** It is a commit: all errors but one say that nothing happened. */
  readonly isCommit?: boolean;
  /** Of what comes back: not before that wall time. */
  readonly dueMs?: number | null;
  readonly isFailed?: boolean;
  readonly run: () => Promise<unknown>;
  /** What is known of it in the end; nothing is told of one that nobody answered. */
  readonly onOutcome?: (outcome: 'answered' | 'refused' | 'open') => void;
}

const OVER_MAX = 16;

export class QueueSession {
  readonly session: StoreSession;
  readonly world: StoreWorld;
  readonly oracles: QueueOracles;
  readonly handles: GroupHandle[] = [];
  held: HeldLease[] = [];
  /** Leases that are over: nothing may come of them. */
  over: HeldLease[] = [];
  /** Of pauses that were undone, or began to be. */
  pauseCount = 0;
  readonly #partitions = new Set<SharePartition>();

  constructor(session: StoreSession) {
    this.session = session;
    this.world = session.world;
    this.oracles = session.world.queues;
  }

  /** Those that may still be settled. */
  get running(): HeldLease[] {
    return this.held.filter((lease) => lease.isRunning);
  }

  /** The topic of a group; undefined when it is not open, or is one of the engine's own. */
  topicOf(name: string): OpenTopic | undefined {
    if (name === QUEUE_TOPIC) return this.session.queueTopic ?? undefined;
    return this.session.topics.get(name);
  }

  /** Waits until every call was answered: what waits for room must have it. */
  async quiet(): Promise<void> {
    if (this.session.isDiskLimited) this.session.resizeDisk(null);
    await this.session.settle();
  }

  /** Waits for what `answer` brings; null when the handle is closed meanwhile. */
  async unlessClosed<T>(handle: GroupHandle, answer: Promise<T>): Promise<T | null> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof ClosedError && handle.isClosing) return null;
      throw error;
    }
  }

  /** Deliveries came. */
  handedOut(
    handle: GroupHandle,
    deliveries: readonly Delivery<Uint8Array>[],
    leaseMs: number,
  ): HeldLease[] {
    const { world } = this;
    const leases = deliveries.map((delivery) => {
      const { partition, offset, attempt, token } = delivery;
      world.narrate(`got ${handle.ledger.id} ${partition}/${offset}, ${attempt}, ${token}`);
      this.#partitions.add(delivery.partitionLeases.state);
      this.#checkContent(handle, delivery);
      const lease = new HeldLease(world, handle, { delivery, leaseMs });
      // It was on its way when its consumer was closed: it comes back, too, and its holder hears it last.
      if (handle.isClosing) lease.isSettling = true;
      return lease;
    });
    world.tally.add('deliveries', leases.length);
    this.held.push(...leases);
    this.#checkBounds(handle);
    return leases;
  }

  /** It is what was sent, and visible. */
  #checkContent({ ledger }: GroupHandle, delivery: Delivery<Uint8Array>): void {
    const { world } = this;
    const { partition, record } = delivery;
    const found = foundRecord(record);
    if (isSideTopic(ledger.topic)) {
      const headers = found.headers.filter(([name]) => !name.startsWith('varve-'));
      const id = [...this.oracles.sent.values()].find(
        (sent) => difference(sent, { ...found, headers }) === null,
      );
      if (id === undefined) world.fault('A2', `a letter at ${record.offset} that nobody sent`);
      return;
    }
    const log = this.topicOf(ledger.topic)?.logs[partition];
    const visibleOffset = log?.visibleOffset ?? Number.POSITIVE_INFINITY;
    const isDurable = world.isSynced(ledger.topic);
    world.logOracle(ledger.topic, partition).seen(found, { visibleOffset, isDurable });
  }

  #checkBounds({ ledger, config, prefetch, group }: GroupHandle): void {
    const { world, held } = this;
    const { leasedMax } = config;
    if (ledger.heldCount > leasedMax) world.fault('bound', `${ledger.id}: ${ledger.heldCount}`);
    if (prefetch === null) return;
    const own = held.filter((lease) => lease.isRunning && lease.handle.group === group).length;
    if (own > prefetch) world.fault('bound', `${own} for one consumer, prefetch ${prefetch}`);
  }

  /** Settles leases that run, and follows the call to its answer. */
  settle(leases: readonly HeldLease[], call: SettleCall): Promise<void> {
    const { world, session, oracles } = this;
    const { what, end, isSynced, isFailed = false, dueMs = null, run } = call;
    const { onOutcome = () => undefined } = call;
    world.narrate(`${what} ${leases.map(({ name }) => name).join(', ')}`);
    const calledAt = oracles.order.last;
    const pending = leases.map(({ fate }) => {
      if (end === null) return fate.releasing(dueMs);
      const ending = fate.ending(end);
      return { answered: () => ending.answered(isSynced), refused: () => ending.refused() };
    });
    for (const lease of leases) lease.isSettling = true;
    const failed = (error: unknown): void => {
      for (const [at, lease] of leases.entries()) {
        const isRefused = this.#failedOne(lease, error, call);
        if (isRefused) pending[at]?.refused();
        onOutcome(isRefused ? 'refused' : 'open');
      }
    };
    return session.follow(
      this.#orLost(run()),
      (lost) => {
        if (lost !== null) {
          const [first] = leases;
          // Its consumer is closed, which gives it back.
          const isRunning = first?.isOver === false && !first.handle.isClosing;
          if (isRunning) world.fault('lease', `${what}: ${String(lost)}, and its lease runs`);
          failed(lost);
          return;
        }
        if (isSynced) oracles.order.synced(calledAt);
        for (const each of pending) each.answered(isFailed);
        // A rejection is refused where there is no room for the copy.
        for (const { fate } of leases) fate.isCopiedLater = end === 'dead' && isFailed;
        for (const lease of leases) lease.isOver = true;
        onOutcome('answered');
        world.tally.add(`${end ?? 'released'}Records`, leases.length);
      },
      failed,
    );
  }

  /** @returns whether nothing happened to its record, for certain */
  #failedOne(lease: HeldLease, error: unknown, { isCommit = false }: SettleCall): boolean {
    lease.resumed();
    if (error instanceof LeaseLostError) {
      lease.isOver = true;
      return true;
    }
    // Its entry was written, perhaps, or is still to come.
    const isUnknown = error instanceof FailedError && error.details.indeterminate;
    if (isUnknown || lease.delivery.isSettled || this.#hasJournalFailed) {
      lease.isOver = true;
      return false;
    }
    if (error instanceof DiskFullError || error instanceof BackpressureError) return true;
    return isCommit;
  }

  get #hasJournalFailed(): boolean {
    return this.session.store.stats().journal.state === 'failed';
  }

  async #orLost(answer: Promise<unknown>): Promise<LeaseLostError | null> {
    try {
      await answer;
      return null;
    } catch (error) {
      if (error instanceof LeaseLostError) return error;
      throw error;
    }
  }

  /** Closes a consumer: what it holds comes back. */
  close(handle: GroupHandle): Promise<void> {
    const { world, session, held } = this;
    world.narrate(`close a consumer of ${handle.ledger.id}`);
    this.handles.splice(this.handles.indexOf(handle), 1);
    const own = held.filter((lease) => lease.handle === handle && lease.isRunning);
    const pending = own.map(({ fate }) => fate.releasing(null));
    for (const lease of own) lease.isSettling = true;
    handle.isClosing = true;
    return session.follow(handle.group.close(), () => {
      for (const each of pending) each.answered(false);
    });
  }

  /** The store is about to be closed: all that is held comes back. */
  ending(): void {
    for (const handle of this.handles) handle.isClosing = true;
  }

  /** Looks at all leases, and at all that is known of slots, between two steps. */
  observe(): void {
    if (this.session.isOver) return;
    for (const lease of this.held) lease.check();
    this.over = [...this.over, ...this.held.filter(({ isOver }) => isOver)].slice(-OVER_MAX);
    this.held = this.held.filter(({ isOver }) => !isOver);
    for (const partition of this.#partitions) checkSlots(partition, this.world);
  }
}
