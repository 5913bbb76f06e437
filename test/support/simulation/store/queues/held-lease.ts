/** A lease in the hands of the program. */
import { LeaseLostError } from '../../../../../src/core/ownership-errors.ts';
import type { Delivery } from '../../../../../src/queue/delivery.ts';
import type { StoreWorld } from '../store-world.ts';
import type { LoopMoment } from './loop-time.ts';
import type { GroupHandle } from './queue-session.ts';
import type { RecordFate } from './record-fate.ts';
import type { Holder } from './share-ledger.ts';

/** When a lease ends, after its time is over: a tick of the loop's clock, and one of the wheel. */
const LATE_MS = 60;

export class HeldLease implements Holder {
  readonly handle: GroupHandle;
  readonly delivery: Delivery<Uint8Array>;
  readonly fate: RecordFate;
  /** It is being settled: what it is for others shows later. */
  isSettling = false;
  isOver = false;
  readonly #world: StoreWorld;
  #leaseMs: number;
  #begin: LoopMoment;
  /** Since when nobody settles it, or tried to. */
  #since: LoopMoment;

  constructor(
    world: StoreWorld,
    handle: GroupHandle,
    { delivery, leaseMs }: { readonly delivery: Delivery<Uint8Array>; readonly leaseMs: number },
  ) {
    this.#world = world;
    this.handle = handle;
    this.delivery = delivery;
    this.#leaseMs = leaseMs;
    this.#begin = world.queues.loopTime.now(world.clock);
    this.#since = this.#begin;
    const { partition, offset, attempt, failures, token } = delivery;
    const nowMs = world.clock.now();
    const handed = { partition, offset, attempt, failures, token, nowMs };
    this.fate = handle.ledger.handedOver(handed, this);
    const { signal } = delivery;
    signal.addEventListener('abort', () => this.#lost(signal.reason), { once: true });
  }

  get isRunning(): boolean {
    return !this.isOver && !this.isSettling;
  }

  /** For people. */
  get name(): string {
    const { partition, offset } = this.delivery;
    return `${this.handle.ledger.id} ${partition}/${offset}`;
  }

  /** It lasts so long from now on. */
  renewed(leaseMs: number): void {
    this.#leaseMs = leaseMs;
    this.#begin = this.#world.queues.loopTime.now(this.#world.clock);
  }

  /** To settle it came to nothing. */
  resumed(): void {
    this.isSettling = false;
    this.#since = this.#world.queues.loopTime.now(this.#world.clock);
  }

  /** Complains when its time is over, and it is not. */
  check(): void {
    const { queues, clock } = this.#world;
    const { minMs } = queues.loopTime.since(clock, this.#begin);
    if (!this.isRunning || minMs < this.#leaseMs + LATE_MS) return;
    if (queues.loopTime.since(clock, this.#since).minMs < LATE_MS) return;
    this.#world.fault('A8', `${this.name}: a lease of ${this.#leaseMs} ms lasts ${minMs} ms`);
    this.isOver = true;
  }

  #lost(reason: unknown): void {
    const world = this.#world;
    if (world.fileSystem.isCrashed) return;
    const how = reason instanceof LeaseLostError ? reason.details.reason : 'otherwise';
    const { expiriesMax } = this.handle.config;
    const isLast = how === 'expired' && this.delivery.expiries + 1 >= expiriesMax;
    if (isLast) this.fate.mayHaveEnded('dead');
    if (this.isOver) return;
    this.isOver = true;
    world.narrate(`lost ${this.name}: ${how}`);
    if (how !== 'expired') {
      if (!this.handle.isClosing) world.fault('lease', `${this.name} was lost: ${how}`);
      return;
    }
    const { maxMs } = world.queues.loopTime.since(world.clock, this.#begin);
    if (maxMs < this.#leaseMs) {
      world.fault('lease', `${this.name}: ${this.#leaseMs} ms ended after ${maxMs} ms`);
    }
    world.tally.add('expiredLeases');
  }
}
