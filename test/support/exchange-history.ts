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
import {
  backfillBegun,
  backfillCut,
  backfillsForgotten,
  projectionEnded,
  projectionMarked,
} from '../../src/routing/projection-entries.ts';
import { COMMON_STREAM } from '../../src/routing/projection-state.ts';
import { HEADER_MATCHES } from '../../src/routing/header-conditions.ts';
import type { Say, ShareDraw } from './share-history.ts';

const EXCHANGES_MAX = 4;
const TOPICS = 3;

/** Weights by repetition; a prime count of them, so that every draw reaches all. */
const KINDS = [
  'created',
  'bound',
  'bound',
  'bound',
  'unbound',
  'unbound',
  'unbound',
  'unbound',
  'altered',
  'deleted',
  'pruned',
  'sized',
  'sized',
  'marked',
  'past',
  'past',
  'past',
  'past',
  'past',
  'past',
  'ended',
  'ended',
  'cut',
  'cut',
  'cut',
  'cut',
  'cut',
  'forgotten',
  'forgotten',
] as const;

interface KnownExchange {
  readonly bindingIds: number[];
  /** That have not ended; 0 = the common one. */
  readonly streams: Set<number>;
  /** Backfills that were begun and not forgotten. */
  readonly pasts: Set<number>;
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
    const kind = present(KINDS[(31 * one + 13 * two + 7 * timeMs) % KINDS.length], 'a kind');
    const isRoom = live.length < EXCHANGES_MAX;
    if (known === undefined || exchangeId === undefined || (kind === 'created' && isRoom)) {
      return this.#create({ one, two, timeMs }, say);
    }
    if (kind === 'pruned') return this.#prune({ one, two, timeMs }, say);
    if (kind === 'sized') return this.#size({ one, two, timeMs }, say);
    if (isOfProjection(kind)) {
      return projectionStep(kind, { exchangeId, ...known }, { one, two, timeMs }, say);
    }
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
    const streams = new Set([COMMON_STREAM]);
    this.#exchanges.set(exchangeId, {
      bindingIds: [],
      streams,
      pasts: new Set(),
      deletedVersion: null,
    });
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

const PROJECTION_KINDS = ['marked', 'past', 'ended', 'cut', 'forgotten'] as const;

type ProjectionKind = (typeof PROJECTION_KINDS)[number];

function isOfProjection(kind: string): kind is ProjectionKind {
  return PROJECTION_KINDS.some((one) => one === kind);
}

/** A mark of a stream, its end, or the beginning of a backfill. */
function projectionStep<R>(
  kind: ProjectionKind,
  { exchangeId, bindingIds, streams, pasts }: KnownExchange & { readonly exchangeId: number },
  { one, two, timeMs }: ShareDraw,
  say: Say<R>,
): R {
  if (kind === 'forgotten') {
    const over = [...pasts].filter((id) => !streams.has(id)).slice(0, 1 + (one % 3));
    for (const id of over) pasts.delete(id);
    return say(backfillsForgotten, { streams: over.map((stream) => ({ exchangeId, stream })) });
  }
  const isOver = streams.size > 1 && (kind !== 'marked' || (one + two) % 2 === 0);
  if (kind !== 'marked' && !isOver) {
    // Nobody asks whether there is such a binding.
    const isNew = (id: number): boolean => !streams.has(id) && !pasts.has(id);
    let bindingId = bindingIds.find(isNew) ?? 1000 * exchangeId;
    while (!isNew(bindingId)) bindingId++;
    streams.add(bindingId);
    pasts.add(bindingId);
    return say(backfillBegun, { exchangeId, bindingId, fromOffset: two, version: one, timeMs });
  }
  const all = [...streams];
  if (isOver) {
    const ended = present(all.at(-1), 'there is a second one');
    streams.delete(ended);
    if (kind !== 'cut') return say(projectionEnded, { exchangeId, stream: ended, timeMs });
    const logs = Array.from({ length: two % 3 }, (_, at) => ({ logId: 1 + at, position: one }));
    return say(backfillCut, { exchangeId, stream: ended, logs, timeMs });
  }
  const stream = present(all[one % all.length], 'there is one at least');
  const logs = Array.from({ length: two % 3 }, (_, at) => ({
    logId: 1 + ((one + at) % 4),
    topicId: two,
    partition: at,
    position: one,
    endOffset: one + two,
    isBehind: (one + at) % 2 === 0,
  }));
  const goneLogIds = one % 3 === 0 ? [1 + (two % 4)] : [];
  const skippedCount = one % 5 === 0 ? two : 0;
  const name = { exchangeId, stream };
  return say(projectionMarked, { ...name, position: two, logs, goneLogIds, skippedCount });
}
