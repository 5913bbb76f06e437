/** What one handle of an exchange publishes: into the source, and from there to where it goes. */
import { checkArray } from '../core/assert.ts';
import { inNextTurn } from '../core/clock.ts';
import type { Codec } from '../codec/codec.ts';
import { NO_OPTIONS, type AppendOptions } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Log } from '../log/log.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { Projector } from './projector.ts';
import { onceInput, publishOnce } from './publish-once.ts';
import {
  checkPublishInput,
  planPublish,
  planPublishBatch,
  type DuplicatePublish,
  type PublishBatchOptions,
  type PublishBatchResult,
  type PublishInput,
  type PublishOptions,
  type PublishPlan,
  type PublishResult,
} from './publish-options.ts';
import type { PublishRouter } from './publish-router.ts';
import type { RoutedBefore, RoutedRecord } from './routed-waiters.ts';

/** A record on its way into the source, and where it will go. */
interface RoutedInput<Input> {
  readonly record: RecordInput<Input>;
  readonly topicIds: readonly number[];
}

const NOWHERE: readonly string[] = Object.freeze([]);
const NO_DUPLICATES: readonly DuplicatePublish[] = [];

export interface ExchangePublisherParts<T, Input> {
  readonly router: PublishRouter;
  readonly projector: Projector;
  readonly codec: Codec<T, Input>;
}

export class ExchangePublisher<T, Input> {
  readonly #router: PublishRouter;
  readonly #projector: Projector;
  readonly #codec: Codec<T, Input>;
  /** Of the source while it is open, with this handle's codec. */
  #log: Log<T, Input> | null = null;

  constructor({ router, projector, codec }: ExchangePublisherParts<T, Input>) {
    this.#router = router;
    this.#projector = projector;
    this.#codec = codec;
  }

  /** As `Exchange.publish`. */
  async publish(value: Input | null, options: PublishOptions): Promise<PublishResult> {
    const plan = planPublish(options);
    if (this.#router.mayHold(options))
      return this.#publishOnce({ value, ...options }, plan, options);
    const how = howOf(options);
    const log = this.#opened ?? (await this.#open());
    const { record, topicIds } = this.#route(value, options, plan);
    const { offset, durability } = await log.append(record, how);
    this.#published(log, durability);
    const destinations = this.#namesOf(topicIds);
    if (plan.waitsForRoutes) await this.#routed({ offset, topicIds }, options);
    return { offset, durability, destinations, duplicate: false };
  }

  /** As `Exchange.publishBatch`. */
  async publishBatch(
    records: readonly PublishInput<Input>[],
    options: PublishBatchOptions,
  ): Promise<PublishBatchResult> {
    const plan = planPublishBatch(options);
    checkArray('records', records);
    for (const [index, input] of records.entries()) checkPublishInput(`records[${index}]`, input);
    if (records.some((input) => this.#router.mayHold(input))) {
      return this.#publishAllOnce(records, plan, options);
    }
    const how = howOf(options);
    const log = this.#opened ?? (await this.#open());
    const routed = records.map((input, index) => this.#route(input.value, input, plan, index));
    const result = await log.appendBatch(
      routed.map(({ record }) => record),
      how,
    );
    const { baseOffset, recordCount, durability } = result;
    this.#published(log, durability);
    const destinations = routed.map(({ topicIds }) => this.#namesOf(topicIds));
    if (plan.waitsForRoutes) {
      const waits = routed.map(({ topicIds }, at) =>
        this.#routed({ offset: baseOffset + at, topicIds }, options),
      );
      await Promise.all(waits);
    }
    return { baseOffset, recordCount, durability, destinations, duplicates: NO_DUPLICATES };
  }

  /** One record that may be in the source already. */
  async #publishOnce(
    input: PublishInput<Input>,
    plan: PublishPlan,
    options: PublishBatchOptions,
  ): Promise<PublishResult> {
    const { baseOffset, durability, destinations, duplicates } = await this.#publishAllOnce(
      [input],
      plan,
      options,
    );
    const [before] = duplicates;
    return {
      offset: before?.offset ?? baseOffset,
      durability,
      destinations: destinations[0] ?? NOWHERE,
      duplicate: before !== undefined,
    };
  }

  async #publishAllOnce(
    inputs: readonly PublishInput<Input>[],
    plan: PublishPlan,
    options: PublishBatchOptions,
  ): Promise<PublishBatchResult> {
    const prepared = onceInput(this.#router, this.#codec, inputs);
    const result = await publishOnce(this.#router, prepared, plan, howOf(options));
    const { records, ...told } = result;
    const log = this.#router.sources.at(0).opened;
    if (result.recordCount > 0 && log !== null) this.#published(log, result.durability);
    const destinations = records.map(({ topicIds }) =>
      topicIds === null ? NOWHERE : this.#namesOf(topicIds),
    );
    if (plan.waitsForRoutes) {
      await Promise.all(records.map((record) => this.#routed(record, options)));
    }
    return { ...told, destinations };
  }

  get #opened(): Log<T, Input> | null {
    const log = this.#log;
    return log !== null && log.life.closing === null ? log : null;
  }

  async #open(): Promise<Log<T, Input>> {
    this.#router.checkThere();
    const source = this.#router.sources.at(0);
    const release = source.hold();
    try {
      const log = await source.log();
      return (this.#log = log.as(this.#codec, 0));
    } finally {
      inNextTurn(release); // Who waits appends before: until then nobody closes it to make room.
    }
  }

  /** Where a record goes as things are now; in the same turn it is appended. */
  #route(
    value: Input | null,
    input: PublishOptions | PublishInput<Input>,
    plan: PublishPlan,
    index = 0,
  ): RoutedInput<Input> {
    const { key, createTimeMs } = input;
    const addressed = this.#router.address(input);
    const topicIds = this.#router.route(addressed, plan, index);
    return { record: { value, key, headers: addressed.headers, createTimeMs }, topicIds };
  }

  #published(log: Log<unknown, never>, durability: DurabilityLevel): void {
    // Only what is durable is copied. Who closes the log syncs it.
    if (durability !== 'sync' && log.life.closing === null) log.forStore().encoded.syncSoon();
    this.#projector.poke(this.#router.exchangeId);
  }

  async #routed(
    record: RoutedRecord | RoutedBefore,
    { signal }: PublishBatchOptions,
  ): Promise<void> {
    await this.#projector.routed(this.#router.exchangeId, record, signal);
  }

  #namesOf(topicIds: readonly number[]): readonly string[] {
    return this.#router.exchanges.namesOf(topicIds);
  }
}

function howOf({ durability, signal }: PublishBatchOptions): AppendOptions {
  return durability === undefined && signal === undefined ? NO_OPTIONS : { durability, signal };
}
