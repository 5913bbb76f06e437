/**
 * Consumers of share groups that are in other processes, and ask through `control.sock`.
 *
 * Each has a handle here, and names its leases by their tokens. A client that dies is not noticed: its
 * leases are not renewed any more, and end; its handle goes when it has been quiet for a while.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { ClosedError, ConflictError, isStoreError } from '../core/errors.ts';
import { MIB } from '../core/limits.ts';
import { settleAll } from '../core/settle-all.ts';
import type { Delivery, ReleaseOptions } from '../queue/delivery.ts';
import type { ShareGroup } from '../queue/share-group.ts';
import type { Store } from './store.ts';

/** Who asks. */
export interface RemoteName {
  readonly topic: string;
  readonly group: string;
  /** Chosen by itself, and nobody else's. */
  readonly consumer: string;
}

export interface RemoteWish extends RemoteName {
  readonly max: number;
  /** Null = as the group's. */
  readonly leaseMs: number | null;
  readonly waitMs: number;
}

/** How one lease shall end. */
export interface RemoteSettlement extends Required<Pick<ReleaseOptions, 'delayMs'>> {
  readonly token: string;
  readonly how: 'ack' | 'release' | 'fail' | 'reject' | 'undelivered';
  /** For the dead letter; empty = none. */
  readonly error: string;
}

/** Consumers at a time: each has a handle in memory. */
const CONSUMERS_MAX = 256;
/** Those that wait for records keep a connection each, and others must get through, too. */
const WAITERS_MAX = 8;
/** Longest wait: who left meanwhile is not noticed before. */
const WAIT_MS_MAX = 10_000;
/** Of the records of one answer, unless one alone is larger. */
export const ANSWER_BYTES_MAX = 16 * MIB;
/** Quiet for so long, and without a lease, it is taken for gone. */
const QUIET_MS_MAX = 60_000;
const LOOK_MS = 10_000;

interface RemoteConsumer {
  readonly name: RemoteName;
  readonly handle: Promise<ShareGroup<Uint8Array>>;
  readonly deliveries: Map<string, Delivery<Uint8Array>>;
  /** Questions that are being answered. */
  askingCount: number;
  /** When the last one was, monotonic. */
  askedMs: number;
}

export class RemoteConsumers {
  readonly #store: Pick<Store, 'topic' | 'path'>;
  readonly #clock: Clock;
  readonly #consumers = new Map<string, RemoteConsumer>();
  #waiterCount = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(store: Pick<Store, 'topic' | 'path'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Whether the store closes, from the turn on in which it begins to. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many there are. */
  get count(): number {
    return this.#consumers.size;
  }

