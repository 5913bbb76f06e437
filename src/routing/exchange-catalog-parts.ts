/** What the exchanges of a store are journaled with. */
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { TopicCatalog } from '../topic/catalog.ts';

export interface ExchangeCatalogParts {
  readonly fold: Fold;
  readonly journal: Journal;
  readonly topics: TopicCatalog;
  readonly clock: Clock;
  readonly random: Random;
}
