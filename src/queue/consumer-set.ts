/** The consumers of a share group in this process, and what they have leased. */
import type { Consumer } from './acquire-request.ts';
import type { Lease } from './lease.ts';
import type { PartitionLeases } from './partition-leases.ts';

export class ConsumerSet {
  readonly #consumers = new Set<Consumer>();
  /** Of them: those that are closed, and could not give back all that they have. */
  readonly #closed = new Set<Consumer>();

  add(consumer: Consumer): void {
    this.#consumers.add(consumer);
  }

  /** It is closed. What it has all the same counts until its time is over. */
  remove(consumer: Consumer): void {
    if (consumer.leases.count > 0) this.#closed.add(consumer);
    else this.#consumers.delete(consumer);
  }

  /** Forgets those that are closed and have nothing any more. */
  sweep(): void {
    for (const consumer of this.#closed) {
      if (consumer.leases.count > 0) continue;
      this.#closed.delete(consumer);
      this.#consumers.delete(consumer);
    }
  }

  /**
   * Those of some records, by offset. One look at each lease: many may run, and few end at a time. Of a
   * record that came back before all was synced that says so, the former lease is still there.
   */
  leasesOf(partition: PartitionLeases, offsets: ReadonlySet<number>): ReadonlyMap<number, Lease> {
    const found = new Map<number, Lease>();
    for (const { leases } of this.#consumers) {
      for (const lease of leases) {
        const isMeant = lease.partitionLeases === partition && offsets.has(lease.offset);
        if (isMeant && partition.find(lease) >= 0) found.set(lease.offset, lease);
      }
    }
    return found;
  }
}
