/** Ends leases whose time is over: of very many some at a time, so that everything else goes on. */
import { inNextTurn } from '../core/clock.ts';
import type { ConsumerSet } from './consumer-set.ts';
import type { LeaseEnds } from './lease-ends.ts';
import type { Lease } from './lease.ts';
import type { PartitionLeases } from './partition-leases.ts';

/** Leases that are ended in one turn of the event loop: some milliseconds. */
const STEP = 2048;

export interface ExpiriesParts {
  readonly consumers: ConsumerSet;
  readonly ends: LeaseEnds;
}

/** Leases of one partition that were over at one moment. */
interface Over {
  readonly partition: PartitionLeases;
  readonly leases: readonly Lease[];
  /** Those before were ended. */
  at: number;
}

export class Expiries {
  readonly #parts: ExpiriesParts;
  /** In the order in which they are ended. */
  #waiting: Over[] = [];
  #isGoingOn = false;

  constructor(parts: ExpiriesParts) {
    this.#parts = parts;
  }

  /** Ends what is over in a partition, now or in the next turns. */
  expire(partition: PartitionLeases, nowMs: number): void {
    // What is over, and waits for that, must not be found once more.
    if (this.#waiting.some((over) => over.partition === partition)) return;
    const { consumers, ends } = this.#parts;
    const due = partition.takeDue(nowMs);
    if (due.length === 0) return;
    const leases = consumers.overIn(partition, due.length);
    if (leases.length < due.length) {
      const known = new Set(leases.map(({ offset }) => offset));
      const orphans = due.filter((offset) => !known.has(offset));
      ends.expire(partition, [], orphans);
    }
    this.#waiting.push({ partition, leases, at: 0 });
    if (!this.#isGoingOn) this.#step();
  }

  /** Ends no more. */
  close(): void {
    this.#waiting = [];
  }

  #step(): void {
    this.#isGoingOn = false;
    for (let left = STEP; left > 0;) {
      const [over] = this.#waiting;
      if (over === undefined) return;
      const { partition, leases, at } = over;
      // Others were settled, or renewed, while they waited.
      const some = leases.slice(at, at + left).filter((lease) => partition.isOver(lease));
      over.at += left;
      left -= Math.min(left, leases.length - at);
      if (over.at >= leases.length) this.#waiting.shift();
      this.#parts.ends.expire(partition, some, []);
    }
    if (this.#waiting.length === 0) return;
    this.#isGoingOn = true;
    inNextTurn(() => this.#step());
  }
}
