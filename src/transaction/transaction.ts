/** A transaction, as those use it whose action it is handed to. */
import { argumentError, checkObject } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { Topic } from '../topic/topic.ts';
import type { TopicAppendBatchResult, TopicAppendResult } from '../topic/topic-results.ts';
import { AppendPart } from './append-part.ts';
import { ackIn, type Acknowledgeable } from './commit-part.ts';
import type {
  Committed,
  TransactionAppendOptions,
  TransactionSendOptions,
} from './transaction-options.ts';
import type { TransactionRun } from './transaction-run.ts';

const APPEND_KEYS: ReadonlySet<string> = new Set<keyof TransactionAppendOptions>(['partition']);

/**
 * Collects what is to be committed together. Made by `Store.transaction` and `Delivery.transaction`, good
 * until the action that it was passed to has ended. Nothing is written, and nothing held, before that.
 */
export class Transaction {
  readonly #run: TransactionRun;

  /** @internal */
  constructor(run: TransactionRun) {
    this.#run = run;
  }

  /**
   * Aborted when the transaction is, when it takes too long, when the store is closed, and with a
   * LeaseLostError when the lease of a record that it acks ends: nothing will be committed then.
   */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  /**
   * Adds records for a topic of the same store. They are checked and encoded at once; those of one
   * partition will stand there together, in the order of the calls.
   *
   * @returns where they are, when the transaction is committed
   * @throws TypeError for a topic of another store; as `Topic.append`; TooLargeError above 8 MiB in all:
   *   nothing was added, the transaction goes on; TransactionEndedError, ClosedError when it is over
   */
  append<T, Input>(
    topic: Topic<T, Input>,
    records: RecordInput<Input> | readonly RecordInput<Input>[],
    options: TransactionAppendOptions = {},
  ): Committed<TopicAppendBatchResult> {
    this.#run.checkCollecting();
    const context = { options: plainOptions(options, APPEND_KEYS), into: this.#run };
    const list = isList(records) ? records : [records];
    return this.#run.part(AppendPart).append(checkTopic(topic), list, context);
  }

  /** Adds a value for a queue of the same store. @returns as `append` @throws as `append` */
  send<T, Input>(
    queue: { readonly topic: Topic<T, Input> },
    value: Input,
    options: TransactionSendOptions = {},
  ): Committed<TopicAppendResult> {
    this.#run.checkCollecting();
    const { key, headers, createTimeMs, ...where } = checkObject('options', options);
    const context = { options: plainOptions(where, APPEND_KEYS), into: this.#run };
    const record = { value, key, headers, createTimeMs };
    const { topic } = checkObject('queue', queue);
    return this.#run.part(AppendPart).send(checkTopic(topic), record, context);
  }

  /**
   * Acknowledges what was acquired from queues and share groups of the same store: any number of them, up
   * to 10,000 records. Their leases go on as before until all of it is committed at once. A second time is
   * of no account.
   *
   * @throws TypeError for what is no delivery, or of another store; LeaseLostError when a lease is over:
   *   none was added, the transaction goes on; TooLargeError; TransactionEndedError, ClosedError
   */
  ack(deliveries: Acknowledgeable | readonly Acknowledgeable[]): void {
    this.#run.checkCollecting();
    const all = isList(deliveries) ? deliveries : [deliveries];
    const [first] = all;
    if (all.length === 0) return;
    if (typeof first?.[ackIn] !== 'function') {
      throw argumentError(TypeError, 'deliveries', 'a delivery, or several', deliveries);
    }
    first[ackIn](this.#run, all);
  }

  /**
   * Abandons the transaction: whoever began it is told at once, and nothing happened.
   *
   * @param reason  what they are told; default a TransactionEndedError
   * @throws `reason`; TransactionEndedError, ClosedError when it is over
   */
  abort(reason?: unknown): never {
    this.#run.checkCollecting();
    throw this.#run.abort(reason);
  }
}

function checkTopic<T, Input>(topic: Topic<T, Input>): Topic<T, Input> {
  if (topic instanceof Topic) return topic;
  throw argumentError(TypeError, 'topic', 'a topic', topic);
}

function isList<R>(one: R | readonly R[]): one is readonly R[] {
  return Array.isArray(one);
}
