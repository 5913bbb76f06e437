/** The ids of one topic in memory, of which the oldest leave it when there are too many. */
import type { Clock } from '../core/clock.ts';
import type { TabledSegment } from '../log/segment-tables.ts';
import { entriesMaxIn, type LoadedDedup } from './dedup-load.ts';
import type { IdHolder } from './dedup-memory.ts';
import { SHARDS } from './dedup-shards.ts';
import { Turns } from './dedup-walk.ts';
import type { PartitionSet } from './partition-set.ts';

/** Shards that are made smaller before others have their turn. */
const SHARDS_BETWEEN_LOOKS = 16;
/** When nothing could go, it is tried again when there is so much more. */
const GROWTH_TO_TRY = 17 / 16;

export class LoadedIds implements IdHolder {
  readonly #partitions: PartitionSet;
  readonly #loaded: LoadedDedup;
  readonly #clock: Clock;
  #isLettingGo = false;
  /** With less it is not tried. */
  #tryFromBytes = 0;

  constructor(partitions: PartitionSet, loaded: LoadedDedup, clock: Clock) {
    this.#partitions = partitions;
    this.#loaded = loaded;
    this.#clock = clock;
  }

  get topicName(): string {
    return this.#partitions.name;
  }

  get isGone(): boolean {
    return this.#partitions.isGone;
  }

  get idBytes(): number {
    return this.#loaded.table.byteLength + this.#loaded.stored.byteLength;
  }

  get needsDisk(): boolean {
    return this.#loaded.stored.needsDisk;
  }

  letGo(bytes: number): void {
    if (this.#isLettingGo || this.idBytes < this.#tryFromBytes) return;
    this.#isLettingGo = true;
    void this.#tryToLetGo(bytes);
  }

  /** What cannot be read is told to who asks for it. */
  async #tryToLetGo(bytes: number): Promise<void> {
    let hasGone = false;
    try {
      hasGone = await this.#letGo(bytes);
    } catch {
      // It stays in memory.
    }
    this.#isLettingGo = false;
    this.#tryFromBytes = hasGone ? 0 : this.idBytes * GROWTH_TO_TRY;
  }

  /** @returns whether anything could go */
  async #letGo(bytes: number): Promise<boolean> {
    const { table, stored } = this.#loaded;
    const entries = Math.ceil((table.count * bytes) / table.byteLength);
    let gone = 0;
    for (const [partition, segment] of await this.#oldest()) {
      if (gone >= entries) break;
      await this.#partitions.at(partition).use((log) => stored.take(log, partition, segment));
      table.evict(partition, segment.endOffset);
      gone += entriesMaxIn(segment);
    }
    if (gone === 0) return false;
    const turns = new Turns(this.#clock);
    for (let shard = 0; shard < SHARDS; shard += SHARDS_BETWEEN_LOOKS) {
      table.sweep(SHARDS_BETWEEN_LOOKS, 'tight');
      await turns.giveWay();
    }
    return true;
  }

  /** Segments that have tables and whose ids are in memory, those of each partition in their order. */
  async #oldest(): Promise<readonly (readonly [partition: number, segment: TabledSegment])[]> {
    const left: TabledSegment[][] = [];
    for (let partition = 0; partition < this.#partitions.count; partition++) {
      const from = this.#loaded.stored.memoryFrom(partition);
      const list = await this.#partitions
        .at(partition)
        .use((log) => log.forStore().tables.list(from, log.visibleOffset));
      left.push(list);
    }
    const all: (readonly [number, TabledSegment])[] = [];
    for (let round = 0; left.some(({ length }) => length > round); round++) {
      for (const [partition, list] of left.entries()) {
        const segment = list[round];
        if (segment !== undefined) all.push([partition, segment]);
      }
    }
    return all;
  }
}
