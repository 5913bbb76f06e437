/** A queue as its users hold it: a topic and its one share group. */
import type { RecordInput } from '../log/record-input.ts';
import { checkObject } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import {
  checkTopicOptions,
  TOPIC_HANDLE_NAMES,
  type TopicOptions,
} from '../topic/topic-options.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendOptions,
  TopicAppendResult,
  TopicRecordInput,
} from '../topic/topic-results.ts';
import type { Topic } from '../topic/topic.ts';
import { checkDeadLetter, checkRetention, groupLabel, QUEUE_GROUP } from './queue-group.ts';
import {
  checkShareOptions,
  SHARE_OPTION_NAMES,
  SHARE_CONFIG_NAMES,
  type ShareGroupOptions,
} from './share-settings.ts';
import type { ShareGroupParts } from './share-group-parts.ts';
import { ShareGroup } from './share-group.ts';

/** What goes with a value that is sent. */
export interface SendOptions extends TopicAppendOptions {
  /** Text (stored as UTF-8) or bytes, at most 65,534 bytes; default none. */
  readonly key?: RecordInput<never>['key'];
  /** Text or bytes by name, at most 64 KiB in all; default none. */
  readonly headers?: RecordInput<never>['headers'];
  /** The sender's time, ms since the Unix epoch; default now. */
  readonly createTimeMs?: number | undefined;
  /** As of `Topic.append`. */
  readonly dedupId?: TopicRecordInput<never>['dedupId'];
}

/** Of its topic, of its group, and of this handle. */
export type QueueOptions<T, Input = T> = Omit<TopicOptions<T, Input>, 'create'> & ShareGroupOptions;

/**
 * Records that wait to be handled, each by one consumer. Made by `Store.queue`; each handle is a consumer
 * of its own, and sends as well.
 */
export class Queue<T, Input = T> extends ShareGroup<T, Input> {
  /** The records themselves: they stay readable as long as retention keeps them. */
  readonly topic: Topic<T, Input>;

  /** @internal */
  constructor(topic: Topic<T, Input>, parts: ShareGroupParts<T, Input>) {
    super(parts);
    this.topic = topic;
  }

  /**
   * Sends a value.
   *
   * @returns where it is: its partition and offset name it for `cancel`
   * @throws ClosedError; as `Topic.append`
   *
   * Durability: as the topic's, `sync` by default. Cost: as `Topic.append`.
   */
  send(value: Input, options: SendOptions = {}): Promise<TopicAppendResult> {
    const { key, headers, createTimeMs, dedupId, ...how } = checkObject('options', options);
    return this.refusal ?? this.topic.append({ value, key, headers, createTimeMs, dedupId }, how);
  }

  /** Sends many records: cheaper than one by one. @throws ClosedError; as `Topic.appendBatch` */
  sendBatch(
    records: readonly TopicRecordInput<Input>[],
    options: TopicAppendOptions = {},
  ): Promise<TopicAppendBatchResult> {
    return this.refusal ?? this.topic.appendBatch(records, options);
  }
}

const KNOWN: ReadonlySet<string> = new Set([...TOPIC_HANDLE_NAMES, ...SHARE_OPTION_NAMES]);

/**
 * Parts the options of a queue: those of its topic, and those of its group.
 *
 * @throws TypeError, RangeError, ConflictError: before there is a topic that nobody wants
 */
export function partQueueOptions<T, Input>(
  name: string,
  given: QueueOptions<T, Input>,
): { readonly topic: TopicOptions<T, Input>; readonly share: ShareGroupOptions } {
  const { from, prefetch, create, ...others } = plainOptions(given, KNOWN);
  const share: Record<string, unknown> = { from, prefetch, create };
  const topic: Record<string, unknown> = { create };
  for (const [key, value] of Object.entries(others)) {
    (SHARE_CONFIG_NAMES.includes(key) ? share : topic)[key] = value;
  }
  checkDeadLetter(name, share);
  checkRetention(groupLabel(name, QUEUE_GROUP), share, topic);
  return { topic: checkTopicOptions<T, Input>(topic), share: checkShareOptions(share) };
}
