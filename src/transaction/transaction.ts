/** A transaction, as those use it whose action it is handed to. */
import { argumentError, checkObject } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import { checkTopic, topicOfQueue, type Topic } from '../topic/topic.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendResult,
  TopicRecordInput,
} from '../topic/topic-results.ts';
import { AppendPart } from './append-part.ts';
import {
  ackIn,
  commitOffsetIn,
  producerHold,
  publishIn,
  type Acknowledgeable,
  type Positioned,
  type Publishable,
} from './commit-part.ts';
import type {
  Committed,
  TransactionAppendOptions,
  TransactionProducedSendOptions,
  TransactionProduceOptions,
  TransactionSendOptions,
} from './transaction-options.ts';
import type { TransactionRun } from './transaction-run.ts';

const NO_OPTIONS: TransactionAppendOptions = {};
const APPEND_KEYS: ReadonlySet<string> = new Set<keyof TransactionProduceOptions>([
  'partition',
  'producer',
  'sequence',
]);

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
   * Aborted when the transaction is, when it takes too long, when the store is closed, with a
   * LeaseLostError when the lease of a record that it acks ends, and with a FencedError when a member loses
   * the partition of a position that it commits: nothing will be committed then.
   */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  /**
   * Adds records for a topic of the same store. They are checked and encoded at once; those of one
   * partition will stand there together, in the order of the calls. A duplicate is left out, and the rest
   * is committed: whether one is stored is looked for when the action has ended, and what another has on
   * its way is waited for, while nothing is held.
   *
   * With a `producer`, records whose sequences it has stored in the topic are left out, and the rest is
   * committed. Its sequences are taken when the transaction is committed, behind all calls of the producer
   * that came before, and are free again when it comes to nothing; calls that come later wait for its end.
   * Keyless records of a call go to one partition.
   *
   * @returns where they are, and which were duplicates, when the transaction is committed
   * @throws TypeError for a topic or a producer of another store, and for a `dedupId` beside a producer;
   *   ConflictError for a producer's in a topic that compares content; as `Topic.append`; FencedError;
   *   TooLargeError above 8 MiB in all:
   *   nothing was added, the transaction goes on; TransactionEndedError, ClosedError when it is over.
   *   FencedError, SequenceGapError when it is committed: nothing of it happened
   */
  append<T, Input>(
    topic: Topic<T, Input>,
    records: TopicRecordInput<Input> | readonly TopicRecordInput<Input>[],
    options?: TransactionAppendOptions,
  ): Committed<TopicAppendBatchResult>;
  append<T, Input>(
    topic: Topic<T, Input>,
    records: TopicRecordInput<Input> | readonly TopicRecordInput<Input>[],
    options: TransactionProduceOptions,
  ): Committed<ProducerBatchResult>;
  append<T, Input>(
    topic: Topic<T, Input>,
    records: TopicRecordInput<Input> | readonly TopicRecordInput<Input>[],
    given: TransactionAppendOptions | TransactionProduceOptions = NO_OPTIONS,
  ): Committed<TopicAppendBatchResult | ProducerBatchResult> {
    this.#run.checkCollecting();
    const options = checkAppendOptions(given);
    const list = isList(records) ? records : [records];
    const into = this.#run;
    const part = into.part(AppendPart);
    if (options.producer === undefined)
      return part.append(checkTopic(topic), list, { options, into });
    return part.produce(checkTopic(topic), list, { options, into });
  }

  /** Adds a value for a queue of the same store. @returns as `append` @throws as `append` */
  send<T, Input>(
    queue: { readonly topic: Topic<T, Input> },
    value: Input,
    options?: TransactionSendOptions,
  ): Committed<TopicAppendResult>;
  send<T, Input>(
    queue: { readonly topic: Topic<T, Input> },
    value: Input,
    options: TransactionProducedSendOptions,
  ): Committed<ProducerAppendResult>;
  send<T, Input>(
    queue: { readonly topic: Topic<T, Input> },
    value: Input,
    given: TransactionSendOptions | TransactionProducedSendOptions = {},
  ): Committed<TopicAppendResult | ProducerAppendResult> {
    this.#run.checkCollecting();
    const { key, headers, createTimeMs, ...rest } = checkObject('options', given);
    const { dedupId, ...where }: typeof rest & { dedupId?: string | undefined } = rest;
    const options = checkAppendOptions(where);
    const record = { value, key, headers, createTimeMs, dedupId };
    const topic = topicOfQueue(queue);
    const into = this.#run;
    const part = into.part(AppendPart);
    if (options.producer === undefined) return part.send(topic, record, { options, into });
    return part.produceOne(topic, record, { options, into });
  }

  /**
   * Publishes a record to an exchange of the same store: it stands in the source log of the exchange with
   * all else of the transaction, and is copied from there once that is durable. It goes by the bindings
   * as they are when it is committed, `mandatory` included: the transaction fails with UnroutableError
   * when there is no way then. The default exchange looks at once which queue or topic has the name.
   *
   * @returns as `Exchange.publish`, when the transaction is committed
   * @throws TypeError for what is no exchange, or of another store; ConflictError for an internal one;
   *   UnroutableError for what the default exchange must not drop; ClosedError when the exchange was
   *   deleted, as the transaction then does; TooLargeError: nothing was added, the transaction goes on;
   *   TransactionEndedError, ClosedError when it is over
   */
  publish<Input, Options, Result>(
    exchange: Publishable<Input, Options, Result>,
    value: NoInfer<Input> | null,
    options?: NoInfer<Options>,
  ): Committed<Result> {
    this.#run.checkCollecting();
    if (typeof checkObject('exchange', exchange)[publishIn] !== 'function') {
      throw argumentError(TypeError, 'exchange', 'an exchange', exchange);
    }
    return exchange[publishIn](this.#run, value, options);
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
   * Commits how far a consumer group has come, with the rest or not at all: up to the end of a batch that
   * the member was given, or at positions. Of several batches of a partition the one that goes furthest
   * counts, and a position by number counts behind all that came before it. The partition
   * stays the member's to lose until all of it is committed at once; whoever gets it then begins behind.
   * A position is of all below it, so one transaction at a time commits in a partition.
   *
   * @throws FencedError when the member does not own the partition, also at the end: then nothing is
   *   committed; ConflictError while another transaction of the member commits there, and at the end, as
   *   FencedError, when more than the batch was committed since it was read; TypeError, RangeError, ClosedError as its `commit`: nothing was added, the transaction goes
   *   on; TooLargeError above 10,000 positions and acks; TransactionEndedError
   */
  commitOffset<What, Options>(
    member: Positioned<What, Options>,
    what: NoInfer<What>,
    options?: NoInfer<Options>,
  ): void {
    this.#run.checkCollecting();
    if (typeof member?.[commitOffsetIn] !== 'function') {
      throw argumentError(TypeError, 'member', 'a member of a consumer group', member);
    }
    if (what === undefined) {
      throw argumentError(TypeError, 'what', 'a batch, a position or several', what);
    }
    member[commitOffsetIn](this.#run, what, options);
  }

  /** @internal Ends it for somebody who stands outside of its action; nothing once it is being committed. */
  abandon(reason: unknown): void {
    this.#run.abort(reason);
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

/** @throws TypeError */
function checkAppendOptions(
  given: TransactionAppendOptions | TransactionProduceOptions,
): TransactionAppendOptions | TransactionProduceOptions {
  return given === NO_OPTIONS ? NO_OPTIONS : checkProduced(plainOptions(given, APPEND_KEYS));
}

/** @throws TypeError for what is no producer, and for a sequence without one */
function checkProduced<O extends TransactionAppendOptions | TransactionProduceOptions>(
  options: O,
): O {
  const { producer } = options;
  if (producer === undefined) {
    if (!('sequence' in options) || options.sequence === undefined) return options;
    throw argumentError(TypeError, 'sequence', 'left out: there is no producer', options.sequence);
  }
  if (typeof checkObject('producer', producer)[producerHold] === 'object') return options;
  throw argumentError(TypeError, 'producer', 'a producer', producer);
}

function isList<R>(one: R | readonly R[]): one is readonly R[] {
  return Array.isArray(one);
}
