/** One consumer of a share group, as its users hold it: acquire records, settle them, look at them. */
import { argumentError, checkInteger, present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import { ClosedError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import { browse, type BrowsedRecord, type BrowseOptions } from './browse.ts';
import { checkDeliveries, Delivery, type DeliveryOrigin, type LeaseKeeper } from './delivery.ts';
import type { Consumer } from './acquire-request.ts';
import type { DeliverySource } from './delivery-source.ts';
import { isRunning, LeaseList, type Lease, type Settlement } from './lease.ts';
import type { LiveShareGroup } from './live-share-group.ts';
import {
  checkAcquireOptions,
  checkDeliveriesOptions,
  type AcquireOptions,
  type DeliveriesOptions,
} from './share-calls.ts';
import { groupLabel } from './queue-group.ts';
import type { RedriveOptions, RedriveReport } from './redrive-options.ts';
import type { ShareSettings } from './share-settings.ts';
import type { ShareStats } from './share-stats.ts';
import type { BatchHandler, BatchOptions, Handler, WorkerOptions } from './worker-options.ts';
import { work, type Worker } from './worker.ts';

/** As many as `acquire` hands out at a time. */
const PEEK_MAX = 100_000;

/** What a handle is made of. */
export interface ShareGroupParts<T, Input = T> {
  readonly live: LiveShareGroup;
  readonly codec: Codec<T, Input>;
  /** Records that this consumer has leased at a time; null = no bound of its own. */
  readonly prefetch: number | null;
  readonly onClosed: () => void;
}

/**
 * A consumer of a share group (KIP-932): records are leased one by one to any number of consumers, each
 * of which settles what it has. Made by `Topic.shareGroup` and `Store.queue`; `close` gives back what
 * it holds.
 */
export class ShareGroup<T, Input = T> implements AsyncDisposable, DeliverySource<Delivery<T>> {
  readonly #live: LiveShareGroup;
  readonly #prefetch: number | null;
  readonly #codec: Codec<T, Input>;
  readonly #onClosed: () => void;
  readonly #leases = new LeaseList();
  readonly #keeper: LeaseKeeper;
  readonly #consumer: Consumer<Delivery<T>>;
  readonly #workers = new Set<Worker<Delivery<T>>>();
  readonly #ending = new AbortController();
  #isClosed = false;
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor({ live, codec, prefetch, onClosed }: ShareGroupParts<T, Input>) {
    this.#live = live;
    this.#codec = codec;
    this.#prefetch = prefetch;
    this.#onClosed = onClosed;
    const { clock } = live;
    this.#keeper = {
      topic: live.topic,
      get ownerEpoch() {
        return live.ownerEpoch;
      },
      get leaseMs() {
        return live.settings.leaseMs;
      },
      settle: (leases: readonly Lease[], how: Settlement) => live.leases.settle(leases, how),
      ends: live.leases.ends,
      transactions: live.transactions,
      renew: (lease: Lease, leaseMs: number) => live.leases.renew(lease, leaseMs),
      leftMs: (lease: Lease) => live.leases.leftMs(lease),
      dueMs: (delayMs: number) => clock.now() + delayMs,
    };
    this.#consumer = this.#makeConsumer();
    live.leases.join(this.#consumer);
  }

  #makeConsumer(): Consumer<Delivery<T>> {
    const leases = this.#leases;
    const prefetch = this.#prefetch ?? Number.POSITIVE_INFINITY;
    const origins: DeliveryOrigin<T>[] = [];
    return {
      leases,
      claimedCount: 0,
      get room() {
        return prefetch - leases.count - this.claimedCount;
      },
      make: (claim, rawRecord, handOver) => {
        const { partition } = claim.partition.name;
        const origin = (origins[partition] ??= {
          codec: this.#codec,
          partition,
          keeper: this.#keeper,
        });
        return new Delivery<T>(claim, rawRecord, handOver, origin);
      },
      closedError: () => this.#closedError(),
    };
  }

  /** Name of the group. */
  get name(): string {
    return this.#live.name.group;
  }

  /** Name of the topic. */
  get topicName(): string {
    return this.#live.topic.name;
  }

  get clock(): Clock {
    return this.#live.clock;
  }

  /** @internal Where the jitter of workers comes from. */
  get random(): Random {
    return this.#live.random;
  }

  /** As the journal has them now. */
  get settings(): ShareSettings {
    return this.#live.settings;
  }

  /**
   * Leases records that nobody has: the lowest offsets first, and in one partition what came back before
   * what was never tried.
   *
   * @returns what is ready, up to `max`; none when nothing was ready in time
   * @throws TypeError, RangeError; ClosedError; ReadOnlyError; CorruptLogError at damage; DiskFullError,
   *   as no attempt can be journaled; the signal's reason
   *
   * Durability: the attempt is journaled before the record is handed out, at `os`: a handler that kills
   * the process was counted. Cost: a small write, shared by all acquires of a turn of the event loop.
   */
  async acquire(options: AcquireOptions = {}): Promise<readonly Delivery<T>[]> {
    const wish = checkAcquireOptions(options, this.settings.leaseMs);
    wish.signal?.throwIfAborted();
    this.#checkOpen();
    if (!this.#live.isReady) {
      await this.#live.open();
      this.#checkOpen();
    }
    return await this.#live.leases.acquire(this.#consumer, wish);
  }

  /**
   * Hands records out one by one as they come, until the handle is closed. Up to `prefetch` of them (1
   * when it was not given) are leased ahead; the lease of each begins when it is handed out. One that
   * is not settled when the next is asked for stays leased.
   *
   * @throws as `acquire`
   */
  async *deliveries(options: DeliveriesOptions = {}): AsyncGenerator<Delivery<T>, void, void> {
    const { leaseMs = this.settings.leaseMs, ...how } = checkDeliveriesOptions(options);
    const ahead: Delivery<T>[] = []; // The next one last.
    try {
      while (ahead.length > 0 || (await this.#readAhead(ahead, { leaseMs, ...how }))) {
        if (this.#isClosed) return;
        const delivery = present(ahead.pop(), 'one is there');
        if (delivery.lost !== null) continue; // Its turn did not come in time: it is ready again.
        delivery.isHandedOut = true;
        delivery.renew(leaseMs);
        yield delivery;
        how.signal?.throwIfAborted();
      }
    } finally {
      const rest = ahead.filter(({ lost, isSettled }) => lost === null && !isSettled);
      await this.#live.leases.settle(rest, { kind: 'undelivered' });
    }
  }

  /** Waits for more. @returns false when the handle was closed */
  async #readAhead(ahead: Delivery<T>[], options: DeliveriesOptions): Promise<boolean> {
    if (this.#isClosed) return false;
    const max = this.#prefetch ?? 1;
    try {
      const acquired = await this.acquire({ max, waitMs: Number.POSITIVE_INFINITY, ...options });
      for (const delivery of acquired.toReversed()) {
        delivery.isHandedOut = false;
        ahead.push(delivery);
      }
      return true;
    } catch (error) {
      if (this.#isClosed && error instanceof ClosedError) return false;
      throw error;
    }
  }

  /**
   * Acknowledges many deliveries of this group: those whose lease goes on, together.
   *
   * @throws as `Delivery.ack`, when the others are done: `isSettled` tells which; TypeError for what is
   *   no delivery of this group: then nothing is done
   *
   * Cost: one promise.
   */
  async ackAll(deliveries: readonly Delivery<T>[]): Promise<void> {
    const { leases } = this.#live;
    for (const { partitionLeases } of checkDeliveries(deliveries)) {
      if (leases.partitions.includes(partitionLeases)) continue;
      throw argumentError(TypeError, 'deliveries', 'of this group', deliveries);
    }
    const running = deliveries.filter(isRunning);
    await leases.settle(running, { kind: 'ack' });
    if (running.length === deliveries.length) return;
    for (const delivery of deliveries) await delivery.ack(); // Says what became of the others.
  }

  /**
   * Has `handler` handle the records, up to `concurrency` at a time, until the worker is drained or this
   * handle is closed. A record is acked when its handler returns, or its promise resolves. When the
   * handler throws, the attempt has failed: the record comes back after the delay of the retry policy,
   * until `failuresMax`. `RetryAfter` and `Reject` say otherwise. With `batch` the handler gets arrays
   * of deliveries: those of them that it has not settled itself share that fate.
   *
   * Nothing is leased before a handler is free for it, and `prefetch` of this handle bounds it as well.
   * A handler is free once it has returned: the next record is handled while the ack of the last one is
   * made durable.
   *
   * @throws TypeError, RangeError; ClosedError. What fails later is told to `onError`, and by `done`
   *
   * Promises: at least once. Leases are renewed while handlers run, unless `renew` is `off`. A result
   * counts unless the lease was lost before: then it changes nothing, and the record is handed out again.
   * Cost: as one `acquire` for all free handlers, and one `ackAll` for all handlers that end together.
   */
  work(
    handler: BatchHandler<Delivery<T>>,
    options: WorkerOptions<Delivery<T>> & { readonly batch: BatchOptions },
  ): Worker<Delivery<T>>;
  work(
    handler: Handler<Delivery<T>>,
    options?: WorkerOptions<Delivery<T>> & { readonly batch?: undefined },
  ): Worker<Delivery<T>>;
  work(
    handler: Handler<Delivery<T>> | BatchHandler<Delivery<T>>,
    options: WorkerOptions<Delivery<T>> = {},
  ): Worker<Delivery<T>> {
    this.#checkOpen();
    const worker = work(this, handler, options);
    const { events } = this.#live;
    events.recovered('worker-stopped');
    this.#workers.add(worker);
    const forget = (): void => void this.#workers.delete(worker);
    worker.done.then(forget, (error: unknown) => {
      forget();
      events.troubled('worker-stopped', error);
    });
    return worker;
  }

  /** Figures of the group, exact. Cost: O(partitions), and a read in each. @throws ClosedError */
  stats(): Promise<ShareStats> {
    return this.refusal ?? this.#live.stats();
  }

  /**
   * Walks the records that are not settled, without leasing them: partition by partition, in the order of
   * their offsets, each with the state that it has at that moment. What comes meanwhile is left out.
   *
   * @throws ClosedError; TypeError, RangeError; as `Topic.batches`; the signal's reason
   *
   * Cost: reads what it passes, batch by batch; `states` without `ready` reads no backlog.
   */
  browse(options: BrowseOptions = {}): AsyncGenerator<BrowsedRecord<T>, void, void> {
    const source = this.#live.browseSource(this.#codec);
    return browse({ ...source, checkOpen: () => this.#checkOpen() }, options);
  }

  /**
   * The first `count` records that are ready, without leasing them: those of partition 0 first.
   *
   * @param count  1..100_000
   * @throws as `browse`
   */
  async peek(count = 1): Promise<readonly BrowsedRecord<T>[]> {
    checkInteger('count', count, { min: 1, max: PEEK_MAX });
    const found: BrowsedRecord<T>[] = [];
    for await (const each of this.browse({ states: ['ready'], limit: count })) found.push(each);
    return found;
  }

  /**
   * Moves dead letters back to the topics that they came from, and makes dead records that were kept here
   * ready again; with `to`, either go there instead. A dry run, unless `dryRun` is false.
   *
   * Each is moved exactly once, also over a crash: its copy and its end here are one commit. Its place in
   * a topic is by its key; headers that tell of its last death are gone, `varve-deaths` tells of all.
   * Every group of the destination gets it. What consumers have leased is skipped. To go on after an
   * error, an abort or a crash, run it again.
   *
   * @returns how many were moved and why others were not; of a dry run, what it would have done
   * @throws TypeError, RangeError; ConflictError for its own topic, NotFoundError when a destination is not
   *   there: nothing was moved (a gone origin among others is a counted skip); as `browse`, as
   *   `Topic.append`, and what `filter` or `edit` throws: what was moved before stays moved;
   *   ClosedError when the handle is closed meanwhile, the same
   *
   * Durability: synced when it resolves. Cost: reads all that is not settled; a commit for up to 100
   * records, during which the group hands nothing out.
   */
  async redrive(options: RedriveOptions<T, Input> = {}): Promise<RedriveReport> {
    this.#checkOpen();
    return this.#live.redrive(this.#codec, options, this.#ending.signal);
  }

  /**
   * Hands nothing out from now on, to any consumer, until `resume`; what is leased stays so. Kept over
   * restarts.
   *
   * @throws ClosedError; as `Log.append`
   *
   * Durability: synced when it resolves.
   */
  async pause(): Promise<void> {
    this.#checkOpen();
    await this.#live.setPaused(true);
  }

  /** Hands out again. @throws as `pause` */
  async resume(): Promise<void> {
    this.#checkOpen();
    await this.#live.setPaused(false);
  }

  /**
   * Settles all that nobody has leased, as it stands now: ready and delayed records. They are not
   * deleted at once: `undoPurge` brings them back, as far as retention has not taken them.
   *
   * @returns how many
   * @throws as `pause`
   *
   * Durability: synced when it resolves.
   */
  async purge(): Promise<number> {
    this.#checkOpen();
    return this.#live.purge();
  }

  /** Takes the last purge back. @returns how many records are there again @throws as `pause` */
  async undoPurge(): Promise<number> {
    this.#checkOpen();
    return this.#live.undoPurge();
  }

  /**
   * Settles one record that nobody has leased, so that it is never handed out.
   *
   * @returns false when it was settled already, or is leased
   * @throws TypeError, RangeError; as `pause`
   *
   * Durability: synced when it resolves.
   */
  async cancel(ref: { readonly partition?: number; readonly offset: number }): Promise<boolean> {
    this.#checkOpen();
    return this.#live.cancel(ref);
  }

  /**
   * Closes its workers, gives back what it has leased, and takes no more. Idempotent.
   * @throws as `Delivery.release`
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#ending.abort(this.#closedError());
    try {
      // What their handlers have done is still settled.
      await Promise.all([...this.#workers].map((worker) => worker.close()));
      await this.#live.leave(this.#consumer);
    } finally {
      this.#onClosed();
    }
  }

  /** @internal Null while it is open. */
  get refusal(): Promise<never> | null {
    return this.#isClosed ? Promise.reject(this.#closedError()) : null;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw this.#closedError();
  }

  #closedError(): ClosedError {
    const { kind: resource, name } = groupLabel(this.topicName, this.name);
    return new ClosedError({ resource, name });
  }
}
