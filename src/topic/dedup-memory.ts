/** Bounds the memory that the ids of all topics of a store take together. */
import type { HealthBoard } from '../core/health-board.ts';
import type { PartitionSet } from './partition-set.ts';

/** The ids of one topic. */
export interface IdHolder {
  readonly topicName: string;
  /** It has none any more, and never will. */
  readonly isGone: boolean;
  readonly idBytes: number;
  /** Some of them are looked for on the disk. */
  readonly needsDisk: boolean;
  /** Begins to let so many bytes go, the oldest ids first; no effect while it does, or where it cannot. */
  letGo(bytes: number): void;
}

/** What is left free, of the bound, once something had to go: ids must not go one segment at a time. */
const FREED_SHARE = 1 / 8;
/** Less than this share of the bound is given to nobody who loads. */
const LOADED_SHARE_MIN = 1 / 16;

export class DedupMemory {
  readonly #bytesMax: number;
  readonly #board: HealthBoard;
  /** By topic. */
  readonly #holders = new Map<PartitionSet, IdHolder>();

  constructor(bytesMax: number, board: HealthBoard) {
    this.#bytesMax = bytesMax;
    this.#board = board;
  }

  /** Memory that the ids of one may take when they are loaded: those of others were there before. */
  roomFor(topic: PartitionSet): number {
    this.leave(topic); // What it has is loaded anew.
    const left = this.#bytesMax - this.#total();
    return Math.max(left, this.#bytesMax * LOADED_SHARE_MIN);
  }

  /** Its ids were loaded. */
  join(topic: PartitionSet, holder: IdHolder): void {
    this.#holders.set(topic, holder);
    this.look();
  }

  leave(topic: PartitionSet): void {
    this.#holders.delete(topic);
  }

  /** Has the largest let ids go where there are too many, and says so. O(topics); call it now and then. */
  look(): void {
    const excess = this.#total() - this.#bytesMax;
    if (excess > 0) {
      const [largest] = [...this.#holders.values()].toSorted(
        (one, other) => other.idBytes - one.idBytes,
      );
      largest?.letGo(excess + this.#bytesMax * FREED_SHARE);
    }
    this.#tell();
  }

  #total(): number {
    let total = 0;
    for (const [topic, holder] of this.#holders) {
      if (holder.isGone) this.#holders.delete(topic);
      else total += holder.idBytes;
    }
    return total;
  }

  #tell(): void {
    const names = [...this.#holders.values()]
      .filter((one) => one.needsDisk)
      .map((one) => one.topicName);
    const [first] = names;
    const code = 'dedup-over-memory';
    if (first === undefined) this.#board.clear({ code });
    else {
      const where =
        names.length === 1 ? `topic ${first}` : `${names.length} topics, such as ${first}`;
      const message = `not all ids fit ${this.#bytesMax} bytes: some of ${where} are looked for on the disk`;
      this.#board.raise({ code, message });
    }
  }
}
