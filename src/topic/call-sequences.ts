/** The sequences of the records of one call. */
import { argumentError, checkInteger, present } from '../core/assert.ts';
import { SEQUENCE_MAX } from '../format/produced-extension.ts';
import { spansOf, type SequenceSpan } from './sequence-set.ts';

/** Of the first record, the others follow; or of each, ascending; undefined = it goes on. */
export type GivenSequence = number | readonly number[] | undefined;

export class CallSequences {
  readonly count: number;
  /** Of the first record; of none, what it would have. */
  readonly first: number;
  /** Null = they follow each other. */
  readonly #list: readonly number[] | null;
  #spans: readonly SequenceSpan[] | null = null;

  /** @param next  where it goes on @throws RangeError for a sequence that is too high */
  constructor(given: GivenSequence, count: number, next: number) {
    this.count = count;
    if (typeof given === 'object') {
      this.#list = given;
      this.first = given[0] ?? next;
      return;
    }
    this.#list = null;
    const max = SEQUENCE_MAX - Math.max(0, count - 1);
    this.first = checkInteger('sequence', given ?? next, { min: 0, max });
  }

  /** Of the last record; null = there is none. */
  get last(): number | null {
    return this.count === 0 ? null : this.at(this.count - 1);
  }

  /** Ascending. */
  get spans(): readonly SequenceSpan[] {
    return (this.#spans ??= this.#spansOf());
  }

  /** Of the first, the others follow; or of each. */
  get list(): number | readonly number[] {
    const list = this.#list;
    return list === null || this.last === this.first + this.count - 1 ? this.first : list;
  }

  at(index: number): number {
    return this.#list === null ? this.first + index : present(this.#list[index], 'each has one');
  }

  #spansOf(): readonly SequenceSpan[] {
    if (this.#list !== null) return spansOf(this.#list);
    return this.count === 0 ? [] : [{ first: this.first, last: this.first + this.count - 1 }];
  }
}

/** @returns a copy of a list @throws TypeError, RangeError unless it ascends, one for each record */
export function checkSequence(sequence: GivenSequence, recordCount: number): GivenSequence {
  if (sequence === undefined) return undefined;
  if (typeof sequence === 'number') {
    return checkInteger('sequence', sequence, { min: 0, max: SEQUENCE_MAX });
  }
  if (!Array.isArray(sequence) || sequence.length !== recordCount) {
    throw argumentError(TypeError, 'sequence', 'a number, or one for each record', sequence);
  }
  let min = 0;
  for (const each of sequence) min = checkInteger('sequence', each, { min, max: SEQUENCE_MAX }) + 1;
  return [...sequence];
}
