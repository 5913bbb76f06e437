/** Records whose content follows from their offset: whoever finds one can tell whether it is right. */
import type { RecordInput } from '../../src/index.ts';

/** The value that belongs at `offset`; lengths vary from 20 bytes to 2 KiB. */
export function valueAt(offset: number): string {
  const fillCount = (offset * 7919) % 97 === 0 ? 2000 : (offset * 31) % 180;
  return (
    `record ${offset} `.padEnd(20, '-') + String.fromCharCode(97 + (offset % 26)).repeat(fillCount)
  );
}

/** The record that belongs at `offset`. */
export function recordAt(offset: number): RecordInput<string> {
  return { key: `k${offset % 13}`, value: valueAt(offset), createTimeMs: 1_000_000 + offset };
}
