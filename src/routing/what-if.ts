/**
 * What-if: where the records of an exchange's past would have gone by another topology, beside where
 * they went. By the step that projection takes too; nothing is written.
 */
import { argumentError, assert, checkInteger, present } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import { list } from '../core/shape.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf } from '../format/batch-records.ts';
import type { Partition } from '../topic/partition.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { RecordSource } from '../log/record-source.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { Hypothesis } from './hypothesis.ts';
import { RecordRoutes } from './record-routes.ts';
import { CommonRoutes } from './stream-routes.ts';
import { RouteTally, type SimulationSummary } from './route-tally.ts';
import {
  checkTopologyDocument,
  documentBinding,
  exportTopology,
  type DocumentBinding,
  type KnownTopic,
  type TopologyDocument,
} from './topology-document.ts';

export interface SimulateOptions {
  /** A whole topology, as `exportTopology` gives it; default the present one. */
  readonly topology?: TopologyDocument | undefined;
  /** Bindings that it would have more. Queues and topics need not be there. */
  readonly bind?: readonly DocumentBinding[] | undefined;
  /** Bindings that it would not have. */
  readonly unbind?: readonly DocumentBinding[] | undefined;
  /** Where in the exchange's past to begin; default `earliest`. */
  readonly from?: ReadFrom | undefined;
  /**
   * Offsets below this, or what comes before the first record of the range whose create time is at or
   * after `timestamp` (ms since the Unix epoch); default all that can be read when it begins.
   */
  readonly to?: number | { readonly timestamp: number } | undefined;
  /** Ends it with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One record of the past. */
export interface SimulatedRecord {
  /** In the exchange's source log. */
  readonly offset: number;
  /** Names of queues and topics that it would have gone to, in order; shared: leave it as it is. */
  readonly destinations: readonly string[];
}

export interface WhatIfParts {
  /** Name of the exchange. */
  readonly exchange: string;
  /** Its source; open during the run. */
  readonly source: Pick<Partition, 'hold' | 'log'>;
  readonly catalog: Pick<ExchangeCatalog, 'list' | 'bindings' | 'describe' | 'history' | 'version'>;
  readonly topics: readonly KnownTopic[];
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof SimulateOptions>([
  'topology',
  'bind',
  'unbind',
  'from',
  'to',
  'signal',
]);

/** One run over the past of an exchange: iterate it, or `run` it, once. */
export class WhatIf implements AsyncIterable<SimulatedRecord> {
  readonly #parts: WhatIfParts;
  readonly #options: SimulateOptions;
  readonly #hypothesis: Hypothesis;
  readonly #routes: RecordRoutes;
  readonly #tally: RouteTally;
  readonly #cursor = new BatchCursor();
  #hasBegun = false;
  /** Where records went. */
  readonly #recorded: CommonRoutes;
  /** Names of the topics of a route, sorted; routes that were found before are the same arrays. */
  readonly #names = new WeakMap<readonly number[], readonly string[]>();

  /**
   * @throws NotFoundError for the exchange, and for exchanges and unbound bindings of the hypothesis that
   *   are not there; as `checkTopologyDocument`, with places such as `bind[0].pattern`
   */
  constructor(parts: WhatIfParts, given: SimulateOptions) {
    const options = plainOptions(given, KNOWN_OPTIONS);
    checkEnd(options.to);
    const { exchange, catalog, topics } = parts;
    const { topology, bind = [], unbind = [] } = options;
    this.#parts = parts;
    this.#options = options;
    const { exchangeId } = catalog.describe(exchange);
    const document =
      topology === undefined ? exportTopology(catalog, topics) : checkTopologyDocument(topology);
    this.#hypothesis = new Hypothesis(document, topics, takenIds(catalog), catalog.list());
    this.#hypothesis.change(named('bind', bind), named('unbind', unbind));
    const hypotheticalId = this.#hypothesis.exchangeId(exchange);
    this.#routes = new RecordRoutes(this.#hypothesis.topology, hypotheticalId);
    this.#tally = new RouteTally((topicId) => this.#hypothesis.topicName(topicId));
    this.#recorded = new CommonRoutes(catalog.history, exchangeId);
  }

  /** What was gone through so far. */
  get summary(): SimulationSummary {
    return this.#tally.summary;
  }

