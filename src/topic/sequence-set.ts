/** A set of numbers, as the spans that they make up: small where numbers follow each other. */
import { present } from '../core/assert.ts';

/** Numbers from `first` to `last`, both included. */
export interface SequenceSpan {
  readonly first: number;
  readonly last: number;
}

/** @param sequences  ascending */
export function spansOf(sequences: readonly number[]): readonly SequenceSpan[] {
  const spans: { first: number; last: number }[] = [];
  for (const sequence of sequences) {
    const before = spans.at(-1);
    if (before?.last === sequence - 1) before.last = sequence;
    else spans.push({ first: sequence, last: sequence });
  }
  return spans;
}

export class SequenceSet {
  /** Ascending, with at least one number between two. */
  #spans: SequenceSpan[] = [];

  /** Ascending. */
  get spans(): readonly SequenceSpan[] {
    return this.#spans;
  }

  has(sequence: number): boolean {
    const span = this.#spans[this.#at(sequence)];
    return span !== undefined && span.first <= sequence;
  }

  add({ first, last }: SequenceSpan): void {
    if (first > last) return;
    // Those that it touches become one with it.
    const at = this.#at(first - 1);
    let end = at;
    let joined = { first, last };
    for (; end < this.#spans.length; end++) {
      const span = present(this.#spans[end], 'below the length');
      if (span.first > last + 1) break;
      joined = {
        first: Math.min(joined.first, span.first),
        last: Math.max(joined.last, span.last),
      };
    }
    this.#spans.splice(at, end - at, joined);
  }

  delete({ first, last }: SequenceSpan): void {
    if (first > last) return;
    const at = this.#at(first);
    const left: SequenceSpan[] = [];
    let end = at;
    for (; end < this.#spans.length; end++) {
      const span = present(this.#spans[end], 'below the length');
      if (span.first > last) break;
      if (span.first < first) left.push({ first: span.first, last: first - 1 });
      if (span.last > last) left.push({ first: last + 1, last: span.last });
    }
    this.#spans.splice(at, end - at, ...left);
  }

  deleteBelow(sequence: number): void {
    this.delete({ first: 0, last: sequence - 1 });
  }

  /** The lowest number from `sequence` on that is not in it. */
  gapFrom(sequence: number): number {
    const span = this.#spans[this.#at(sequence)];
    return span !== undefined && span.first <= sequence ? span.last + 1 : sequence;
  }

  /** The lowest number from `sequence` on that is in it; null = there is none. */
  firstFrom(sequence: number): number | null {
    const span = this.#spans[this.#at(sequence)];
    return span === undefined ? null : Math.max(span.first, sequence);
  }

  /** Index of the first span that ends at or above `sequence`. */
  #at(sequence: number): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (present(this.#spans[middle], 'below the length').last < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
