/** Read, process, write: each batch in one transaction with the position behind it. */
import { checkFunction, checkInteger } from '../core/assert.ts';
import { ClosedError } from '../core/errors.ts';
import { FencedError } from '../core/ownership-errors.ts';
import { plainOptions } from '../core/options.ts';
import type { RecordBatch } from '../log/record.ts';
import { TIMEOUT_MS_MAX } from '../transaction/transaction-options.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { Transaction } from '../transaction/transaction.ts';
import type { GroupReadOptions } from './group-options.ts';

/** What a handler gets besides its batch. Members may be taken off it. */
export interface ProcessContext {
  /** Committed with the position behind the batch, when the handler is done. */
  readonly tx: Transaction;
  /** That of `tx`. */
  readonly signal: AbortSignal;
}

export type ProcessHandler<T> = (batch: RecordBatch<T>, context: ProcessContext) => unknown;

export interface ProcessOptions extends GroupReadOptions {
  /**
   * Each batch is abandoned when it is not being committed after so long, 1..86_400_000; default: it may
   * take as long as the member keeps the partition, which `pollMsMax` bounds.
   */
  readonly timeoutMs?: number | undefined;
}

/** A member, as what processes its batches sees it. */
export interface BatchReader<T> {
  readonly transactions: TransactionRegistry;
  /** What was given last is given again when the read is broken off. */
  read(options: GroupReadOptions): AsyncGenerator<RecordBatch<T>, void, void>;
  commitIn(tx: Transaction, batch: RecordBatch<T>): void;
  /** Whether the batch is still the member's to commit. */
  owns(batch: RecordBatch<T>): boolean;
  isClosed(): boolean;
}

/** Until the member is closed. @throws as `ConsumerGroup.process` */
export async function processBatches<T>(
  reader: BatchReader<T>,
  handler: ProcessHandler<T>,
  options: ProcessOptions,
): Promise<void> {
  checkFunction('handler', handler);
  const { timeoutMs, how } = checkProcessOptions(options);
  const settings = { timeoutMs, signal: how.signal, name: '' };
  for await (const batch of reader.read(how)) {
    try {
      await reader.transactions.run((tx) => {
        reader.commitIn(tx, batch);
        return handler(batch, contextOf(tx));
      }, settings);
    } catch (error) {
      if (!isOver(error, reader, batch)) throw error;
    }
  }
}

/** Nothing was committed, and the batch is not the member's any more: it goes on with what is. */
function isOver<T>(error: unknown, reader: BatchReader<T>, batch: RecordBatch<T>): boolean {
  if (error instanceof FencedError) return !reader.owns(batch);
  return error instanceof ClosedError && reader.isClosed();
}

/** A signal costs something: it is made when it is asked for. */
function contextOf(tx: Transaction): ProcessContext {
  return {
    tx,
    get signal() {
      return tx.signal;
    },
  };
}

const KNOWN: ReadonlySet<string> = new Set<keyof ProcessOptions>([
  'signal',
  'keepsAlive',
  'timeoutMs',
]);

/** @throws TypeError, RangeError */
function checkProcessOptions(given: ProcessOptions): {
  readonly timeoutMs: number | null;
  readonly how: GroupReadOptions;
} {
  const { timeoutMs, signal, keepsAlive } = plainOptions(given, KNOWN);
  const how = { signal, keepsAlive };
  if (timeoutMs === undefined) return { timeoutMs: null, how };
  checkInteger('timeoutMs', timeoutMs, { min: 1, max: TIMEOUT_MS_MAX });
  return { timeoutMs, how };
}
