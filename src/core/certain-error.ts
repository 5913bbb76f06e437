/** What a failure of somebody else means for a call that had yet to begin. */
import { toError } from './abort.ts';
import { FailedError } from './errors.ts';

/** The same of a call of which nothing has happened: what others cannot tell of theirs is certain here. */
export function certainError(error: unknown): Error {
  if (!(error instanceof FailedError) || !error.details.indeterminate) return toError(error);
  const { path } = error.details;
  return new FailedError({ path, indeterminate: false }, { cause: error.cause });
}
