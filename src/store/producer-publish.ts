/** What a producer publishes. */
import { argumentError } from '../core/assert.ts';
import { isStoreError } from '../core/errors.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { DefaultExchange, DefaultPublishOptions } from '../routing/default-exchange.ts';
import type { Exchange } from '../routing/exchange.ts';
import { ProducedPublish } from '../routing/produced-publish.ts';
import type { PublishOptions } from '../routing/publish-options.ts';
import type { Topic } from '../topic/topic.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { ProducedAnswer } from '../topic/producer-answers.ts';
import type { ProducedCall } from '../topic/producer-appends.ts';
import type { ProducerAppendResult } from '../topic/producer-results.ts';
import type { RecordInput } from '../log/record-input.ts';

export interface ProducerPublishOptions extends Omit<PublishOptions, 'dedupId'> {
  /** From 0; default: the one behind the last. */
  readonly sequence?: number | undefined;
}

export interface ProducerDefaultPublishOptions extends Omit<DefaultPublishOptions, 'dedupId'> {
  /** As of `ProducerPublishOptions`: of the queue or topic that it goes to. */
  readonly sequence?: number | undefined;
}

export interface ProducerPublishResult extends Omit<ProducerAppendResult, 'partition'> {
  /** Names of the queues and topics that get the record; none for a duplicate. */
  readonly destinations: readonly string[];
}

/** Nothing has the record when the routing key names nothing. */
export type ProducerDefaultPublishResult =
  | (ProducerAppendResult & { readonly destinations: readonly [name: string] })
  | {
      readonly destinations: readonly [];
      readonly duplicate: false;
      readonly sequence: null;
      readonly partition: null;
      readonly offset: null;
      readonly durability: null;
    };

const NOWHERE: ProducerDefaultPublishResult = Object.freeze({
  destinations: [] as const,
  duplicate: false,
  sequence: null,
  partition: null,
  offset: null,
  durability: null,
});

/** What a producer does for it. */
export interface PublishingProducer {
  /** @throws as `Producer.append` */
  send(
    partitions: PartitionSet,
    call: Omit<ProducedCall, 'durability'> & { readonly durability: DurabilityLevel | undefined },
  ): Promise<ProducedAnswer>;
  append<T, Input>(
    topic: Topic<T, Input>,
    record: RecordInput<Input>,
    options: Pick<ProducerPublishOptions, 'sequence' | 'durability' | 'signal'>,
  ): Promise<ProducerAppendResult>;
}

/** @throws as `Producer.publish` */
export async function publishTo<T, Input>(
  producer: PublishingProducer,
  exchange: Exchange<T, Input>,
  value: Input | null,
  options: ProducerPublishOptions,
): Promise<ProducerPublishResult> {
  const { sequence, ...how } = options;
  const { durability, signal } = how;
  checkNoId(how);
  const publish = new ProducedPublish(exchange, value, how);
  const answer = await producer.send(exchange.way.router.sources, {
    input: { records: publish.records, partitions: null },
    sequence,
    durability,
    signal,
    check: () => publish.route(),
  });
  const destinations = publish.published(answer.durability);
  const { offset = null } = answer.place ?? {};
  await publish.arrived(offset, signal);
  return {
    duplicate: answer.duplicateCount > 0,
    sequence: answer.sequences.first,
    offset,
    durability: answer.durability,
    destinations,
  };
}

/** @throws as `Producer.publish` */
export async function publishByName<T, Input>(
  producer: PublishingProducer,
  exchange: DefaultExchange<T, Input>,
  value: Input | null,
  options: ProducerDefaultPublishOptions,
): Promise<ProducerDefaultPublishResult> {
  const { sequence, ...how } = options;
  const { key, headers, createTimeMs, durability, signal } = how;
  checkNoId(how);
  for (;;) {
    const named = await exchange.destinationOf(how);
    if (named === null) return NOWHERE;
    const { topic, name } = named;
    try {
      const record = { value, key, headers, createTimeMs };
      const result = await producer.append(topic, record, { sequence, durability, signal });
      return { ...result, destinations: [name] };
    } catch (error) {
      // Deleted meanwhile: its name names nothing, or another one.
      if (!isStoreError(error, 'ERR_VARVE_CLOSED') || !topic.partitions.isDeleted) throw error;
    }
  }
}

/** A record has one reason to be stored once. @throws TypeError */
function checkNoId(options: object): void {
  if (!('dedupId' in options) || options.dedupId === undefined) return;
  throw argumentError(TypeError, 'dedupId', 'left out: there is a producer', options.dedupId);
}