  /** Goes through everything without telling of each record. @throws as iteration */
  async run(): Promise<SimulationSummary> {
    for await (const _batch of this.#batches(() => undefined)) {
      // Counted already.
    }
    return this.summary;
  }

  /**
   * Each record of the range, in order, also those that would go nowhere.
   *
   * It ends in front of records that were published under a version of the topology that this handle of
   * the store does not know, as a read-only one beside a writer: see `SimulationSummary.unknownFrom`.
   *
   * @throws as `Log.batches`
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<SimulatedRecord, void, void> {
    let records: SimulatedRecord[] = [];
    const add = (topicIds: readonly number[]): void => {
      records.push({ offset: this.#cursor.offset, destinations: this.#namesOf(topicIds) });
    };
    for await (const _batch of this.#batches(add)) {
      yield* records;
      records = [];
    }
  }

  /** Batch by batch, each counted, its records handed to `each` with where they would go. */
  async *#batches(each: (topicIds: readonly number[]) => void): AsyncGenerator<void, void, void> {
    assert(!this.#hasBegun, 'one run is counted');
    this.#hasBegun = true;
    const { from, to, signal } = this.#options;
    const end = typeof to === 'number' ? { to } : {};
    const release = this.#parts.source.hold();
    let source: RecordSource | null = null;
    try {
      const log = await this.#parts.source.log();
      source = log.source({ from, ...end, signal }, 'reused');
      // oxlint-disable-next-line no-await-in-loop -- one batch after the other
      while (await source.next()) {
        if (!this.#enter(source)) return;
        const isDone = this.#routeBatch(source, each);
        yield;
        if (isDone) return;
      }
    } finally {
      source?.close();
      release();
    }
  }

  /** Has the recorded topology be that of the batch; false when it is not known. */
  #enter(source: RecordSource): boolean {
    const { header } = source.batch;
    const { topologyVersion } = header;
    const { catalog } = this.#parts;
    if (topologyVersion > catalog.version) {
      this.#tally.endBefore(Math.max(source.from, header.baseOffset));
      return false;
    }
    this.#recorded.advanceTo(topologyVersion);
    return true;
  }

  /** @returns whether the range ends in this batch */
  #routeBatch(source: RecordSource, each: (topicIds: readonly number[]) => void): boolean {
    const { from, to, batch } = source;
    const endMs = this.#endMs;
    const cursor = this.#cursor;
    cursor.reset(recordsOf(batch));
    while (cursor.next()) {
      if (cursor.offset < from) continue;
      if (cursor.offset >= to || cursor.createTimeMs >= endMs) return true;
      const topicIds = this.#routes.route(cursor);
      this.#tally.add(cursor.offset, this.#recorded.topicsOf(cursor), topicIds);
      each(topicIds);
    }
    return false;
  }

  get #endMs(): number {
    const { to } = this.#options;
    return typeof to === 'object' ? to.timestamp : Number.POSITIVE_INFINITY;
  }

  #namesOf(topicIds: readonly number[]): readonly string[] {
    const known = this.#names.get(topicIds);
    if (known !== undefined) return known;
    const names = topicIds
      .map((topicId) => present(this.#hypothesis.topicName(topicId), 'it has a name'))
      .sort();
    this.#names.set(topicIds, names);
    return names;
  }
}

function named(option: string, bindings: readonly DocumentBinding[]) {
  return list(documentBinding)
    .check(option, bindings)
    .map((binding, at) => ({ place: `${option}[${at}]`, binding }));
}

function checkEnd(to: SimulateOptions['to']): void {
  if (to === undefined || typeof to === 'number') return; // The read checks numbers.
  if (typeof to !== 'object' || to === null || !('timestamp' in to)) {
    throw argumentError(TypeError, 'to', 'an offset or { timestamp }', to);
  }
  checkInteger('to.timestamp', to.timestamp, { min: 0 });
}

/** Of topics that are gone, records may have gone to. */
function takenIds({ history }: Pick<ExchangeCatalog, 'history'>): (topicId: number) => boolean {
  const ids = new Set<number>();
  for (const change of history.changes) {
    if (change.kind === 'binding-added') ids.add(change.binding.target.id);
  }
  return (topicId) => ids.has(topicId);
}
