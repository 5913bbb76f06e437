/** Where the destination logs of exchanges are. */
import type { Fold } from '../journal/fold.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Partition } from '../topic/partition.ts';
import { topics } from '../topic/topic-state.ts';

export interface DestinationLog {
  readonly topicId: number;
  readonly logId: number;
  readonly log: Partition;
}

export class DestinationLogs {
  readonly #fold: Fold;
  readonly #catalog: TopicCatalog;

  constructor(fold: Fold, catalog: TopicCatalog) {
    this.#fold = fold;
    this.#catalog = catalog;
  }

  /** Null when the topic is gone. */
  find(topicId: number, partition: number): DestinationLog | null {
    const state = this.#fold.get(topics, String(topicId));
    const logId = state?.logIds[partition];
    if (state === null || state.isDeleting || logId === undefined) return null;
    const log = this.#catalog.partitionAt(topicId, partition);
    return log === null ? null : { topicId, logId, log };
  }

  /** Null when the topic is gone. */
  nameOf(topicId: number): string | null {
    const state = this.#fold.get(topics, String(topicId));
    return state === null || state.isDeleting ? null : state.name;
  }
}
