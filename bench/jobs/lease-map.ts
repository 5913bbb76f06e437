/**
 * The lease table as one would write it well with what the language has: a map of objects by offset,
 * and a binary heap of deadlines with lazy deletion.
 */

interface Lease {
  readonly offset: number;
  readonly number: number;
  readonly deadlineMs: number;
  attempts: number;
  failures: number;
  expiries: number;
  crashes: number;
  isSettled: boolean;
}

/** Settled leases are swept out of the heap when they are more than those that are not. */
const SWEEP_MIN = 64;

export class LeaseMap {
  readonly #leases = new Map<number, Lease>();
  /** By deadline, the lowest first. Holds settled ones until they get to the top, or are swept. */
  #heap: Lease[] = [];

  get count(): number {
    return this.#leases.size;
  }

  acquire(offset: number, number: number, deadlineMs: number): void {
    const counters = { attempts: 1, failures: 0, expiries: 0, crashes: 0 };
    const lease = { offset, number, deadlineMs, ...counters, isSettled: false };
    this.#leases.set(offset, lease);
    this.#rise(this.#heap.push(lease) - 1, lease);
  }

  /** Whether that lease is live; if so it ends. */
  ack(offset: number, number: number): boolean {
    const lease = this.#leases.get(offset);
    if (lease === undefined || lease.number !== number) return false;
    this.#leases.delete(offset);
    lease.isSettled = true;
    if (this.#heap.length > 2 * this.#leases.size + SWEEP_MIN) this.#sweep();
    return true;
  }

  /** Ends the leases whose deadline has passed; how many. */
  expire(nowMs: number): number {
    let expired = 0;
    for (let lease = this.#heap[0]; lease !== undefined; lease = this.#heap[0]) {
      if (!lease.isSettled && lease.deadlineMs > nowMs) break;
      this.#pop();
      if (lease.isSettled) continue;
      this.#leases.delete(lease.offset);
      expired++;
    }
    return expired;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#sink(0, last);
  }

  #sweep(): void {
    this.#heap = this.#heap.filter(({ isSettled }) => !isSettled);
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) {
      const lease = this.#heap[at];
      if (lease !== undefined) this.#sink(at, lease);
    }
  }

  #rise(hole: number, lease: Lease): void {
    const heap = this.#heap;
    let at = hole;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.deadlineMs <= lease.deadlineMs) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = lease;
  }

  #sink(hole: number, lease: Lease): void {
    const heap = this.#heap;
    let at = hole;
    for (;;) {
      let childAt = 2 * at + 1;
      let child = heap[childAt];
      if (child === undefined) break;
      const other = heap[childAt + 1];
      if (other !== undefined && other.deadlineMs < child.deadlineMs) {
        child = other;
        childAt++;
      }
      if (child.deadlineMs >= lease.deadlineMs) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = lease;
  }
}
