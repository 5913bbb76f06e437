/** The records that every job appends, and a log of them. */
import { openLog, type Log, type LogOptions, type RecordInput } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';

/** Strings are what most programs have at hand; `bytes` saves encoding them, `none` storing them. */
export type KeyKind = 'string' | 'bytes' | 'none';

export interface RecordShape {
  readonly valueBytes: number;
  /** Default: strings. */
  readonly keys?: KeyKind;
}

/** Length of every key. */
export const KEY_BYTES = 16;
/** What every key begins with. */
export const KEY_FIRST_BYTE = 0x6b;
/** What every byte of a value is. */
export const VALUE_BYTE = 0x61;

/** Distinct records, each with a value buffer of its own and a key of 16 characters. */
export function makeRecords(
  count: number,
  { valueBytes, keys = 'string' }: RecordShape,
): RecordInput<Uint8Array>[] {
  return Array.from({ length: count }, (_, n) => ({
    key: makeKey(n, keys),
    value: Buffer.alloc(valueBytes, VALUE_BYTE),
  }));
}

function makeKey(n: number, keys: KeyKind): string | Uint8Array | null {
  if (keys === 'none') return null;
  const key = `key-${String(n).padStart(12, '0')}`;
  return keys === 'string' ? key : Buffer.from(key);
}

const RECORDS_PER_CALL = 1000;
const CALLS_IN_FLIGHT = 16;

/** Appends so many records, `appendBatch(1000)` with 16 calls in flight. */
export async function appendRecords(
  log: Log<Uint8Array>,
  records: number,
  valueBytes: number,
): Promise<void> {
  const input = makeRecords(RECORDS_PER_CALL, { valueBytes });
  const before = log.endOffset;
  let left = records;
  const caller = async () => {
    while (left > 0) {
      const count = Math.min(left, RECORDS_PER_CALL);
      left -= count;
      await log.appendBatch(count < RECORDS_PER_CALL ? input.slice(0, count) : input);
    }
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, caller));
  assert(log.endOffset - before === records, 'the log holds every record');
}

/** Leaves a closed log of so many records at `path`: synced, so that no later run waits for it. */
export async function writeLog(
  path: string,
  records: number,
  { valueBytes, options = {} }: { valueBytes: number; options?: LogOptions<Uint8Array> },
): Promise<void> {
  const log = await openLog(path, { ...options, durability: 'os' });
  await appendRecords(log, records, valueBytes);
  await log.sync();
  await log.close();
}
