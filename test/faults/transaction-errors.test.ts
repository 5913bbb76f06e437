/**
 * Each file-system call of two transactions at a time fails, once or from then on: who was told that his
 * has succeeded finds all of it, who was told that nothing happened finds nothing and may try again.
 */
import { afterAll, describe, expect, test } from 'vitest';

import {
  COMMIT_FAULTS,
  expectAsTold,
  settled,
  toldOf,
  type Told,
} from '../support/faults/told-outcome.ts';
import {
  findTransactions,
  openForTransactions,
  prepareTransactions,
  runTransaction,
  runTransactions,
  type Found,
} from '../support/faults/transaction-program.ts';

const LEVEL = 'os';

const summaries: string[] = [];

function expectFound(found: readonly Found[], told: readonly Told[]): void {
  for (const [number, word] of found.entries()) expectAsTold(word, told[number]);
}

describe('transactions whose calls fail', () => {
  test.each(COMMIT_FAULTS)('with $what, say what became of them', async ({ what: name, fault }) => {
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
