/** What bindings and exchanges refuse. */
import { StoreError } from './errors.ts';

export interface BadPatternDetails {
  /** What the caller calls it, such as `pattern`. */
  readonly name: string;
  readonly pattern: string;
  /** Of the first character that cannot be, from 1. */
  readonly column: number;
  readonly reason: string;
}

/** The pattern of a binding cannot be one. Nothing was bound. */
export class BadPatternError extends StoreError {
  readonly code = 'ERR_VARVE_BAD_PATTERN';
  readonly details: BadPatternDetails;

  constructor(details: BadPatternDetails) {
    const { name, pattern, column, reason } = details;
    const what = name === 'pattern' ? 'the pattern' : `the pattern \`${name}\``;
    super(`${what} ${shortened(pattern)} has ${reason} at column ${column}`);
    this.details = details;
  }
}

const PATTERN_CHARS_MAX = 40;

function shortened(pattern: string): string {
  const isLong = pattern.length > PATTERN_CHARS_MAX;
  return JSON.stringify(isLong ? `${pattern.slice(0, PATTERN_CHARS_MAX)}...` : pattern);
}
