/** What a holder says of a record that it could not handle, as text to be kept. */

/** Longer texts are cut: a dead letter must fit into a record's headers. */
const CHARS_MAX = 1000;

/** Empty for nothing. Never throws, whatever it is given. */
export function errorText(error: unknown): string {
  if (error === undefined || error === null) return '';
  const text = plainText(error);
  // Half of a surrogate pair is no UTF-8, and what is kept must read as it was written.
  return Buffer.from(text.slice(0, CHARS_MAX)).toString();
}

/** What a handler has thrown, or words for it where that would leave the record without a reason. */
export function reasonOf(thrown: unknown): unknown {
  if (thrown === '') return 'the handler threw an empty text';
  return thrown ?? `the handler threw ${String(thrown)}`;
}

function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return value instanceof Error ? `${value.name}: ${value.message}` : String(value);
  } catch {
    return typeof value; // Its own `toString` failed, or its message is no text.
  }
}
