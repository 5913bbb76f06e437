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
   * Those whose time is over in a partition, up to `countMax`. The oldest are looked at first: many may
   * run, and few end at a time.
   */
  overIn(partition: PartitionLeases, countMax: number): readonly Lease[] {
    const found: Lease[] = [];
    for (const { leases } of this.#consumers) {
      for (const lease of leases.oldestFirst()) {
        if (lease.partitionLeases !== partition || !partition.isOver(lease)) continue;
        found.push(lease);
        if (found.length === countMax) return found;
      }
    }
    return found;
  }
}
