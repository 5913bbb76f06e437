/**
 * Topics on their way out. The entry that says so is durable before anything goes; what a crash left
 * is taken up again when the store is opened.
 */
import { join } from 'node:path';
import { present } from '../core/assert.ts';
import { resolveLogOptions } from '../log/log-options.ts';
import { removeLogs, type LogRemoval } from '../log/log-removal.ts';
import type { TopicHome } from './topic-home.ts';
import { topicDirectoryName } from './topic-names.ts';
import { topicDeleted, topics } from './topic-state.ts';

/** What went with a topic. */
export interface TopicDeletion extends LogRemoval {
  readonly name: string;
  readonly topicId: number;
  /** Consumer groups and share groups that read it, by name. */
  readonly groups: readonly string[];
  /** Exchanges whose bindings led to it, and ended, by name. */
  readonly exchanges: readonly string[];
}

/** Those who had to do with a topic that is gone, by name. */
export type TopicUsers = Pick<TopicDeletion, 'groups' | 'exchanges'>;

export interface TopicDeletionsOptions {
  readonly home: TopicHome;
  /** Ends what reads and writes the topic, and forgets what is known of its readers. */
  readonly release: (topicId: number) => Promise<TopicUsers>;
}

export class TopicDeletions {
  readonly #options: TopicDeletionsOptions;
  /** By topic id. */
  readonly #running = new Map<number, Promise<TopicDeletion>>();
  /** Why files of a deleted topic are still there; null when none are. */
  lastError: unknown = null;

  constructor(options: TopicDeletionsOptions) {
    this.#options = options;
  }

  /** Takes up, in the background, what an earlier process began: a failure is kept in `lastError`. */
  resume(): void {
    const { fold } = this.#options.home;
    for (const id of fold.ids(topics)) {
      const isDeleting = fold.get(topics, id)?.isDeleting === true;
      if (isDeleting) this.finish(Number(id)).catch(() => undefined);
    }
  }

  /** Removes what is left of a topic whose deletion is durable. @throws IoError */
  finish(topicId: number): Promise<TopicDeletion> {
    const running = this.#finish(topicId)
      .catch((error: unknown) => {
        this.lastError = error;
        throw error;
      })
      .finally(() => this.#running.delete(topicId));
    this.#running.set(topicId, running);
    return running;
  }

  /** Waits for all that are running, whatever becomes of them. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  async #finish(topicId: number): Promise<TopicDeletion> {
    const { home, release } = this.#options;
    const { fold, journal, path } = home;
    const { name, logIds } = present(fold.get(topics, String(topicId)), 'it is being deleted');
    const { groups, exchanges } = await release(topicId);
    const { fileSystem } = resolveLogOptions(home.logOptions);
    const directory = join(path, topicDirectoryName(name, topicId));
    const { deletedBytes, keptPaths } = await removeLogs(fileSystem, directory, logIds);
    await journal.append(topicDeleted, { topicId }, 'sync');
    return { name, topicId, groups, exchanges, deletedBytes, keptPaths };
  }
}
