/**
 * Entries that did not fit the state: about an instance that is not there, or is there already.
 *
 * Their checksum was right, so they are a mistake of the program that wrote them, not of the disk.
 * They change nothing, live and at every recovery; they are counted, so that somebody asks why.
 */
import { ConflictError } from '../core/errors.ts';

export interface Misfit {
  /** Of the journal. */
  readonly offset: number;
  /** Name of the kind of entry. */
  readonly kind: string;
  /** What it met instead. */
  readonly reason: string;
}

/** Those that a journal has met since it was opened, in what it had to read and what came. */
export class Misfits {
  count = 0;
  first: Misfit | null = null;

  add(misfit: Misfit): void {
    this.count++;
    this.first ??= misfit;
  }
}

/** What the caller hears who wanted it. */
export function misfitError({ kind, reason }: Misfit): ConflictError {
  const requested = 'a change that does not fit';
  return new ConflictError({ kind: 'journal entry', name: kind, stored: reason, requested });
}
