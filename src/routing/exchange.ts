/** An exchange as its users hold it: publish to it, bind destinations to it. */
import { NotFoundError } from '../core/errors.ts';
import type { Codec } from '../codec/codec.ts';
import type { HeadersInput } from '../format/record-headers.ts';
import { routedHeaders } from '../format/routing-header.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { publishIn, type PartCollector, type Publishable } from '../transaction/commit-part.ts';
import type { Committed } from '../transaction/transaction-options.ts';
import type { Binding, ExchangeType } from './binding.ts';
import type { ExchangeCatalog, ExchangeDescription } from './exchange-catalog.ts';
import { ExchangePublisher } from './exchange-publisher.ts';
import { describeExchange, type ExchangeStats } from './exchange-stats.ts';
import {
  checkBindingInput,
  checkBindOptions,
  checkDestination,
  type BindingInput,
  type BindOptions,
  type DestinationInput,
} from './exchange-options.ts';
import { warnOfIgnored } from './ignored-part.ts';
import { explainByName, type RouteExplanation } from './named-route.ts';
import type { Projector } from './projector.ts';
import { bindingNamer, type DocumentBinding, type KnownTopic } from './topology-document.ts';
import { WhatIf, type SimulateOptions } from './what-if.ts';
import {
  NO_PUBLISH_OPTIONS,
  routingKeyOf,
  type PublishBatchOptions,
  type PublishBatchResult,
  type PublishInput,
  type PublishOptions,
  type PublishResult,
  type TransactionPublishOptions,
} from './publish-options.ts';
import { PublishPart, type PublishWay } from './publish-part.ts';
import { headersOf, PublishRouter } from './publish-router.ts';
import { checkRebuildOptions, type RebuildOptions, type RebuildReport } from './rebuild.ts';

/** @internal */
export interface ExchangeParts<T, Input> {
  readonly description: ExchangeDescription;
  /** Its one partition is the source. */
  readonly sources: PartitionSet;
  readonly codec: Codec<T, Input>;
  readonly exchanges: ExchangeCatalog;
  readonly projector: Projector;
  /** All queues and topics as they are now. */
  readonly topics: () => readonly KnownTopic[];
}

/** A binding, by names. */
export interface BindingDescription extends DocumentBinding {
  /** Random, for ever. */
  readonly bindingId: number;
}

/**
 * Sends each record to the queues and topics whose bindings match, as RabbitMQ's exchanges do. What is
 * published stands in a log of the exchange's own, synced once however many destinations there are;
 * from there it is copied into theirs. Made by `Store.exchange`; good until the exchange is deleted or
 * the store closed.
 */
export class Exchange<T, Input = T> implements Publishable<
  Input,
  TransactionPublishOptions,
  PublishResult
