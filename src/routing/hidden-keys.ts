/** What of a record in the source log of an exchange its copies do not have. */
import type { BatchCursor } from '../format/batch-cursor.ts';
import { bccStretch, type Stretch } from '../format/further-keys.ts';
import { furtherKeysAt } from '../format/routing-header.ts';

/**
 * The header of the keys that nobody is to see, in the record at which the cursor stands; null = it is
 * copied whole.
 *
 * @hot Nothing is allocated for a record that has none.
 */
export function hiddenKeys({ bytes, headersStart, headersBytes }: BatchCursor): Stretch | null {
  const keysAt = furtherKeysAt(bytes, headersStart, headersBytes);
  return keysAt < 0 ? null : bccStretch(bytes, keysAt, headersStart + headersBytes);
}
