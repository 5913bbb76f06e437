/** Waiting for the parts of a call that goes to several logs, of which some may fail. */
import { FailedError, IoError, ioErrorOf } from '../core/errors.ts';
import type { PlacedRecords } from './topic-results.ts';

type Part = Pick<PlacedRecords, 'recordCount'>;

/**
 * Waits for all parts. What the disk refused never says that nothing was appended when other parts were;
 * what was refused before it came to the disk cannot say either.
 *
 * @throws when all have settled: the first failure that leaves open what is stored, else the first of the
 *   disk, else the first of all
 */
export async function settleParts<P extends Part>(parts: readonly Promise<P>[]): Promise<P[]> {
  const settled = await Promise.allSettled(parts);
  const stored: P[] = [];
  const failures: unknown[] = [];
  for (const result of settled) {
    if (result.status === 'fulfilled') stored.push(result.value);
    else failures.push(result.reason);
  }
  if (failures.length === 0) return stored;
  const doubt = failures.find(isInDoubt);
  if (doubt !== undefined) throw doubt;
  const ofFailures = failures.reduce<number>((sum, error) => sum + appendedBy(error), 0);
  const failure = failures.find((error) => error instanceof IoError) ?? failures[0];
  throw storedInPart(failure, recordsIn(stored) + ofFailures);
}

/** The same failure, of a call of which so many records are stored all the same. */
export function storedInPart(error: unknown, appendedCount: number): unknown {
  if (appendedCount === 0) return error;
  if (error instanceof FailedError) {
    const { path } = error.details;
    return new FailedError({ path, indeterminate: true }, { cause: error.cause });
  }
  if (!(error instanceof IoError)) return error;
  return ioErrorOf({ ...error.details, appendedCount }, { cause: error.cause });
}

export function recordsIn(parts: readonly Part[]): number {
  return parts.reduce((sum, { recordCount }) => sum + recordCount, 0);
}

function isInDoubt(error: unknown): error is FailedError {
  return error instanceof FailedError && error.details.indeterminate;
}

function appendedBy(error: unknown): number {
  return error instanceof IoError ? (error.details.appendedCount ?? 0) : 0;
}
