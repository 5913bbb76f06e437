/**
 * When the records of a partition were appended, as exactly as a window asks for it: where it starts.
 *
 * A window of time needs no time per record. Those of a 256th of it share one, that of the last of them, so
 * a record is in the window for as long as that says, and for a 256th of it longer at most.
 *
 * Times are the caller's, on one clock, in any origin. One that went back counts as the one before it:
 * records stay longer then, never less.
 *
 * Bytes: 16 for each of at most 258 samples.
 */
const PARTS = 256;
const CAPACITY_MIN = 8;

export class DedupSamples {
  readonly #windowMs: number;
  /** A ring: what is below the offset was appended by that time. Ascending in both. */
  #offsets: Float64Array = new Float64Array(CAPACITY_MIN);
  #times: Float64Array = new Float64Array(CAPACITY_MIN);
  #first = 0;
  #count = 0;
  /** What is appended now shares a sample with what has been since. */
  #sinceMs = -Infinity;
  #endOffset: number;
  #lastMs = -Infinity;
  #start: number;

  /** @param startOffset  nothing below is ever in the window */
  constructor(windowMs: number, startOffset: number) {
    this.#windowMs = windowMs;
    this.#endOffset = startOffset;
    this.#start = startOffset;
  }

  get byteLength(): number {
    return this.#offsets.byteLength + this.#times.byteLength;
  }

  /** Records below `endOffset` that were not noted before were appended at that time. O(1) amortised. */
  note(endOffset: number, timeMs: number): void {
    const nowMs = Math.max(timeMs, this.#lastMs);
    if (nowMs - this.#sinceMs >= this.#windowMs / PARTS) {
      this.startAt(nowMs);
      this.#push(this.#endOffset, this.#lastMs);
      this.#sinceMs = nowMs;
    }
    // A commit hears of its records a moment after those behind them are seen.
    this.#endOffset = Math.max(this.#endOffset, endOffset);
    this.#lastMs = nowMs;
  }

  /** Where the window starts: what is below was appended longer ago than it is wide. It never goes back. */
  startAt(nowMs: number): number {
    const beforeMs = nowMs - this.#windowMs;
    const mask = this.#times.length - 1;
    while (this.#count > 0 && (this.#times[this.#first] ?? 0) < beforeMs) {
      this.#start = this.#offsets[this.#first] ?? 0;
      this.#first = (this.#first + 1) & mask;
      this.#count--;
    }
    if (this.#lastMs < beforeMs) this.#start = this.#endOffset;
    return this.#start;
  }

  /** Whether nothing that was noted is in the window any more. */
  isOver(nowMs: number): boolean {
    return this.#lastMs < nowMs - this.#windowMs;
  }

  #push(offset: number, timeMs: number): void {
    if (this.#count === this.#times.length) this.#grow();
    const at = (this.#first + this.#count) & (this.#times.length - 1);
    this.#offsets[at] = offset;
    this.#times[at] = timeMs;
    this.#count++;
  }

  #grow(): void {
    this.#offsets = unrolled(this.#offsets, this.#first);
    this.#times = unrolled(this.#times, this.#first);
    this.#first = 0;
  }
}

/** A full ring in one twice as large, its first value first. */
function unrolled(ring: Float64Array, first: number): Float64Array {
  const larger = new Float64Array(2 * ring.length);
  larger.set(ring.subarray(first));
  larger.set(ring.subarray(0, first), ring.length - first);
  return larger;
}
