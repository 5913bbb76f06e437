/** What somebody knows of a transaction on a disk whose calls fail, and which calls those are. */
import { expect } from 'vitest';

import { FailedError, StoreError } from '../../../src/core/errors.ts';
import type { StoreDisk } from '../store-disk.ts';
import type { Found } from './transaction-program.ts';

/** A full disk refuses writes; twice, for the journal has a reserve. What a failed sync had is lost. */
export const COMMIT_FAULTS = [
  { what: 'EIO, once', fault: { errno: 'EIO', times: 1 } },
  { what: 'EIO, from then on', fault: { errno: 'EIO', times: Number.POSITIVE_INFINITY } },
  { what: 'no room, twice', fault: { errno: 'ENOSPC', times: 2, operations: ['write'] } },
  {
    what: 'no room, from then on',
    fault: { errno: 'ENOSPC', times: Number.POSITIVE_INFINITY, operations: ['write'] },
  },
  {
    what: 'a write that is cut short',
    fault: { errno: 'ENOSPC', times: 1, operations: ['write'], shortBytes: 'half' },
  },
  {
    what: 'a failed sync',
    fault: { errno: 'EIO', times: 1, operations: ['datasync', 'syncDirectory'], lost: 'all' },
  },
] as const;

export type Told = 'done' | 'nothing' | 'unknown';

/** What a caller knows of his transaction. */
export function toldOf(outcome: PromiseSettledResult<unknown> | undefined): Told {
  if (outcome?.status === 'fulfilled') return 'done';
  const error: unknown = outcome?.reason;
  expect(error).toBeInstanceOf(StoreError);
  return error instanceof FailedError && error.details.indeterminate ? 'unknown' : 'nothing';
}

/** That what is there is what the caller was told. */
export function expectAsTold(found: Found, told: Told | undefined): void {
  if (told === 'done') expect(found).toBe('whole');
  if (told === 'nothing') expect(found).toBe('absent');
}

/** @throws Error when it neither ends nor fails */
export async function settled<R>(disk: StoreDisk, work: Promise<R>): Promise<R> {
  const outcome = await disk.drive(work);
  if (outcome.status !== 'done') throw new Error(`the program is ${outcome.status}`);
  return outcome.value;
}
