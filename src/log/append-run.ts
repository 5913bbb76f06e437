/** Appends of many records at once: of a caller's, and of a run that says more of them. */
import { toError, withSignal } from '../core/abort.ts';
import type { AppendBatchResult, CheckedAppendOptions } from './append-result.ts';
import type { Appender } from './appender.ts';
import type { RecordRun } from './record-run.ts';

/**
 * Appends a run, as `Log.appendBatch` does records: the first gets `appender.nextOffset`, which is
 * known at once.
 *
 * @returns as `Log.appendBatch` does, and rejects as it does
 */
export function appendRun(
  appender: Appender,
  run: RecordRun,
  options: CheckedAppendOptions,
): Promise<AppendBatchResult> {
  const { expectedOffset, signal } = options;
  if (signal?.aborted === true) return Promise.reject(toError(signal.reason));
  const refusal = appender.refusal(expectedOffset);
  if (refusal !== null) return Promise.reject(refusal);
  const baseOffset = appender.nextOffset;
  appender.addRun(run);
  return whenAppended(appender, { baseOffset, recordCount: run.records.length }, options);
}

/** Has what was added last written, and resolves when it reached the level. */
export function whenAppended(
  appender: Appender,
  { baseOffset, recordCount }: Pick<AppendBatchResult, 'baseOffset' | 'recordCount'>,
  { durability, signal }: CheckedAppendOptions,
): Promise<AppendBatchResult> {
  if (recordCount === 0) return Promise.resolve({ baseOffset, recordCount, durability });
  return withSignal(signal, (resolve, reject) => {
    appender.submit(durability, {
      baseOffset,
      nextOffset: baseOffset + recordCount,
      asked: durability,
      complete: (reached) => resolve({ baseOffset, recordCount, durability: reached }),
      fail: reject,
    });
  });
}