  /**
   * Leases records to a consumer, which is made when there is none of this name.
   *
   * @throws NotFoundError; ConflictError when its name is of another group, or there are too many;
   *   as `ShareGroup.acquire`
   */
  async acquire(wish: RemoteWish): Promise<readonly Delivery<Uint8Array>[]> {
    const consumer = this.#join(wish);
    return this.#asking(consumer, async () => {
      const handle = await consumer.handle;
      const { max, leaseMs } = wish;
      const options = { max, leaseMs: leaseMs ?? undefined, keepsAlive: false };
      const acquired = await this.#wait(wish.waitMs, (waitMs) =>
        handle.acquire({ ...options, waitMs }).catch(async (error: unknown) => {
          // Its topic was deleted: who asks again hears that there is none.
          if (isStoreError(error, 'ERR_VARVE_CLOSED')) await this.leave(wish.consumer);
          throw error;
        }),
      );
      const taken = await giveBackExcess(acquired);
      for (const delivery of taken) consumer.deliveries.set(delivery.token, delivery);
      return taken;
    });
  }

  /** Ends leases. @returns tokens of those that were over before: nothing was done to them */
  async settle(name: string, settlements: readonly RemoteSettlement[]): Promise<readonly string[]> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) return settlements.map(({ token }) => token);
    const lost: string[] = [];
    await this.#asking(consumer, () =>
      settleAll(
        settlements.map(async (settlement) => {
          const { token } = settlement;
          const delivery = consumer.deliveries.get(token);
          const isDone = delivery !== undefined && (await end(delivery, settlement));
          if (!isDone) lost.push(token);
          consumer.deliveries.delete(token);
        }),
      ),
    );
    return lost;
  }

  /** Has leases last so long from now on. @returns tokens of those that are over */
  async renew(
    name: string,
    tokens: readonly string[],
    leaseMs: number | null,
  ): Promise<readonly string[]> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) return tokens;
    return this.#asking(consumer, async () =>
      tokens.filter((token) => {
        const delivery = consumer.deliveries.get(token);
        if (delivery === undefined) return true;
        return !isRenewed(delivery, leaseMs ?? undefined);
      }),
    );
  }

  /** It takes no more, and what it has comes back. Idempotent. */
  async leave(name: string): Promise<void> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) return;
    this.#consumers.delete(name);
    const handle = await consumer.handle.catch(() => null); // Who made it heard why not.
    await handle?.close();
  }

  /** All of them leave: who waits is answered with `ClosedError`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await settleAll([...this.#consumers.keys()].map((name) => this.leave(name)));
  }

  #join({ topic, group, consumer: name }: RemoteName): RemoteConsumer {
    if (this.#isClosed) throw new ClosedError({ resource: 'store', name: this.#store.path });
    const known = this.#consumers.get(name);
    if (known !== undefined) {
      if (known.name.topic === topic && known.name.group === group) return known;
      const stored = `of group ${known.name.group} of ${known.name.topic}`;
      const requested = `of group ${group} of ${topic}`;
      throw new ConflictError({ kind: 'consumer', name, stored, requested });
    }
    if (this.#consumers.size >= CONSUMERS_MAX) {
      const stored = `${CONSUMERS_MAX} of other processes`;
      throw new ConflictError({ kind: 'consumer', name, stored, requested: 'one more' });
    }
    const handle = this.#open(topic, group);
    const consumer: RemoteConsumer = {
      name: { topic, group, consumer: name },
      handle,
      deliveries: new Map(),
      askingCount: 0,
      askedMs: this.#clock.monotonic(),
    };
    this.#consumers.set(name, consumer);
    handle.catch(() => this.#consumers.delete(name));
    this.#timer ??= this.#lookLater();
    return consumer;
  }

  async #open(topic: string, group: string): Promise<ShareGroup<Uint8Array>> {
    const handle = await this.#store.topic(topic, { create: false });
    return handle.shareGroup(group, { create: false });
  }

  async #asking<R>(consumer: RemoteConsumer, answer: () => Promise<R>): Promise<R> {
    consumer.askingCount++;
    try {
      return await answer();
    } finally {
      consumer.askingCount--;
      consumer.askedMs = this.#clock.monotonic();
    }
  }

  /** Waits for nothing when too many do. */
  async #wait<R>(waitMs: number, acquire: (waitMs: number) => Promise<R>): Promise<R> {
    if (waitMs === 0 || this.#waiterCount >= WAITERS_MAX) return acquire(0);
    this.#waiterCount++;
    try {
      return await acquire(Math.min(waitMs, WAIT_MS_MAX));
    } finally {
      this.#waiterCount--;
    }
  }

  #lookLater(): Timer {
    return this.#clock.setTimer(() => this.#removeQuiet(), LOOK_MS);
  }

  #removeQuiet(): void {
    const nowMs = this.#clock.monotonic();
    for (const [name, { deliveries, askingCount, askedMs }] of this.#consumers) {
      for (const [token, { lost }] of deliveries) if (lost !== null) deliveries.delete(token);
      const isQuiet = askingCount === 0 && nowMs - askedMs >= QUIET_MS_MAX;
      // It holds nothing, so there is nothing that could fail to be given back.
      if (isQuiet && deliveries.size === 0) void this.leave(name).catch(() => undefined);
    }
    this.#timer = this.#consumers.size > 0 ? this.#lookLater() : null;
  }
}

/** What one answer does not carry is as if it had not been acquired. */
async function giveBackExcess(
  acquired: readonly Delivery<Uint8Array>[],
): Promise<readonly Delivery<Uint8Array>[]> {
  let sizeBytes = 0;
  let count = 0;
  for (const { record } of acquired) {
    sizeBytes += record.sizeBytes;
    if (count > 0 && sizeBytes > ANSWER_BYTES_MAX) break;
    count++;
  }
  await settleAll(acquired.slice(count).map((delivery) => delivery.giveBack()));
  return acquired.slice(0, count);
}

/** False when its lease is over. */
async function end(
  delivery: Delivery<Uint8Array>,
  { how, delayMs, error }: RemoteSettlement,
): Promise<boolean> {
  try {
    if (how === 'ack') await delivery.ack();
    else if (how === 'reject') await delivery.reject(error);
    else if (how === 'undelivered') await delivery.giveBack();
    else await delivery.release({ delayMs, failed: how === 'fail', error });
    return true;
  } catch (failure) {
    if (isStoreError(failure, 'ERR_VARVE_LEASE_LOST')) return false;
    throw failure;
  }
}

function isRenewed(delivery: Delivery<Uint8Array>, leaseMs: number | undefined): boolean {
  try {
    delivery.renew(leaseMs);
    return true;
  } catch (failure) {
    if (isStoreError(failure, 'ERR_VARVE_LEASE_LOST')) return false;
    throw failure;
  }
}
