/** The slow twin of `DedupTable`: every entry in a list, looked through for each question. */
import type { DedupPlace } from '../../../src/topic/dedup-table.ts';

interface Entry extends DedupPlace {
  /** What is compared of a fingerprint: the ten upper bits, and the low lane. */
  readonly shard: number;
  readonly low: number;
}

export class ReferenceDedupTable {
  entries: Entry[] = [];
  /** By partition: what is below is forgotten. */
  readonly #starts = new Map<number, number>();

  begin(partition: number, offset: number): void {
    this.#starts.set(partition, offset);
  }

  add(high: number, low: number, partition: number, offset: number): void {
    if (offset < this.startOf(partition)) return;
    this.entries.push({ shard: high >>> 22, low, partition, offset });
  }

  /** One that has that fingerprint, or 42 bits of it, at that place. */
  remove(high: number, low: number, { partition, offset }: DedupPlace): void {
    const at = this.entries.findIndex(
      (entry) =>
        entry.shard === high >>> 22 &&
        entry.low === low &&
        entry.partition === partition &&
        entry.offset === offset,
    );
    if (at >= 0) this.entries.splice(at, 1);
  }

  evict(partition: number, offset: number): void {
    this.#starts.set(partition, Math.max(offset, this.startOf(partition)));
    this.entries = this.entries.filter((entry) => entry.offset >= this.startOf(entry.partition));
  }

  find(high: number, low: number): DedupPlace[] {
    return this.entries
      .filter((entry) => entry.shard === high >>> 22 && entry.low === low)
      .map(({ partition, offset }) => ({ partition, offset }));
  }

  startOf(partition: number): number {
    return this.#starts.get(partition) ?? Number.NaN;
  }
}
