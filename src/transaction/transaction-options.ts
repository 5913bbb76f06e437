/** What transactions and their calls take and answer. */
import { checkInteger } from '../core/assert.ts';
import { checkSignal } from '../core/abort.ts';
import { plainOptions } from '../core/options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { checkName } from '../topic/topic-names.ts';

export interface TransactionOptions {
  /**
   * Aborted when it is not being committed after so long, 1..86_400_000; default 60_000. A new thing to
   * wait for does not begin then either.
   */
  readonly timeoutMs?: number | undefined;
  /** Aborts it, as long as it is not being committed. */
  readonly signal?: AbortSignal | undefined;
  /** Of 1 to 255 bytes, for `Store.transactions` and errors; default ''. */
  readonly name?: string | undefined;
}

export interface TransactionAppendOptions {
  /** From 0; default: as the topic's partitioner chooses. */
  readonly partition?: number | undefined;
}

/** What goes with a value that is sent. */
export interface TransactionSendOptions
  extends TransactionAppendOptions, Pick<RecordInput<never>, 'key' | 'headers' | 'createTimeMs'> {}

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
  readonly name: string;
}

const TIMEOUT_MS = 60_000;
const TIMEOUT_MS_MAX = 86_400_000;

const KNOWN: ReadonlySet<string> = new Set<keyof TransactionOptions>([
  'timeoutMs',
  'signal',
  'name',
]);

/** @throws TypeError, RangeError */
export function checkTransactionOptions(given: TransactionOptions): TransactionSettings {
  const { timeoutMs = TIMEOUT_MS, signal, name } = plainOptions(given, KNOWN);
  checkInteger('timeoutMs', timeoutMs, { min: 1, max: TIMEOUT_MS_MAX });
  checkSignal('signal', signal);
  return { timeoutMs, signal, name: name === undefined ? '' : checkName('name', name) };
}
