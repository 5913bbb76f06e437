/** Freezes a value and all that it holds, but for bytes, which cannot be frozen. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  for (const held of Object.values(value)) deepFreeze(held);
  return Object.freeze(value);
}
