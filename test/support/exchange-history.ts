/** Random entries about exchanges and bindings that no rule refuses. */
import { present } from '../../src/core/assert.ts';
import { EXCHANGE_TYPES } from '../../src/routing/binding.ts';
import {
  bindingAdded,
  bindingRemoved,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
  topologyPruned,
} from '../../src/routing/exchange-entries.ts';
import { HEADER_MATCHES } from '../../src/routing/header-conditions.ts';
import type { Say, ShareDraw } from './share-history.ts';

const EXCHANGES_MAX = 4;

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
] as const;

interface KnownExchange {
  readonly bindingIds: number[];
  /** Null while it is there. */
  deletedVersion: number | null;
}

export class ExchangeHistory {
  readonly #exchanges = new Map<number, KnownExchange>();
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
    if (kind === 'pruned') return this.#prune(one, say);
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

  #prune<R>(one: number, say: Say<R>): R {
    const belowVersion = Math.max(0, this.#version - (one % 5));
    const exchangeIds = [...this.#exchanges.keys()];
    for (const [exchangeId, { deletedVersion }] of this.#exchanges) {
      if (deletedVersion !== null && deletedVersion <= belowVersion) {
        this.#exchanges.delete(exchangeId);
      }
    }
    return say(topologyPruned, { exchangeIds, belowVersion });
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
