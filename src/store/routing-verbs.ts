/** What can be asked of the process that has a store open about its exchanges and their bindings. */
import { argumentError, checkInteger } from '../core/assert.ts';
import {
  choice,
  count,
  fieldsOf,
  flag,
  list,
  nothing,
  nullable,
  optional,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import type { ReadFrom } from '../log/read-options.ts';
import { EXCHANGE_TYPES } from '../routing/binding.ts';
import type { Exchange } from '../routing/exchange.ts';
import { checkExchangeName, DEFAULT_EXCHANGE } from '../routing/exchange-name.ts';
import type { ExchangeStats } from '../routing/exchange-stats.ts';
import { CONFIRMATIONS } from '../routing/publish-options.ts';
import type { RebuildReport } from '../routing/rebuild.ts';
import {
  checkTopologyDocument,
  documentBinding,
  type TopologyDocument,
} from '../routing/topology-document.ts';
import { asGiven, carryOut, planImport } from '../routing/topology-import.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import { checkNew, controlVerb, type ControlVerb } from './control-verb.ts';
import { publishByName } from './default-publish.ts';
import { recordOf, socketRecordFields, type SocketRecord } from './record-verbs.ts';
import { knownTopics, topologyOf } from './store-topology.ts';
import type { Store } from './store.ts';
import { topicConfig } from './topic-config-shape.ts';

/** A time, as a clock measures it. */
const finite: Shape<number> = {
  check(name, value) {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw argumentError(TypeError, name, 'a number', value);
  },
};

/** @throws ConflictError for the default exchange, which has no log; NotFoundError */
function openLogged(store: Store, name: string): Promise<Exchange<Uint8Array>> {
  return store.exchange(checkExchangeName('exchange', name), { create: false });
}

/** A new exchange. @throws ConflictError when there is one of this name */
export const createExchange = controlVerb({
  name: 'createExchange',
  args: struct({
    exchange: text,
    type: choice(EXCHANGE_TYPES),
    alternate: nullable(text),
    internal: flag,
    autoDelete: flag,
    source: topicConfig,
  }),
  answer: nothing,
  async run(store, { exchange, ...options }) {
    checkExchangeName('exchange', exchange);
    checkNew({ kind: 'exchange', name: exchange }, store.exchanges());
    await store.exchange(exchange, options);
    return null;
  },
});

export const deleteExchange = controlVerb({
  name: 'deleteExchange',
  args: struct({ exchange: text }),
  answer: nothing,
  async run(store, { exchange }) {
    await store.deleteExchange(exchange);
    return null;
  },
});

const from: Shape<ReadFrom> = {
  check(name, value) {
    if (value === 'earliest' || value === 'latest') return value;
    if (typeof value === 'number') return checkInteger(name, value, { min: 0 });
    const [field, ...others] = fieldsOf(name, value);
    const [key, given] = field ?? [];
    const at = `${name}.${key}`;
    if (others.length === 0 && key === 'timestamp')
      return { timestamp: checkInteger(at, given, { min: 0 }) };
    if (others.length === 0 && key === 'last') return { last: checkInteger(at, given, { min: 0 }) };
    throw argumentError(TypeError, name, 'a place to begin at', value);
  },
};

export const addBinding = controlVerb({
  name: 'addBinding',
  args: struct({ binding: documentBinding, from: optional(from) }),
  answer: structWith({ bindingId: count }),
  async run(store, { binding, from: start }) {
    const [exchange, destination, pattern, conditions] = asGiven(binding);
    const options = { ...conditions, from: start };
    return store.exchangeCatalog.bind(exchange, destination, pattern, options);
  },
});

/** Whether there was such a binding. */
export const removeBinding = controlVerb({
  name: 'removeBinding',
  args: struct({ binding: documentBinding }),
  answer: flag,
  run: (store, { binding }) => store.exchangeCatalog.unbind(...asGiven(binding)),
});

/** A record to publish, as the socket has it. */
export interface PublishedRecord extends SocketRecord {
  readonly routingKey: string;
  readonly cc?: readonly string[] | undefined;
  readonly bcc?: readonly string[] | undefined;
}

const publishedRecord: Shape<PublishedRecord> = struct({
  ...socketRecordFields,
  routingKey: text,
  cc: optional(list(text)),
  bcc: optional(list(text)),
});

/**
 * Records to an exchange, in order; with `isMandatory` all or none of them. `routes` says how many went
 * which way; those that were published before went nowhere again.
 */
export const publishRecords = controlVerb({
  name: 'publishRecords',
  args: struct({
    exchange: text,
    durability: optional(choice(DURABILITY_LEVELS)),
    confirm: choice(CONFIRMATIONS),
    isMandatory: flag,
    records: list(publishedRecord),
  }),
  answer: structWith({
    /** In the source; of the default exchange, which has none, null. */
    baseOffset: nullable(count),
    recordCount: count,
    routes: list(structWith({ destinations: list(text), recordCount: count })),
    /** Where those are that were published before; `topic` of an exchange with a log is its source. */
    duplicates: list(structWith({ index: count, topic: text, partition: count, offset: count })),
  }),
  async run(store, { exchange, isMandatory: mandatory, records: sent, ...options }) {
    if (exchange === DEFAULT_EXCHANGE) {
      const { durability } = options;
      const published = await publishByName(store, sent, { mandatory, durability });
      return { ...published, routes: counted(published.routes) };
    }
    const handle = await store.exchange(exchange, { create: false });
    const records = sent.map(({ routingKey, cc, bcc, ...record }) => ({
      ...recordOf(record),
      routingKey,
      cc,
      bcc,
    }));
    const { destinations, ...placed } = await handle.publishBatch(records, {
      ...options,
      mandatory,
    });
    const source = { topic: SOURCE_PREFIX + exchange, partition: 0 };
    const duplicates = placed.duplicates.map((found) => ({ ...source, ...found }));
    const before = new Set(duplicates.map(({ index }) => index));
    const routes = destinations.filter((_, index) => !before.has(index));
    return { ...placed, routes: counted(routes), duplicates };
  },
});

function counted(routes: readonly (readonly string[])[]) {
  const counts = new Map<string, { destinations: readonly string[]; recordCount: number }>();
  for (const destinations of routes) {
    const id = JSON.stringify(destinations);
    const before = counts.get(id)?.recordCount ?? 0;
    counts.set(id, { destinations, recordCount: before + 1 });
  }
  return [...counts.values()];
}

const exchangeStats: Shape<ExchangeStats> = structWith({
  startOffset: count,
  endOffset: count,
  position: count,
  lagMs: finite,
  error: nullable(text),
  skippedCount: count,
  destinations: list(
    structWith({
      destination: text,
      partition: count,
      bindingId: nullable(count),
      position: count,
      lagCount: count,
      lagMs: finite,
      isBehind: flag,
      error: nullable(text),
      recordCount: count,
    }),
  ),
  backfills: list(structWith({ bindingId: count, position: count, error: nullable(text) })),
});

/** How far an exchange is projected: known to who has the store open alone. */
export const describeProjection = controlVerb({
  name: 'describeProjection',
  args: struct({ exchange: text }),
  answer: exchangeStats,
  run: async (store, { exchange }) => (await openLogged(store, exchange)).stats(),
});

/** How many records a destination will not get. */
export const detachDestination = controlVerb({
  name: 'detachDestination',
  args: struct({ exchange: text, destination: text }),
  answer: count,
  run: async (store, { exchange, destination }) =>
    (await openLogged(store, exchange)).detach(destination),
});

export const setAlternate = controlVerb({
  name: 'setAlternate',
  args: struct({ exchange: text, alternate: nullable(text) }),
  answer: nothing,
  async run(store, { exchange, alternate }) {
    await (await openLogged(store, exchange)).setAlternate(alternate);
    return null;
  },
});

const rebuildReport: Shape<RebuildReport> = structWith({
  destination: text,
  isDryRun: flag,
  partitions: list(
    structWith({
      partition: count,
      isDamaged: flag,
      unreadableCount: count,
      startOffset: count,
      endOffset: count,
      isReplaced: flag,
    }),
  ),
});

/** Makes again what is damaged of a destination. */
export const rebuildDestination = controlVerb({
  name: 'rebuildDestination',
  args: struct({ exchange: text, destination: text, isDryRun: flag }),
  answer: rebuildReport,
  run: async (store, { exchange, destination, isDryRun: dryRun }) =>
    (await openLogged(store, exchange)).rebuild(destination, { dryRun }),
});

/** How many streams still copy what was published before a binding was made. */
export const countBackfills = controlVerb({
  name: 'countBackfills',
  args: struct({ bindingId: count }),
  answer: count,
  async run(store, { bindingId }) {
    const streams = store
      .exchanges()
      .flatMap(({ exchangeId }) => store.projector.streamsOf(exchangeId));
    return streams.filter((stream) => stream.bindingId === bindingId).length;
  },
});

const topologyDocument: Shape<TopologyDocument> = {
  // Which exchanges there are besides is looked at when it is carried out.
  check: (_name, value) => checkTopologyDocument(value, () => true),
};

/** Has the topology be what a document says; with `isCreating`, queues and topics that it lacks come, too. */
export const importTopology = controlVerb({
  name: 'importTopology',
  args: struct({ topology: topologyDocument, prune: flag, isCreating: flag }),
  answer: nothing,
  async run(store, { topology, prune, isCreating }) {
    const stored = topologyOf(store);
    const isThere = (name: string) =>
      !prune && stored.exchanges.some((exchange) => exchange.name === name);
    const wanted = checkTopologyDocument(topology, isThere);
    const plan = planImport(wanted, stored, { prune, topics: knownTopics(store) });
    const missing = isCreating && plan.conflicts.length === 0 ? plan.missing : [];
    for (const { kind, name } of missing) {
      if (kind === 'topic') await store.topic(name);
      else await (await store.queue(name)).close();
    }
    await carryOut({ ...plan, missing: isCreating ? [] : plan.missing }, store.exchangeCatalog);
    return null;
  },
});

export const ROUTING_VERBS: readonly ControlVerb<unknown, unknown>[] = [
  createExchange,
  deleteExchange,
  addBinding,
  removeBinding,
  publishRecords,
  describeProjection,
  detachDestination,
  setAlternate,
  rebuildDestination,
  countBackfills,
  importTopology,
];
