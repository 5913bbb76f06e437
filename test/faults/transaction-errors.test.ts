/**
 * Each file-system call of two transactions at a time fails, once or from then on: who was told that his
 * has succeeded finds all of it, who was told that nothing happened finds nothing and may try again.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { FailedError, StoreError } from '../../src/core/errors.ts';
import {
  findTransactions,
  openForTransactions,
  prepareTransactions,
  runTransaction,
  runTransactions,
  type Found,
} from '../support/faults/transaction-program.ts';
import type { StoreDisk } from '../support/store-disk.ts';

const LEVEL = 'os';

/** A full disk refuses writes; twice, for the journal has a reserve. What a failed sync had is lost. */
const FAULTS = [
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

const summaries: string[] = [];

type Told = 'done' | 'nothing' | 'unknown';

/** What a caller knows of his transaction. */
function toldOf(outcome: PromiseSettledResult<void> | undefined): Told {
  if (outcome?.status === 'fulfilled') return 'done';
  const error: unknown = outcome?.reason;
  expect(error).toBeInstanceOf(StoreError);
  return error instanceof FailedError && error.details.indeterminate ? 'unknown' : 'nothing';
}

async function settled<R>(disk: StoreDisk, work: Promise<R>): Promise<R> {
  const outcome = await disk.drive(work);
  if (outcome.status !== 'done') throw new Error(`the program is ${outcome.status}`);
  return outcome.value;
}

function expectFound(found: readonly Found[], told: readonly Told[]): void {
  for (const [number, word] of found.entries()) {
    if (told[number] === 'done') expect(word).toBe('whole');
    if (told[number] === 'nothing') expect(word).toBe('absent');
  }
}

describe('transactions whose calls fail', () => {
  test.each(FAULTS)('with $what, say what became of them', async ({ what: name, fault }) => {
    const prepared = await prepareTransactions(LEVEL);
    const seen = new Map<string, number>();
    for (let call = 1, isDone = false; !isDone; call++) {
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const store = await disk.open();
      const opened = await openForTransactions(store, LEVEL);
      const fromCall = fileSystem.callCount + call;
      fileSystem.addFault({ fromCall, ...fault });
      const outcomes = await settled(disk, Promise.allSettled(runTransactions(opened)));
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      const told = outcomes.map(toldOf);
      const again = told.map((each, number) =>
        each === 'nothing' ? runTransaction(opened, number) : Promise.resolve(),
      );
      const retried = await settled(disk, Promise.allSettled(again));
      const toldLast = told.map((each, number) =>
        each === 'nothing' ? toldOf(retried[number]) : each,
      );
      const what = `${told.join()} then ${toldLast.join()}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const cut = disk.copyAfterPowerCut();
      await settled(
        disk,
        store.close().catch(() => undefined),
      );
      for (const left of [cut, disk.copy()]) {
        const reopened = await left.open();
        expectFound(await findTransactions(reopened, LEVEL), toldLast);
        await reopened.close();
      }
    }
    summaries.push(`${name}: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(seen.get('done,done then done,done')).toBeGreaterThan(1);
    expect(seen.size).toBeGreaterThan(1);
  });
});

afterAll(() => console.log(summaries.join('\n')));
