/** What transactions and their calls take and answer. */
import { checkChoice, checkInteger } from '../core/assert.ts';
import { checkSignal } from '../core/abort.ts';
import { plainOptions } from '../core/options.ts';
import { checkName } from '../topic/topic-names.ts';
import type { TopicRecordInput } from '../topic/topic-results.ts';
import type { Producing } from './commit-part.ts';

/** When a transaction resolves: when it is durable, or when what it published is in its destinations too. */
export const TRANSACTION_CONFIRMATIONS = ['committed', 'routed'] as const;

export type TransactionConfirmation = (typeof TRANSACTION_CONFIRMATIONS)[number];

export interface TransactionOptions {
  /**
   * Aborted when it is not being committed after so long, 1..86_400_000; default 60_000. A new thing to
   * wait for does not begin then either.
   */
  readonly timeoutMs?: number | undefined;
  /** Aborts it, as long as it is not being committed; with `confirm: 'routed'` it ends the wait, too. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `committed` (default): resolves when all of it is durable. `routed`: when what it published is synced in
   * all of its destinations as well. What rejects while it waits for those (ClosedError, the signal's
   * reason) is committed: results are filled then, and copies get there when the store is open.
   */
  readonly confirm?: TransactionConfirmation | undefined;
  /** Of 1 to 255 bytes, for `Store.transactions` and errors; default ''. */
  readonly name?: string | undefined;
}

export interface TransactionAppendOptions {
  /** From 0; default: as the topic's partitioner chooses. */
  readonly partition?: number | undefined;
  readonly producer?: undefined;
}

/** Of records that a producer sends. */
export interface TransactionProduceOptions extends Pick<TransactionAppendOptions, 'partition'> {
  /** Of the same store: what it has stored already is left out. */
  readonly producer: Producing;
  /** One number: of the first, the others follow. A list: ascending, of each. Default: it goes on. */
  readonly sequence?: number | readonly number[] | undefined;
}

/** What goes with a value that is sent. */
type SentWith = Pick<TopicRecordInput<never>, 'key' | 'headers' | 'createTimeMs'>;

export interface TransactionSendOptions
  extends TransactionAppendOptions, SentWith, Pick<TopicRecordInput<never>, 'dedupId'> {}

/** Of a value that a producer sends. */
export interface TransactionProducedSendOptions
  extends Omit<TransactionProduceOptions, 'sequence'>, SentWith {
  /** From 0; default: the one behind the last. */
  readonly sequence?: number | undefined;
}

/** What a call has come to. */
export interface Committed<R> {
  /** Filled when the transaction is committed; null before, and when it comes to nothing. */
  readonly result: R | null;
}

/** As they were checked. */
export interface TransactionSettings {
  /** Null = what it acks says how long it may take. */
  readonly timeoutMs: number | null;
  readonly signal?: AbortSignal | undefined;
  readonly confirm?: TransactionConfirmation;
  readonly name: string;
}

const TIMEOUT_MS = 60_000;
export const TIMEOUT_MS_MAX = 86_400_000;

const KNOWN: ReadonlySet<string> = new Set<keyof TransactionOptions>([
  'timeoutMs',
  'signal',
  'confirm',
  'name',
]);

/** @throws TypeError, RangeError */
export function checkTransactionOptions(given: TransactionOptions): TransactionSettings {
  const options = plainOptions(given, KNOWN);
  const { timeoutMs = TIMEOUT_MS, signal, confirm = 'committed', name } = options;
  checkInteger('timeoutMs', timeoutMs, { min: 1, max: TIMEOUT_MS_MAX });
  checkSignal('signal', signal);
  checkChoice('confirm', confirm, TRANSACTION_CONFIRMATIONS);
  return { timeoutMs, signal, confirm, name: name === undefined ? '' : checkName('name', name) };
}
