/** Random entries about exchanges and bindings that no rule refuses. */
import { present } from '../../src/core/assert.ts';
import { EXCHANGE_TYPES } from '../../src/routing/binding.ts';
import {
  bindingAdded,
  bindingRemoved,
  destinationSized,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
  topologyPruned,
} from '../../src/routing/exchange-entries.ts';
import { HEADER_MATCHES } from '../../src/routing/header-conditions.ts';
import type { Say, ShareDraw } from './share-history.ts';

const EXCHANGES_MAX = 4;
const TOPICS = 3;

/** Weights by repetition. */
const KINDS = [
  'created',
  'bound',
  'bound',
  'bound',
  'unbound',
  'unbound',
  'altered',
  'deleted',
  'pruned',
  'sized',
  'sized',
] as const;

interface KnownExchange {
  readonly bindingIds: number[];
  /** Null while it is there. */
  deletedVersion: number | null;
}

export class ExchangeHistory {
  readonly #exchanges = new Map<number, KnownExchange>();
  /** Whose size is known. */
  readonly #topicIds = new Set<number>();
  #version = 0;
  #nextId = 1;

  step<R>({ one, two, timeMs }: ShareDraw, say: Say<R>): R {
    const live = [...this.#exchanges].filter(([, { deletedVersion }]) => deletedVersion === null);
    const [exchangeId, known] = live[two % Math.max(1, live.length)] ?? [];
    // Draws prefer small numbers; kinds must not.
    const kind = present(KINDS[(31 * one + 17 * two + 7 * timeMs) % KINDS.length], 'a kind');
    const isRoom = live.length < EXCHANGES_MAX;
    if (known === undefined || exchangeId === undefined || (kind === 'created' && isRoom)) {
      return this.#create({ one, two, timeMs }, say);
    }
    if (kind === 'pruned') return this.#prune({ one, two, timeMs }, say);
    if (kind === 'sized') return this.#size({ one, two, timeMs }, say);
    const at = { exchangeId, version: ++this.#version, timeMs };
    if (kind === 'altered') {
      return say(exchangeAltered, { ...at, alternateId: one % 3 === 0 ? null : one });
    }
    if (kind === 'deleted') {
      known.deletedVersion = at.version;
      return say(exchangeDeleted, at);
    }
    const { bindingIds } = known;
    const bindingId = bindingIds[one % Math.max(1, bindingIds.length)];
    if (kind === 'unbound' && bindingId !== undefined) {
      return say(bindingRemoved, { ...at, bindingId });
    }
    const addedId = this.#nextId++;
    bindingIds.push(addedId);
    const target = { kind: one % 2 === 0 ? ('topic' as const) : ('exchange' as const), id: two };
    const routingKey = `key.${one}.#`;
    return say(bindingAdded, {
      ...at,
      bindingId: addedId,
      target,
      routingKey,
      headers: headersOf(one, two),
    });
  }

  #create<R>({ one, two, timeMs }: ShareDraw, say: Say<R>): R {
    const exchangeId = this.#nextId++;
    this.#exchanges.set(exchangeId, { bindingIds: [], deletedVersion: null });
    return say(exchangeCreated, {
      exchangeId,
      version: ++this.#version,
      timeMs,
      name: `exchange ${two}`,
      type: present(EXCHANGE_TYPES[one % EXCHANGE_TYPES.length], 'a type'),
      topicId: 1000 + one,
      isInternal: one % 2 === 0,
      isAutoDelete: two % 2 === 0,
      alternateId: one % 3 === 0 ? null : two,
    });
  }

  #size<R>({ one, two, timeMs }: ShareDraw, say: Say<R>): R {
    const topicId = 1 + (two % TOPICS);
    this.#topicIds.add(topicId);
    const partitionCount = 1 + one;
    return say(destinationSized, { topicId, partitionCount, version: ++this.#version, timeMs });
  }

  #prune<R>({ one, two }: ShareDraw, say: Say<R>): R {
    const belowVersion = Math.max(0, this.#version - (one % 5));
    const exchangeIds = [...this.#exchanges.keys()];
    for (const [exchangeId, { deletedVersion }] of this.#exchanges) {
      if (deletedVersion !== null && deletedVersion <= belowVersion) {
        this.#exchanges.delete(exchangeId);
      }
    }
    const isLeft = (topicId: number): boolean => (topicId + two) % TOPICS === 0;
    const leftTopicIds = [...this.#topicIds].filter(isLeft);
    for (const topicId of leftTopicIds) this.#topicIds.delete(topicId);
    const topicIds = [...this.#topicIds];
    return say(topologyPruned, { exchangeIds, belowVersion, topicIds, leftTopicIds });
  }
}

function headersOf(one: number, two: number) {
  if (one % 4 === 3) return null;
  return {
    match: present(HEADER_MATCHES[two % HEADER_MATCHES.length], 'a match'),
    conditions: [
      { name: 'there', value: null },
      { name: `value ${one}`, value: Uint8Array.of(two % 256) },
    ].slice(0, one % 3),
  };
}
