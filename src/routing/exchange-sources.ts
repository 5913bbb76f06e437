/** What exchanges send from and to: their source logs, also of those that are gone and not projected to their end. */
import { NotFoundError } from '../core/errors.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { hasPast } from './backfill-state.ts';
import type { Binding } from './binding.ts';
import { checkDestination, type DestinationInput } from './exchange-options.ts';
import { exchanges } from './exchange-state.ts';

export class ExchangeSources {
  readonly #fold: Fold;
  readonly #topics: TopicCatalog;
  /** By exchange: from where on its past is asked for, and the journal does not say so yet. */
  readonly #held = new Map<number, number>();

  constructor(fold: Fold, topics: TopicCatalog) {
    this.#fold = fold;
    this.#topics = topics;
  }

  /** @throws ClosedError when the store was closed */
  checkOpen(): void {
    this.#topics.checkOpen();
  }

  /** Whether they are of the store that has this journal. */
  isOf(journal: Journal): boolean {
    return this.#topics.isOf(journal);
  }

  /** The topic whose one partition is the source; null when it is gone. */
  topicOf(exchangeId: number): PartitionSet | null {
    const topicId = this.topicIdOf(exchangeId);
    return topicId === null ? null : this.#topics.at(topicId);
  }

  /** What a queue or a topic of that name is made of; null = nothing is named so. */
  namedTopic(name: string): PartitionSet | null {
    return this.#topics.find(name);
  }

  /** Null when it is gone. */
  of(exchangeId: number): Partition | null {
    const topicId = this.topicIdOf(exchangeId);
    return topicId === null ? null : this.#topics.partitionAt(topicId, 0);
  }

  /** Keeps the past of an exchange from an offset on, until `letGo`. */
  hold(exchangeId: number, offset: number): void {
    this.#held.set(exchangeId, offset);
  }

  letGo(): void {
    this.#held.clear();
  }

  /** Infinite when none of its past is kept. */
  heldFrom(exchangeId: number): number {
    return this.#held.get(exchangeId) ?? Number.POSITIVE_INFINITY;
  }

  /** Null when nothing is known of the exchange any more. */
  topicIdOf(exchangeId: number): number | null {
    return this.#fold.get(exchanges, String(exchangeId))?.topicId ?? null;
  }

  /** Null when nothing is known of the exchange any more. */
  nameOf(exchangeId: number): string | null {
    return this.#fold.get(exchanges, String(exchangeId))?.name ?? null;
  }

  /** The exchange whose source log is the partition of a topic; null = it is none. */
  exchangeIdOf(topicId: number): number | null {
    for (const id of this.#fold.ids(exchanges)) {
      if (this.#fold.get(exchanges, id)?.topicId === topicId) return Number(id);
    }
    return null;
  }

  /** The id of a queue or a topic. @throws NotFoundError; ClosedError; TypeError, RangeError */
  destinationId(destination: DestinationInput): number {
    this.checkOpen();
    const { kind, name } = checkDestination(destination);
    if (kind === 'exchange') throw new NotFoundError({ kind: 'topic', name });
    return this.#topics.describe(name).topicId;
  }

  /** Whether a binding leads to a topic now. O(bindings) */
  isBound(topicId: number): boolean {
    return this.#fold.ids(exchanges).some((id) => {
      const bindings = this.#fold.get(exchanges, id)?.bindings.values() ?? [];
      return [...bindings].some(
        ({ target, toVersion }) =>
          toVersion === null && target.kind === 'topic' && target.id === topicId,
      );
    });
  }

  /** Whether there is still a source of an exchange of that name that is gone. */
  isLeft(name: string): boolean {
    return this.left().some((exchangeId) => this.nameOf(exchangeId) === name);
  }

  /** Ids of exchanges that are gone, and their sources are not. */
  left(): number[] {
    const ids = this.#fold.ids(exchanges).filter((id) => {
      const state = this.#fold.get(exchanges, id);
      const isGone = state !== null && state.toVersion !== null;
      return isGone && this.#topics.nameOf(state.topicId) !== null;
    });
    return ids.map(Number);
  }

  /** Whether a binding was taken away, and its exchange is still there. */
  isUnbound(bindingId: number): boolean {
    return this.#fold.ids(exchanges).some((id) => {
      const state = this.#fold.get(exchanges, id);
      const binding = state?.bindings.get(bindingId);
      return state?.toVersion === null && binding !== undefined && binding.toVersion !== null;
    });
  }

  /** Whether a binding was made with a past. */
  hasPast({ bindingId }: Pick<Binding, 'bindingId'>): boolean {
    return hasPast(this.#fold, bindingId);
  }

  /** A binding, also one that is gone, as long as anything is known of it. */
  binding(bindingId: number): Binding | null {
    for (const id of this.#fold.ids(exchanges)) {
      const state = this.#fold.get(exchanges, id)?.bindings.get(bindingId);
      if (state === undefined) continue;
      const { target, routingKey, headers } = state;
      return { exchangeId: Number(id), bindingId, target, routingKey, headers };
    }
    return null;
  }
}