> {
  readonly name: string;
  readonly type: ExchangeType;
  readonly #exchangeId: number;
  /** @internal */
  readonly way: PublishWay;
  readonly #source: Partition;
  /** @internal */
  readonly codec: Codec<T, Input>;
  readonly #exchanges: ExchangeCatalog;
  readonly #projector: Projector;
  readonly #topics: () => readonly KnownTopic[];
  readonly #publisher: ExchangePublisher<T, Input>;

  /** @internal */
  constructor(parts: ExchangeParts<T, Input>) {
    const { description, sources, codec, exchanges, projector, topics } = parts;
    const { name, type, exchangeId, internal: isInternal } = description;
    this.name = name;
    this.type = type;
    this.#exchangeId = exchangeId;
    const router = new PublishRouter({ name, exchangeId, isInternal, exchanges, sources });
    this.way = { router, projector };
    this.#publisher = new ExchangePublisher({ router, projector, codec });
    this.#source = sources.at(0);
    this.codec = codec;
    this.#exchanges = exchanges;
    this.#projector = projector;
    this.#topics = topics;
  }

  /**
   * Publishes a record: appends it to the source log of the exchange. From there it goes to every queue
   * and topic that a binding leads to, as the bindings are now: once to each, in the order in which
   * records were published.
   *
   * With a `dedupId`, or where the source compares content, a record that equals one in its window is a
   * duplicate: nothing is published, and the offset is that of the one before. With `confirm: 'routed'`
   * all that was published up to that one is in its destinations then.
   *
   * @returns its offset in the source log, and where it goes
   * @throws as `Log.append`; TooLargeError for a routing key of more than 255 bytes; UnroutableError
   *   with `mandatory`; ConflictError for an internal exchange; ClosedError when the exchange was
   *   deleted
   *
   * Durability: as the source log's; one fdatasync, however many destinations. Copies survive power cuts
   * when the source does: what is lost of them is copied again. Consumers of a destination see a copy
   * when it is synced there. Cost: that of an append, and of a look at the bindings.
   */
  async publish(
    value: Input | null,
    options: PublishOptions = NO_PUBLISH_OPTIONS,
  ): Promise<PublishResult> {
    return this.#publisher.publish(value, options);
  }

  /**
   * Publishes many records, which stand together and in this order in the source log. With `mandatory`
   * all of them must be routable, or none is published; duplicates are left out.
   *
   * @throws as `publish`; after a crash a part of them may be there, from the first on
   */
  async publishBatch(
    records: readonly PublishInput<Input>[],
    options: PublishBatchOptions = NO_PUBLISH_OPTIONS,
  ): Promise<PublishBatchResult> {
    return this.#publisher.publishBatch(records, options);
  }

  /** For `Transaction.publish`. */
  [publishIn](
    into: PartCollector,
    value: Input | null,
    options: TransactionPublishOptions = NO_PUBLISH_OPTIONS,
  ): Committed<PublishResult> {
    const { way, codec } = this;
    return into.part(PublishPart).publish(into, { way, codec, value, options });
  }

  /**
   * Binds a destination: what is published from here on goes there, too, if it matches. With `from` it
   * gets the past as well, each record once, however many bindings bring it. Bound twice in the same
   * way, it is bound once, with the past that it was made with, whichever is asked for later.
   *
   * @param destination  a queue or a topic by its name, or an exchange
   * @returns the binding, as `bindings` lists it: that which was there, if it is bound twice. One that
   *   asks for headers that the exchange does not look at is made all the same, and warned of
   *   (`VARVE_BINDING`)
   * @throws NotFoundError when there is no such destination; ConflictError when the binding is there,
   *   was made without a past, and is asked for one: unbind it first; BadPatternError; TypeError,
   *   RangeError; ClosedError when the exchange was deleted, or the store closed before it was bound
   *
   * Durability: synced when it resolves; every `publish` that is called from then on goes by it.
   */
  async bind(
    destination: DestinationInput,
    binding: BindingInput = {},
    options: BindOptions = {},
  ): Promise<BindingDescription> {
    const { pattern = '', headers } = checkBindingInput(binding);
    const { from } = checkBindOptions(options);
    const how = { headers, from };
    const bound = await this.#exchanges.bind(this.#ownName(), destination, pattern, how);
    warnOfIgnored(this, checkDestination(destination).name, bound);
    const [described] = this.#described([bound]);
    if (described !== undefined) return described;
    throw new NotFoundError({ kind: 'topic', name: checkDestination(destination).name }); // Any more.
  }

  /**
   * Ends a binding: what is published from here on does not go there by it any more. What was published
   * before still does.
   *
   * @returns whether there was such a binding
   * @throws as `bind`
   */
  async unbind(destination: DestinationInput, binding: BindingInput = {}): Promise<boolean> {
    const { pattern = '', headers } = checkBindingInput(binding);
    return this.#exchanges.unbind(this.#ownName(), destination, pattern, { headers });
  }

  /**
   * Gives the exchange another alternate: who gets what is published from here on and no binding matches.
   *
   * @param alternate  name of an exchange; null = nobody
   * @throws NotFoundError; ClosedError when the exchange was deleted
   *
   * Durability: synced when it resolves.
   */
  async setAlternate(alternate: string | null): Promise<ExchangeDescription> {
    return this.#exchanges.setAlternate(this.#ownName(), alternate);
  }

  /** What the exchange is. @throws ClosedError when it was deleted */
  describe(): ExchangeDescription {
    return this.#exchanges.describe(this.#ownName());
  }

  /** The bindings of the exchange, by id. @throws ClosedError when it was deleted */
  bindings(): readonly BindingDescription[] {
    return this.#described(this.#exchanges.bindings(this.#ownName()));
  }

  /** But for those whose destination is gone. */
  #described(bindings: readonly Binding[]): BindingDescription[] {
    const bindingOf = bindingNamer(this.#exchanges.list(), this.#topics());
    return bindings.flatMap((binding) => {
      const named = bindingOf(binding);
      return named === null ? [] : [{ bindingId: binding.bindingId, ...named }];
    });
  }

  /**
   * Where a record would go that is published now, and why. Nothing is published.
   *
   * @param headers  of the record; a headers exchange looks at them
   * @throws as `publish`, for the key and the headers
   */
  explain(routingKey: string, headers: HeadersInput | null = null): RouteExplanation {
    this.#ownName();
    const key = routingKeyOf({ routingKey });
    const parts = { catalog: this.#exchanges, topics: this.#topics() };
    return explainByName(parts, this.#exchangeId, key, headersOf(routedHeaders(key, headers)));
  }

  /**
   * Goes through the past of the exchange as if another topology had been there: iterate the result, or
   * `run` it, and see its `summary`, which also says what is not as it was. Nothing is written.
   *
   * @throws NotFoundError for what the topology names and is not there, but for queues and topics;
   *   BadPatternError; TypeError, RangeError; ClosedError when the exchange was deleted
   *
   * Cost: a read of the source log.
   */
  simulate(options: SimulateOptions = {}): WhatIf {
    const parts = { catalog: this.#exchanges, topics: this.#topics(), source: this.#source };
    return new WhatIf({ ...parts, exchange: this.#ownName() }, options);
  }

  /** How far it is projected, by destination. In memory, once the source is open. @throws as `publish` */
  async stats(): Promise<ExchangeStats> {
    this.#exchanges.sources.checkOpen();
    const { clock, destinations } = this.#projector;
    return this.#source.use(({ startOffset, endOffset }) => {
      const nowMs = clock.now();
      const streams = this.#projector.statsOf(this.#exchangeId);
      const parts = { streams, destinations, startOffset, endOffset, nowMs };
      return Promise.resolve(describeExchange(parts));
    });
  }

  /**
   * Lets a destination off what it has not got so far, because it is full, failed or too slow, so that
   * the source need not keep it. Its bindings stay: what is published from now on it gets.
   *
   * @returns how many records it need not get; also counted in `stats`. Those that are being synced there
   *   when its disk hangs are counted, and may still come
   * @throws NotFoundError when there is no such queue or topic
   *
   * Durability: synced when it resolves.
   */
  async detach(destination: DestinationInput): Promise<number> {
    const topicId = this.#exchanges.sources.destinationId(destination);
    let skippedCount = 0;
    for (const stream of this.#projector.streamsOf(this.#exchangeId)) {
      skippedCount += await stream.letOff(topicId);
    }
    return skippedCount;
  }

  /**
   * Makes a destination again of which something is damaged or gone: partitions that are not whole get
   * the records that the exchange has sent there, in the same order and at the same offsets; whoever
   * reads on there finds its place. What is left of the old files is kept in `quarantine/`. A dry run,
   * unless `dryRun` is false.
   *
   * @returns what is damaged, and what was made again; nothing when nothing is damaged
   * @throws NotRebuildableError when not all of it was sent by this exchange, or its source does not
   *   have all of it any more, or what can be read is not what it would send: nothing was changed;
   *   ConflictError while a damaged partition is read, or a queue on it is used; NotFoundError when
   *   there is no such queue or topic; ReadOnlyError; DiskFullError, IoError
   *
   * Durability: a partition that was made again is synced; a crash leaves the old one or the new one.
   * Cost: reads source and destination once, and twice with `dryRun: false` and damage; then room for
   * another copy of what is damaged.
   */
  async rebuild(
    destination: DestinationInput,
    options: RebuildOptions = {},
  ): Promise<RebuildReport> {
    const checked = checkRebuildOptions(options);
    const topicId = this.#exchanges.sources.destinationId(destination);
    this.#ownName();
    return this.#projector.rebuild({ exchangeId: this.#exchangeId, topicId }, checked);
  }

  /** Another exchange may have the name by now. @throws ClosedError */
  #ownName(): string {
    this.way.router.checkThere();
    return this.name;
  }
}
