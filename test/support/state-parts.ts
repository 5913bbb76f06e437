/** Copies of states as the parts of a snapshot that they become. */
import type { StateCopy, StatePart } from '../../src/journal/fold.ts';

/** The rest of a copy, encoded now. */
export function partOf({ pieces, ...name }: StateCopy): StatePart {
  const encoded: Uint8Array[] = [];
  for (;;) {
    const { value, done } = pieces.next();
    encoded.push(value);
    if (done === true) return { ...name, state: Buffer.concat(encoded) };
  }
}
