/** Appends of encoded batches for those who await them. */
import type { EncodedRecords } from '../../src/format/batch-encoder.ts';
import type { AppendedRange, EncodedAppends } from '../../src/log/encoded-appends.ts';

/** Resolves when the batch is synced; rejects when it was refused or taken back. */
export function appendEncoded(
  encoded: EncodedAppends,
  records: EncodedRecords,
): Promise<AppendedRange> {
  return new Promise((resolve, reject) => {
    const refusal = encoded.append(records, { complete: resolve, fail: reject });
    if (refusal !== null) reject(refusal);
    process.nextTick(() => encoded.write()); // With what else is appended in this turn.
  });
}
