/** Commits positions of one group: what arrives while an entry is on its way shares the next one. */
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../journal/journal.ts';
import { offsetsCommitted, type PositionChange } from './group-state.ts';

export interface OffsetCommitterOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly topicId: number;
  readonly group: string;
}

/** What is to be committed, by partition: the last one counts. */
type Changes = Map<number, PositionChange>;

export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions;
  #changes: Changes = new Map();
  /** The entry that will take `#changes` along; null = there are none. */
  #next: Promise<void> | null = null;
  /** The entry on its way. */
  #current: Promise<void> = Promise.resolve();

  constructor(options: OffsetCommitterOptions) {
    this.#options = options;
  }

  /** Resolves when the positions are synced. @throws as `Journal.append` */
  commit(changes: readonly PositionChange[]): Promise<void> {
    for (const change of changes) this.#changes.set(change.partition, change);
    this.#next ??= this.#current.then(() => this.#write());
    return this.#next;
  }

  /** Waits for everything that was committed so far, whatever becomes of it. */
  async idle(): Promise<void> {
    await (this.#next ?? this.#current).catch(() => undefined);
  }

  async #write(): Promise<void> {
    const { journal, clock, topicId, group } = this.#options;
    const positions = [...this.#changes.values()];
    this.#changes = new Map();
    this.#next = null;
    const entry = { topicId, group, positions, timeMs: clock.now() };
    const written = journal.append(offsetsCommitted, entry, 'sync').then(() => undefined);
    this.#current = written.catch(() => undefined); // The next one does not depend on its fate.
    await written;
  }
}
