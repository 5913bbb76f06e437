/** When a new segment begins. */

export interface RollPolicy {
  readonly segmentBytesMax: number;
  /** Infinity = never by age. */
  readonly segmentAgeMsMax: number;
}

/** Whether a batch of `incomingBytes` must start a new segment. */
export function shouldRoll(
  active: { readonly sizeBytes: number; readonly ageMs: number; readonly isEmpty: boolean },
  incomingBytes: number,
  policy: RollPolicy,
): boolean {
  if (active.isEmpty) return false; // A batch above the limit still gets a segment of its own.
  if (active.sizeBytes + incomingBytes > policy.segmentBytesMax) return true;
  return active.ageMs >= policy.segmentAgeMsMax;
}
