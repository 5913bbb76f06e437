/** Random entries about producers and deduplication that no rule refuses. */
import { present } from '../../src/core/assert.ts';
import { DEDUP_BY, DEDUP_SCOPES } from '../../src/topic/dedup-options.ts';
import { dedupBegun } from '../../src/topic/dedup-state.ts';
import {
  producerDeleted,
  producerOpened,
  producersNoted,
  type ProducedRun,
} from '../../src/topic/producer-state.ts';
import type { Say, ShareDraw } from './share-history.ts';

const PRODUCERS_MAX = 4;
const LOGS = 3;

/** Weights by repetition; a prime count of them, so that every draw reaches all. */
const KINDS = [
  'opened',
  'opened',
  'noted',
  'noted',
  'noted',
  'noted',
  'noted',
  'noted',
  'deleted',
  'deleted',
  'deleted',
  'begun',
  'begun',
] as const;

export class ProducerHistory {
  readonly #producerIds: number[] = [];
  #nextId = 1;

  /** @param topicIds  of topics that are there */
  step<R>(topicIds: readonly number[], { one, two, timeMs }: ShareDraw, say: Say<R>): R {
    const topicId = present(topicIds[two % topicIds.length], 'a topic');
    // Draws prefer small numbers; kinds must not.
    const kind = present(KINDS[(31 * one + 13 * two + 7 * timeMs) % KINDS.length], 'a kind');
    if (kind === 'begun') {
      return say(dedupBegun, {
        topicId,
        by: present(DEDUP_BY[one % DEDUP_BY.length], 'a choice'),
        scope: present(DEDUP_SCOPES[two % DEDUP_SCOPES.length], 'a choice'),
        seed: 1000 * one + two,
        logs: logsOf(one, two),
        timeMs,
      });
    }
    const ids = this.#producerIds;
    if (kind === 'opened' || ids.length === 0) return this.#open({ one, two, timeMs }, say);
    if (kind === 'deleted') {
      const [producerId] = ids.splice(one % ids.length, 1);
      return say(producerDeleted, {
        producerId: present(producerId, 'there is one'),
        topicIds: topicIds.slice(0, 1 + (two % 3)),
        timeMs,
      });
    }
    const producers = ids.slice(one % ids.length).map((producerId, at) => ({
      producerId,
      // Also below what was noted before: the fold must not go back.
      confirmed: (one * (at + 1)) % 50,
      runs: runsOf(one + at, two),
    }));
    return say(producersNoted, { topicId, logs: logsOf(two, one), producers, timeMs });
  }

  #open<R>({ one, two, timeMs }: ShareDraw, say: Say<R>): R {
    const ids = this.#producerIds;
    const known = ids[one % PRODUCERS_MAX];
    const producerId = known ?? this.#nextId++;
    if (known === undefined) ids.push(producerId);
    const name = `übrige ${producerId}`;
    return say(producerOpened, { producerId, name, epoch: 1 + (two % 9), timeMs });
  }
}

function logsOf(one: number, two: number): { logId: number; offset: number }[] {
  return Array.from({ length: one % LOGS }, (_, at) => ({
    logId: 100 + ((at + two) % LOGS),
    offset: (one * 7 + two) % 90,
  }));
}

function runsOf(one: number, two: number): ProducedRun[] {
  return Array.from({ length: one % 4 }, (_, at) => ({
    first: one + 10 * at,
    last: one + 10 * at + (two % 5),
    count: 1 + (two % 5),
    partition: two % 3,
    baseOffset: one * two + at,
  }));
}
