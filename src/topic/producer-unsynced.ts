/** What is stored of a producer and not known to be synced: it may be much in a topic that nobody has synced. */
import { firstOf, type DurableOf, type UnsyncedRecords } from './producer-flight.ts';

export class UnsyncedList {
  #records: UnsyncedRecords[] = [];
  /** By partition: below it none of its records end. */
  readonly #endsFrom = new Map<number, number>();
  /** Of all of them; infinite = there are none. */
  #lowest = Number.POSITIVE_INFINITY;

  add(records: UnsyncedRecords): void {
    this.#records.push(records);
    this.#note(records);
  }

  /** Those that are not synced now. Cost: O(partitions), unless some were synced since the last call. */
  at(durableOf: DurableOf): readonly UnsyncedRecords[] {
    if (this.#records.length > 0 && this.#wereSynced(durableOf)) {
      const left = this.#records.filter(
        ({ partition, nextOffset }) => nextOffset > durableOf(partition),
      );
      this.#records = left;
      this.#endsFrom.clear();
      this.#lowest = Number.POSITIVE_INFINITY;
      for (const records of left) this.#note(records);
    }
    return this.#records;
  }

  /** Their lowest sequence; infinite = there are none. Cost: as `at`. */
  lowest(durableOf: DurableOf): number {
    this.at(durableOf);
    return this.#lowest;
  }

  #wereSynced(durableOf: DurableOf): boolean {
    for (const [partition, endsFrom] of this.#endsFrom) {
      if (endsFrom <= durableOf(partition)) return true;
    }
    return false;
  }

  #note({ partition, nextOffset, spans }: UnsyncedRecords): void {
    const endsFrom = this.#endsFrom.get(partition) ?? Number.POSITIVE_INFINITY;
    if (nextOffset < endsFrom) this.#endsFrom.set(partition, nextOffset);
    this.#lowest = Math.min(this.#lowest, firstOf(spans));
  }
}
