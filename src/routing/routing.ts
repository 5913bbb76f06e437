/** Exchanges, and what projects them: the part of a store that its topics know of. */
import type { Clock } from '../core/clock.ts';
import type { HealthBoard } from '../core/health-board.ts';
import type { Random } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TrimGuard } from '../log/trim-guard.ts';
import type { TopicCatalog, TopicDependents } from '../topic/catalog.ts';
import type { TopicUsers } from '../topic/topic-deletions.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import { ExchangeCatalog } from './exchange-catalog.ts';
import { Projector } from './projector.ts';

export interface RoutingParts {
  readonly fold: Fold;
  readonly journal: Journal;
  readonly topics: TopicCatalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly board: HealthBoard;
}

export class Routing implements Pick<TopicDependents, 'forget' | 'grown'> {
  readonly exchanges: ExchangeCatalog;
  readonly projector: Projector;
  readonly #topics: TopicCatalog;

  constructor(parts: RoutingParts) {
    this.#topics = parts.topics;
    this.exchanges = new ExchangeCatalog(parts);
    this.projector = new Projector({ ...parts, exchanges: this.exchanges });
    this.exchanges.attach(this.projector);
  }

  /** What batches of a log are stamped with: those of the source of an exchange; null = nothing. */
  topologyVersionOf(topicId: number): (() => number) | null {
    const isSource = this.#topics.nameOf(topicId)?.startsWith(SOURCE_PREFIX) === true;
    return isSource ? () => this.exchanges.version : null;
  }

  /** Who is asked before records of a log go. */
  guardOf(topicId: number, logId: number): TrimGuard {
    return this.projector.guardOf(topicId, logId);
  }

  /** Nothing leads to a topic any more, and what was on its way goes nowhere. */
  async forget(topicId: number): Promise<TopicUsers> {
    const exchanges = await this.exchanges.forgetTopic(topicId);
    this.projector.topicDeleted(topicId);
    return { groups: [], exchanges };
  }

  /** @throws NotFoundError when there is no exchange of that name */
  checkNamed(name: string): void {
    this.exchanges.describe(name);
  }

  /** A commit has brought records to the source of an exchange: they are copied once they are durable. */
  published(name: string): void {
    const exchange = this.exchanges.list().find((each) => each.name === name);
    if (exchange === undefined) return; // It was deleted meanwhile.
    const { exchangeId } = exchange;
    this.exchanges.sources.of(exchangeId)?.opened?.forStore().encoded.syncSoon();
    this.projector.poke(exchangeId);
  }

  grown(topicId: number): Promise<void> {
    return this.exchanges.grown(topicId);
  }
}
