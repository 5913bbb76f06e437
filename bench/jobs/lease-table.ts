/**
 * Leases alone: no disk, no payload. A steady number of records is in flight; a hundred are
 * acquired at a time, and a hundred others acknowledged, each by itself and in an order by chance.
 *
 * A record is what is acquired and acknowledged once. Every lease has a deadline, which none of them
 * reaches; time goes on with each hundred.
 */
import { assert } from '../../src/core/assert.ts';
import { LeaseTable } from '../../src/queue/lease-table.ts';
import { SlotState } from '../../src/queue/record-state.ts';
import type { Job, Sample } from '../core/job.ts';
import { LeaseMap } from './lease-map.ts';

export type LeaseTableParameters = {
  readonly side: 'table' | 'map';
  readonly inFlight: number;
  /** Per run; a multiple of 100. */
  readonly records: number;
};

const BATCH = 100;
const LEASE_MS = 30_000;
/** A million records per second. */
const BATCH_MS = 0.1;
const SEED = 0x9e37_79b9;

/** What is measured, and what it is compared with. */
interface Leases {
  readonly count: number;
  acquire(offset: number, lease: number, deadlineMs: number): void;
  ack(offset: number, lease: number): boolean;
  expire(nowMs: number): number;
}

export async function openJob(
  _directory: string,
  { side, inFlight, records }: LeaseTableParameters,
): Promise<Job> {
  const table = new TableLeases();
  const load = new Load(side === 'table' ? table : new LeaseMap(), inFlight);
  const extra = { extra: { bytesPerRecord: fullTableBytes(inFlight) } };
  return {
    run(): Promise<Sample> {
      const startMs = performance.now();
      load.run(records);
      const ms = performance.now() - startMs;
      return Promise.resolve({ bytes: 0, records, ms, ...(side === 'table' ? extra : {}) });
    },
    close: () => Promise.resolve(),
  };
}

/** As the engine uses the table. */
class TableLeases implements Leases {
  readonly #table = new LeaseTable();
  #expired = 0;

  get count(): number {
    return this.#table.count;
  }

  acquire(offset: number, lease: number, deadlineMs: number): void {
    const table = this.#table;
    const slot = table.add(offset, SlotState.acquired);
    table.setAttempts(slot, 1);
    table.beginLease(slot, lease, deadlineMs);
  }

  ack(offset: number, lease: number): boolean {
    const table = this.#table;
    const slot = table.find(offset);
    if (slot < 0 || table.leaseAt(slot) !== lease || table.isPending(slot)) return false;
    table.remove(slot);
    return true;
  }

  expire(nowMs: number): number {
    this.#expired = 0;
    this.#table.leaseWheel.advance(nowMs, this.#onDue);
    return this.#expired;
  }

  readonly #onDue = (slot: number): void => {
    this.#table.remove(slot);
    this.#expired++;
  };
}

/** Records are in rounds of as many as are in flight; while one is acquired, the one before is acknowledged. */
class Load {
  readonly #leases: Leases;
  /** The order in which a round is acknowledged. */
  readonly #order: Int32Array;
  /** Next record of its round. */
  #at = 0;
  /** First offset of the round that is being acknowledged. */
  #start = 0;
  #nowMs = 0;

  constructor(leases: Leases, inFlight: number) {
    assert(inFlight % BATCH === 0, 'in flight is a multiple of a batch');
    this.#leases = leases;
    this.#order = shuffled(inFlight);
    for (let offset = 0; offset < inFlight; offset += BATCH) this.#acquireFrom(offset);
  }

  run(records: number): void {
    const leases = this.#leases;
    const order = this.#order;
    let acknowledged = 0;
    for (let left = records; left > 0; left -= BATCH) {
      const from = this.#at;
      for (let at = from; at < from + BATCH; at++) {
        const offset = this.#start + (order[at] ?? 0);
        if (leases.ack(offset, leaseOf(offset))) acknowledged++;
      }
      this.#nowMs += BATCH_MS;
      assert(leases.expire(this.#nowMs) === 0, 'no lease ends by itself');
      this.#acquireFrom(this.#start + order.length + from);
      this.#at = from + BATCH;
      if (this.#at < order.length) continue;
      this.#at = 0;
      this.#start += order.length;
    }
    assert(acknowledged === records, 'every acknowledgement counts');
    assert(leases.count === order.length, 'as many are in flight as before');
  }

  #acquireFrom(start: number): void {
    const deadlineMs = this.#nowMs + LEASE_MS;
    for (let offset = start; offset < start + BATCH; offset++) {
      this.#leases.acquire(offset, leaseOf(offset), deadlineMs);
    }
  }
}

/** Numbers from 0 on in an order by chance (xorshift, Marsaglia 2003), the same each time. */
function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, at) => at);
  let chance = SEED;
  for (let left = count; left > 1; left--) {
    chance ^= chance << 13;
    chance ^= chance >>> 17;
    chance ^= chance << 5;
    const at = (chance >>> 0) % left;
    const last = order[left - 1] ?? 0;
    order[left - 1] = order[at] ?? 0;
    order[at] = last;
  }
  return order;
}

/** Each attempt has a number of its own, a u32. */
function leaseOf(offset: number): number {
  return (offset + 1) >>> 0;
}

/** Memory of a table whose slots are all leased, per record. */
function fullTableBytes(inFlight: number): number {
  const leases = new LeaseTable();
  for (let offset = 0; offset < inFlight || leases.count < leases.capacity; offset++) {
    const slot = leases.add(offset, SlotState.acquired);
    leases.beginLease(slot, leaseOf(offset), LEASE_MS);
  }
  return leases.byteLength / leases.count;
}
