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

/** No binding matches, and the publisher wanted one to. Nothing was published. */
export class UnroutableError extends StoreError {
  readonly code = 'ERR_VARVE_UNROUTABLE';
  readonly details: {
    readonly exchange: string;
    readonly routingKey: string;
    /** Of the record in its batch, from 0. */
    readonly index: number;
  };

  constructor(details: UnroutableError['details']) {
    const { exchange, routingKey, index } = details;
    const nothing =
      exchange === '' ? 'nothing is named' : `no binding of exchange ${exchange} takes`;
    super(`${nothing} ${shortened(routingKey)} (record ${index})`);
    this.details = details;
  }
}

/** A destination cannot be made again from the source of one exchange. Nothing was changed. */
export class NotRebuildableError extends StoreError {
  readonly code = 'ERR_VARVE_NOT_REBUILDABLE';
  readonly details: { readonly destination: string; readonly reason: string };

  constructor(details: NotRebuildableError['details'], options?: ErrorOptions) {
    const { destination, reason } = details;
    super(`${destination} cannot be rebuilt: ${reason}`, options);
    this.details = details;
  }
}
