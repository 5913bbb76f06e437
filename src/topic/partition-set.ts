/** All partitions of one topic, shared by its handles. */
import { join } from 'node:path';
import { present } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { settleAll } from '../core/settle-all.ts';
import type { StateView } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { Log } from '../log/log.ts';
import type { DedupFigures } from './dedup-figures.ts';
import { DedupGate } from './dedup-gate.ts';
import { Partition, type PartitionParts } from './partition.ts';
import { storeClosed, type TopicHome } from './topic-home.ts';
import { topicDirectoryName } from './topic-names.ts';
import { topics, type TopicSettings, type TopicState } from './topic-state.ts';

export class PartitionSet {
  readonly topicId: number;
  readonly name: string;
  readonly #home: TopicHome;
  readonly #view: StateView<TopicState>;
  readonly #partitions: Partition[] = [];
  readonly #onGrown = new Set<() => void>();
  #dedup: DedupGate | null = null;
  #isClosed = false;
  /** Whether each of its records may be stored already, with an id or without: kept here for each append. */
  dedupsContent: boolean;

  constructor(home: TopicHome, topicId: number, name: string) {
    this.#home = home;
    this.#view = home.fold.view(topics, String(topicId));
    this.topicId = topicId;
    this.name = name;
    this.dedupsContent = this.#state?.options.dedupBy === 'content';
  }

  /** For records that may be stored already. */
  get dedup(): DedupGate {
    return (this.#dedup ??= new DedupGate(this.#home, this));
  }

  /** Null = nobody has looked for duplicates. */
  get dedupFigures(): DedupFigures | null {
    return this.#dedup?.figures ?? null;
  }

  /** As the journal has it now. */
  get count(): number {
    return this.#state?.logIds.length ?? 0;
  }

  /** @throws ClosedError when the topic was deleted */
  get settings(): TopicSettings {
    const state = this.#state;
    if (state === null) throw this.closedError();
    return state.options;
  }

  get isDeleted(): boolean {
    return this.#state?.isDeleting ?? true;
  }

  /** Whether the topic was deleted, or the store closed. */
  get isGone(): boolean {
    return this.#isClosed || this.isDeleted;
  }

  /** Whether it is of the store that has this journal. */
  isOf(journal: Journal): boolean {
    return this.#home.journal === journal;
  }

  /** What callers of a topic that is gone are told: that it was deleted, or the store closed. */
  closedError(): ClosedError {
    if (!this.#isClosed || this.isDeleted) {
      return new ClosedError({ resource: 'topic', name: this.name });
    }
    return storeClosed(this.#home);
  }

  /** What callers are told of an error: of a topic that is gone, its log need not be named. */
  toldOf(error: unknown): unknown {
    return error instanceof ClosedError && this.isGone ? this.closedError() : error;
  }

  /** @throws ClosedError when the topic was deleted, or the store closed */
  checkThere(): void {
    if (this.isGone) throw this.closedError();
  }

  get clock(): Clock {
    return this.#home.clock;
  }

  get random(): Random {
    return this.#home.random;
  }

  /** @param number  below `count` @throws ClosedError when the store was closed, or it was deleted */
  at(number: number): Partition {
    this.checkThere(); // Another process may have the store by now: nothing may be opened any more.
    if (number >= this.#partitions.length) this.#fill(number + 1);
    return present(this.#partitions[number], 'made above');
  }

  /** All of them, also when they are closed for good: to be looked at. */
  all(): readonly Partition[] {
    this.#fill(this.count);
    return this.#partitions;
  }

  #fill(count: number): void {
    const { logIds } = present(this.#state, 'the topic is there');
    for (let next = this.#partitions.length; next < count; next++) {
      const logId = present(logIds[next], 'the caller checked the number');
      this.#partitions.push(this.#make(next, { logId, settings: () => this.settings }));
    }
  }

  /** Logs of the partitions that are open. */
  opened(): readonly Log<Uint8Array>[] {
    return this.#partitions.flatMap(({ opened }) => (opened === null ? [] : [opened]));
  }

  /** Makes everything appended so far durable. @throws as `Log.sync` */
  async sync(): Promise<void> {
    await Promise.all(this.#partitions.map((partition) => partition.sync()));
  }

  /** Creates logs for partitions from `first` on, durably. @returns their ids */
  async create(first: number, count: number, settings: TopicSettings): Promise<readonly number[]> {
    const logIds: number[] = [];
    for (let number = first; number < first + count; number++) {
      const partition = this.#make(number, { logId: null, settings: () => settings });
      logIds.push(await partition.use((log) => Promise.resolve(log.logId)));
      await partition.close(); // Most of many partitions are not used at once.
    }
    return logIds;
  }

  /** The journal has new settings: brings them to the logs that are open. */
  configure(): void {
    this.dedupsContent = this.settings.dedupBy === 'content';
    for (const partition of this.#partitions) partition.configure(this.settings);
  }

  /** Calls `callback`, which must not throw, whenever partitions came. @returns ends that */
  watch(callback: () => void): () => void {
    this.#onGrown.add(callback);
    return () => void this.#onGrown.delete(callback);
  }

  /** The journal has new partitions. */
  grown(): void {
    for (const callback of this.#onGrown) callback();
  }

  /** Closes every log. @throws the first failure, when all are closed */
  async close(): Promise<void> {
    this.#isClosed = true;
    await settleAll(this.#partitions.map((one) => one.close()));
  }

  get #state(): TopicState | null {
    return this.#view.state;
  }

  #make(number: number, parts: Pick<PartitionParts, 'logId' | 'settings'>): Partition {
    const directory = join(this.#home.path, topicDirectoryName(this.name, this.topicId));
    const { topicId, name: topic } = this;
    const closedError = (): ClosedError => this.closedError();
    const onReplaced = (): void => this.#dedup?.forget();
    const shared = { home: this.#home, topicId, topic, directory, closedError, onReplaced };
    return new Partition({ ...shared, number, ...parts });
  }
}
